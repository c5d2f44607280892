"""An S3 bucket (AWS, MinIO, Ceph, R2, SeaweedFS ...) as an object store.

Every put carries a SHA-256 that the server verifies, and the SHA-256 of the whole file as metadata
of the object; what a server does not prove to have verified is proved by its ETag or read back
(`checksums`). Files are put on the condition that the key is free: no publisher can overwrite
another's.
"""

import contextlib
import functools
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from botocore.exceptions import ClientError

from naturalist.errors import Conflict, StoreError
from naturalist.stores.bounded import windows
from naturalist.stores.checksums import proves, sha256_base64
from naturalist.stores.conditions import REFUSED, learn_conditions
from naturalist.stores.connection import S3Options, connect
from naturalist.stores.fast_lane import open_fast_lane
from naturalist.stores.keys import check_prefix, is_key
from naturalist.stores.multipart import begin_and_drop
from naturalist.stores.outages import REQUEST_ERRORS, Patience, outlast
from naturalist.stores.partial import download
from naturalist.stores.prefix import (
    BucketPrefix,
    described,
    description,
    head,
    is_missing,
    sha256_at_server,
    stream,
)
from naturalist.stores.protocol import ObjectInfo, OnDone, Upload
from naturalist.stores.putting import Putter
from naturalist.stores.refusals import (
    already_there,
    changed_meanwhile,
    corrupted,
    not_found,
    too_large,
)
from naturalist.stores.s3_errors import error_code, s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        GetObjectOutputTypeDef,
        ObjectIdentifierTypeDef,
        ObjectTypeDef,
        PutObjectOutputTypeDef,
    )

Result = TypeVar("Result")

_DELETED_AT_ONCE = 1000
_CONTENDED_ATTEMPTS = 5


