"""Google Cloud Storage, Azure Blob, and whatever else obstore speaks to, as an object store.

Every put is on the condition that the key is free, or still has the version that was read. What
was put is proved by its ETag where that is the MD5 of the bytes, and is read back elsewhere. A
file is sent in one request: an upload that was killed begins again, unlike those of `S3Store`.
"""

import contextlib
import hashlib
import mimetypes
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from naturalist.errors import StoreError
from naturalist.stores.batch import Batch, Outcome, size_of
from naturalist.stores.bounded import BoundedPool, windows
from naturalist.stores.checksums import proves
from naturalist.stores.cloud_clients import Client
from naturalist.stores.cloud_errors import cloud_errors, no_bucket
from naturalist.stores.connection import S3Options
from naturalist.stores.keys import RESERVED_SEGMENT, check_key, check_prefix, is_key
from naturalist.stores.partial import download
from naturalist.stores.prefix import DIGEST_METADATA
from naturalist.stores.protocol import ObjectInfo, OnDone, Upload
from naturalist.stores.refusals import (
    already_there,
    changed_meanwhile,
    check_unchanged,
    corrupted,
    not_found,
    opened,
    same_bytes,
    too_large,
)

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta, PutMode
    from obstore.store import ObjectStore

_WRITER_METADATA = "writer"
"""Metadata that tells an own put, repeated after its answer was lost, from somebody else's."""
_PROBE_KEY = f"{RESERVED_SEGMENT}/conditions"
_NO_VERSION = '"naturalist"|1'
_CHUNK_BYTES = 1 << 20
_LARGE_BYTES = 64 << 20
_MAX_BYTES = 4 << 30
"""More than this does not fit into one request to every service."""
_DELETED_AT_ONCE = 256


