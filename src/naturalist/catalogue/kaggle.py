"""Kaggle's public addresses of data sets: what a set is, and its archive.

The archive is kept as it is, because archives are sources: a client that unpacks it would make a
hundred thousand files of it and need the disk twice.
"""

import base64
import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from naturalist.errors import ConfigError, StoreError
from naturalist.stores.downloads import DownloadOptions, read_answer

ENDPOINT_VARIABLE = "KAGGLE_API_ENDPOINT"
_ENDPOINT = "https://www.kaggle.com"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class KaggleSet:
    """What Kaggle says of a set; empty where it does not say."""

    version: str = ""
    licence: str = ""
    size_bytes: int | None = None


def endpoint() -> str:
    """The address of the server: Kaggle's own, or what the environment says.

    Raises:
        ConfigError: the environment says what is no address.
    """
    url = os.environ.get(ENDPOINT_VARIABLE, "").strip().rstrip("/")
    if url and not _is_server(url):
        # Not shown: it may hold a password.
        raise ConfigError(
            f"the environment variable {ENDPOINT_VARIABLE} is not the URL of a server: set it "
            f"to one like {_ENDPOINT}, or unset it"
        )
    return url or _ENDPOINT


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return is_plain and is_port and parts.scheme in ("http", "https") and bool(parts.hostname)


def download_url(handle: str, version: str) -> str:
    """The address of a set's archive."""
    number = f"?datasetVersionNumber={version}" if version else ""
    return f"{endpoint()}/api/v1/datasets/download/{handle}{number}"


def download_options(handle: str, pause_s: float, largest_bytes: int) -> DownloadOptions:
    """How Kaggle is asked for a set: with a person's token, and with advice about refusals.

    Raises:
        ConfigError: the environment has a token that cannot be used.
    """
    return DownloadOptions(
        pause_s=pause_s,
        largest_bytes=largest_bytes,
        headers=authorization(),
        advice=partial(advice, handle),
    )


def describe(handle: str, pause_s: float = 1.0) -> KaggleSet:
    """Ask for the newest version of a set, its licence and size.

    Args:
        handle: ``owner/name``.
        pause_s: before the second attempt, where Kaggle is busy and names no time itself.

    Raises:
        StoreError: Kaggle refuses, or cannot be reached.
        ConfigError: the environment has a token or an endpoint that cannot be used.
    """
    url = f"{endpoint()}/api/v1/datasets/view/{handle}"
    try:
        value = json.loads(read_answer(url, download_options(handle, pause_s, _MOST_BYTES)))
    except ValueError:
        # Its text is not shown, nor where it comes from: it may quote a header, so the token.
        raise StoreError(
            f"requesting {url}: the response is not one of Kaggle's. Run the same command again "
            "later"
        ) from None
    return _as_set(value if isinstance(value, dict) else {})


def _as_set(value: dict[str, Any]) -> KaggleSet:
    size = value.get("totalBytes")
    return KaggleSet(
        str(value.get("currentVersionNumber") or ""),
        str(value.get("licenseName") or ""),
        size if isinstance(size, int) else None,
    )


def advice(handle: str, status: int) -> str:
    """What to do about a refusal."""
    page = f"https://www.kaggle.com/datasets/{handle}"
    return {
        401: "Make a token at https://www.kaggle.com/settings and set KAGGLE_API_TOKEN to it, or "
        "KAGGLE_USERNAME and KAGGLE_KEY",
        403: (
            f"Open {page} in a browser, sign in, and accept its rules first; then run the same "
            "command again. Without a token: set KAGGLE_API_TOKEN"
        ),
        404: f"There is no such data set: it was renamed, withdrawn or made private. See {page}",
    }.get(status, "Run the same command again later")


def authorization() -> dict[str, str]:
    """The header with a person's token, from the places where Kaggle's own clients look.

    ``KAGGLE_API_TOKEN``; ``KAGGLE_USERNAME`` and ``KAGGLE_KEY``; ``kaggle.json`` in
    ``KAGGLE_CONFIG_DIR`` or ``~/.kaggle``. Empty without any: public sets need none.

    Raises:
        ConfigError: one of them has characters that no token has.
    """
    if token := _secret("KAGGLE_API_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    user, key = _secret("KAGGLE_USERNAME"), _secret("KAGGLE_KEY")
    if not (user and key):
        user, key = _from_file()
    if not (user and key):
        return {}
    pair = base64.b64encode(f"{user}:{key}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _secret(variable: str) -> str:
    return _checked(os.environ.get(variable, ""), f"the environment variable {variable}")


def _checked(secret: str, place: str) -> str:
    """A secret without the white space around it; one that cannot be sent is refused unshown."""
    bare = secret.strip()
    if not (bare.isascii() and bare.isprintable()):
        raise ConfigError(
            f"{place} has line breaks, accents or other characters that no token of Kaggle has: "
            "copy it again"
        )
    return bare


def _from_file() -> tuple[str, str]:
    folder = os.environ.get("KAGGLE_CONFIG_DIR")
    path = (Path(folder) if folder else Path.home() / ".kaggle") / "kaggle.json"
    try:
        value = json.loads(path.read_text("utf-8"))
        user, key = str(value["username"]), str(value["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""
    return _checked(user, f"username in {path}"), _checked(key, f"key in {path}")
