"""Putting files into S3: which are there already, one request for a small one, parts for a large.

A file that is not there costs one request: its put is conditional, so nothing has to be looked up
before. Which keys of a batch exist is learnt from a listing for every thousand of them; those are
looked up and compared by SHA-256, and not sent.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from botocore.exceptions import ClientError

from naturalist.errors import StoreError
from naturalist.stores.batch import Batch, Outcome, size_of
from naturalist.stores.bounded import BoundedPool, windows
from naturalist.stores.checksums import proves, sha256_base64
from naturalist.stores.conditions import REFUSED
from naturalist.stores.fast_lane import FastLane
from naturalist.stores.multipart import abort_unfinished, send_in_parts
from naturalist.stores.outages import outlast
from naturalist.stores.prefix import (
    DIGEST_METADATA,
    BucketPrefix,
    described_by_headers,
    description,
    head,
    sha256_at_server,
)
from naturalist.stores.protocol import ObjectInfo, OnDone, Upload
from naturalist.stores.refusals import check_unchanged, opened, same_bytes
from naturalist.stores.s3_errors import error_code, s3_errors

_LARGE_FILES_AT_ONCE = 4
_SMALL_BYTES = 1 << 18
_SMALL_FILES_A_SLOT = 4
"""A small file takes up next to no memory and no line, and most of its time is waiting."""
_WINDOW = 1000
_LISTED_PAGES = 3


@dataclass(frozen=True)
class _Pools:
    """Threads for small files, for single requests, and for files in parts, which make requests."""

    small_files: BoundedPool
    requests: BoundedPool
    large_files: BoundedPool


@dataclass(frozen=True)
class Putter:
    """Puts files into one place."""

    place: BucketPrefix
    lane: FastLane | None

    @property
    def _payer_header(self) -> dict[str, str]:
        return {"x-amz-request-payer": "requester"} if self.place.connection.payer else {}

    def put_all(self, uploads: Iterable[Upload], on_done: OnDone | None) -> None:
        """See `Store.put_files`."""
        limit = self.place.connection.options.max_concurrency
        batch = Batch(on_done)
        with (
            BoundedPool(limit) as pool,
            BoundedPool(limit * _SMALL_FILES_A_SLOT) as small_files,
            BoundedPool(_LARGE_FILES_AT_ONCE) as large_files,
        ):
            pools = _Pools(small_files, pool, large_files)
            try:
                for upload, there in self._looked_for(uploads):
                    batch.add(upload, self._start(upload, there, pools))
                    if batch.failure:
                        break
            except StoreError as error:
                batch.failure = batch.failure or error
            batch.finish()

    def _looked_for(self, uploads: Iterable[Upload]) -> Iterator[tuple[Upload, bool]]:
        """Each upload, and whether its key may exist; the others are put without a look."""
        doing = "looking for files that are already stored"
        for window in windows(uploads, _WINDOW):
            with s3_errors(doing, self.place.url):
                look = partial(self._perhaps_there, window)
                there = outlast(look, doing, self.place.connection.options.outage_s)
            for upload in window:
                yield upload, upload.key in there

    def _start(self, upload: Upload, perhaps_there: bool, pools: "_Pools") -> Future[Outcome]:
        size_bytes = size_of(upload)
        if size_bytes > self.place.connection.options.multipart_chunk_bytes:
            return pools.large_files.submit(self._put, upload, True, pools.requests)
        is_quick = self.lane is not None and size_bytes <= _SMALL_BYTES
        pool = pools.small_files if is_quick else pools.requests
        return pool.submit(self._put, upload, perhaps_there, None)

    def _put(self, upload: Upload, perhaps_there: bool, pool: BoundedPool | None) -> Outcome:
        doing, outage_s = f"storing {upload.key}", self.place.connection.options.outage_s
        with s3_errors(doing, self.place.url):
            look = partial(self._existing, upload.key)
            existing = outlast(look, doing, outage_s) if perhaps_there else None
            if existing:
                return self._same(existing, upload), False
            if pool:
                put = partial(self._put_in_parts, upload, pool, resume=True)
            else:
                put = partial(self._put_whole, upload)
            return outlast(put, doing, outage_s), True

    def _existing(self, key: str) -> ObjectInfo | None:
        headers = {"x-amz-checksum-mode": "ENABLED", **self._payer_header}
        answer = self.lane and self.lane.request("HEAD", self.place.full_key(key), headers, b"")
        if answer and "content-length" in answer:
            return described_by_headers(key, answer)
        return head(self.place, key)

    def _same(self, existing: ObjectInfo, upload: Upload) -> ObjectInfo:
        if existing.sha256 is None:
            existing = replace(existing, sha256=sha256_at_server(self.place, existing))
        return same_bytes(self.place.url, existing, upload)

    def _put_whole(self, upload: Upload) -> ObjectInfo:
        with opened(upload) as file:
            data = file.read()
        check_unchanged(upload, hashlib.sha256(data).hexdigest())
        echoed, etag = self._by_fast_lane(upload, data) or (None, None)
        if etag is None:
            try:
                echoed, etag = self._by_botocore(upload, data)
            except ClientError as error:
                return self._lost_to_another(error, upload)
        info = ObjectInfo(upload.key, len(data), upload.sha256, etag)
        if not proves(data, upload.sha256, echoed, etag):
            self._read_back(info)
        return info

    def _by_fast_lane(self, upload: Upload, data: bytes) -> tuple[str | None, str | None] | None:
        if self.lane is None:
            return None
        reported = description(upload.key, upload.sha256)
        headers = {
            "content-type": reported["ContentType"],
            "x-amz-checksum-sha256": sha256_base64(upload.sha256),
            f"x-amz-meta-{DIGEST_METADATA}": upload.sha256,
        }
        if self.place.conditions:
            headers["if-none-match"] = "*"
        headers.update(self._payer_header)
        answer = self.lane.request("PUT", self.place.full_key(upload.key), headers, data)
        if answer is None:
            return None
        return answer.get("x-amz-checksum-sha256"), answer.get("etag")

    def _by_botocore(self, upload: Upload, data: bytes) -> tuple[str | None, str]:
        answer = self.place.connection.client.put_object(
            **self.place.arguments(upload.key),
            **description(upload.key, upload.sha256),
            **self.place.if_free,
            Body=data,
            ChecksumSHA256=sha256_base64(upload.sha256),
        )
        return answer.get("ChecksumSHA256"), answer["ETag"]

    def _put_in_parts(self, upload: Upload, pool: BoundedPool, *, resume: bool) -> ObjectInfo:
        try:
            sent = send_in_parts(self.place, upload, pool, resume=resume)
        except ClientError as error:
            info = self._lost_to_another(error, upload)
            abort_unfinished(self.place, upload.key)
            return info
        info = self._matches(upload)
        if sent.resumed and info.sha256 != upload.sha256:
            # The unfinished upload was started for other bytes, and says so in its metadata.
            self.place.connection.client.delete_object(**self.place.arguments(upload.key))
            return self._put_in_parts(upload, pool, resume=False)
        if not sent.proved:
            self._read_back(info)
        abort_unfinished(self.place, upload.key)
        return info

    def _lost_to_another(self, error: Exception, upload: Upload) -> ObjectInfo:
        """What is there after a put that came second; an own put that was repeated is one too."""
        if error_code(error) not in (*REFUSED, "NoSuchUpload"):
            raise error
        existing = head(self.place, upload.key)
        if existing is None:
            raise error
        return self._same(existing, upload)

    def _matches(self, upload: Upload) -> ObjectInfo:
        info = head(self.place, upload.key)
        size_bytes = size_of(upload)
        if info is None or info.size_bytes != size_bytes:
            raise StoreError(
                f"{upload.key} was stored in {self.place.url}, but afterwards was missing or not "
                f"{size_bytes} bytes long: publish again"
            )
        return info

    def _read_back(self, info: ObjectInfo) -> None:
        """Compare the stored bytes themselves; wrong ones are removed."""
        result = sha256_at_server(self.place, info)
        if result != info.sha256:
            self.place.connection.client.delete_object(**self.place.arguments(info.key))
            raise StoreError(
                f"{info.key} arrived damaged in {self.place.url} (sha256 {result}, expected "
                f"{info.sha256}) and was removed: publish again"
            )

    def _perhaps_there(self, window: list[Upload]) -> set[str]:
        """Keys that exist or may exist."""
        keys = sorted((self.place.full_key(upload.key) for upload in window), key=str.encode)
        there, last, listed = {keys[0]}, keys[0], 0
        pages = self.place.connection.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.place.bucket,
            Prefix=_common_prefix(keys[0], keys[-1]),
            StartAfter=keys[0],
            **self.place.connection.payer,
        )
        for page in pages if len(keys) > 1 else ():
            result = [item["Key"] for item in page.get("Contents", [])]
            there.update(result)
            last, listed = max([last, *result], key=str.encode), listed + 1
            if last >= keys[-1] or listed == _LISTED_PAGES:
                break
        else:
            last = keys[-1]
        there.update(key for key in keys if key.encode() > last.encode())
        return {upload.key for upload in window if self.place.full_key(upload.key) in there}


def _common_prefix(first: str, last: str) -> str:
    """What all keys that sort between the two begin with."""
    pairs = zip(first, last, strict=False)
    return "".join(a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
