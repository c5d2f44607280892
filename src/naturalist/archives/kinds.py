"""Telling archives by their content."""

import re
from collections.abc import Callable
from typing import Literal

from naturalist.archives.streams import Packing, decompressor, unpack
from naturalist.errors import PictureError

Kind = Literal["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]

HEAD_BYTES = 4096
"""How much of the beginning of a file `archive_kind` wants to see, except of a bzip2 file."""

TAR_BLOCK_BYTES = 512

# bzip2 gives nothing before the end of its first block, which packs up to 900,000 bytes.
_BZIP2_HEAD_BYTES = 1 << 20

_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK\x03\x04")
_PACKED: dict[bytes, tuple[Packing, Kind]] = {
    b"\x1f\x8b\x08": ("gz", "tar.gz"),
    b"BZh": ("bz2", "tar.bz2"),
    b"\xfd7zXZ\x00": ("xz", "tar.xz"),
}
PACKINGS: dict[Kind, Packing] = {kind: packing for packing, kind in _PACKED.values()}

_OCTAL = re.compile(rb" *([0-7]*)(?:[ \x00].*)?", re.DOTALL)


def archive_kind(head: bytes) -> Kind | None:
    """The kind of archive that begins with `head`, or None for anything else.

    gzip, bzip2 and xz count only when what they pack begins as a tar; a tar is known by the
    checksum of its first header, so one without members is none. `head` is the first `HEAD_BYTES`
    of the file (all of it, when it is shorter), and for bzip2 the first mebibyte: see `kind_from`.
    """
    if head.startswith(_ZIP_SIGNATURES):
        return "zip"
    if is_tar_header(head[:TAR_BLOCK_BYTES]):
        return "tar"
    for signature, (packing, kind) in _PACKED.items():
        if head.startswith(signature) and is_tar_header(_first_block(packing, head)):
            return kind
    return None


def kind_from(head: bytes, read: Callable[[int], bytes]) -> tuple[Kind | None, bytes]:
    """Decide as `archive_kind`, reading on where `head` (the first `HEAD_BYTES`) is not enough.

    Returns the kind, and the head with whatever `read` gave appended to it.
    """
    if head.startswith(b"BZh") and len(head) >= HEAD_BYTES:
        head += read(_BZIP2_HEAD_BYTES - len(head))
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
    try:
        return unpack(decompressor(packing), head, TAR_BLOCK_BYTES)
    except PictureError:
        return b""
