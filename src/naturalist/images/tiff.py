"""The first directory of a TIFF structure: of a TIFF file or of an EXIF block.

Read by hand because it is needed before Pillow may see the file: for the orientation, for telling
a camera's raw file from a picture, and for refusing forged directories.
Source: TIFF 6.0, section 2; BigTIFF as registered by the Library of Congress (fdd000328).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SIZE_TAGS = frozenset({256, 257})
ORIENTATION = 274
SUB_DIRECTORIES = 330
DNG_VERSION = 50706
SUBFILE_TYPE = 254
_EXIF_DIRECTORIES = frozenset({34665, 34853, 40965})
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BIG_SIZES = {16: 8, 17: 8, 18: 8}


@dataclass(frozen=True)
class Tag:
    """One entry: `number` is its value where that is a single integer stored in place, else -1."""

    tag: int
    size_bytes: int
    number: int


@dataclass(frozen=True)
class _Layout:
    order: str
    big: bool

    def at(self, data: bytes, code: str, offset: int) -> int:
        value: int = struct.unpack_from(self.order + code, data, offset)[0]
        return value


def tags(data: bytes) -> list[Tag]:
    """The entries of the first directory; empty where there is none or it is out of reach."""
    layout = _layout(data)
    if layout is None:
        return []
    first = layout.at(data, "Q", 8) if layout.big else layout.at(data, "I", 4)
    return list(_directory(data, layout, first))


def orientation(exif: bytes) -> int:
    """The EXIF orientation (1 to 8) in a TIFF structure; 1 where it is missing or senseless."""
    value = next((entry.number for entry in tags(exif) if entry.tag == ORIENTATION), 1)
    return value if 1 <= value <= 8 else 1


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
            entries += _directory(data, layout, entry.number)
    return sum(entry.size_bytes for entry in entries if entry.size_bytes <= len(data))


def _layout(data: bytes) -> _Layout | None:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    version = struct.unpack_from(order + "H", data, 2)[0]
    return _Layout(order, big=version == 43)


def _directory(data: bytes, layout: _Layout, offset: int) -> Iterator[Tag]:
    count_code, entry_code = ("Q", "HHQ8s") if layout.big else ("H", "HHI4s")
    start = offset + struct.calcsize(layout.order + count_code)
    if offset <= 0 or start > len(data):
        return
    size = struct.calcsize(layout.order + entry_code)
    count = min(layout.at(data, count_code, offset), (len(data) - start) // size, 65535)
    entries = struct.iter_unpack(layout.order + entry_code, data[start : start + count * size])
    for tag, kind, values, raw in entries:
        unit = _SIZES.get(kind) or _BIG_SIZES.get(kind, 0)
        yield Tag(tag, unit * values, _number(layout, kind, values, raw))


def _number(layout: _Layout, kind: int, values: int, raw: bytes) -> int:
    code = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(kind)
    if code is None or values != 1 or struct.calcsize(code) > len(raw):
        return -1
    return layout.at(raw, code, 0)
