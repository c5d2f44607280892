"""Archives that are not read, and what to do with them.

They are told by their first bytes; a piece of a split archive by its name, because only the first
piece begins with a mark.
"""

import re

from naturalist.archives.kinds import SPLIT_ZIP_SIGNATURE
from naturalist.errors import PictureError
from naturalist.reasons import Reason

# (offset, bytes, name)
_SIGNATURES = (
    (0, b"Rar!\x1a\x07", "RAR"),
    (0, b"MSCF\0\0\0\0", "Cabinet"),
    (0, b"\x60\xea", "ARJ"),
    (2, b"-lh", "LZH"),
    (7, b"**ACE**", "ACE"),
    (0, b"xar!\0", "XAR"),
    (0, b"\x1f\x9d", "compress (.Z)"),
    (0, b"\x1f\xa0", "LZH (pack)"),
    (0, b"LZIP\x01", "lzip"),
    (0, b"\x89LZO\0\r\n\x1a\n", "lzop"),
    (0, b"070701", "cpio"),
    (0, b"070702", "cpio"),
    (0, b"070707", "cpio"),
    (0, b"MSWIM\0\0\0", "WIM"),
    (0, b"hsqs", "SquashFS"),
    (0, b"\xd9\xd5\x05\xf2", "lrzip"),
    (0, b"LRZI", "lrzip"),
    (0, b"PAR2\0PKT", "PAR2"),
    (0, b"ALZ\x01", "ALZip"),
    (0, b"EGGA", "ALZip (EGG)"),
    (0, b"!<arch>\n", "ar"),
    (0, b"StuffIt ", "StuffIt"),
    (0, b"SIT!", "StuffIt"),
    (0, b"7kSt", "ZPAQ"),
    (0, b"zPQ", "ZPAQ"),
    (0, b"\x02\x21\x4c\x18", "lz4 of before 2013"),
)

# These begin with no mark: disk images, and one file packed by the old LZMA program.
_ENDINGS = {b".iso": "ISO 9660", b".dmg": "a disk image (DMG)", b".lzma": "LZMA of one file"}

_ARCHIVE = r"(?:zip|7z|rar|tar|t?gz|tbz2?|bz2|t?xz|t?zst|t?lz4|lzma)"
_PIECE = re.compile(
    rb".+\.(?:z\d{2,3}|r\d{2}|part\d+\.rar|"
    + rf"{_ARCHIVE}[._-]?(?:\d{{3,4}}|(?:part)?[a-z]{{2}}|part\.?\d+)".encode()
    + rb")",
    re.IGNORECASE | re.DOTALL,
)
_WHOLE = re.compile(rb".+\." + _ARCHIVE.encode(), re.IGNORECASE | re.DOTALL)


def split(what: str) -> PictureError:
    """The error for a piece of an archive."""
    return PictureError(
        Reason.UNSUPPORTED_ARCHIVE,
        f"{what}: join the parts first (zip -s 0 photos.zip --out whole.zip for .z01 and .zip; "
        "cat photos.zip.* > photos.zip for .001 or .aa) and exclude the parts",
    )


def unread_archive(head: bytes, name: bytes) -> PictureError | None:
    """Why a file of which `archive_kind` knows nothing is an archive all the same, or None."""
    if (what := _kind(head, name)) is not None:
        return PictureError(
            Reason.UNSUPPORTED_ARCHIVE,
            f"{what} is not supported: unpack it with another program (7z x, unar, bsdtar -xf) "
            "and use the folder as the source",
        )
    if head.startswith(SPLIT_ZIP_SIGNATURE) or is_piece(name):
        return split("one part of a split archive")
    return None


def _kind(head: bytes, name: bytes) -> str | None:
    for offset, signature, what in _SIGNATURES:
        if head.startswith(signature, offset) and (what != "LZH" or head[6:7] == b"-"):
            return what
    if head.startswith(b"#!") and b"makeself" in head.lower():
        return "a self-extracting script (makeself)"
    return next((what for ending, what in _ENDINGS.items() if name.lower().endswith(ending)), None)


def is_piece(name: bytes) -> bool:
    """Whether a file is named as one part of a split archive: photos.z01, photos.zip.001."""
    if _PIECE.fullmatch(name) is None:
        return False
    return _WHOLE.fullmatch(name) is None or name.lower().endswith(b".rar")


def is_named_like_archive(name: bytes) -> bool:
    """Whether a file is named like an archive, whole or one piece of it."""
    return (_WHOLE.fullmatch(name) or _PIECE.fullmatch(name)) is not None