class CloudStore:
    """Keeps the contract of `Store` through a client of obstore.

    Args:
        client: makes the client; its prefix, if any, is that of this store.
        url: the address, for people.
        options: concurrency, and how long the server may be away.
        any_key: whether keys that naturalist would not write are read too.
    """

    def __init__(
        self, client: Client, url: str, options: S3Options | None = None, *, any_key: bool = False
    ) -> None:
        self.url = url.rstrip("/")
        self._options = options or S3Options()
        self._any_key = any_key
        self._make = client
        self._was_reached = False
        self._clients: dict[bool, ObjectStore] = {}

    def __repr__(self) -> str:
        return f"CloudStore({self.url!r})"

    def check_writable(self) -> None:
        """See `Store.check_writable`; a put whose condition cannot hold shows both."""
        with self._errors("checking that objects can be written"):
            if self._put(_PROBE_KEY, b"", {}, _NO_VERSION) is not None:
                self._client.delete([_PROBE_KEY])
                raise StoreError(
                    f"{self.url} does not honour conditional writes, without which publishers "
                    "could overwrite each other: use another store"
                )

    def put_file(self, key: str, path: Path, sha256: str) -> ObjectInfo:
        """See `Store.put_file`."""
        return self._put_file(Upload(key, path, sha256))[0]

    def put_files(self, uploads: Iterable[Upload], on_done: OnDone | None = None) -> None:
        """See `Store.put_files`."""
        batch = Batch(on_done)
        with BoundedPool(self._options.max_concurrency) as pool, BoundedPool(1) as large:
            try:
                for upload in uploads:
                    batch.add(upload, self._start(upload, pool, large))
                    if batch.failure:
                        break
            except StoreError as error:
                batch.failure = batch.failure or error
            batch.finish()

    def put_bytes(
        self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None
    ) -> ObjectInfo:
        """See `Store.put_bytes`."""
        check_key(key)
        sha256 = hashlib.sha256(data).hexdigest()
        condition = "" if if_absent else if_match
        writer = uuid.uuid4().hex
        with self._errors(f"writing {key}"):
            attributes = {**_described(key, sha256), _WRITER_METADATA: writer}
            version = self._put(key, data, attributes, condition)
            if version is None:
                existing, found = self._look(key)
                if existing is not None and found.get(_WRITER_METADATA) == writer:
                    return existing
                conflict = already_there if if_absent else changed_meanwhile
                raise conflict(self.url, key)
            return self._proved(ObjectInfo(key, len(data), sha256, version), data)

    def get_bytes(self, key: str, max_bytes: int | None = None) -> tuple[bytes, ObjectInfo]:
        """See `Store.get_bytes`."""
        self._check(key)
        with self._errors(f"reading {key}", reading=True):
            try:
                answer = self._client.get(key)
                info = _info(key, answer.meta, answer.attributes)
                if max_bytes is not None and info.size_bytes > max_bytes:
                    raise too_large(f"{key} in {self.url}", info.size_bytes, max_bytes)
                data = bytes(answer.bytes())
            except FileNotFoundError as error:
                raise self._missing(key) from error
        self._was_reached = True
        result = hashlib.sha256(data).hexdigest()
        if info.sha256 not in (None, result):
            raise corrupted(f"{key} in {self.url}", info.sha256, result)
        return data, replace(info, sha256=result)

    def fetch(
        self, key: str, path: Path, sha256: str | None = None, size_bytes: int | None = None
    ) -> None:
        """See `Store.fetch`."""
        info = self.head(key)
        if info is None:
            raise self._missing(key)
        expected = sha256 or info.sha256
        token = f"{self.url}/{key} {expected} {info.version}"
        what = f"{key} in {self.url}"
        with self._errors(f"fetching {key}", reading=True):
            download(path, what, token, expected, lambda n: self._stream(info, n), size_bytes)

    def head(self, key: str) -> ObjectInfo | None:
        """See `Store.head`."""
        self._check(key)
        with self._errors(f"looking for {key}", reading=True):
            return self._look(key)[0]

    def read_back(self, key: str) -> ObjectInfo | None:
        """See `Store.read_back`."""
        info = self.head(key)
        with self._errors(f"reading {key} back", reading=True):
            return info and replace(info, sha256=self._sha256_of(info))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See `Store.list`; what is no valid key here is passed over."""
        return (info for info in self.everything(prefix) if is_key(info.key))

    def everything(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """As `list`, and what is no valid key here too: other programs may have written it."""
        folder = check_prefix(prefix).rpartition("/")[0] or None
        with self._errors(f"listing {prefix or 'everything'}", reading=True):
            try:
                for page in self._client.list(prefix=folder):
                    self._was_reached = True
                    for meta in page:
                        if meta["path"].startswith(prefix):
                            yield _info(meta["path"], meta, {})
            except FileNotFoundError as error:
                raise no_bucket(self.url) from error

    def patient(self) -> Self:
        """This store; it waits through an outage from the first request on."""
        self._was_reached = True
        return self

    def delete(self, keys: Iterable[str]) -> None:
        """See `Store.delete`."""
        for window in windows(keys, _DELETED_AT_ONCE):
            for key in window:
                check_key(key)
            with self._errors("deleting objects"):
                try:
                    self._client.delete(window)
                except FileNotFoundError:
                    # One that is missing says nothing of the others.
                    for key in window:
                        with contextlib.suppress(FileNotFoundError):
                            self._client.delete(key)

    @property
    def _client(self) -> "ObjectStore":
        """Patient with a server that has answered; at the first contact its address is doubted."""
        if self._was_reached not in self._clients:
            outage_s = self._options.outage_s if self._was_reached else 0.0
            self._clients[self._was_reached] = self._make(outage_s)
        return self._clients[self._was_reached]

    def _errors(
        self, doing: str, *, reading: bool = False
    ) -> "contextlib.AbstractContextManager[None]":
        return cloud_errors(doing, self.url, reading=reading)

    def _check(self, key: str) -> None:
        if not self._any_key:
            check_key(key)

    def _look(self, key: str) -> tuple[ObjectInfo | None, "Attributes"]:
        try:
            answer = self._client.get(key, options={"head": True})
        except FileNotFoundError:
            if not self._was_reached:
                self._check_bucket()
            return None, {}
        self._was_reached = True
        return _info(key, answer.meta, answer.attributes), answer.attributes

    def _check_bucket(self) -> None:
        """Tell a missing bucket from a missing object: both are answered by 404."""
        next(self.everything(), None)
        self._was_reached = True

    def _missing(self, key: str) -> StoreError:
        self._check_bucket()
        return not_found(self.url, key)

    def _start(self, upload: Upload, pool: BoundedPool, large: BoundedPool) -> Future[Outcome]:
        return (large if size_of(upload) > _LARGE_BYTES else pool).submit(self._put_file, upload)

    def _put_file(self, upload: Upload) -> Outcome:
        check_key(upload.key)
        with self._errors(f"storing {upload.key}"):
            existing = self._look(upload.key)[0]
            if existing:
                return self._same(existing, upload), False
            if size_of(upload) > _MAX_BYTES:
                raise too_large(str(upload.path), size_of(upload), _MAX_BYTES)
            with opened(upload) as file:
                data = file.read()
            check_unchanged(upload, hashlib.sha256(data).hexdigest())
            version = self._put(upload.key, data, _described(upload.key, upload.sha256), "")
            if version is None:
                existing = self._look(upload.key)[0]
                if existing is None:
                    raise changed_meanwhile(self.url, upload.key)
                return self._same(existing, upload), True
            info = ObjectInfo(upload.key, len(data), upload.sha256, version)
            return self._proved(info, data), True

    def _put(
        self, key: str, data: bytes, attributes: dict[str, str], condition: str | None
    ) -> str | None:
        """Put, and return the version; None if the condition does not hold.

        Args:
            key: where to.
            data: the bytes.
            attributes: what is kept beside them.
            condition: a version that must be there; "": the key must be free; None for none.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            answer = self._client.put(
                key, data, attributes=attributes, mode=_mode(condition), use_multipart=False
            )
        except (AlreadyExistsError, PreconditionError):
            self._was_reached = True
            return None
        except FileNotFoundError as error:
            self._check_bucket()
            if condition:
                return None
            raise no_bucket(self.url) from error
        self._was_reached = True
        return _version(answer["e_tag"], answer["version"])

    def _same(self, existing: ObjectInfo, upload: Upload) -> ObjectInfo:
        if existing.sha256 is None:
            existing = replace(existing, sha256=self._sha256_of(existing))
        return same_bytes(self.url, existing, upload)

    def _proved(self, info: ObjectInfo, data: bytes) -> ObjectInfo:
        """Return `info` if the server holds these bytes; wrong ones are removed."""
        etag = (info.version or "").rpartition("|")[0]
        if info.sha256 is None or proves(data, info.sha256, None, etag):
            return info
        result = self._sha256_of(info)
        if result != info.sha256:
            self._client.delete(info.key)
            raise corrupted(f"{info.key} in {self.url}", info.sha256, result)
        return info

    def _sha256_of(self, info: ObjectInfo) -> str:
        digest = hashlib.sha256()
        for chunk in self._stream(info, 0):
            digest.update(chunk)
        return digest.hexdigest()

    def _stream(self, info: ObjectInfo, offset: int) -> Iterator[bytes]:
        """The bytes of one version of an object, from an offset to its end."""
        if offset >= info.size_bytes:
            return
        etag = (info.version or "").rpartition("|")[0]
        options: dict[str, Any] = {"if_match": etag} if etag else {}
        if offset:
            options["range"] = {"offset": offset}
        try:
            for chunk in self._client.get(info.key, options=options).stream(_CHUNK_BYTES):
                yield bytes(chunk)
        except FileNotFoundError as error:
            raise self._missing(info.key) from error


def _described(key: str, sha256: str) -> dict[str, str]:
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    return {"Content-Type": kind, DIGEST_METADATA: sha256}


def _info(key: str, meta: "ObjectMeta", attributes: "Attributes") -> ObjectInfo:
    version = _version(meta["e_tag"], meta["version"])
    modified_s = meta["last_modified"].timestamp()
    return ObjectInfo(key, meta["size"], attributes.get(DIGEST_METADATA), version, modified_s)


def _version(etag: str | None, version: str | None) -> str:
    """One token of both; listings of Azure give ETags without their quotes."""
    bare = (etag or "").strip('"')
    return f'"{bare}"|{version or ""}' if bare else f"|{version or ''}"


def _mode(condition: str | None) -> "PutMode":
    if condition is None:
        return "overwrite"
    if not condition:
        return "create"
    etag, _, version = condition.rpartition("|")
    parts = {"e_tag": etag, "version": version}
    return {name: value for name, value in parts.items() if value}
