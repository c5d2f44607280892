"""What went wrong at Google's or Azure's storage, in words that say what to do.

Only codes of the server are repeated, never a request, an address or a credential.
"""

import contextlib
import re
from collections.abc import Iterator

from naturalist.errors import AccessDenied, StoreError

_CREDENTIALS = {
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN "
    "or run `az login` with AZURE_USE_AZURE_CLI=true",
}
_OTHER_CREDENTIALS = "the credentials of the store"
_BUSY_ADVICE = "run the same command again later; finished work is kept"
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_NO_CREDENTIALS = ("performing token request", "MissingAccount", "Account must be specified")


@contextlib.contextmanager
def cloud_errors(doing: str, url: str, *, reading: bool = False) -> Iterator[None]:
    """Turn every error of obstore into a `StoreError` that says what to do.

    With `reading`, which everybody may do in a public bucket, it says that too.
    Files that are not there stay `FileNotFoundError`: only who asks knows what that means.
    """
    from obstore import exceptions

    denied = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
    try:
        yield
    except denied as error:
        raise AccessDenied(f"{doing} failed ({url}): {_refused(url)}") from error
    except exceptions.BaseError as error:
        raise _explained(str(error), doing, url, reading=reading) from error
    except ValueError as error:
        raise StoreError(
            f"{doing} failed ({url}): this store has a key that cannot be read ({error}): rename "
            "that object, or name a prefix that leaves it out"
        ) from error


def _explained(message: str, doing: str, url: str, *, reading: bool) -> StoreError:
    status, code = _STATUS.search(message), _CODE.search(message)
    if any(text in message for text in _NO_CREDENTIALS):
        what = f"no credentials were found: set {credentials_for(url)}"
        more = "; a public bucket needs none: pass --anonymous" if reading else ""
        return StoreError(f"{doing} failed ({url}): {what}{more}")
    if status and status[1] in ("401", "403"):
        return AccessDenied(f"{doing} failed ({url}): {_refused(url)}")
    if code and code[1] in ("NoSuchBucket", "ContainerNotFound"):
        return no_bucket(url)
    if status:
        answer = f"{status[1]} {code[1]}" if code else status[1]
        return StoreError(f"{doing} failed ({url}): the server answered {answer}: {_BUSY_ADVICE}")
    if "contained empty path segment" in message or "illegal character" in message:
        return StoreError(
            f"{doing} failed ({url}): a key there has an empty segment, '.', '..' or a control "
            "character, which cannot be read: rename that object, or name a prefix that leaves "
            "it out"
        )
    if "certificate" in message.casefold():
        return StoreError(
            f"{doing} failed ({url}): the certificate of the server is not trusted: check the "
            "URL; for a private authority set SSL_CERT_FILE to its certificate"
        )
    return StoreError(
        f"{doing} failed ({url}): the server does not answer: check the URL and the network, "
        "and try again: finished work is kept"
    )


def no_bucket(url: str) -> StoreError:
    """The error for a bucket that is not there."""
    return StoreError(f"the bucket of {url} does not exist: check its name, or create it")


def _refused(url: str) -> str:
    return (
        f"these credentials do not allow that: check {credentials_for(url)}, or ask the owner for "
        "permission"
    )


def credentials_for(url: str) -> str:
    """What is to be set for a store, in words."""
    return _CREDENTIALS.get(url.partition("://")[0], _OTHER_CREDENTIALS)
