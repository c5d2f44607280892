"""Downloading into a file that appears whole or not at all, going on where a killed one stopped."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from naturalist.artifacts import make_folder, storage_errors, sync
from naturalist.errors import StoreError
from naturalist.stores.refusals import corrupted, other_size

_CHUNK_BYTES = 1 << 20

ReadFrom = Callable[[int], Iterable[bytes]]
"""Gives the bytes of the object from an offset to its end."""


def download(
    path: Path,
    what: str,
    token: str,
    sha256: str | None,
    read_from: ReadFrom,
    size_bytes: int | None = None,
) -> None:
    """Write what `read_from` gives to `path`, verified; keep a partial file if it breaks off.

    Args:
        path: the file to make (replaced if there is one).
        what: the object, for messages.
        token: names the bytes that are expected; only a partial file of the same token is resumed.
        sha256: hex digest that the whole must have; None to take the bytes as they come.
        read_from: called once with the number of bytes that are already here.
        size_bytes: size that the whole must have; no more than that is written. None for any.

    Raises:
        StoreError: the digest or the size is wrong (the partial file is removed), or another
            process is downloading to the same place.
        StorageFull: there is no space left.
    """
    with storage_errors(str(path)):
        make_folder(path.parent)
        name = hashlib.sha256(token.encode()).hexdigest()[:16]
        partial = path.with_name(f".{path.name[:100]}.{name}.part")
        with _open_locked(partial, path) as file, _removed_if_empty(partial):
            digest = _hash_existing(file)
            for chunk in read_from(file.tell()):
                if size_bytes is not None and file.tell() + len(chunk) > size_bytes:
                    partial.unlink()
                    raise other_size(what, file.tell() + len(chunk), size_bytes)
                file.write(chunk)
                digest.update(chunk)
            file.flush()
            os.fsync(file.fileno())
            if size_bytes is not None and file.tell() != size_bytes:
                partial.unlink()
                raise other_size(what, file.tell(), size_bytes)
            if sha256 and digest.hexdigest() != sha256:
                partial.unlink()
                raise corrupted(what, sha256, digest.hexdigest())
            partial.replace(path)
        sync(path.parent)


def _open_locked(partial: Path, path: Path) -> BinaryIO:
    file = os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise StoreError(f"another process is downloading to {path}: wait until it ends") from error
    return file


@contextlib.contextmanager
def _removed_if_empty(partial: Path) -> Iterator[None]:
    """After a failure, keep no partial file that has nothing in it."""
    try:
        yield
    except BaseException:
        if partial.exists() and not partial.stat().st_size:
            partial.unlink()
        raise


def _hash_existing(file: BinaryIO) -> "hashlib._Hash":
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest
