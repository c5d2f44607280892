"""What of a bucket is public, how it is secured, and what keeping it costs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from naturalist.stores.buckets import NOT_SUPPORTED, PUBLIC_BLOCKS, Contents, survey, where
from naturalist.stores.connection import Connection, S3Options, connect
from naturalist.stores.prices import Prices
from naturalist.stores.s3_errors import error_code, s3_errors
from naturalist.stores.sharing import is_public, policy_statements

_TRIED_FOLDERS = 20
_ABSENT = (
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchLifecycleConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
)
_GROUPS = {
    "http://acs.amazonaws.com/groups/global/AllUsers": "everyone",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers": "everyone with an AWS account",
}


@dataclass(frozen=True)
class Audit:
    """What was found; None where the server does not know of such a setting."""

    bucket: str
    contents: Contents
    public_by: tuple[str, ...]
    """What opens it to everyone, in words: statements of the policy, grants of the access list."""
    anonymous_can_list: bool
    """Found by trying, without credentials."""
    anonymous_can_read: bool | None
    """Found by trying on one object of each of up to 20 folders; None in an empty bucket."""
    blocked: tuple[str, ...] | None
    """The switches of the public access block that are shut."""
    versioning: bool | None
    encryption: str | None
    aborts_stale_uploads: bool | None
    month: float
    """Keeping everything for a month, old versions included, in the currency of the prices."""
    read_all_once: float
    """Somebody downloading all objects once over the internet."""

    @property
    def is_public(self) -> bool:
        """Whether everyone can list or read something, or could as soon as there is something."""
        return (
            self.anonymous_can_list
            or bool(self.anonymous_can_read)
            or (self.contents.objects == 0 and self._is_opened)
        )

    @property
    def _is_opened(self) -> bool:
        """Whether settings open it that no switch of the public access block overrules."""
        shut = {"IgnorePublicAcls", "RestrictPublicBuckets"}
        return bool(self.public_by) and not shut <= set(self.blocked or ())


def audit_bucket(bucket: str, prices: Prices, options: S3Options | None = None) -> Audit:
    """Look at a bucket from inside and, without credentials, from outside.

    Access lists of single objects are not looked at: that would cost a request for each.

    Raises:
        StoreError: there is no such bucket, or it may not be looked at.
    """
    options = options or S3Options()
    contents = survey(bucket, options)
    connection = connect(options)
    client = connection.client
    with s3_errors(f"auditing the bucket {bucket}", where(connection)):
        blocks = _request(lambda: client.get_public_access_block(Bucket=bucket))
        rules = _request(lambda: client.get_bucket_lifecycle_configuration(Bucket=bucket))
        versioning = _request(lambda: client.get_bucket_versioning(Bucket=bucket))
        can_list, can_read = _from_outside(connection, bucket)
        return Audit(
            bucket=bucket,
            contents=contents,
            public_by=_public_by(connection, bucket),
            anonymous_can_list=can_list,
            anonymous_can_read=can_read,
            blocked=_shut(blocks),
            versioning=None if versioning is None else versioning.get("Status") == "Enabled",
            encryption=_algorithm(_request(lambda: client.get_bucket_encryption(Bucket=bucket))),
            aborts_stale_uploads=None if rules is None else _aborts(rules),
            month=prices.month(contents.size_bytes + contents.old_size_bytes),
            read_all_once=prices.reading(contents.objects, contents.size_bytes),
        )


def _request(request: Callable[[], Any]) -> dict[str, Any] | None:
    """An answer; empty if there is no such setting, None if the server knows none of the kind."""
    try:
        answer: dict[str, Any] = request()
    except ClientError as error:
        if error_code(error) in NOT_SUPPORTED:
            return None
        if error_code(error) in _ABSENT:
            return {}
        raise
    return answer


def _shut(answer: dict[str, Any] | None) -> tuple[str, ...] | None:
    if answer is None:
        return None
    switches = answer.get("PublicAccessBlockConfiguration", {})
    return tuple(name for name in PUBLIC_BLOCKS if switches.get(name))


def _algorithm(answer: dict[str, Any] | None) -> str | None:
    for rule in (answer or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", []):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if "SSEAlgorithm" in default:
            return str(default["SSEAlgorithm"])
    return None


def _aborts(answer: dict[str, Any]) -> bool:
    return any(
        rule.get("Status") == "Enabled" and "AbortIncompleteMultipartUpload" in rule
        for rule in answer.get("Rules", [])
    )


def _public_by(connection: Connection, bucket: str) -> tuple[str, ...]:
    result = [
        f"policy statement {statement.get('Sid', 'without a name')}: {statement.get('Action')} on "
        f"{statement.get('Resource')}" + (", on conditions" if statement.get("Condition") else "")
        for statement in policy_statements(connection, bucket)
        if is_public(statement)
    ]
    access_list = _request(lambda: connection.client.get_bucket_acl(Bucket=bucket)) or {}
    for grant in access_list.get("Grants", []):
        group = _GROUPS.get(grant.get("Grantee", {}).get("URI", ""))
        if group:
            result.append(f"access list: {grant.get('Permission')} to {group}")
    return tuple(result)


def _from_outside(connection: Connection, bucket: str) -> tuple[bool, bool | None]:
    """Whether somebody without credentials can list the bucket, and read an object in it."""
    outside = connect(replace(connection.options, anonymous=True)).client
    can_list = _succeeds(lambda: outside.list_objects_v2(Bucket=bucket, MaxKeys=1))
    keys = _some_keys(connection, bucket)
    if not keys:
        return can_list, None
    return can_list, any(
        _succeeds(partial(outside.head_object, Bucket=bucket, Key=key)) for key in keys
    )


def _some_keys(connection: Connection, bucket: str) -> list[str]:
    """The first key at the top of a bucket and in each of its folders: a policy may open one."""
    first = partial(connection.client.list_objects_v2, Bucket=bucket)
    top = first(Delimiter="/", MaxKeys=_TRIED_FOLDERS)
    below = [first(Prefix=one["Prefix"], MaxKeys=1) for one in top.get("CommonPrefixes", [])]
    result = [answer.get("Contents", [])[:1] for answer in (top, *below)]
    return [one["Key"] for some in result for one in some]


def _succeeds(request: Callable[[], object]) -> bool:
    try:
        request()
    except ClientError:
        return False
    return True
