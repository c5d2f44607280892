"""The frame header of a JPEG file, and how many scans follow it, read without a decoder.

Source: ITU-T T.81, annex B (markers and segments); EXIF 2.32 for the APP1 segment.
"""

import re
from dataclasses import dataclass

from naturalist.errors import PictureError
from naturalist.images import orientation_marks
from naturalist.images.limits import PictureLimits, check_metadata, check_scans
from naturalist.images.orientation_marks import EXIF_HEAD, XMP_HEAD
from naturalist.reasons import Reason

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_DECODED_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_SEQUENTIAL_FRAMES = frozenset({0xC0, 0xC1, 0xC9})
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Neither a byte of a scan's data, nor a restart in it, nor filling."""
_START_OF_IMAGE, _NOTHING = 0xD8, 0x01


@dataclass(frozen=True)
class Frame:
    """What a JPEG's frame header declares, with the EXIF orientation.

    `sequential`: its decoder works row by row, and need not hold the whole picture. `at`: where
    the header lies.
    """

    width: int
    height: int
    components: int
    sequential: bool
    orientation: int
    at: int


def read_frame(data: bytes, limits: PictureLimits) -> Frame:
    """Walk the segments up to the frame header.

    Raises BROKEN_HEADER where there is none, UNSUPPORTED_FORMAT for lossless, hierarchical and
    12-bit JPEG, METADATA_TOO_LARGE where the frame header comes too late.
    """
    exif, xmp, at, most = 0, 0, 2, limits.max_metadata_bytes
    while True:
        at = data.find(b"\xff", at)
        if at > most:
            check_metadata(at, limits)
        marker = data[at + 1] if 0 <= at < len(data) - 1 else _END_OF_IMAGE
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            raise PictureError(Reason.BROKEN_HEADER, "JPEG without a frame header")
        if marker in _FRAMES:
            return _frame(data, at, orientation_marks.resolve([exif], [xmp]))
        if marker in _ALONE:
            at += 2
        elif marker in (0x00, 0xFF):
            at += 1
        else:
            end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
            if marker == _APP1:
                exif = exif or _exif_orientation(data, at + 4, end)
                xmp = xmp or _xmp_orientation(data, at + 4, end)
            at = end


def _exif_orientation(data: bytes, at: int, end: int) -> int:
    is_exif = data.startswith(EXIF_HEAD, at)
    return orientation_marks.of_exif(data[at:end]) if is_exif else 0


def _xmp_orientation(data: bytes, at: int, end: int) -> int:
    return orientation_marks.of_xmp(data[at:end]) if data.startswith(XMP_HEAD, at) else 0


def check_work(data: bytes, frame: Frame, limits: PictureLimits) -> None:
    """Refuse a picture of so many scans that decoding it takes minutes.

    Each scan goes through the whole picture, and costs ten bytes: a file of 400 kB can hold
    thousands. Raises TOO_MANY_SCANS.
    """
    scans, at = 0, frame.at
    while scans <= limits.max_scans and (result := _MARKER.search(data, at)):
        marker, at = data[result.start() + 1], result.end()
        if marker == _END_OF_IMAGE:
            break
        scans += marker == _START_OF_SCAN
        if marker not in (_START_OF_IMAGE, _NOTHING):
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    check_scans(scans, limits)


def _frame(data: bytes, at: int, orientation: int) -> Frame:
    if at + 10 > len(data):
        raise PictureError(Reason.BROKEN_HEADER, "JPEG frame header is truncated")
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
    sequential = marker in _SEQUENTIAL_FRAMES and _is_one_scan(data, at, components)
    return Frame(width, height, components, sequential, orientation, at)


def _is_one_scan(data: bytes, at: int, components: int) -> bool:
    """Whether the first scan has all components; else the decoder holds the whole picture."""
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    scan = data.find(b"\xff\xda", end)
    return scan < 0 or scan + 4 >= len(data) or data[scan + 4] >= components
