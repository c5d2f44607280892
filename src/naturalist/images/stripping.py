"""Taking metadata out of a picture file without encoding its pixels again.

What a decoder needs is kept: pixels, colour profile, transparency, animation, and the orientation
(as the only entry of a new EXIF block). Everything else goes: EXIF with its GPS position, XMP,
IPTC, comments, embedded thumbnails, and what lies behind the end of the picture.

Sources: ITU-T T.81 annex B; PNG third edition; WebP container specification; GIF89a.
"""

import re
import struct
from collections.abc import Callable, Iterator

from naturalist.images import netpbm, orientation_marks, tiff
from naturalist.images.orientation_marks import EXIF_HEAD, XMP_HEAD
from naturalist.images.png import png_chunk, png_orientation

# Only these markers may follow a scan; any other in its data is damage that decoders pass over.
_AFTER_SCAN = re.compile(rb"\xff[\xc4\xd9-\xdd]")
_START_OF_SCAN, _END_OF_IMAGE, _APP0, _APP1, _APP2, _APP14, _COMMENT = (
    0xDA, 0xD9, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE,
)  # fmt: skip
_PNG_KEPT = frozenset(
    {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT",
     b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"cICP"}
)  # fmt: skip
_WEBP_KNOWN = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_VP8X_EXIF, _VP8X_XMP = 0x08, 0x04


def strip_metadata(data: bytes, name: str) -> bytes | None:
    """The same picture without metadata; None where the format has no such way here.

    Args:
        data: a whole picture that `decode` can read.
        name: its format, as `sniff` tells it.
    """
    strip = _STRIPPERS.get(name)
    try:
        return strip(data) if strip else None
    except (struct.error, IndexError):
        # A file whose structure ends early: nothing can be promised about what is in it.
        return None


def exif_with_orientation(orientation: int) -> bytes:
    """A TIFF structure whose one entry is the orientation."""
    entry = struct.pack("<HHIHH", tiff.ORIENTATION, 3, 1, orientation, 0)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)


def _strip_jpeg(data: bytes) -> bytes:
    exif, xmp, kept = [], [], []
    for marker, segment in _jpeg_segments(data):
        body = segment[4:]
        if marker == _APP1 and body.startswith(EXIF_HEAD):
            exif.append(orientation_marks.of_exif(body))
        elif marker == _APP1 and body.startswith(XMP_HEAD):
            xmp.append(orientation_marks.of_xmp(body))
        elif not _is_jpeg_metadata(marker, body):
            kept.append(segment)
    orientation = orientation_marks.resolve(exif, xmp)
    if orientation != 1:
        body = EXIF_HEAD + exif_with_orientation(orientation)
        kept.insert(0, struct.pack(">BBH", 0xFF, _APP1, len(body) + 2) + body)
    return b"\xff\xd8" + b"".join(kept) + b"\xff\xd9"


def _is_jpeg_metadata(marker: int, body: bytes) -> bool:
    if marker == _APP0:
        return not body.startswith(b"JFIF\0")
    if marker == _APP2:
        return not body.startswith(b"ICC_PROFILE\0")
    if marker == _APP14:
        return not body.startswith(b"Adobe")
    return _APP1 <= marker <= 0xEF or marker == _COMMENT


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment up to the end of the image, scans with their data."""
    at = 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data) or data[at + 1] == _END_OF_IMAGE:
            return
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == _START_OF_SCAN:
            result = _AFTER_SCAN.search(data, end)
            end = result.start() if result else len(data)
        yield marker, data[at:end]
        at = end


def _strip_png(data: bytes) -> bytes:
    signature, at = data[:8], 8
    orientation, kept = png_orientation(data), []
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if kind in _PNG_KEPT:
            kept.append(data[at:end])
        at = end
        if kind == b"IEND":
            break
    if orientation != 1:
        kept.insert(1, png_chunk(b"eXIf", exif_with_orientation(orientation)))
    return signature + b"".join(kept)


def _strip_webp(data: bytes) -> bytes:
    at, exif, xmp = 12, [], []
    kept: list[tuple[bytes, bytes]] = []
    end = min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= end:
        kind, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
        if kind == b"EXIF":
            exif.append(orientation_marks.of_exif(body))
        elif kind == b"XMP ":
            xmp.append(orientation_marks.of_xmp(body))
        elif kind in _WEBP_KNOWN:
            kept.append((kind, body))
    orientation = orientation_marks.resolve(exif, xmp)
    if orientation != 1:
        kept.append((b"EXIF", exif_with_orientation(orientation)))
    chunks = b"".join(_webp_chunk(kind, body, orientation != 1) for kind, body in kept)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def _webp_chunk(kind: bytes, body: bytes, has_exif: bool) -> bytes:
    if kind == b"VP8X":
        flags = body[0] & ~(_VP8X_EXIF | _VP8X_XMP) | (_VP8X_EXIF if has_exif else 0)
        body = bytes([flags]) + body[1:]
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _strip_gif(data: bytes) -> bytes:
    at = 13 + _colour_table_bytes(data[10])
    kept = [data[:at]]
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x21:
            end = _sub_blocks_end(data, at + 2)
            if _is_gif_for_display(data, at):
                kept.append(data[at:end])
        else:
            end = _sub_blocks_end(data, at + 11 + _colour_table_bytes(data[at + 9]))
            kept.append(data[at:end])
        at = end
    return b"".join(kept) + b"\x3b"


def _is_gif_for_display(data: bytes, at: int) -> bool:
    """Whether an extension steers the display: a graphic control, or the loop count."""
    return data[at + 1] == 0xF9 or (
        data[at + 1] == 0xFF and data[at + 3 : at + 14] in (b"NETSCAPE2.0", b"ANIMEXTS1.0")
    )


def _colour_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks_end(data: bytes, at: int) -> int:
    while data[at]:
        at += data[at] + 1
    return at + 1


_STRIPPERS: dict[str, Callable[[bytes], bytes]] = {
    "jpeg": _strip_jpeg,
    "png": _strip_png,
    "webp": _strip_webp,
    "gif": _strip_gif,
    "bmp": lambda data: data,
    "netpbm": netpbm.without_comments,
}
