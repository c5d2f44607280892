"""The headers of the pages of a Parquet file, read before any page is decompressed.

What the footer says of sizes is a claim of whoever wrote the file; readers of Parquet allocate what
the page headers say. Both have to be looked at before a stranger's file is read. Source: Apache
Parquet format 2.11 (PageHeader in parquet.thrift) and the Thrift compact protocol.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_MAX_DEPTH = 8
_MAX_VARINT_BYTES = 10
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY = 1, 2, 3, 7, 8
_INTEGERS = (4, 5, 6)
_LISTS = (9, 10)
_STRUCT = 12

Value = int | dict[int, "Value"] | None


class BrokenHeader(ValueError):
    """Bytes that are no page header."""


@dataclass(frozen=True)
class Page:
    """What the header of a page says."""

    uncompressed_bytes: int
    values: int
    """Values of a data page, nulls too; 0 of the others."""


def pages(data: memoryview, start: int, end: int) -> Iterator[Page]:
    """The pages of one column chunk.

    Args:
        data: the whole file.
        start: offset of the first page.
        end: offset after the last page.

    Raises:
        BrokenHeader: there is no page header where one must be, or a page ends outside the chunk.
    """
    if not 0 <= start <= end <= len(data):
        raise BrokenHeader(f"a column lies at bytes {start} to {end} of {len(data)}")
    while start < end:
        reader = _Reader(data[:end], start)
        header = reader.struct()
        uncompressed, compressed = _integer(header, 2), _integer(header, 3)
        start = reader.position + compressed
        if start > end:
            raise BrokenHeader("a page ends outside its column")
        yield Page(uncompressed, _values(header))


def _values(header: dict[int, Value]) -> int:
    for field in (5, 8):  # data page, data page of version 2
        inner = header.get(field)
        if isinstance(inner, dict):
            return _integer(inner, 1)
    return 0


def _integer(fields: dict[int, Value], number: int) -> int:
    value = fields.get(number)
    if not isinstance(value, int) or value < 0:
        raise BrokenHeader(f"field {number} of a page header is {value!r}")
    return value


class _Reader:
    """Structures of the Thrift compact protocol, one after another."""

    def __init__(self, data: memoryview, position: int) -> None:
        self._data = data
        self.position = position

    def struct(self, depth: int = 0) -> dict[int, Value]:
        """The integers and structures of a structure, by number of field."""
        if depth > _MAX_DEPTH:
            raise BrokenHeader("a page header is nested too deeply")
        fields: dict[int, Value] = {}
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else self._integer()
            fields[number] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Value:
        if kind in (_TRUE, _FALSE):
            return int(kind == _TRUE)
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in _LISTS:
            self._list(depth)
        elif kind == _BINARY:
            self._skip(self._varint())
        elif kind in (_BYTE, _DOUBLE):
            self._skip(1 if kind == _BYTE else 8)
        else:
            raise BrokenHeader(f"a page header has a field of kind {kind}")
        return None

    def _list(self, depth: int) -> None:
        head = self._byte()
        size, kind = head >> 4, head & 15
        for _ in range(self._varint() if size == 15 else size):
            if kind in (_TRUE, _FALSE):
                self._byte()
            else:
                self._value(kind, depth + 1)

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 7 * _MAX_VARINT_BYTES, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise BrokenHeader("a number in a page header is too long")

    def _byte(self) -> int:
        if self.position >= len(self._data):
            raise BrokenHeader("a page header ends too early")
        byte = self._data[self.position]
        self.position += 1
        return byte

    def _skip(self, count: int) -> None:
        self.position += count
        if self.position > len(self._data):
            raise BrokenHeader("a page header ends too early")
