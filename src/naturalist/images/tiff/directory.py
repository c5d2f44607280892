"""The directories of a TIFF structure: of a TIFF file or of an EXIF block.

Read by hand because it is needed before a decoder may see the file: for the orientation, for
telling a camera's raw file from a picture, for choosing a page, and for refusing forged
directories.
Source: TIFF 6.0, section 2; BigTIFF as registered by the Library of Congress (fdd000328).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE_TAGS = frozenset({256, 257})
ORIENTATION = 274
SUB_DIRECTORIES = 330
DNG_VERSION = 50706
SUBFILE_TYPE = 254
_EXIF_DIRECTORIES = frozenset({34665, 34853, 40965})
_MOST_DIRECTORIES = 1000
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BIG_SIZES = {16: 8, 17: 8, 18: 8}
_DTYPES = {
    1: "u1", 2: "u1", 3: "u2", 4: "u4", 5: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "i4",
    11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8",
}  # fmt: skip


@dataclass(frozen=True)
class Tag:
    """One entry: `number` is its value where that is a single integer stored in place, else -1."""

    tag: int
    size_bytes: int
    number: int


@dataclass(frozen=True)
class _Entry:
    tag: int
    kind: int
    count: int
    raw: bytes

    @property
    def size_bytes(self) -> int:
        return (_SIZES.get(self.kind) or _BIG_SIZES.get(self.kind, 0)) * self.count


@dataclass(frozen=True)
class _Layout:
    order: str
    big: bool

    def at(self, data: bytes, code: str, offset: int) -> int:
        value: int = struct.unpack_from(self.order + code, data, offset)[0]
        return value

    @property
    def offset_code(self) -> str:
        return "Q" if self.big else "I"


@dataclass(frozen=True)
class Directory:
    """One directory of a file: values of its tags as numpy arrays.

    `offset`: where it lies. `order`: "<" or ">". `repeated`: whether a tag of size is there twice.
    """

    data: bytes
    layout: _Layout
    offset: int
    entries: dict[int, _Entry]
    repeated: bool

    @property
    def order(self) -> str:
        """Byte order of the file, as numpy and struct write it."""
        return self.layout.order

    def values(self, tag: int) -> NDArray[Any]:
        """Values of a tag, 1-d; empty where it is missing or out of reach; fractions as float64."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _DTYPES or not entry.count:
            return np.empty(0, np.int64)
        raw = self.bytes_of(tag)
        if len(raw) < entry.size_bytes:
            return np.empty(0, np.int64)
        values = np.frombuffer(raw, self.order + _DTYPES[entry.kind])
        if entry.kind in (5, 10):
            pairs = values.reshape(-1, 2).astype(np.float64)
            return pairs[:, 0] / np.where(pairs[:, 1] == 0, 1, pairs[:, 1])
        return values

    def bytes_of(self, tag: int) -> bytes:
        """The bytes of a tag's values; fewer than it claims where the file ends."""
        entry = self.entries.get(tag)
        if entry is None:
            return b""
        if entry.size_bytes <= len(entry.raw):
            return entry.raw[: entry.size_bytes]
        start = self.layout.at(entry.raw, self.layout.offset_code, 0)
        return self.data[start : start + entry.size_bytes]

    def number(self, tag: int, default: int) -> int:
        """The first value of a tag as a whole number."""
        values = self.values(tag)
        return int(values[0]) if len(values) and np.isfinite(values[0]) else default


def directories(data: bytes) -> Iterator[Directory]:
    """The directories of the main chain, at most a thousand, none of them twice."""
    layout = _layout(data)
    seen: set[int] = set()
    offset = _first(data, layout) if layout else 0
    while layout and offset and offset not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(offset)
        directory = directory_at(data, offset)
        if directory is None:
            return
        yield directory
        offset = _next(data, layout, offset)


