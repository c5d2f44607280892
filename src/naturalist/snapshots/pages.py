"""The headers of a Parquet file: of its columns, and of all pages before one is decompressed.

What the footer says of sizes is a claim of whoever wrote the file; readers of Parquet allocate what
the page headers say. Both have to be looked at before a stranger's file is read. pyarrow is not
asked for the sizes of a column: where the footer contradicts itself, it ends the process. Source:
Apache Parquet format 2.11 (FileMetaData and PageHeader in parquet.thrift) and the Thrift compact
protocol.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_MAX_DEPTH = 8
_MAX_VARINT_BYTES = 10
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY = 1, 2, 3, 7, 8
_INTEGERS = (4, 5, 6)
_LISTS = (9, 10)
_STRUCT = 12
_ROW_GROUPS = 4

_MAX_LISTED = 4_096
"""Structures in one list; columns of a row group are fewer."""

Value = int | dict[int, "Value"] | list[dict[int, "Value"]] | None


class BrokenHeader(ValueError):
    """Bytes that are no header of Parquet."""


@dataclass(frozen=True)
class Chunk:
    """What the footer says of one column in one row group."""

    values: int
    uncompressed_bytes: int
    compressed_bytes: int
    start: int
    """Offset of its first page."""


@dataclass(frozen=True)
class RowGroup:
    """What the footer says of one row group."""

    rows: int
    chunks: tuple[Chunk, ...]


def row_groups(footer: memoryview) -> Iterator[RowGroup]:
    """The row groups of a file, one at a time.

    Args:
        footer: the bytes of its FileMetaData.

    Raises:
        BrokenHeader: they are no FileMetaData, or a column has no sizes.
    """
    reader = _Reader(footer, 0)
    for number, kind in reader.fields():
        if number == _ROW_GROUPS and kind in _LISTS:
            size, inner = reader.list_head()
            if size and inner != _STRUCT:
                raise BrokenHeader(f"row groups of kind {inner}")
            yield from (_row_group(reader.struct(1)) for _ in range(size))
        else:
            reader.value(kind, 0)


def _row_group(fields: dict[int, Value]) -> RowGroup:
    columns = fields.get(1)
    if not isinstance(columns, list):
        raise BrokenHeader("a row group has no columns")
    return RowGroup(_integer(fields, 3), tuple(_chunk(one.get(3)) for one in columns))


def _chunk(fields: Value) -> Chunk:
    if not isinstance(fields, dict):
        raise BrokenHeader("a column has no sizes")
    offsets = [_integer(fields, 9), _integer(fields, 11) if 11 in fields else 0]
    return Chunk(
        values=_integer(fields, 5),
        uncompressed_bytes=_integer(fields, 6),
        compressed_bytes=_integer(fields, 7),
        start=min((offset for offset in offsets if offset), default=0),
    )


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
        raise BrokenHeader(f"a column is at bytes {start} to {end} of {len(data)}")
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
        raise BrokenHeader(f"field {number} of a header is {value!r}")
    return value


class _Reader:
    """Structures of the Thrift compact protocol, one after another."""

    def __init__(self, data: memoryview, position: int) -> None:
        self._data = data
        self.position = position

    def struct(self, depth: int = 0) -> dict[int, Value]:
        """The integers and structures of a structure, by number of field."""
        if depth > _MAX_DEPTH:
            raise BrokenHeader("a header is nested too deeply")
        return {number: self.value(kind, depth) for number, kind in self.fields()}

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and kind of each field; its value must be read before the next one."""
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else self._integer()
            yield number, kind

    def value(self, kind: int, depth: int) -> Value:
        """An integer, a structure or a list of structures; None for anything else."""
        if kind in (_TRUE, _FALSE):
            return int(kind == _TRUE)
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in _LISTS:
            return self._list(depth)
        if kind == _BINARY:
            self._skip(self._varint())
        elif kind in (_BYTE, _DOUBLE):
            self._skip(1 if kind == _BYTE else 8)
        else:
            raise BrokenHeader(f"a header has a field of kind {kind}")
        return None

    def list_head(self) -> tuple[int, int]:
        """How many values a list has, and their kind."""
        head = self._byte()
        size, kind = head >> 4, head & 15
        return (self._varint() if size == 15 else size), kind

    def _list(self, depth: int) -> list[dict[int, Value]] | None:
        size, kind = self.list_head()
        if kind == _STRUCT:
            if size > _MAX_LISTED:
                raise BrokenHeader(f"a list of {size:,} structures")
            return [self.struct(depth + 1) for _ in range(size)]
        for _ in range(size):
            if kind in (_TRUE, _FALSE):
                self._byte()
            else:
                self.value(kind, depth + 1)
        return None

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
        raise BrokenHeader("a number in a header is too long")

    def _byte(self) -> int:
        if self.position >= len(self._data):
            raise BrokenHeader("a header ends too early")
        byte = self._data[self.position]
        self.position += 1
        return byte

    def _skip(self, count: int) -> None:
        self.position += count
        if self.position > len(self._data):
            raise BrokenHeader("a header ends too early")
