"""Where a picture says how it is to be turned: EXIF, an EXIF profile in text, or XMP.

The EXIF orientation counts where it is stated; XMP's where EXIF says nothing. Sources: EXIF 2.32;
XMP Specification Part 1 (ISO 16684-1) and Part 3 (where it is in each format); ExifTool and
ImageMagick for "Raw profile type exif" in PNG, which no standard describes.
"""

import re
import zlib
from collections.abc import Iterable

from naturalist.images import tiff

EXIF_HEAD = b"Exif\x00\x00"
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\x00"
XMP_KEYWORD = b"XML:com.adobe.xmp"
_RAW_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type xmp")
_STATED = re.compile(rb"""\bOrientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]""")
_MOST_BYTES = 1 << 20
"""More of a profile is not looked at; the orientation stands near its beginning."""


def resolve(exif: Iterable[int], xmp: Iterable[int]) -> int:
    """The orientation (1 to 8) from what was stated, 0 meaning nothing."""
    return next((value for value in (*exif, *xmp) if value), 1)


def of_exif(block: bytes) -> int:
    """What an EXIF block says, with or without its head; 0 for nothing."""
    return tiff.stated_orientation(block.removeprefix(EXIF_HEAD))


def of_xmp(packet: bytes) -> int:
    """What an XMP packet says; 0 for nothing."""
    stated = _STATED.search(packet, 0, _MOST_BYTES)
    return int(stated[1]) if stated else 0


def of_png_text(kind: bytes, chunk: bytes) -> tuple[int, int]:
    """What a text chunk of a PNG says as EXIF and as XMP; 0 for nothing."""
    keyword, _, rest = chunk.partition(b"\x00")
    if kind == b"iTXt" and keyword == XMP_KEYWORD:
        packed, text = rest[:1] == b"\x01", rest[2:].split(b"\x00", 2)[-1]
        return 0, of_xmp(_inflated(text) if packed else text)
    if keyword not in _RAW_PROFILES or kind not in (b"tEXt", b"zTXt"):
        return 0, 0
    profile = _raw_profile(_inflated(rest[1:]) if kind == b"zTXt" else rest[:_MOST_BYTES])
    if profile.startswith(XMP_HEAD) or keyword.endswith(b"xmp"):
        return 0, of_xmp(profile)
    return of_exif(profile), 0


def _raw_profile(text: bytes) -> bytes:
    """The bytes in a line feed, a name, a length and hexadecimal digits."""
    _, _, rest = text.strip().partition(b"\n")
    _, _, digits = rest.strip().partition(b"\n")
    result = re.sub(rb"\s+", b"", digits)
    result = result[: len(result) - len(result) % 2]
    try:
        return bytes.fromhex(result.decode("ascii"))
    except ValueError:  # no profile, whatever its keyword says
        return b""


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream, _MOST_BYTES)
    except zlib.error:
        return b""
