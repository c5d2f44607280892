"""What went wrong with an S3 server, in words that say what to do.

Only codes and messages of the server are repeated, never a request, a header or a credential.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from naturalist.errors import AccessDenied, StoreError

_KEY_ADVICE = (
    "check the credentials that the AWS chain finds (AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or ~/.aws/credentials)"
)
_REGION_ADVICE = "set `region` of the store, or AWS_REGION, to the region of the bucket"
_PERMISSION_ADVICE = (
    "ask the owner of the bucket for permission, or use other credentials (where listing is not "
    "allowed, S3 answers the same for an object that does not exist)"
)
_NAME_ADVICE = "take 3 to 63 lower-case letters, digits and hyphens"
_BUSY_ADVICE = "run the same command again later; finished work is kept"

_DENIED = ("AccessDenied", "403", "InvalidObjectState")
"""What a server says of an object that may not be read, or is archived (Glacier)."""

_BY_CODE = {
    "InvalidAccessKeyId": ("the access key is not known there", _KEY_ADVICE),
    "SignatureDoesNotMatch": ("the secret key is wrong", _KEY_ADVICE),
    "InvalidToken": ("the session token is not valid", _KEY_ADVICE),
    "InvalidClientTokenId": ("the access key is not known there", _KEY_ADVICE),
    "ExpiredToken": ("the session has expired", "log in again (aws sso login) and try again"),
    "RequestTimeTooSkewed": (
        "the clock of this machine and that of the server differ by more than 15 minutes",
        "set the clock (timedatectl set-ntp true) and try again",
    ),
    "NoSuchBucket": (
        "the bucket does not exist",
        "check its name and the endpoint, or create it with `naturalist bucket create`",
    ),
    "AccessDenied": ("these credentials do not allow that", _PERMISSION_ADVICE),
    "403": ("these credentials do not allow that", _PERMISSION_ADVICE),
    "AllAccessDisabled": ("access to the bucket is switched off", _PERMISSION_ADVICE),
    "AuthorizationHeaderMalformed": ("the region is wrong", _REGION_ADVICE),
    "PermanentRedirect": ("the bucket is in another region", _REGION_ADVICE),
    "301": ("the bucket is in another region", _REGION_ADVICE),
    "400": (
        "the server gave no reason: usually the region is wrong or the session has expired",
        f"{_REGION_ADVICE}, and {_KEY_ADVICE}",
    ),
    "IllegalLocationConstraintException": (
        "the region is not that of the endpoint",
        _REGION_ADVICE,
    ),
    "InvalidLocationConstraint": ("there is no such region", _REGION_ADVICE),
    "InvalidRegionName": ("there is no such region", _REGION_ADVICE),
    "InvalidBucketName": ("the name of the bucket is not valid", _NAME_ADVICE),
    "BucketAlreadyExists": ("somebody else owns a bucket of that name", "take another name"),
    "BucketNotEmpty": ("the bucket is not empty", "repeat its name with --confirm"),
    "BadDigest": ("the bytes arrived damaged", _BUSY_ADVICE),
    "XAmzContentSHA256Mismatch": ("the bytes arrived damaged", _BUSY_ADVICE),
    "QuotaExceeded": ("the quota of the store is used up", "free space there, then try again"),
    "XMinioStorageFull": ("the store is full", "free space there, then try again"),
    "SlowDown": ("the server asks to slow down", _BUSY_ADVICE),
    "ServiceUnavailable": ("the server is overloaded or starting", _BUSY_ADVICE),
    "InternalError": ("the server failed", _BUSY_ADVICE),
    "RequestTimeout": ("the connection was too slow", _BUSY_ADVICE),
    "NotImplemented": ("the server cannot do that", "use a server that supports it, or do without"),
}

_UNREACHABLE = (
    "the server does not answer",
    (
        "check the endpoint (a server other than AWS needs `endpoint_url` or AWS_ENDPOINT_URL) "
        "and the network, and try again: finished work is kept"
    ),
)

_PUBLIC_ADVICE = (
    "; a public bucket needs none: pass --anonymous, in Python S3Options(anonymous=True)"
)

_BY_KIND = {
    "NoCredentialsError": ("no credentials were found", _KEY_ADVICE),
    "PartialCredentialsError": ("the credentials are incomplete", _KEY_ADVICE),
    "CredentialRetrievalError": ("the credentials could not be read", _KEY_ADVICE),
    "TokenRetrievalError": (
        "the session has expired",
        "log in again (aws sso login) and try again",
    ),
    "UnauthorizedSSOTokenError": ("the session has expired", "log in again (aws sso login)"),
    "SSOTokenLoadError": ("nobody is logged in", "log in (aws sso login) and try again"),
    "ProfileNotFound": ("the profile does not exist", "check AWS_PROFILE and ~/.aws/config"),
    "NoRegionError": ("no region is known", _REGION_ADVICE),
    "InvalidRegionError": ("that is not the name of a region", _REGION_ADVICE),
    "ParamValidationError": ("the name of the bucket is not valid", _NAME_ADVICE),
    "SSLError": (
        "the certificate of the server is not trusted",
        "check the endpoint; for a private authority set AWS_CA_BUNDLE to its certificate",
    ),
    "ProxyConnectionError": ("the proxy does not answer", "check HTTPS_PROXY and NO_PROXY"),
    "ConnectionError": _UNREACHABLE,
    "HTTPClientError": _UNREACHABLE,
    "IncompleteReadError": _UNREACHABLE,
}


@contextlib.contextmanager
def s3_errors(doing: str, url: str, *, reading: bool = False) -> Iterator[None]:
    """Turn every error of botocore into a `StoreError` that says what to do.

    With `reading`, which everybody may do in a public bucket, it says that too.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise explain(error, doing, url, reading=reading) from error


def explain(error: Exception, doing: str, url: str, *, reading: bool = False) -> StoreError:
    """The error for people.

    Args:
        error: what botocore raised.
        doing: what was being done, as in "storing a/b.parquet".
        url: the store.
        reading: whether a public bucket would have let everybody do it.
    """
    what, advice = _what_and_advice(error)
    if reading and type(error).__name__ == "NoCredentialsError":
        advice += _PUBLIC_ADVICE
    kind = AccessDenied if error_code(error) in _DENIED else StoreError
    return kind(f"{doing} failed ({url}): {what}: {advice}")


def error_code(error: Exception) -> str:
    """The server's code of a `ClientError` (a number where the answer had no body); else ''."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _what_and_advice(error: Exception) -> tuple[str, str]:
    code = error_code(error)
    if code in _BY_CODE:
        what, advice = _BY_CODE[code]
        region = getattr(error, "response", {}).get("Error", {}).get("Region")
        return (f"{what} (expected {region})" if region else what), advice
    if code:
        message = getattr(error, "response", {})["Error"].get("Message", "")
        return f"the server answered {code}: {message}", _BUSY_ADVICE
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_KIND:
            return _BY_KIND[kind.__name__]
    return str(error), "correct that and try again"
