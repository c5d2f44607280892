"""What every store refuses, in the same words."""

from typing import BinaryIO

from naturalist.errors import Conflict, NotFound, StoreError
from naturalist.stores.protocol import ObjectInfo, Upload


def opened(upload: Upload) -> BinaryIO:
    """Open the file of an upload for reading.

    Raises:
        StoreError: it is gone or may not be read.
    """
    try:
        return upload.path.open("rb")
    except OSError as error:
        raise StoreError(
            f"{upload.path} cannot be read to store it as {upload.key} ({error.strerror}): "
            "rebuild it, then publish"
        ) from error


def check_unchanged(upload: Upload, found_sha256: str) -> None:
    """Raise unless the bytes that were read are those that were meant to be stored."""
    if found_sha256 != upload.sha256:
        raise StoreError(
            f"{upload.path} has sha256 {found_sha256}, not {upload.sha256} as expected for "
            f"{upload.key}: the file changed or is damaged; rebuild it, then publish"
        )


def same_bytes(url: str, existing: ObjectInfo, upload: Upload) -> ObjectInfo:
    """Return `existing` if it holds the bytes of `upload`.

    Raises:
        StoreError: the key is taken by other bytes.
    """
    if existing.sha256 == upload.sha256:
        return existing
    raise StoreError(
        f"{upload.key} in {url} already holds other bytes (sha256 {existing.sha256}, not "
        f"{upload.sha256}): published objects never change. If the object is damaged, replace it "
        "with `naturalist publish --repair`; otherwise publish under another key"
    )


def already_there(url: str, key: str) -> Conflict:
    """The error for `if_absent` on a key that exists."""
    return Conflict(f"{key} is already in {url}: someone else wrote it first; read it again")


def changed_meanwhile(url: str, key: str) -> Conflict:
    """The error for `if_match` on a key that is no longer what it was."""
    return Conflict(f"{key} in {url} was changed by someone else in the meantime: read it again")


def not_found(url: str, key: str) -> NotFound:
    """The error for a key that holds nothing."""
    return NotFound(f"{url} has no {key}: check the URL and the key")


def too_large(what: str, found_bytes: int, allowed_bytes: int) -> StoreError:
    """The error for an object that is larger than it may be."""
    return StoreError(
        f"{what} has {found_bytes:,} bytes, at most {allowed_bytes:,} are allowed: it was not "
        "written by naturalist, or has been changed; publish again, or ask the publisher to"
    )


def other_size(what: str, found_bytes: int, expected_bytes: int) -> StoreError:
    """The error for an object that does not have the size that the snapshot names."""
    return StoreError(
        f"{what} does not have the {expected_bytes:,} bytes that its snapshot names (at least "
        f"{found_bytes:,} were there): it was changed after publishing, or the snapshot is "
        "forged; publish again, or ask the publisher to"
    )


def corrupted(what: str, expected: str | None, result: str) -> StoreError:
    """The error for an object whose bytes are not those that were stored."""
    return StoreError(
        f"{what} is corrupted: its bytes have sha256 {result}, expected {expected}. Fetch it "
        "again; if that fails, publish it again"
    )
