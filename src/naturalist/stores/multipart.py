"""Large files in parts: parallel, bounded in memory, taken up again where a killed upload stopped.

An unfinished upload of the same key is gone on with: each of its parts is compared by checksum with
the bytes that are here, and only what is missing or different is sent.
"""

import hashlib
import logging
import math
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from naturalist.errors import StoreError
from naturalist.stores.bounded import BoundedPool
from naturalist.stores.checksums import composite, proves, sha256_base64
from naturalist.stores.prefix import BucketPrefix, description
from naturalist.stores.protocol import Upload
from naturalist.stores.refusals import check_unchanged, opened

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, PartTypeDef

MAX_PARTS = 10_000
_MIB = 1 << 20
_LOOK_BACK = 256
_TRIED_KEY = "naturalist-may-write"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartsSent:
    """How an upload in parts ended."""

    resumed: bool
    proved: bool
    """Whether checksums prove every byte; if not, the object has to be read back."""


@dataclass(frozen=True)
class _Unfinished:
    """An unfinished upload at the server."""

    place: BucketPrefix
    key: str
    upload_id: str

    @property
    def arguments(self) -> dict[str, Any]:
        return {**self.place.arguments(self.key), "UploadId": self.upload_id}


@dataclass(frozen=True)
class _Part:
    """A part that the server holds; proved if its checksum shows that it holds every byte."""

    number: int
    sha256: str
    etag: str
    proved: bool


def send_in_parts(
    place: BucketPrefix, upload: Upload, pool: BoundedPool, *, resume: bool
) -> PartsSent:
    """Send a file in parts and complete it, unless an object appeared under the key meanwhile.

    A failure leaves the parts that arrived, for the next attempt.

    Raises:
        StoreError: the file does not have the announced SHA-256 (its parts are removed).
        ClientError, BotoCoreError: as botocore raises them; ``PreconditionFailed`` if the key
            exists by now, ``NoSuchUpload`` if another publisher completed or removed the upload.
    """
    unfinished = _unfinished(place, upload.key) if resume else []
    started = unfinished[-1] if unfinished else _begin(place, upload)
    try:
        parts = _send(started, upload, _remote_parts(started) if unfinished else {}, pool)
    except StoreError:
        _abort(started)
        raise
    return PartsSent(resumed=bool(unfinished), proved=_complete(started, parts))


def abort_unfinished(place: BucketPrefix, key: str) -> None:
    """Remove what unfinished uploads of a key left at the server."""
    for started in _unfinished(place, key):
        _abort(started)


def begin_and_drop(place: BucketPrefix) -> None:
    """Begin an upload and abort it: needs the permission to write, and leaves no object.

    Raises:
        ClientError, BotoCoreError: as botocore raises them.
    """
    answer = place.connection.client.create_multipart_upload(**place.arguments(_TRIED_KEY))
    _abort(_Unfinished(place, _TRIED_KEY, answer["UploadId"]))


def _begin(place: BucketPrefix, upload: Upload) -> _Unfinished:
    answer = place.connection.client.create_multipart_upload(
        **place.arguments(upload.key),
        **description(upload.key, upload.sha256),
        ChecksumAlgorithm="SHA256",
    )
    return _Unfinished(place, upload.key, answer["UploadId"])


def _send(
    started: _Unfinished, upload: Upload, remote: "dict[int, PartTypeDef]", pool: BoundedPool
) -> list[_Part]:
    """Read the file once, in order; send what the server lacks; wait for all of it."""
    whole = hashlib.sha256()
    held: list[_Part] = []
    sending: list[Future[_Part]] = []
    try:
        for number, data in enumerate(_chunks(started.place, upload), 1):
            whole.update(data)
            if part := _held(number, data, remote.get(number)):
                held.append(part)
            else:
                sending.append(pool.submit(_send_part, started, number, data))
            if any(part.done() and part.exception() for part in sending[-_LOOK_BACK:]):
                break
    finally:
        # Parts under way are waited for even after a failure: the next attempt finds them.
        failures = [part.exception() for part in sending]
    for failure in filter(None, failures):
        raise failure
    check_unchanged(upload, whole.hexdigest())
    return sorted([*held, *(part.result() for part in sending)], key=lambda part: part.number)


def _chunks(place: BucketPrefix, upload: Upload) -> Iterator[bytes]:
    with opened(upload) as file:
        smallest = math.ceil(upload.path.stat().st_size / MAX_PARTS / _MIB) * _MIB
        chunk_bytes = max(place.connection.options.multipart_chunk_bytes, smallest)
        while data := file.read(chunk_bytes):
            yield data


def _held(number: int, data: bytes, part: "PartTypeDef | None") -> _Part | None:
    if part is None or part.get("Size") != len(data):
        return None
    digest, etag = hashlib.sha256(data).hexdigest(), part.get("ETag", "")
    proved = proves(data, digest, part.get("ChecksumSHA256"), etag)
    return _Part(number, digest, etag, proved) if proved else None


def _send_part(started: _Unfinished, number: int, data: bytes) -> _Part:
    digest = hashlib.sha256(data).hexdigest()
    answer = started.place.connection.client.upload_part(
        **started.arguments, PartNumber=number, Body=data, ChecksumSHA256=sha256_base64(digest)
    )
    proved = proves(data, digest, answer.get("ChecksumSHA256"), answer["ETag"])
    return _Part(number, digest, answer["ETag"], proved)


def _complete(started: _Unfinished, parts: list[_Part]) -> bool:
    answer = started.place.connection.client.complete_multipart_upload(
        **started.arguments,
        **started.place.if_free,
        MultipartUpload={"Parts": [_named(part) for part in parts]},
    )
    given = answer.get("ChecksumSHA256")
    as_sent = given is None or given == composite([part.sha256 for part in parts])
    return as_sent and all(part.proved for part in parts)


def _named(part: _Part) -> "CompletedPartTypeDef":
    return {
        "PartNumber": part.number,
        "ETag": part.etag,
        "ChecksumSHA256": sha256_base64(part.sha256),
    }


def _unfinished(place: BucketPrefix, key: str) -> list[_Unfinished]:
    """Unfinished uploads of a key, oldest first."""
    full_key = place.full_key(key)
    pages = place.connection.client.get_paginator("list_multipart_uploads").paginate(
        Bucket=place.bucket, Prefix=full_key, **place.connection.payer
    )
    result = [item for page in pages for item in page.get("Uploads", [])]
    own = [item for item in result if item["Key"] == full_key]
    own.sort(key=lambda item: item["Initiated"])
    return [_Unfinished(place, key, item["UploadId"]) for item in own]


def _remote_parts(started: _Unfinished) -> "dict[int, PartTypeDef]":
    pages = started.place.connection.client.get_paginator("list_parts").paginate(
        **started.arguments
    )
    parts = {part["PartNumber"]: part for page in pages for part in page.get("Parts", [])}
    _log.info("resuming an unfinished upload of %s: %d parts uploaded", started.key, len(parts))
    return parts


def _abort(started: _Unfinished) -> None:
    client = started.place.connection.client
    try:
        client.abort_multipart_upload(**started.arguments)
    except client.exceptions.NoSuchUpload:
        _log.debug("an upload of %s no longer exists", started.key)
