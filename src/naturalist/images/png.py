"""The chunks of a PNG file: its header, its orientation, and how much text it carries.

Source: Portable Network Graphics, third edition (W3C, 2025), sections 5 and 11.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from naturalist.errors import PictureError
from naturalist.images import tiff
from naturalist.images.limits import PictureLimits, check_metadata
from naturalist.reasons import Reason

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FOR_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})


@dataclass(frozen=True)
class PngHeader:
    """Size as stored, and the EXIF orientation."""

    width: int
    height: int
    orientation: int


def read_png(data: bytes, limits: PictureLimits) -> PngHeader:
    """Read the header and weigh the text, inflating no more of it than is allowed.

    Raises BROKEN_HEADER, or METADATA_TOO_LARGE for text that unpacks to too much.
    """
    width, height = _size(data)
    orientation, text_bytes = 1, 0
    for kind, start, end in _chunks(data):
        if kind in _TEXT:
            left = limits.max_metadata_bytes - text_bytes
            text_bytes += _unpacked_bytes(kind, data[start:end], left)
            check_metadata(text_bytes, limits)
        elif kind == b"eXIf":
            orientation = tiff.orientation(data[start:end])
    return PngHeader(width, height, orientation)


def pixels_only(data: bytes) -> bytes:
    """The same picture without text, profiles and further frames: nothing else can go wrong."""
    chunks = list(_chunks(data))
    if all(kind in _FOR_PIXELS for kind, _, _ in chunks):
        return data
    kept = (data[start - 8 : end + 4] for kind, start, end in chunks if kind in _FOR_PIXELS)
    return SIGNATURE + b"".join(kept)


def _size(data: bytes) -> tuple[int, int]:
    header = data[8:33]
    if len(header) < 25 or header[:8] != b"\x00\x00\x00\rIHDR":
        raise PictureError(Reason.BROKEN_HEADER, "PNG without an IHDR chunk")
    width, height = struct.unpack_from(">II", header, 8)
    if zlib.crc32(header[4:21]) != int.from_bytes(header[21:], "big") or not width or not height:
        raise PictureError(Reason.BROKEN_HEADER, "PNG with a damaged IHDR chunk")
    return width, height


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the contents of each chunk; the last may be cut off."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, at + 8 + length
        if kind == b"IEND":
            return
        at += 12 + length


def _unpacked_bytes(kind: bytes, chunk: bytes, allowed: int) -> int:
    """Size of a text or profile chunk once unpacked, counting to just above `allowed` at most."""
    return max(len(chunk), _inflated_bytes(_compressed_part(kind, chunk), allowed + 1))


def _compressed_part(kind: bytes, chunk: bytes) -> bytes:
    _, _, rest = chunk.partition(b"\x00")
    if kind in (b"zTXt", b"iCCP"):
        return rest[1:]
    if kind == b"iTXt" and rest.startswith(b"\x01"):
        return rest[2:].split(b"\x00", 2)[-1]
    return b""


def _inflated_bytes(stream: bytes, at_most: int) -> int:
    inflater = zlib.decompressobj()
    size = 0
    try:
        while size < at_most and not inflater.eof and stream:
            size += len(inflater.decompress(stream, min(at_most - size, 1 << 20)))
            stream = inflater.unconsumed_tail
    except zlib.error:
        return size
    return size
