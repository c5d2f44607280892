"""What a file is, told by its first bytes and never by its name."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from PIL import features

from naturalist.images import tiff
from naturalist.reasons import Reason

HEAD_BYTES = 4096
"""How many bytes from the start of a file `sniff` wants to see; fewer when the file is shorter."""

EXTENSIONS = {
    "jpeg": "jpg",
    "png": "png",
    "gif": "gif",
    "webp": "webp",
    "bmp": "bmp",
    "tiff": "tif",
    "avif": "avif",
    "jpeg2000": "jp2",
    "heic": "heic",
    "netpbm": "pnm",
}
"""The extension that a picture of each readable format gets."""


@dataclass(frozen=True)
class Sniffed:
    """What the first bytes say: the format's name, and why it cannot be used.

    `format` is empty for what is not a picture; `reason` is None where the format is read here.
    """

    format: str
    reason: Reason | None = None

    @property
    def readable(self) -> bool:
        """Whether this installation decodes the format."""
        return self.reason is None


def sniff(head: bytes) -> Sniffed:
    """Tell the format from the first `HEAD_BYTES` bytes of a file.

    A readable format has no `reason`. A format that is recognised and not read here
    has UNSUPPORTED_FORMAT; the rest is EMPTY_FILE, GIT_LFS_POINTER or NOT_A_PICTURE.
    """
    if not head:
        return Sniffed("", Reason.EMPTY_FILE)
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return Sniffed("", Reason.GIT_LFS_POINTER)
    name = _format_of(head[:HEAD_BYTES])
    if not name:
        return Sniffed("", Reason.NOT_A_PICTURE)
    return _recognised(name)


@cache
def _recognised(name: str) -> Sniffed:
    return Sniffed(name, None if name in readable_formats() else Reason.UNSUPPORTED_FORMAT)


@cache
def readable_formats() -> frozenset[str]:
    """The formats that this installation decodes: some need a decoder that is optional."""
    optional = {
        "avif": features.check("avif"),
        "jpeg2000": features.check("jpg_2000"),
        "heic": find_spec("pillow_heif") is not None,
    }
    return frozenset(name for name in EXTENSIONS if optional.get(name, True))


def _format_of(head: bytes) -> str:
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    return next((name for tell in _TELLERS if (name := tell(head))), "")


_STARTS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"8BPS\x00", "psd"),
    (b"\xff\x0a", "jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
    (b"II\xbc\x01", "jxr"),
    (b"\x8aMNG\r\n\x1a\n", "mng"),
    (b"\x8bJNG\r\n\x1a\n", "jng"),
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"IIRO", "raw"),
    (b"IIRS", "raw"),
    (b"MMOR", "raw"),
    (b"IIU\x00", "raw"),
    (b"\x00MRM", "raw"),
    (b"FOVb", "raw"),
    (b"II\x1a\x00\x00\x00HEAPCCDR", "raw"),
    (b"gimp xcf", "xcf"),
    (b"qoif", "qoi"),
    (b"DDS |", "dds"),
    (b"SIMPLE  =", "fits"),
    (b"\x76\x2f\x31\x01", "exr"),
    (b"#?RADIANCE\n", "hdr"),
    (b"BPG\xfb", "bpg"),
    (b"FLIF", "flif"),
    (b"AT&TFORM", "djvu"),
    (b"%!PS-Adobe", "eps"),
    (b"\xc5\xd0\xd3\xc6", "eps"),
    (b"\xd7\xcd\xc6\x9a", "wmf"),
    (b"icns", "icns"),
    (b"\x59\xa6\x6a\x95", "sun"),
)


def _webp(head: bytes) -> str:
    return "webp" if head.startswith(b"RIFF") and head[8:12] == b"WEBP" else ""


def _bmp(head: bytes) -> str:
    # Two letters are too little to go by: the size of the second header must be a known one.
    known = {12, 16, 40, 52, 56, 64, 108, 124}
    return "bmp" if head.startswith(b"BM") and _little(head, 14, 4) in known else ""


def _tiff(head: bytes) -> str:
    if head[:4] not in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return ""
    if head[8:10] == b"CR":
        return "raw"
    result = {entry.tag: entry.number for entry in tiff.tags(head)}
    # Raw files of most makers are TIFF files whose first directory is a small preview: reading
    # them as TIFF would silently give a thumbnail.
    preview = result.get(tiff.SUBFILE_TYPE) == 1 and tiff.SUB_DIRECTORIES in result
    return "raw" if preview or tiff.DNG_VERSION in result else "tiff"


_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def _iso_media(head: bytes) -> str:
    """HEIC, AVIF and CR3 share the box structure of MP4; the brands tell them apart."""
    if head[4:8] != b"ftyp":
        return ""
    major = head[8:12]
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[at : at + 4] for at in range(16, end - 3, 4)}
    if major in _AVIF_BRANDS or (major in (b"mif1", b"msf1") and brands & _AVIF_BRANDS):
        return "avif"
    if major in _HEIC_BRANDS or major in (b"mif1", b"msf1"):
        return "heic"
    return "raw" if major == b"crx " else ""


def _icon(head: bytes) -> str:
    kind = {b"\x00\x00\x01\x00": "ico", b"\x00\x00\x02\x00": "cur"}.get(head[:4], "")
    sensible = 0 < _little(head, 4, 2) < 256 and len(head) > 22 and head[9] == 0
    return kind if sensible and _little(head, 18, 4) >= 22 else ""


def _emf(head: bytes) -> str:
    return "emf" if head.startswith(b"\x01\x00\x00\x00") and head[40:44] == b" EMF" else ""


def _dicom(head: bytes) -> str:
    return "dicom" if head[128:132] == b"DICM" else ""


_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE\s+svg.*?>\s*)*<svg[\s>]",
    re.DOTALL | re.IGNORECASE,
)
_NETPBM = re.compile(
    rb"P(?:[1-6](?:\s|#[^\n\r]*[\n\r])+\d{1,9}(?:\s|#[^\n\r]*[\n\r])+\d{1,9}\s"
    rb"|7\n(?:#[^\n]*\n)*(?:WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE) |[Ff]\s+\d+\s+\d+\s)"
)


def _svg(head: bytes) -> str:
    return "svg" if _SVG.match(head) else ""


def _netpbm(head: bytes) -> str:
    return "netpbm" if _NETPBM.match(head) else ""


def _little(head: bytes, at: int, size: int) -> int:
    return int.from_bytes(head[at : at + size], "little")


_TELLERS: tuple[Callable[[bytes], str], ...] = (
    _webp,
    _tiff,
    _bmp,
    _iso_media,
    _svg,
    _icon,
    _emf,
    _dicom,
    _netpbm,
)
