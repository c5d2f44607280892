"""A prefix in a bucket: how keys become arguments of requests, and what is known of an object."""

import hashlib
import logging
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from naturalist.errors import StoreError
from naturalist.stores.checksums import sha256_hex
from naturalist.stores.connection import Connection
from naturalist.stores.keys import check_key
from naturalist.stores.outages import REQUEST_ERRORS, Patience
from naturalist.stores.protocol import ObjectInfo
from naturalist.stores.s3_errors import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

DIGEST_METADATA = "sha256"
"""Name of the metadata that holds the SHA-256 of the whole object."""

_CHUNK_BYTES = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BucketPrefix:
    """Where objects live at a server."""

    connection: Connection
    bucket: str
    prefix: str
    """Empty, or ending with a slash."""
    url: str

    def full_key(self, key: str) -> str:
        """The key in the bucket.

        Raises:
            StoreError: the key is not valid, and only valid ones are used here.
        """
        if self.any_key:
            return self.prefix + key
        check_key(key)
        return check_key(self.prefix + key) if self.prefix else key

    conditions: bool = True
    """Whether the server keeps conditions on writes (`conditions.kept`)."""
    any_key: bool = False
    """Whether keys that naturalist would not write are used too, to read what others wrote."""

    @property
    def if_free(self) -> dict[str, Any]:
        """The condition that nothing is under the key yet."""
        return {"IfNoneMatch": "*"} if self.conditions else {}

    def arguments(self, key: str) -> dict[str, Any]:
        """What every request about an object says."""
        return {
            "Bucket": self.bucket,
            "Key": self.full_key(key),
            **self.connection.payer,
        }


def head(place: BucketPrefix, key: str) -> ObjectInfo | None:
    """What is known of an object; None if there is none.

    Raises:
        ClientError, BotoCoreError: as botocore raises them.
    """
    client = place.connection.client
    arguments = place.arguments(key)
    try:
        answer = client.head_object(**arguments, ChecksumMode="ENABLED")
    except ClientError as error:
        if not is_missing(error):
            # The answer to HEAD has no body, and so no reason: ask in a way that gets one.
            client.get_object(**arguments, Range="bytes=0-0")["Body"].close()
            raise
        _check_bucket(place)
        return None
    return described(key, answer)


def is_missing(error: ClientError) -> bool:
    """Whether the server said that there is no such object."""
    return error_code(error) in ("404", "NoSuchKey")


def description(key: str, sha256: str) -> dict[str, Any]:
    """What is stored with the bytes of an object."""
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    return {"ContentType": kind, "Metadata": {DIGEST_METADATA: sha256}}


def described(key: str, answer: "HeadObjectOutputTypeDef | GetObjectOutputTypeDef") -> ObjectInfo:
    """An object from the server's answer about it."""
    sha256 = answer["Metadata"].get(DIGEST_METADATA) or sha256_hex(answer.get("ChecksumSHA256"))
    return ObjectInfo(key, answer["ContentLength"], sha256, answer["ETag"])


def described_by_headers(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    """An object from the headers of an answer about it, with lower-case names."""
    sha256 = headers.get(f"x-amz-meta-{DIGEST_METADATA}") or sha256_hex(
        headers.get("x-amz-checksum-sha256")
    )
    return ObjectInfo(key, int(headers["content-length"]), sha256, headers.get("etag"))


def stream(
    place: BucketPrefix, key: str, offset: int = 0, version: str | None = None
) -> Iterator[bytes]:
    """The bytes of one version of an object from an offset; broken connections are taken up again.

    Raises:
        ClientError, BotoCoreError: as botocore raises them; ``PreconditionFailed`` if the object
            is no longer `version`, or changed in between.
    """
    patience = Patience(place.connection.options.outage_s)
    end = offset + 1
    while offset < end:
        condition: dict[str, Any] = {"IfMatch": version} if version else {}
        try:
            answer = place.connection.client.get_object(
                **place.arguments(key), **condition, Range=f"bytes={offset}-"
            )
            version, end = answer["ETag"], int(answer["ContentRange"].rpartition("/")[2])
            for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                offset += len(chunk)
                patience.progress()
                yield chunk
        except REQUEST_ERRORS as error:
            if error_code(error) == "InvalidRange":
                return  # nothing is left, or the object is empty
            patience.wait(error, f"reading {key} from byte {offset}")


def sha256_at_server(place: BucketPrefix, info: ObjectInfo) -> str:
    """Hex SHA-256 of an object's bytes as the server gives them."""
    digest = hashlib.sha256()
    for chunk in stream(place, info.key, 0, info.version):
        digest.update(chunk)
    return digest.hexdigest()


def _check_bucket(place: BucketPrefix) -> None:
    """Tell a missing bucket from a missing object: HEAD answers 404 to both."""
    try:
        place.connection.client.head_bucket(Bucket=place.bucket)
    except ClientError as error:
        if error_code(error) in ("404", "NoSuchBucket"):
            raise StoreError(
                f"the bucket {place.bucket} does not exist ({place.url}): check its name and the "
                "endpoint, or create it with `naturalist bucket create`"
            ) from error
        _log.debug("no permission to inspect the bucket %s: %s", place.bucket, error_code(error))