class S3Store:
    """Keeps the contract of `Store` in a bucket, below a prefix.

    Nothing is sent before the first operation. With `any_key` it also reads keys that it would not
    write (`keys.check_key`): other programs may have written them.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        options: S3Options | None = None,
        *,
        any_key: bool = False,
    ) -> None:
        prefix = prefix.strip("/")
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._place = BucketPrefix(
            connect(options or S3Options()),
            bucket,
            f"{check_prefix(prefix)}/" if prefix else "",
            self.url,
            any_key=any_key,
        )
        self._was_reached = False

    def __repr__(self) -> str:
        return f"S3Store({self.url!r})"

    def check_writable(self) -> None:
        """See `Store.check_writable`; begins an upload in parts and drops it."""
        doing = "checking that objects can be written"
        with s3_errors(doing, self.url):
            self._patiently(lambda: begin_and_drop(self._place), doing)

    def put_file(self, key: str, path: Path, sha256: str) -> ObjectInfo:
        """See `Store.put_file`."""
        done: list[ObjectInfo] = []
        Putter(self._writable, None).put_all(
            [Upload(key, path, sha256)], lambda _upload, info, _sent: done.append(info)
        )
        return done[0]

    def put_files(self, uploads: Iterable[Upload], on_done: OnDone | None = None) -> None:
        """See `Store.put_files`."""
        place = self._writable
        with s3_errors("preparing to store files", self.url):
            lane = open_fast_lane(place.connection, place.bucket)
        with lane or contextlib.nullcontext():
            Putter(place, lane).put_all(uploads, on_done)

    def put_bytes(
        self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None
    ) -> ObjectInfo:
        """See `Store.put_bytes`."""
        conflict = already_there(self.url, key) if if_absent else changed_meanwhile(self.url, key)
        condition = _condition(if_absent, if_match)
        with s3_errors(f"writing {key}", self.url):
            if condition and not self._writable.conditions:
                current = self.head(key)
                if (current and current.version) != if_match:
                    raise conflict
                condition = {}
            return self._put_bytes(key, data, condition, conflict)

    def get_bytes(self, key: str, max_bytes: int | None = None) -> tuple[bytes, ObjectInfo]:
        """See `Store.get_bytes`."""
        doing = f"reading {key}"
        with s3_errors(doing, self.url, reading=True):
            try:
                get = functools.partial(self._get, key, max_bytes)
                answer, data = self._patiently(get, doing)
            except ClientError as error:
                if is_missing(error):
                    raise not_found(self.url, key) from error
                raise
        info, result = described(key, answer), hashlib.sha256(data).hexdigest()
        if info.sha256 not in (None, result):
            raise corrupted(f"{key} in {self.url}", info.sha256, result)
        return data, replace(info, sha256=result)

    def fetch(
        self, key: str, path: Path, sha256: str | None = None, size_bytes: int | None = None
    ) -> None:
        """See `Store.fetch`; one request if `sha256` is given."""
        with s3_errors(f"fetching {key}", self.url, reading=True):
            version = None
            if sha256 is None:
                info = self.head(key)
                if info is None:
                    raise not_found(self.url, key)
                sha256, version = info.sha256, info.version

            def read_from(offset: int) -> Iterator[bytes]:
                return stream(self._place, key, offset, version)

            try:
                token = f"{self.url}/{key} {sha256} {version}"
                download(path, f"{key} in {self.url}", token, sha256, read_from, size_bytes)
            except ClientError as error:
                if is_missing(error):
                    raise not_found(self.url, key) from error
                raise

    def head(self, key: str) -> ObjectInfo | None:
        """See `Store.head`."""
        doing = f"looking for {key}"
        with s3_errors(doing, self.url, reading=True):
            return self._patiently(lambda: head(self._place, key), doing)

    def read_back(self, key: str) -> ObjectInfo | None:
        """See `Store.read_back`."""
        with s3_errors(f"reading {key} back", self.url, reading=True):
            info = self.head(key)
            return info and replace(info, sha256=sha256_at_server(self._place, info))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See `Store.list`; S3 lists no digests. What is no valid key here is passed over."""
        return (info for info in self.everything(prefix) if is_key(info.key))

    def everything(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """As `list`, and what is no valid key here too: other programs may have written it."""
        prefix_bytes = len(self._place.prefix)
        doing = f"listing {prefix or 'everything'}"
        with s3_errors(doing, self.url, reading=True):
            for item in self._listed(self._place.prefix + check_prefix(prefix), doing):
                modified_s = item["LastModified"].timestamp()
                key = item["Key"][prefix_bytes:]
                yield ObjectInfo(key, item["Size"], None, item["ETag"], modified_s)

    def patient(self) -> Self:
        """This store; it waits through an outage from the first request on."""
        self._was_reached = True
        return self

    def delete(self, keys: Iterable[str]) -> None:
        """See `Store.delete`."""
        for window in windows(keys, _DELETED_AT_ONCE):
            objects: list[ObjectIdentifierTypeDef] = [
                {"Key": self._place.full_key(key)} for key in window
            ]
            delete = functools.partial(
                self._client.delete_objects,
                Bucket=self._place.bucket,
                Delete={"Objects": objects, "Quiet": True},
                **self._place.connection.payer,
            )
            with s3_errors("deleting objects", self.url):
                answer = self._patiently(delete, "deleting objects")
            for error in answer.get("Errors", []):
                raise StoreError(
                    f"{error.get('Key')} was not deleted from {self.url}: the server answered "
                    f"{error.get('Code')}; check the permission s3:DeleteObject and try again"
                )

    @property
    def _client(self) -> "S3Client":
        return self._place.connection.client

    @functools.cached_property
    def _writable(self) -> BucketPrefix:
        """The place, after asking its server once whether it keeps conditions."""
        doing = "asking what the server can do"
        with s3_errors(doing, self.url):
            return self._patiently(lambda: learn_conditions(self._place), doing)

    @property
    def _outage_s(self) -> float:
        """Patience with a server that has answered; at the first contact its address is doubted."""
        return self._place.connection.options.outage_s if self._was_reached else 0.0

    def _patiently(self, call: Callable[[], Result], doing: str) -> Result:
        result = outlast(call, doing, self._outage_s)
        self._was_reached = True
        return result

    def _get(self, key: str, max_bytes: int | None) -> tuple["GetObjectOutputTypeDef", bytes]:
        answer = self._client.get_object(**self._place.arguments(key))
        if max_bytes is not None and answer["ContentLength"] > max_bytes:
            answer["Body"].close()
            raise too_large(f"{key} in {self.url}", answer["ContentLength"], max_bytes)
        return answer, answer["Body"].read()

    def _listed(self, prefix: str, doing: str) -> Iterator["ObjectTypeDef"]:
        """What is listed below a prefix; after an outage from the last key on."""
        patience, after = Patience(self._outage_s), ""
        while True:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._place.bucket,
                Prefix=prefix,
                StartAfter=after,
                **self._place.connection.payer,
            )
            try:
                for page in pages:
                    patience.progress()
                    self._was_reached = True
                    for item in page.get("Contents", []):
                        yield item
                        after = item["Key"]
                return
            except REQUEST_ERRORS as error:
                patience.wait(error, doing)

    def _put_bytes(
        self, key: str, data: bytes, condition: dict[str, Any], conflict: Conflict
    ) -> ObjectInfo:
        sha256 = hashlib.sha256(data).hexdigest()
        put = functools.partial(
            self._client.put_object,
            **self._place.arguments(key),
            **description(key, sha256),
            **condition,
            Body=data,
            ChecksumSHA256=sha256_base64(sha256),
        )
        rounds = 0

        def put_once_more() -> "PutObjectOutputTypeDef":
            nonlocal rounds
            rounds += 1
            return _repeated_while_contended(put)

        try:
            answer = self._patiently(put_once_more, f"writing {key}")
        except ClientError as error:
            if not condition or not (error_code(error) in REFUSED or is_missing(error)):
                raise
            existing = self.head(key)
            if existing and existing.sha256 == sha256 and (rounds > 1 or _was_repeated(error)):
                return existing
            raise conflict from error
        info = ObjectInfo(key, len(data), sha256, answer["ETag"])
        if not proves(data, sha256, answer.get("ChecksumSHA256"), answer["ETag"]):
            result = sha256_at_server(self._place, info)
            if result != sha256:
                raise corrupted(f"{key} in {self.url}", sha256, result)
        return info


def _condition(if_absent: bool, if_match: str | None) -> dict[str, Any]:
    if if_absent:
        return {"IfNoneMatch": "*"}
    return {"IfMatch": if_match} if if_match is not None else {}


def _repeated_while_contended(
    put: Callable[[], "PutObjectOutputTypeDef"],
) -> "PutObjectOutputTypeDef":
    """Repeat a conditional put that the server calls off because another one is under way."""
    for attempt in range(_CONTENDED_ATTEMPTS):
        try:
            return put()
        except ClientError as error:
            if error_code(error) != "ConditionalRequestConflict":
                raise
            time.sleep(0.05 * 2**attempt)
    return put()


def _was_repeated(error: ClientError) -> bool:
    """Whether botocore sent the request more than once: an own earlier try may have won."""
    return bool(error.response["ResponseMetadata"].get("RetryAttempts"))
