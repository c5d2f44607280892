"""What an archive is, by its content."""

import io
import re
from collections.abc import Callable
from typing import Literal

from naturalist.archives.streams import SIGNATURES, Packing, Unpacked, decompressor
from naturalist.errors import PictureError

Kind = Literal[
    "zip", "7z",
    "tar", "tar.gz", "tar.bz2", "tar.xz", "tar.lzma", "tar.zst", "tar.lz4",
    "gz", "bz2", "xz", "zst", "lz4",
]  # fmt: skip
"""How an archive is read; those of the last line hold one packed file that is not a tar."""

HEAD_BYTES = 4096
"""How much of the beginning of a file `archive_kind` needs, except for the formats below."""

# These formats give nothing before the end of their first block.
_HEAD_BYTES: dict[Packing, int] = {"bz2": 1 << 20, "zst": 1 << 18, "lz4": (1 << 22) + (1 << 16)}

TAR_BLOCK_BYTES = 512

SEVEN_ZIP_SIGNATURE = b"7z\xbc\xaf\x27\x1c"
# The first piece of a zip in several volumes begins with a mark of its own.
SPLIT_ZIP_SIGNATURE = b"PK\x07\x08PK\x03\x04"
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", SPLIT_ZIP_SIGNATURE)
_TARS: dict[Packing, Kind] = {
    "gz": "tar.gz",
    "bz2": "tar.bz2",
    "xz": "tar.xz",
    "lzma": "tar.lzma",
    "zst": "tar.zst",
    "lz4": "tar.lz4",
}
# Nothing but a tar inside tells bytes packed by the old LZMA program from any others.
_SINGLES: dict[Packing, Kind] = {"gz": "gz", "bz2": "bz2", "xz": "xz", "zst": "zst", "lz4": "lz4"}
# What begins like this is a packed file even where nothing of it can be unpacked: it is damaged.
_STRONG = re.compile(
    rb"\x1f\x8b\x08[\0-\x1f].{6}|BZh[1-9]1AY&SY|\xfd7zXZ\0.{6}|\x28\xb5\x2f\xfd.{4}|\x04\x22\x4d\x18.{4}",
    re.DOTALL,
)
SEEKING: frozenset[Kind] = frozenset({"zip", "7z"})
"""Kinds that are not read from front to back."""
SINGLE_PACKINGS: dict[Kind, Packing] = {kind: packing for packing, kind in _SINGLES.items()}
PACKINGS: dict[Kind, Packing] = {kind: packing for packing, kind in _TARS.items()} | SINGLE_PACKINGS

_OCTAL = re.compile(rb" *([0-7]*)(?:[ \x00].*)?", re.DOTALL)


def archive_kind(head: bytes) -> Kind | None:
    """The kind of archive that begins with `head`, or None for anything else.

    A packed file (gzip, bzip2 ...) is a packed tar, or an archive of one file. A tar is known by
    the checksum of its first header, so one without members is none. `head` is the first
    `HEAD_BYTES` of the file (all of it, when it is shorter), and more for formats that give nothing
    before: see `kind_from`.
    """
    if head.startswith(_ZIP_SIGNATURES):
        return "zip"
    if head.startswith(SEVEN_ZIP_SIGNATURE):
        return "7z"
    if is_tar_header(head[:TAR_BLOCK_BYTES]):
        return "tar"
    return next(filter(None, (_packed_kind(packing, head) for packing in SIGNATURES)), None)


def _packed_kind(packing: Packing, head: bytes) -> Kind | None:
    if not head.startswith(SIGNATURES[packing]):
        return None
    block = _first_block(packing, head)
    if is_tar_header(block):
        return _TARS[packing]
    return _SINGLES.get(packing) if block or _STRONG.match(head) else None


def kind_from(head: bytes, read: Callable[[int], bytes]) -> tuple[Kind | None, bytes]:
    """Decide as `archive_kind`, reading on where `head` (the first `HEAD_BYTES`) is not enough.

    Returns the kind, and the head with whatever `read` gave appended to it.
    """
    for packing, needed_bytes in _HEAD_BYTES.items():
        if head.startswith(SIGNATURES[packing]) and HEAD_BYTES <= len(head) < needed_bytes:
            head += read(needed_bytes - len(head))
    return archive_kind(head), head


def is_tar_header(block: bytes) -> bool:
    """Whether 512 bytes are a tar header, by their checksum (of unsigned or of signed bytes)."""
    if len(block) < TAR_BLOCK_BYTES:
        return False
    stated = tar_number(block[148:156])
    if stated is None:
        return False
    total = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    return stated == total or stated == total - 256 * _high_bytes(block)


def tar_number(field: bytes) -> int | None:
    """The value of a numeric tar field, or None when it holds none from 0 to 2**63 - 1.

    Octal digits (all blank is 0) or, with the highest bit set, base 256 (a GNU extension).
    """
    if field[0] == 0x80:
        value = int.from_bytes(field[1:])
        return value if value < 1 << 63 else None
    match = _OCTAL.fullmatch(field)
    return int(match[1] or b"0", 8) if match else None


def _high_bytes(block: bytes) -> int:
    return sum(byte > 127 for byte in block[:148] + block[156:])


def _first_block(packing: Packing, head: bytes) -> bytes:
    """The first bytes that a packed file unpacks to, as many as its head gives."""
    unpacked = Unpacked(io.BytesIO(head).read, decompressor(packing), packing)
    block = b""
    try:
        while len(block) < TAR_BLOCK_BYTES and (piece := unpacked.read_some(TAR_BLOCK_BYTES)):
            block += piece
    except PictureError:
        pass
    return block[:TAR_BLOCK_BYTES]
