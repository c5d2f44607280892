"""What the name of a file says: it never decides what a file is, but what was meant to be one."""

import re

from naturalist import archives
from naturalist.errors import PictureError
from naturalist.images import Sniffed
from naturalist.reasons import Reason

_SYSTEM_NAMES = frozenset(
    {b".ds_store", b"thumbs.db", b"desktop.ini", b".directory", b"icon\r"}
    | {b".gitkeep", b".keep", b".placeholder", b".nomedia", b".gitignore", b".gitattributes"}
    | {b"_success", b"__init__.py"}
)
_FOLDER_MARKER = b"_$folder$"
"""The end of the names of empty objects by which Hadoop marks folders in a bucket."""

# What follows a question mark is left of an address: some downloads keep it.
_PICTURE = re.compile(
    rb".*\.(?:jpe?g|jpe|jfif|png|gif|webp|bmp|dib|tiff?|avif|jp2|j2k|jpx|heic|heif|p[bgnp]m)(?:\?.*)?",
    re.IGNORECASE | re.DOTALL,
)
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+")
_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body|!--)", re.IGNORECASE)


def is_system_file(name: bytes) -> bool:
    """Whether an operating system or a program leaves files of this name in picture folders."""
    return name.lower() in _SYSTEM_NAMES or name.startswith(b"._") or name.endswith(_FOLDER_MARKER)


def refuse_unreadable(sniffed: Sniffed, name: bytes, head: bytes) -> None:
    """Raise PictureError if what a file begins with is not a picture that can be read.

    Args:
        sniffed: what the file begins with.
        name: its name, without folders.
        head: its first bytes.
    """
    if sniffed.reason is None:
        return
    if sniffed.reason in (Reason.NOT_A_PICTURE, Reason.EMPTY_FILE) and is_system_file(name):
        raise PictureError(Reason.SYSTEM_FILE)
    if sniffed.reason is Reason.NOT_A_PICTURE:
        refuse_misnamed(name, head)
    raise PictureError(sniffed.reason, sniffed.format)


def refuse_misnamed(name: bytes, head: bytes) -> None:
    """Raise PictureError if a file that is not a picture and no archive is named like one."""
    if _PICTURE.fullmatch(name):
        what = "a picture"
    elif archives.is_named_like_archive(name):
        what = "an archive"
    else:
        return
    raise PictureError(Reason.MISNAMED, f"named like {what}, but it is {_describe(head)}")


def _describe(head: bytes) -> str:
    if _HTML.match(head):
        return "a web page (HTML): perhaps an error page instead of the download"
    if not head.strip(b"\0"):
        return "only zeros: perhaps an unfinished download"
    if head.lstrip()[:1] in (b"{", b"[") and _TEXT.fullmatch(head):
        return "JSON: perhaps an error message instead of the download"
    return "text" if _TEXT.fullmatch(head) else "of an unknown format"
