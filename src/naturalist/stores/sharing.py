"""Who may read a bucket: everyone, some accounts, or whoever holds a link that expires.

Grants are statements of the bucket's policy whose `Sid` begins with "Naturalist"; statements of
others are kept as they are.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from naturalist.errors import ConfigError
from naturalist.stores.buckets import block_public_access, is_supported, where
from naturalist.stores.connection import Connection, S3Options, connect
from naturalist.stores.keys import check_key, check_prefix
from naturalist.stores.s3 import S3Store
from naturalist.stores.s3_errors import error_code, s3_errors

MAX_LINK_S = 7 * 24 * 3600
"""S3 lets no link live longer."""

EVERYONE = "*"
CONDITIONAL = ", on conditions"
"""How the words for a statement with a condition end."""
_SID = "Naturalist"
_READING = re.compile(r"s3:(get|list|head)", re.I)
_ACCOUNT = re.compile(r"\d{12}")
_ARN = re.compile(r"arn:aws[\w-]*:iam::\d{12}:(root|user/.+|role/.+)")


@dataclass(frozen=True)
class Link:
    """A link to one object that anybody can open until it expires."""

    key: str
    url: str


def grant_everyone(bucket: str, prefix: str = "", options: S3Options | None = None) -> None:
    """Let everyone read and list what is below `prefix`, without credentials.

    The two switches of the public access block that forbid public policies are opened; the two
    about access lists stay shut.

    Raises:
        StoreError: the server refused.
    """
    connection = connect(options or S3Options())
    with s3_errors(f"opening the bucket {bucket} to everyone", where(connection)):
        is_supported(lambda: block_public_access(connection, bucket, policies=False))
        _replace_grants(connection, bucket, _grants(bucket, prefix, EVERYONE))


def grant_accounts(
    bucket: str, accounts: Iterable[str], prefix: str = "", options: S3Options | None = None
) -> None:
    """Let some AWS accounts (12 digits) or IAM users and roles (ARNs) read and list, nobody else.

    Raises:
        ConfigError: something is neither an account nor an ARN.
        StoreError: the server refused.
    """
    principals = sorted({_principal(account) for account in accounts})
    if not principals:
        raise ConfigError("no accounts given: pass at least one, or revoke the grants")
    connection = connect(options or S3Options())
    with s3_errors(f"granting accounts to read the bucket {bucket}", where(connection)):
        _replace_grants(connection, bucket, _grants(bucket, prefix, {"AWS": principals}))


def revoke(bucket: str, options: S3Options | None = None) -> None:
    """Take back what `grant_everyone` and `grant_accounts` granted; shut the public access block.

    Links that were given out go on working until they expire.

    Raises:
        StoreError: the server refused.
    """
    connection = connect(options or S3Options())
    with s3_errors(f"revoking grants of the bucket {bucket}", where(connection)):
        _replace_grants(connection, bucket, [])
        if not any(is_public(statement) for statement in policy_statements(connection, bucket)):
            is_supported(lambda: block_public_access(connection, bucket, policies=True))


def links(
    bucket: str, keys: Iterable[str], expires_s: int, options: S3Options | None = None
) -> Iterator[Link]:
    """Links to objects, made without a request; they hold no secret but give read access.

    With credentials of a session, links end with the session, whatever `expires_s` says.

    Raises:
        ConfigError: `expires_s` is not from 1 second to 7 days.
        StoreError: there are no credentials, or a key is not valid.
    """
    if not 1 <= expires_s <= MAX_LINK_S:
        raise ConfigError(
            f"links would expire after {expires_s} s: choose 1 to {MAX_LINK_S} s (7 days)"
        )
    connection = connect(_for_links(bucket, options or S3Options()))
    with s3_errors(f"creating links into the bucket {bucket}", where(connection)):
        for key in keys:
            parameters = {"Bucket": bucket, "Key": check_key(key)}
            url = connection.client.generate_presigned_url(
                "get_object", Params=parameters, ExpiresIn=expires_s
            )
            yield Link(key, url)


def links_below(
    bucket: str, prefix: str, expires_s: int, options: S3Options | None = None
) -> Iterator[Link]:
    """Links to every object whose key begins with `prefix`; one request for every thousand.

    Raises:
        ConfigError, StoreError: as `links`.
    """
    result = S3Store(bucket, options=options).list(prefix)
    return links(bucket, (info.key for info in result), expires_s, options)


def policy_statements(connection: Connection, bucket: str) -> list[dict[str, Any]]:
    """The statements of the bucket's policy; none if it has no policy."""
    try:
        policy = json.loads(connection.client.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error_code(error) == "NoSuchBucketPolicy":
            return []
        raise
    statements = policy["Statement"]
    return [statements] if isinstance(statements, dict) else list(statements)


def public_writes(statements: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """What statements let everyone do besides reading, in words; conditions are named."""
    known = list(statements)
    denied = [one for one in known if _is_for_everyone(one, "Deny") and not one.get("Condition")]
    return tuple(
        f"{action} on {', '.join(_resources(statement))}"
        + (CONDITIONAL if statement.get("Condition") else "")
        for statement in known
        if is_public(statement)
        for action in _writing_actions(statement)
        if not any(_covers(one, action, statement) for one in denied)
    )


def _writing_actions(statement: dict[str, Any]) -> list[str]:
    if "NotAction" in statement:
        return [f"everything but {', '.join(_listed(statement['NotAction']))}"]
    actions = _listed(statement.get("Action"))
    return [action for action in actions if not _READING.match(action)]


def _resources(statement: dict[str, Any]) -> list[str]:
    excepted = [f"all but {one}" for one in _listed(statement.get("NotResource"))]
    return _listed(statement.get("Resource")) + excepted


def _covers(denial: dict[str, Any], action: str, allowed: dict[str, Any]) -> bool:
    """Whether a denial leaves nothing of an action that a statement allows."""
    return _matches_any(
        [action.lower()], [one.lower() for one in _listed(denial.get("Action"))]
    ) and (_matches_any(_resources(allowed), _listed(denial.get("Resource"))))


def _matches_any(texts: list[str], patterns: list[str]) -> bool:
    return all(any(fnmatchcase(text, pattern) for pattern in patterns) for text in texts)


def _listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []


def is_public(statement: dict[str, Any]) -> bool:
    """Whether a statement allows something to everyone, perhaps under conditions."""
    return _is_for_everyone(statement, "Allow")


def _is_for_everyone(statement: dict[str, Any], effect: str) -> bool:
    principal = statement.get("Principal")
    named = principal.get("AWS", []) if isinstance(principal, dict) else principal
    names = named if isinstance(named, list) else [named]
    return statement.get("Effect") == effect and EVERYONE in names


def _replace_grants(connection: Connection, bucket: str, grants: list[dict[str, Any]]) -> None:
    existing = policy_statements(connection, bucket)
    others = [item for item in existing if not str(item.get("Sid", "")).startswith(_SID)]
    statements = [*others, *grants]
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        connection.client.put_bucket_policy(Bucket=bucket, Policy=policy)
    elif existing:
        connection.client.delete_bucket_policy(Bucket=bucket)


def _grants(bucket: str, prefix: str, principal: object) -> list[dict[str, Any]]:
    below = f"{check_prefix(prefix).rstrip('/')}/" if prefix else ""
    resource = f"arn:aws:s3:::{bucket}"
    listing: dict[str, Any] = {
        "Sid": f"{_SID}List",
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:ListBucket",
        "Resource": resource,
    }
    if below:
        listing["Condition"] = {"StringLike": {"s3:prefix": f"{below}*"}}
    reading = {
        "Sid": f"{_SID}Read",
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:GetObject",
        "Resource": f"{resource}/{below}*",
    }
    return [reading, listing]


def _for_links(bucket: str, options: S3Options) -> S3Options:
    """Let links name the region of a bucket of AWS: else they name AWS's global address."""
    is_aws = "amazonaws.com" in where(connect(options))
    if options.addressing == "auto" and is_aws and "." not in bucket:
        return replace(options, addressing="virtual")
    return options


def _principal(account: str) -> str:
    if _ACCOUNT.fullmatch(account):
        return f"arn:aws:iam::{account}:root"
    if _ARN.fullmatch(account):
        return account
    raise ConfigError(
        f"{account!r} is not an AWS account ID (12 digits) or the ARN of a user or role "
        "(arn:aws:iam::123456789012:role/name)"
    )
