"""What an object may be called.

A key is safe as a path below any folder, as an S3 key and in an XML listing: relative segments
joined by ``/``, at most 1,024 bytes of UTF-8, at most 255 bytes in each segment.
"""

import unicodedata

from naturalist.errors import StoreError

MAX_KEY_BYTES = 1024
MAX_SEGMENT_BYTES = 255
RESERVED_SEGMENT = ".naturalist"
"""Segment that stores keep for themselves (temporary files, a lock, what they learnt)."""

_NOT_IN_XML = frozenset("\ufffe\uffff")


def check_key(key: str) -> str:
    """Return `key` unchanged if it may name an object.

    Raises:
        StoreError: it is empty, too long, absolute, leaves its folder, or holds characters that
            some store or some file system cannot keep.
    """
    fault = _fault(key)
    if fault:
        raise StoreError(
            f"{key!r} is not a valid object key: {fault}. A key is relative segments joined by "
            f"'/', each of 1 to {MAX_SEGMENT_BYTES} bytes, without control characters, "
            "backslashes, '.' or '..'"
        )
    return key


def is_key(key: str) -> bool:
    """Whether `key` may name an object."""
    return _fault(key) is None


def check_prefix(prefix: str) -> str:
    """Return `prefix` unchanged if it is empty or the beginning of a valid key.

    Raises:
        StoreError: no valid key begins like this.
    """
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def _fault(key: str) -> str | None:
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair"
    if size_bytes > MAX_KEY_BYTES:
        return f"it has {size_bytes} bytes, more than {MAX_KEY_BYTES}"
    for character in key:
        if character in _NOT_IN_XML or unicodedata.category(character) == "Cc":
            return f"it holds {character!r}"
    if "\\" in key:
        return "it holds a backslash"
    segments = key.split("/")
    if RESERVED_SEGMENT in segments:
        return f"{RESERVED_SEGMENT!r} is reserved"
    return next(filter(None, map(_segment_fault, segments)), None)


def _segment_fault(segment: str) -> str | None:
    if not segment:
        return "a segment is empty"
    if segment in (".", ".."):
        return f"a segment is {segment!r}"
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        return f"a segment has more than {MAX_SEGMENT_BYTES} bytes"
    return None
