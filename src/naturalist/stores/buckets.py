"""Making a bucket that is safe from the start, and deleting one without accidents."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from naturalist.counting import counted
from naturalist.errors import StoreError
from naturalist.stores.bounded import windows
from naturalist.stores.connection import Connection, S3Options, connect
from naturalist.stores.keys import RESERVED_SEGMENT
from naturalist.stores.s3_errors import error_code, s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import LifecycleRuleTypeDef, ObjectIdentifierTypeDef, TagTypeDef

NOT_SUPPORTED = ("NotImplemented", "MethodNotAllowed", "NotSupported", "501", "405")
"""Codes with which servers say that they lack a feature of S3."""

PUBLIC_BLOCKS = (
    "BlockPublicAcls",
    "IgnorePublicAcls",
    "BlockPublicPolicy",
    "RestrictPublicBuckets",
)
"""The four switches of S3's public access block."""

_MARK: "TagTypeDef" = {"Key": "created-by", "Value": "naturalist"}
_MARK_KEY = f"{RESERVED_SEGMENT}/bucket.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BucketOptions:
    """What a new bucket gets."""

    versioning: bool = True
    encryption: bool = True
    """Default encryption with the server's own keys (AES-256)."""
    block_public_access: bool = True
    stale_upload_days: int = 7
    """Unfinished uploads are aborted by the server after so many days."""


@dataclass(frozen=True)
class Created:
    """A new bucket: which of its settings were made, and which its server does not know."""

    bucket: str
    region: str | None
    settings: tuple[str, ...]
    not_supported: tuple[str, ...]


@dataclass(frozen=True)
class Contents:
    """What is in a bucket, without the few small objects that naturalist keeps for itself."""

    objects: int
    size_bytes: int
    old_versions: int
    """Versions that are not the latest, and markers of deletion."""
    old_size_bytes: int
    unfinished_uploads: int
    made_by_naturalist: bool

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is in it."""
        return not (self.objects or self.old_versions or self.unfinished_uploads)

    def __str__(self) -> str:
        return (
            f"{counted(self.objects, 'object')} ({self.size_bytes:,} bytes), "
            f"{counted(self.old_versions, 'old version')} ({self.old_size_bytes:,} bytes), "
            f"{counted(self.unfinished_uploads, 'unfinished upload')}"
        )


def create_bucket(
    bucket: str, options: S3Options | None = None, expected: BucketOptions | None = None
) -> Created:
    """Make a bucket, mark it as made by naturalist and secure it.

    A setting that the server does not know is reported, not fatal.

    Raises:
        StoreError: the bucket exists already, or may not be made.
    """
    connection = connect(options or S3Options())
    with s3_errors(f"creating the bucket {bucket}", where(connection)):
        _refuse_existing(connection, bucket)
        region = _region(connection)
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region else {}
        connection.client.create_bucket(Bucket=bucket, **cast("dict[str, Any]", place))
    made: list[str] = []
    not_supported: list[str] = []
    for setting, make in _settings(connection, bucket, expected or BucketOptions()):
        doing = f"the bucket {bucket} was created, but setting {setting}"
        with s3_errors(doing, where(connection)):
            (made if is_supported(make) else not_supported).append(setting)
    return Created(bucket, region, tuple(made), tuple(not_supported))


def survey(bucket: str, options: S3Options | None = None) -> Contents:
    """Count what is in a bucket; one request for every thousand objects.

    Raises:
        StoreError: there is no such bucket, or it may not be looked at.
    """
    connection = connect(options or S3Options())
    with s3_errors(f"listing the bucket {bucket}", where(connection)):
        mark = _is_marked(connection, bucket)
        objects = old = size_bytes = old_size_bytes = 0
        for item in _versions(connection, bucket):
            if RESERVED_SEGMENT in item["Key"].split("/"):
                continue
            if item["IsLatest"] and not item["Marker"]:
                objects += 1
                size_bytes += item["Size"]
            else:
                old += 1
                old_size_bytes += item["Size"]
        uploads = sum(1 for _ in _uploads(connection, bucket))
    return Contents(objects, size_bytes, old, old_size_bytes, uploads, mark)


def delete_bucket(
    bucket: str, options: S3Options | None = None, *, confirmed_name: str | None = None
) -> Contents:
    """Delete a bucket with all versions and unfinished uploads; returns what it held.

    Args:
        bucket: its name.
        options: how to reach the server.
        confirmed_name: the name again, from a person; needed unless naturalist made the
            bucket and it is empty.

    Raises:
        StoreError: the name was not confirmed, or the server refused.
    """
    contents = survey(bucket, options)
    if confirmed_name != bucket:
        _refuse_unconfirmed(bucket, contents)
    connection = connect(options or S3Options())
    with s3_errors(f"deleting the bucket {bucket}", where(connection)):
        for upload in _uploads(connection, bucket):
            connection.client.abort_multipart_upload(Bucket=bucket, **upload)
        _delete_versions(connection, bucket)
        connection.client.delete_bucket(Bucket=bucket)
    return contents


def _refuse_unconfirmed(bucket: str, contents: Contents) -> None:
    reasons = [
        *([] if contents.made_by_naturalist else ["it was not created by naturalist"]),
        *([] if contents.is_empty else ["it is not empty"]),
    ]
    if reasons:
        raise StoreError(
            f"the bucket {bucket} was not deleted: {' and '.join(reasons)}. It holds {contents}. "
            f"To delete it with everything in it, repeat its name: --confirm {bucket}"
        )


def _settings(
    connection: Connection, bucket: str, options: BucketOptions
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each wanted setting with the request that makes it; the tag of naturalist first."""
    client = connection.client
    yield "naturalist's tag", lambda: _mark(connection, bucket)
    if options.block_public_access:
        yield (
            "public access blocked",
            lambda: block_public_access(connection, bucket, policies=True),
        )
    if options.versioning:
        yield (
            "versioning",
            lambda: client.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            ),
        )
    if options.encryption:
        yield (
            "default encryption",
            lambda: client.put_bucket_encryption(
                Bucket=bucket,
                ServerSideEncryptionConfiguration={
                    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                },
            ),
        )
    yield (
        "stale uploads aborted",
        lambda: client.put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration={"Rules": [_stale_rule(options.stale_upload_days)]},
        ),
    )


