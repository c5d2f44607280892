"""The frame header of a JPEG file, read without a decoder.

Source: ITU-T T.81, annex B (markers and segments); EXIF 2.32 for the APP1 segment.
"""

from dataclasses import dataclass

from naturalist.errors import PictureError
from naturalist.images import tiff
from naturalist.images.limits import PictureLimits, check_metadata
from naturalist.reasons import Reason

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_DECODED_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_SEQUENTIAL_FRAMES = frozenset({0xC0, 0xC1, 0xC9})
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1


@dataclass(frozen=True)
class Frame:
    """What a JPEG's frame header declares, with the EXIF orientation.

    `sequential`: its decoder works row by row, and need not hold the whole picture.
    """

    width: int
    height: int
    components: int
    sequential: bool
    orientation: int


def read_frame(data: bytes, limits: PictureLimits) -> Frame:
    """Walk the segments up to the frame header.

    Raises BROKEN_HEADER where there is none, UNSUPPORTED_FORMAT for lossless, hierarchical and
    12-bit JPEG, METADATA_TOO_LARGE where the frame header comes too late.
    """
    orientation, at, most = 0, 2, limits.max_metadata_bytes
    while True:
        at = data.find(b"\xff", at)
        if at > most:
            check_metadata(at, limits)
        marker = data[at + 1] if 0 <= at < len(data) - 1 else _END_OF_IMAGE
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            raise PictureError(Reason.BROKEN_HEADER, "JPEG without a frame header")
        if marker in _FRAMES:
            return _frame(data, at, orientation or 1)
        if marker in _ALONE:
            at += 2
        elif marker in (0x00, 0xFF):
            at += 1
        else:
            end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
            if marker == _APP1 and not orientation and data[at + 4 : at + 10] == b"Exif\x00\x00":
                orientation = tiff.orientation(data[at + 10 : end])
            at = end


def _frame(data: bytes, at: int, orientation: int) -> Frame:
    if at + 10 > len(data):
        raise PictureError(Reason.BROKEN_HEADER, "JPEG frame header cut off")
    marker, bits = data[at + 1], data[at + 4]
    height = int.from_bytes(data[at + 5 : at + 7], "big")
    width = int.from_bytes(data[at + 7 : at + 9], "big")
    components = data[at + 9]
    if marker not in _DECODED_FRAMES or bits != 8:
        detail = f"JPEG of kind 0x{marker:02X} with {bits} bits"
        raise PictureError(Reason.UNSUPPORTED_FORMAT, detail)
    if not width or not height or not components:
        detail = f"JPEG of {width} x {height} pixels, {components} components"
        raise PictureError(Reason.BROKEN_HEADER, detail)
    return Frame(width, height, components, marker in _SEQUENTIAL_FRAMES, orientation)
