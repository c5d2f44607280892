"""The chunks of a PNG file: its header, its orientation, and how much text it carries.

Source: Portable Network Graphics, third edition (W3C, 2025), sections 5 and 11.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from naturalist.errors import PictureError
from naturalist.images import orientation_marks
from naturalist.images.limits import PictureLimits, check_metadata
from naturalist.reasons import Reason

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FOR_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})


@dataclass(frozen=True)
class PngHeader:
    """Size as stored, orientation, and what the header says of the samples.

    `bits`: of a sample. `colour_type`: as in IHDR. `interlaced`: by Adam7. `significant_bits`:
    the most that sBIT states for a colour, 0 where there is none. `transparent`: contents of tRNS.
    """

    width: int
    height: int
    orientation: int
    bits: int
    colour_type: int
    interlaced: bool
    significant_bits: int
    transparent: bytes


def read_png(data: bytes, limits: PictureLimits) -> PngHeader:
    """Read the header and weigh the text, inflating no more of it than is allowed.

    Raises BROKEN_HEADER, or METADATA_TOO_LARGE for text that unpacks to too much.
    """
    width, height, bits, colour_type, interlace = _header(data)
    text_bytes, significant, transparent = 0, 0, b""
    for kind, start, end in chunks(data):
        if kind in _TEXT:
            left = limits.max_metadata_bytes - text_bytes
            text_bytes += _unpacked_bytes(kind, data[start:end], left)
            check_metadata(text_bytes, limits)
        elif kind == b"sBIT":
            significant = max(data[start:end][: 1 if colour_type in (0, 4) else 3], default=0)
        elif kind == b"tRNS":
            transparent = data[start:end]
    turned = png_orientation(data)
    return PngHeader(
        width, height, turned, bits, colour_type, interlace == 1, significant, transparent
    )


def png_orientation(data: bytes) -> int:
    """The orientation (1 to 8) that the chunks of a PNG ask for."""
    exif, profiles, xmp = [], [], []
    for kind, start, end in chunks(data):
        if kind == b"eXIf":
            exif.append(orientation_marks.of_exif(data[start:end]))
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            from_exif, from_xmp = orientation_marks.of_png_text(kind, data[start:end])
            profiles.append(from_exif)
            xmp.append(from_xmp)
    return orientation_marks.resolve((*exif, *profiles), xmp)


def pixels_only(data: bytes) -> bytes:
    """The same picture without text, profiles and further frames: nothing else can go wrong."""
    listed = list(chunks(data))
    if all(kind in _FOR_PIXELS for kind, _, _ in listed):
        return data
    kept = (data[start - 8 : end + 4] for kind, start, end in listed if kind in _FOR_PIXELS)
    return SIGNATURE + b"".join(kept)


def scaled_key(data: bytes, png: PngHeader) -> bytes:
    """A PNG of `pixels_only` whose transparent grey has the 8 bits that Pillow compares it with."""
    if png.colour_type != 0 or png.bits not in (2, 4) or len(png.transparent) < 2:
        return data
    top = (1 << png.bits) - 1
    grey = (int.from_bytes(png.transparent[:2], "big") & top) * 255 // top
    chunk = png_chunk(b"tRNS", struct.pack(">H", grey))
    kept = (
        chunk if kind == b"tRNS" else data[start - 8 : end + 4] for kind, start, end in chunks(data)
    )
    return SIGNATURE + b"".join(kept)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _header(data: bytes) -> tuple[int, int, int, int, int]:
    header = data[8:33]
    if len(header) < 25 or header[:8] != b"\x00\x00\x00\rIHDR":
        raise PictureError(Reason.BROKEN_HEADER, "PNG without an IHDR chunk")
    width, height, bits, colour_type, _, _, interlace = struct.unpack_from(">IIBBBBB", header, 8)
    if zlib.crc32(header[4:21]) != int.from_bytes(header[21:], "big") or not width or not height:
        raise PictureError(Reason.BROKEN_HEADER, "PNG with a damaged IHDR chunk")
    return width, height, bits, colour_type, interlace


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
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
