"""JPEG 2000: orientation in its boxes, and colours with more than 8 bits.

Pillow rounds such samples to 8 bits without a limit, so that the brightest become 256, which is
0. Which zeros are meant is told by a second decoding, of the same codestream said to have one bit
more: all values are then higher by half of the range and none overflows.
Sources: ISO/IEC 15444-1, annexes A (markers), E (quantisation) and I (boxes).
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from naturalist.errors import PictureError
from naturalist.images import orientation_marks
from naturalist.images.orientation import Pixels
from naturalist.images.remarks import Doubt, Remark
from naturalist.reasons import Reason

_CODESTREAM_START = b"\xff\x4f\xff\x51"
_EXIF_BOX = b"JpgTiffExif->JP2"
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_QCD, _QCC, _SOD = 0xFF5C, 0xFF5D, 0xFF93
_QUANTISED = frozenset({1, 2})
_SYCC = 18
_MOST_EXPONENT = 31
_QUARTER = 64


@dataclass(frozen=True)
class Components:
    """Depths of the components, whether some are signed, and the colour space (0 if unsaid)."""

    bits: tuple[int, ...]
    signed: bool
    colour_space: int
    start: int

    @property
    def overflows(self) -> bool:
        """Whether Pillow lets the brightest samples overflow."""
        return len(self.bits) > 1 and max(self.bits) > 8


def orientation_of(data: bytes) -> int:
    """The orientation that EXIF or XMP boxes ask for; 1 for a bare codestream."""
    exif, xmp = [], []
    for kind, start, end in _boxes(data, 0, len(data)):
        body = data[start:end]
        if kind == b"uuid" and body.startswith(_EXIF_BOX):
            exif.append(orientation_marks.of_exif(body[16:]))
        elif kind == b"uuid" and body.startswith(_XMP_BOX):
            xmp.append(orientation_marks.of_xmp(body[16:]))
    return orientation_marks.resolve(exif, xmp)


def components(data: bytes) -> Components:
    """Read the sizes marker. Raises BROKEN_HEADER where there is none."""
    start = _codestream(data)
    count = int.from_bytes(data[start + 40 : start + 42], "big")
    stored = data[start + 42 : start + 42 + 3 * count]
    if data[start : start + 4] != _CODESTREAM_START or not count or len(stored) < 3 * count:
        raise PictureError(Reason.BROKEN_HEADER, "JPEG 2000 without a size marker")
    depths = stored[::3]
    bits = tuple((depth & 0x7F) + 1 for depth in depths)
    return Components(bits, any(depth & 0x80 for depth in depths), _colour_space(data), start)


def check_depth(result: Components) -> None:
    """Refuse deep colours whose overflow cannot be undone.

    Raises:
        PictureError: UNSUPPORTED_FORMAT.
    """
    if not result.overflows:
        return
    if result.signed or len(set(result.bits)) > 1 or result.colour_space == _SYCC:
        depths = ", ".join(map(str, result.bits))
        detail = f"JPEG 2000 with components of {depths} bits, signed, mixed or as YCbCr"
        raise PictureError(Reason.UNSUPPORTED_FORMAT, detail)


def repaired(
    data: bytes, result: Components, pixels: Pixels, decode: Callable[[bytes], Pixels]
) -> Pixels:
    """Samples (H, W, C) that overflowed to 0 become 255 again.

    Args:
        data: the file.
        result: its components, which overflow.
        pixels: what Pillow made of it.
        decode: decodes a file to samples like `pixels`.
    """
    if pixels.all():
        return pixels
    higher = decode(one_bit_more(data, result))
    return np.where((pixels == 0) & (higher >= 128), np.uint8(255), pixels)


def range_remarks(samples: Pixels, result: Components) -> tuple[Remark, ...]:
    """What is doubtful about deep samples (H, W, C) that were reduced to 8 bits."""
    top = int(samples.max(initial=0))
    if not 0 < top < _QUARTER:
        return ()
    detail = f"{max(result.bits)}-bit samples use less than a quarter of their range"
    return (Remark(Doubt.UNUSED_RANGE, detail),)


def one_bit_more(data: bytes, result: Components) -> bytes:
    """The same file, whose codestream says that samples have one bit more.

    The decoded values are higher by half of the old range, their scale is kept: quantisation steps
    are relative to the range, so each exponent grows by one and a guard bit is given up for it.
    Raises UNSUPPORTED_FORMAT where there is none.
    """
    changed = bytearray(data)
    for k in range(len(result.bits)):
        changed[result.start + 42 + 3 * k] += 1
    for marker, at, size in _markers(data, result.start + 2):
        if marker == _QCD:
            _raise_exponents(changed, at, at + size)
        elif marker == _QCC:
            _raise_exponents(changed, at + (1 if len(result.bits) < 257 else 2), at + size)
    return bytes(changed)


def _raise_exponents(changed: bytearray, at: int, end: int) -> None:
    style, guard = changed[at] & 0x1F, changed[at] >> 5
    if style not in _QUANTISED:
        return  # reversible: no step depends on the range
    exponents = range(at + 1, end - 1, 2)
    if not guard or any(changed[k] >> 3 >= _MOST_EXPONENT for k in exponents):
        raise PictureError(Reason.UNSUPPORTED_FORMAT, "JPEG 2000 with deep colours, no guard bit")
    changed[at] = (guard - 1) << 5 | style
    for k in exponents:
        changed[k] += 1 << 3


def _markers(data: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Marker, start and size of the contents, of the main header and that of the first tile."""
    while at + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == _SOD or length < 2:
            return
        yield marker, at + 4, min(length - 2, len(data) - at - 4)
        at += 2 + length


def _codestream(data: bytes) -> int:
    if data.startswith(_CODESTREAM_START):
        return 0
    boxes = _boxes(data, 0, len(data))
    return next((start for kind, start, _ in boxes if kind == b"jp2c"), len(data))


def _colour_space(data: bytes) -> int:
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind != b"jp2h":
            continue
        for inner, at, _ in _boxes(data, start, end):
            if inner == b"colr" and data[at] == 1 and at + 7 <= len(data):
                return int.from_bytes(data[at + 3 : at + 7], "big")
    return 0


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the contents of each box."""
    if data.startswith(_CODESTREAM_START):
        return
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= end:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        stop = end if size == 0 else min(end, at + size)
        if stop < at + head:
            return
        yield kind, at + head, stop
        at = stop