def directory_at(data: bytes, offset: int) -> Directory | None:
    """The directory that begins at `offset`; None where there is none."""
    layout = _layout(data)
    entries = list(_directory(data, layout, offset)) if layout else []
    if layout is None or not entries:
        return None
    sizes = [entry.tag for entry in entries if entry.tag in SIZE_TAGS]
    by_tag: dict[int, _Entry] = {}
    for entry in entries:
        by_tag.setdefault(entry.tag, entry)
    return Directory(data, layout, offset, by_tag, repeated=len(sizes) > len(set(sizes)))


def starting_at(data: bytes, offset: int) -> bytes:
    """The same file with the directory at `offset` as its first."""
    layout = _layout(data)
    if layout is None:
        return data
    at = 8 if layout.big else 4
    first = struct.pack(layout.order + layout.offset_code, offset)
    return (
        data if data[at : at + len(first)] == first else data[:at] + first + data[at + len(first) :]
    )


def tags(data: bytes) -> list[Tag]:
    """The entries of the first directory; empty where there is none or it is out of reach."""
    layout = _layout(data)
    if layout is None:
        return []
    return [_tag(layout, entry) for entry in _directory(data, layout, _first(data, layout))]


def orientation(exif: bytes) -> int:
    """The EXIF orientation (1 to 8) in a TIFF structure; 1 where it is missing or senseless."""
    return stated_orientation(exif) or 1


def stated_orientation(exif: bytes) -> int:
    """The same, with 0 where it is missing or senseless."""
    value = next((entry.number for entry in tags(exif) if entry.tag == ORIENTATION), 0)
    return value if 1 <= value <= 8 else 0


def metadata_bytes(data: bytes) -> int:
    """Bytes that a reader of the first directory and its EXIF directories would load.

    Entries of a forged file overlap, so that this can be far more than the file itself. An entry
    that claims more than the whole file is not counted: no reader can load it.
    """
    layout = _layout(data)
    if layout is None:
        return 0
    entries = tags(data)
    for entry in list(entries):
        if entry.tag in _EXIF_DIRECTORIES and entry.number >= 0:
            entries += [_tag(layout, one) for one in _directory(data, layout, entry.number)]
    return sum(entry.size_bytes for entry in entries if entry.size_bytes <= len(data))


def _layout(data: bytes) -> _Layout | None:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    version = struct.unpack_from(order + "H", data, 2)[0]
    return _Layout(order, big=version == 43)


def _first(data: bytes, layout: _Layout) -> int:
    return layout.at(data, "Q", 8) if layout.big else layout.at(data, "I", 4)


def _next(data: bytes, layout: _Layout, offset: int) -> int:
    count_code, entry_bytes = ("Q", 20) if layout.big else ("H", 12)
    count = layout.at(data, count_code, offset)
    at = offset + struct.calcsize(layout.order + count_code) + count * entry_bytes
    if at + struct.calcsize(layout.order + layout.offset_code) > len(data):
        return 0
    return layout.at(data, layout.offset_code, at)


def _directory(data: bytes, layout: _Layout, offset: int) -> Iterator[_Entry]:
    count_code, entry_code = ("Q", "HHQ8s") if layout.big else ("H", "HHI4s")
    start = offset + struct.calcsize(layout.order + count_code)
    if offset <= 0 or start > len(data):
        return
    size = struct.calcsize(layout.order + entry_code)
    count = min(layout.at(data, count_code, offset), (len(data) - start) // size, 65535)
    entries = struct.iter_unpack(layout.order + entry_code, data[start : start + count * size])
    for tag, kind, values, raw in entries:
        yield _Entry(tag, kind, values, raw)


def _tag(layout: _Layout, entry: _Entry) -> Tag:
    return Tag(entry.tag, entry.size_bytes, _number(layout, entry))


def _number(layout: _Layout, entry: _Entry) -> int:
    code = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(entry.kind)
    if code is None or entry.count != 1 or struct.calcsize(code) > len(entry.raw):
        return -1
    return layout.at(entry.raw, code, 0)
