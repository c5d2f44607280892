"""What of a bucket is public, how it is secured, and what keeping it costs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from naturalist.stores.buckets import NOT_SUPPORTED, PUBLIC_BLOCKS, Contents, survey, where
from naturalist.stores.connection import Connection, S3Options, connect
from naturalist.stores.prices import Prices
from naturalist.stores.s3_errors import error_code, s3_errors
from naturalist.stores.sharing import CONDITIONAL, is_public, policy_statements, public_writes

_TRIED_FOLDERS = 20
_ABSENT = (
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchLifecycleConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
)
_WRITING = ("WRITE", "WRITE_ACP", "FULL_CONTROL")
"""Permissions of an access list that let somebody change something."""
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
    public_writes: tuple[str, ...]
    """What everyone may do besides reading, as far as the public access block lets them."""
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
        """Whether everyone can do something there, or could as soon as there is something."""
        return (
            self.anyone_can_write
            or self.anonymous_can_list
            or bool(self.anonymous_can_read)
            or (self.contents.objects == 0 and self._is_opened)
        )

    @property
    def anyone_can_write(self) -> bool:
        """Whether everyone can write, delete or change settings, without a condition."""
        return not all(one.endswith(CONDITIONAL) for one in self.public_writes)

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
        statements, grants = policy_statements(connection, bucket), _grants(connection, bucket)
        return Audit(
            bucket=bucket,
            contents=contents,
            public_by=(*_opening(statements), *map(_in_words, grants)),
            public_writes=_writes(statements, grants, _shut(blocks) or ()),
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


def _opening(statements: Iterable[dict[str, Any]]) -> Iterator[str]:
    for statement in statements:
        if is_public(statement):
            yield (
                f"policy statement {statement.get('Sid', 'without a name')}: "
                f"{statement.get('Action')} on {statement.get('Resource')}"
                + (CONDITIONAL if statement.get("Condition") else "")
            )


def _grants(connection: Connection, bucket: str) -> list[tuple[str, str]]:
    """What the access list grants to groups of everyone: permission and group."""
    access_list = _request(lambda: connection.client.get_bucket_acl(Bucket=bucket)) or {}
    named = [
        (str(grant.get("Permission")), _GROUPS.get(grant.get("Grantee", {}).get("URI", "")))
        for grant in access_list.get("Grants", [])
    ]
    return [(permission, group) for permission, group in named if group]


def _in_words(grant: tuple[str, str]) -> str:
    return f"access list: {grant[0]} to {grant[1]}"


def _writes(
    statements: Iterable[dict[str, Any]], grants: Iterable[tuple[str, str]], shut: Sequence[str]
) -> tuple[str, ...]:
    by_policy = () if "RestrictPublicBuckets" in shut else public_writes(statements)
    by_list = [] if "IgnorePublicAcls" in shut else [one for one in grants if one[0] in _WRITING]
    return (*by_policy, *map(_in_words, by_list))


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