def _stale_rule(days: int) -> "LifecycleRuleTypeDef":
    return {
        "ID": "naturalist-abort-stale-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
    }


def block_public_access(connection: Connection, bucket: str, *, policies: bool) -> None:
    """Shut the public access block for access lists, and for policies too or not."""
    connection.client.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": policies,
            "RestrictPublicBuckets": policies,
        },
    )


def is_supported(make: Callable[[], object]) -> bool:
    """Send a request; whether the server knows of such requests."""
    try:
        make()
    except ClientError as error:
        if error_code(error) in NOT_SUPPORTED:
            return False
        raise
    return True


def _mark(connection: Connection, bucket: str) -> None:
    """Mark by a tag; where there are no tags, by an object."""
    client = connection.client
    if not is_supported(
        lambda: client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [_MARK]})
    ):
        client.put_object(Bucket=bucket, Key=_MARK_KEY, Body=json.dumps(_MARK).encode())


def _is_marked(connection: Connection, bucket: str) -> bool:
    client = connection.client
    try:
        if _MARK in client.get_bucket_tagging(Bucket=bucket)["TagSet"]:
            return True
    except ClientError as error:
        if error_code(error) not in (*NOT_SUPPORTED, "NoSuchTagSet", "NoSuchTagSetError"):
            raise
    try:
        client.head_object(Bucket=bucket, Key=_MARK_KEY)
    except ClientError as error:
        if error_code(error) not in ("404", "NoSuchKey"):
            raise
        return False
    return True


def _refuse_existing(connection: Connection, bucket: str) -> None:
    try:
        connection.client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error_code(error) in ("404", "NoSuchBucket"):
            return
        if error_code(error) != "403":
            raise
        # Wrong credentials give 403 as well: making it tells the two apart.
        return
    raise StoreError(
        f"the bucket {bucket} already exists: nothing was changed; choose another name"
    )


def _region(connection: Connection) -> str | None:
    """The region to ask for; None where it is the server's only or first one."""
    host = connection.client.meta.endpoint_url
    requested = connection.options.region
    region = requested or (connection.client.meta.region_name if "amazonaws.com" in host else None)
    return None if region in ("us-east-1", "aws-global", "auto") else region


def where(connection: Connection) -> str:
    """The address of the server, for messages."""
    return connection.client.meta.endpoint_url


def _versions(connection: Connection, bucket: str) -> Iterator[dict[str, Any]]:
    """Every version of every object: Key, VersionId, Size, IsLatest, Marker (of a deletion)."""
    client = connection.client
    try:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for item in page.get("Versions", []):
                yield {"Marker": False, **item}
            for marker in page.get("DeleteMarkers", []):
                yield {"Marker": True, "Size": 0, **marker}
    except ClientError as error:
        if error_code(error) not in NOT_SUPPORTED:
            raise
        for objects in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for result in objects.get("Contents", []):
                yield {"Marker": False, "IsLatest": True, **result}


def _uploads(connection: Connection, bucket: str) -> Iterator[dict[str, Any]]:
    pages = connection.client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
    for page in pages:
        for item in page.get("Uploads", []):
            yield {"Key": item["Key"], "UploadId": item["UploadId"]}


def _delete_versions(connection: Connection, bucket: str) -> None:
    for window in windows(_versions(connection, bucket), 1000):
        objects: list[ObjectIdentifierTypeDef] = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            if "VersionId" in item
            else {"Key": item["Key"]}
            for item in window
        ]
        answer = connection.client.delete_objects(
            Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
        )
        for error in answer.get("Errors", []):
            raise StoreError(
                f"{error.get('Key')} could not be deleted from the bucket {bucket}: the server "
                f"answered {error.get('Code')}; check for retention or missing permission"
            )
        _log.info("deleted %d versions from %s", len(window), bucket)
