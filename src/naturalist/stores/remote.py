"""A prefix in a bucket that is read as a folder of files: listed, and read by key.

What is read goes through a bounded cache on the local drive, because a picture is read more than
once: when it is examined, when its features are extracted, when a sample is verified.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from naturalist.errors import AccessDenied, NotFound, PictureError, SourceError, StoreError
from naturalist.layout import cache_folder
from naturalist.reasons import Reason
from naturalist.stores.byte_cache import ByteCache
from naturalist.stores.connection import S3Options
from naturalist.stores.keeping import keep_bucket
from naturalist.stores.protocol import Bucket

CACHE_BYTES = 4 << 30


@dataclass(frozen=True)
class RemoteFolder:
    """A source in a bucket: a small value that travels with tasks; no credential is in it.

    Attributes:
        url: ``s3://bucket/prefix``, or that of another bucket.
        options: how to reach the server.
        cache_bytes: most bytes that are kept on the local drive; 0 keeps none.
    """

    url: str
    options: S3Options = field(default_factory=S3Options)
    cache_bytes: int = CACHE_BYTES

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class RemoteFile:
    """An object below a remote folder; `time_ns` is when it was written, by the store's clock."""

    key: str
    size_bytes: int
    time_ns: int
    is_readable: bool
    """False for a key with a null character, which ends the name of a file."""


def _store(folder: RemoteFolder) -> Bucket:
    return keep_bucket(folder.url, folder.options)


def list_remote(folder: RemoteFolder) -> Iterator[RemoteFile]:
    """List a remote folder, in order of the bytes of the keys; goes on after an outage.

    Raises:
        SourceError: it cannot be listed.
    """
    try:
        for info in _store(folder).everything():
            if info.key and not info.key.endswith("/"):
                time_ns = round((info.modified_s or 0) * 1e9)
                yield RemoteFile(info.key, info.size_bytes, time_ns, "\0" not in info.key)
    except StoreError as error:
        raise SourceError(f"source {folder}: {error}") from error


def check_remote(folder: RemoteFolder) -> None:
    """Check that there is something below a remote folder.

    Raises:
        SourceError: there is not, or the server refuses.
    """
    if next(list_remote(folder), None) is None:
        raise SourceError(
            f"{folder} is empty or does not exist: correct the URL. Its pictures do not "
            "count as deleted"
        )


def read_remote(folder: RemoteFolder, key: str, size_bytes: int, time_ns: int) -> bytes:
    """Read an object, from the cache where it is there.

    Args:
        folder: where the object is.
        key: its key below the folder.
        size_bytes: as it was listed; with `time_ns` it says which bytes are meant.
        time_ns: as it was listed.

    Raises:
        PictureError: the object is gone, or this one object may not be read.
        StoreError: the store failed, for longer than `outage_s`.
    """
    cache = ByteCache(cache_folder() / "pictures", folder.cache_bytes)
    name = f"{folder.url}\0{key}\0{size_bytes}\0{time_ns}".encode()
    if (data := cache.get(name)) is not None:
        return data
    try:
        # Whoever reads has a listing from this server: it was there, and is waited for.
        data, _ = _store(folder).patient().get_bytes(key)
    except NotFound as error:
        raise PictureError(Reason.VANISHED, "no longer in the bucket") from error
    except AccessDenied as error:
        raise PictureError(Reason.PERMISSION_DENIED, "no permission to read it") from error
    cache.put(name, data)
    return data


def fetch_remote(folder: RemoteFolder, key: str, path: Path) -> None:
    """Download an object of any size to a file.

    Raises:
        PictureError, StoreError: as `read_remote`.
        StorageFull: there is no space left.
    """
    try:
        _store(folder).patient().fetch(key, path)
    except NotFound as error:
        raise PictureError(Reason.VANISHED, "no longer in the bucket") from error
    except AccessDenied as error:
        raise PictureError(Reason.PERMISSION_DENIED, "no permission to read it") from error
