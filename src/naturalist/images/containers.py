"""Whether a file is as long as its outermost boxes say.

Some decoders fill up a picture whose end is missing (libheif paints lost tiles black), others
only say that something is wrong: looking at the boxes first gives one clear answer.
Source: RIFF as used by WebP (RFC 9649, section 2.3); ISO/IEC 14496-12, 4.2, for HEIC, AVIF, JP2.
"""

_BOXED = frozenset({"heic", "avif", "jpeg2000"})


def ends_early(data: bytes, name: str) -> bool:
    """Whether a picture of the format `name` lacks bytes that its container announces."""
    if name == "webp":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if name in _BOXED and not data.startswith(b"\xff\x4f"):
        return _boxes_end(data) > len(data)
    return False


def _boxes_end(data: bytes) -> int:
    """Where the last of the outermost boxes ends; short of the end for trailing junk."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            break  # 0: up to the end of the file; others are no box
        at += size
    return at
