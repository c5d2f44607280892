"""Stores that a process keeps open, so that all its reads and writes share connections.

A client holds the credentials that it was made with. Whoever runs for months (a dashboard, a worker
of Airflow) gets new ones in the environment or in the files that it names: the next store that is
asked for is then a new one.
"""

import functools
import os
from pathlib import Path

from naturalist.stores.connection import S3Options
from naturalist.stores.opening import open_bucket, open_store
from naturalist.stores.protocol import Bucket, Store

_KEPT = 16
_VARIABLES = ("AWS_", "GOOGLE_", "AZURE_")
"""Beginnings of the names of variables that say who asks, and where."""
_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
    "GOOGLE_APPLICATION_CREDENTIALS": "~/.config/gcloud/application_default_credentials.json",
    "GOOGLE_SERVICE_ACCOUNT": "",
    "GOOGLE_SERVICE_ACCOUNT_PATH": "",
}
"""Variables that name files with credentials, and where those are without the variable."""


def keep_store(url: str, options: S3Options | None = None) -> Store:
    """As `open_store`, and one for all who ask while the credentials stay the same.

    Raises:
        ConfigError, MissingExtra, StoreError: as `open_store`.
    """
    return _store(url, options, _credentials())


def keep_bucket(url: str, options: S3Options) -> Bucket:
    """As `open_bucket` with `any_key`, and one for all who ask while the credentials stay the same.

    Raises:
        ConfigError, MissingExtra, StoreError: as `open_store`.
    """
    return _bucket(url, options, _credentials())


def forget_stores() -> None:
    """Keep none of the stores that were opened so far."""
    _store.cache_clear()
    _bucket.cache_clear()


@functools.lru_cache(maxsize=_KEPT)
def _store(url: str, options: S3Options | None, _credentials: int) -> Store:
    return open_store(url, options)


@functools.lru_cache(maxsize=_KEPT)
def _bucket(url: str, options: S3Options, _credentials: int) -> Bucket:
    return open_bucket(url, options, any_key=True)


def _credentials() -> int:
    """A number that is another one whenever a client made now may have other credentials."""
    names = sorted(name for name in list(os.environ) if name.startswith(_VARIABLES))
    variables = tuple((name, os.environ.get(name)) for name in names)
    files = (os.environ.get(name) or usual for name, usual in _FILES.items())
    return hash((variables, tuple(_version(path) for path in files if path)))


def _version(path: str) -> tuple[str, int, int, int] | None:
    """Which file a path names, and when it was written; None if there is none."""
    try:
        found = Path(path).expanduser().stat()
    except (OSError, RuntimeError):
        return None
    return (path, found.st_ino, found.st_size, found.st_mtime_ns)
