"""Archives that begin somewhere inside of a file: self-extracting ones, and zips with a prefix."""

import re
import zlib
from typing import IO

from naturalist.archives.kinds import HEAD_BYTES, SEVEN_ZIP_SIGNATURE, Kind
from naturalist.archives.unread import unread_archive
from naturalist.archives.zips import find_directory
from naturalist.errors import PictureError

# Windows, Linux and macOS programs, and scripts.
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_NAMED = re.compile(rb".+\.(?:zip|exe|sfx)", re.IGNORECASE | re.DOTALL)

SEARCHED_BYTES = 4 << 20
"""How far a 7z or RAR archive is looked for; the programs in front of them have under 1 MiB."""


def may_hide_archive(head: bytes, name: bytes) -> bool:
    """Whether it is worth looking for an archive inside of a file of no known kind."""
    return head.startswith(_PROGRAMS) or _NAMED.fullmatch(name) is not None


def hidden_kind(file: IO[bytes]) -> tuple[Kind, int] | None:
    """The kind of the archive inside of a file, and where it is to be read from.

    Raises:
        PictureError: there is one that is not read (RAR).
    """
    if _is_zip(file):
        return "zip", 0
    file.seek(0)
    data = file.read(SEARCHED_BYTES)
    at = data.find(SEVEN_ZIP_SIGNATURE, 1)
    while at >= 0:
        start = data[at : at + 32]
        if len(start) == 32 and zlib.crc32(start[12:]) == int.from_bytes(start[8:12], "little"):
            return "7z", at
        at = data.find(SEVEN_ZIP_SIGNATURE, at + 1)
    at = data.find(b"Rar!\x1a\x07", 1)
    if at >= 0 and (error := unread_archive(data[at : at + HEAD_BYTES], b"")):
        raise error
    return None


def _is_zip(file: IO[bytes]) -> bool:
    try:
        directory = find_directory(file)
    except PictureError as error:
        if error.reason.value == "unsupported_archive":
            raise
        return False
    file.seek(directory.start)
    return file.read(4) == b"PK\x01\x02" if directory.size_bytes else False
