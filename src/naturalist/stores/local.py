"""A folder as an object store: on a local drive or a shared one.

Objects are plain files under their keys, so that a reader needs nothing but the folder. What the
store needs for itself (files being written, a lock) lives in the hidden ``.naturalist`` folder at
its root. The SHA-256 of an object is kept in an extended attribute together with the size and time
of the file; where the file system has none, or the file was touched, it is computed when asked for.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from naturalist.artifacts import make_folder, sha256_file, storage_errors, sync
from naturalist.errors import StorageFull, StoreError
from naturalist.stores.keys import RESERVED_SEGMENT, check_key, check_prefix
from naturalist.stores.partial import download
from naturalist.stores.protocol import ObjectInfo, OnDone, Upload
from naturalist.stores.refusals import (
    already_there,
    changed_meanwhile,
    check_unchanged,
    not_found,
    opened,
    same_bytes,
    too_large,
)

_CHUNK_BYTES = 1 << 20
_DIGEST_ATTRIBUTE = "user.naturalist.sha256"
_LEAST_FREE_BYTES = 128 << 10
"""Less than this is no space to publish to."""
_STALE_AFTER_S = 24 * 3600
_NO_OBJECT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_NO_ATTRIBUTE = (errno.ENODATA, errno.ENOTSUP)


class LocalStore:
    """Keeps the contract of `Store` in a folder; the folder is made by the first write."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self.url = self._root.as_uri()
        self._swept = False

    def __repr__(self) -> str:
        return f"LocalStore({str(self._root)!r})"

    def check_writable(self) -> None:
        """See `Store.check_writable`."""
        there = self.nearest_folder()
        if not there.is_dir():
            raise StoreError(f"{there} is a file: choose another folder in publish.url")
        with self._errors("a new file"), tempfile.TemporaryFile(dir=there):
            free_bytes = shutil.disk_usage(there).free
        if free_bytes < _LEAST_FREE_BYTES:
            raise StorageFull(
                f"only {free_bytes >> 10:,} kB are free on the drive of {self._root}: free some "
                "space, or choose another folder in publish.url"
            )

    def nearest_folder(self) -> Path:
        """The folder, or the nearest one above it that is there."""
        return next(path for path in (self._root, *self._root.parents) if path.exists())

    def put_file(self, key: str, path: Path, sha256: str) -> ObjectInfo:
        """See `Store.put_file`."""
        return self._put_file(Upload(key, path, sha256))[0]

    def put_files(self, uploads: Iterable[Upload], on_done: OnDone | None = None) -> None:
        """See `Store.put_files`; a folder takes them one after another."""
        for upload in uploads:
            info, sent = self._put_file(upload)
            if on_done:
                on_done(upload, info, sent)

    def put_bytes(
        self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None
    ) -> ObjectInfo:
        """See `Store.put_bytes`."""
        target = self._path(key)
        digest = hashlib.sha256(data).hexdigest()
        with self._errors(key), self._temporary() as temporary:
            temporary.write_bytes(data)
            sync(temporary)
            _record_digest(temporary, digest)
            with self._lock():
                current = self.head(key)
                if if_absent and current:
                    raise already_there(self.url, key)
                if if_match is not None and (current is None or current.version != if_match):
                    raise changed_meanwhile(self.url, key)
                _into_place(temporary, target)
        return ObjectInfo(key, len(data), digest, digest)

    def get_bytes(self, key: str, max_bytes: int | None = None) -> tuple[bytes, ObjectInfo]:
        """See `Store.get_bytes`."""
        with self._errors(key):
            try:
                with self._path(key).open("rb") as file:
                    size_bytes = os.fstat(file.fileno()).st_size
                    if max_bytes is not None and size_bytes > max_bytes:
                        raise too_large(f"{key} in {self.url}", size_bytes, max_bytes)
                    data = file.read()
            except _NO_OBJECT as error:
                raise not_found(self.url, key) from error
        digest = hashlib.sha256(data).hexdigest()
        return data, ObjectInfo(key, len(data), digest, digest)

    def fetch(
        self, key: str, path: Path, sha256: str | None = None, size_bytes: int | None = None
    ) -> None:
        """See `Store.fetch`."""
        info = self.head(key)
        if info is None:
            raise not_found(self.url, key)
        expected = sha256 or info.sha256
        source = self._path(key)
        download(
            path,
            f"{key} in {self.url}",
            f"{self.url}/{key} {expected}",
            expected,
            lambda offset: _read_from(source, offset),
            size_bytes,
        )

    def head(self, key: str) -> ObjectInfo | None:
        """See `Store.head`; reads the whole file if its digest is not recorded."""
        target = self._path(key)
        with self._errors(key):
            try:
                digest = _recorded_digest(target) or sha256_file(target)
                return ObjectInfo(key, target.stat().st_size, digest, digest)
            except _NO_OBJECT:
                return None

    def read_back(self, key: str) -> ObjectInfo | None:
        """See `Store.read_back`."""
        target = self._path(key)
        with self._errors(key):
            try:
                digest = sha256_file(target)
                return ObjectInfo(key, target.stat().st_size, digest, digest)
            except _NO_OBJECT:
                return None

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See `Store.list`; gives recorded digests only and reads no file."""
        folder = check_prefix(prefix).rpartition("/")[0]
        with self._errors(prefix):
            for key, path in _walk(self._root / folder, f"{folder}/" if folder else "", prefix):
                with contextlib.suppress(FileNotFoundError):
                    digest, status = _recorded_digest(path), path.stat()
                    yield ObjectInfo(key, status.st_size, digest, digest, status.st_mtime)

    def delete(self, keys: Iterable[str]) -> None:
        """See `Store.delete`; folders that become empty go too."""
        for key in keys:
            target = self._path(key)
            with self._errors(key), self._lock():
                with contextlib.suppress(*_NO_OBJECT):
                    target.unlink()
                _remove_empty_folders(target.parent, self._root)

    def _put_file(self, upload: Upload) -> tuple[ObjectInfo, bool]:
        target = self._path(upload.key)
        existing = self.head(upload.key)
        if existing is not None:
            return same_bytes(self.url, existing, upload), False
        with self._errors(upload.key), self._temporary() as temporary:
            size_bytes = _copy_verified(upload, temporary)
            _record_digest(temporary, upload.sha256)
            with self._lock():
                # Another publisher may have put the key while this one was copying.
                existing = self.head(upload.key)
                if existing is not None:
                    return same_bytes(self.url, existing, upload), True
                _into_place(temporary, target)
        return ObjectInfo(upload.key, size_bytes, upload.sha256, upload.sha256), True

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    @contextlib.contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        with storage_errors(self.url):
            try:
                yield
            except PermissionError as error:
                raise StoreError(
                    f"no permission for {error.filename}, which {key!r} in the store {self._root} "
                    "needs: ask the owner of the folder, or use another folder"
                ) from error
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise StoreError(
                    f"{key!r} clashes with another key in {self.url}: a folder cannot hold both "
                    "an object and objects below it; rename one of them"
                ) from error

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        """A new file in the hidden folder, removed at the end if it is still there."""
        folder = self._hidden_folder()
        if not self._swept:
            self._swept = True
            _remove_stale(folder)
        temporary = folder / f"{uuid.uuid4().hex}.tmp"
        temporary.touch(exist_ok=False)
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._hidden_folder() / "lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _hidden_folder(self) -> Path:
        folder = self._root / RESERVED_SEGMENT
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _into_place(temporary: Path, target: Path) -> None:
    make_folder(target.parent)
    temporary.replace(target)
    sync(target.parent)


def _copy_verified(upload: Upload, target: Path) -> int:
    digest = hashlib.sha256()
    with opened(upload) as source, target.open("wb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        size_bytes = file.tell()
    check_unchanged(upload, digest.hexdigest())
    return size_bytes


def _read_from(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _record_digest(path: Path, digest: str) -> None:
    """Remember the digest on the file itself; file systems without attributes go without."""
    with contextlib.suppress(OSError):
        os.setxattr(path, _DIGEST_ATTRIBUTE, f"{digest} {_stamp(path)}".encode())


def _recorded_digest(path: Path) -> str | None:
    try:
        digest, _, stamp = os.getxattr(path, _DIGEST_ATTRIBUTE).decode().partition(" ")
    except OSError as error:
        if error.errno in _NO_ATTRIBUTE:
            return None
        raise
    return digest if stamp == _stamp(path) else None


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _walk(folder: Path, base: str, prefix: str) -> Iterator[tuple[str, Path]]:
    """Files below `folder` whose key begins with `prefix`, in the byte order of their keys."""
    try:
        entries = [(e.name + "/" * e.is_dir(follow_symlinks=False)) for e in os.scandir(folder)]
    except _NO_OBJECT:
        return
    for name in sorted(entries, key=os.fsencode):
        key = base + name
        if name == f"{RESERVED_SEGMENT}/":
            continue
        if name.endswith("/") and (key.startswith(prefix) or prefix.startswith(key)):
            yield from _walk(folder / name, key, prefix)
        elif not name.endswith("/") and key.startswith(prefix):
            yield key, folder / name


def _remove_empty_folders(folder: Path, root: Path) -> None:
    while folder != root:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # not empty, or not a folder at all
            return
        folder = folder.parent


def _remove_stale(folder: Path) -> None:
    """Remove what writers left that were killed more than a day ago."""
    oldest_s = time.time() - _STALE_AFTER_S
    for path in folder.glob("*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest_s:
                path.unlink()
