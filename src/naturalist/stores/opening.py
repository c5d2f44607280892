"""From an address to a store."""

import re
from pathlib import Path
from urllib.parse import unquote

from naturalist.errors import ConfigError
from naturalist.stores.cloud_clients import SCHEMES, client_for
from naturalist.stores.connection import S3Options
from naturalist.stores.keys import check_prefix
from naturalist.stores.local import LocalStore
from naturalist.stores.protocol import Bucket, Store

BUCKET_SCHEMES = ("s3", *SCHEMES)
_SLIP = re.compile(rf"({'|'.join(BUCKET_SCHEMES)}|file|[a-z][a-z0-9+.-]*(?=:/)):(?!//)", re.I)
"""The beginning of an address that lacks slashes."""


def is_bucket(url: str) -> bool:
    """Whether an address is that of a bucket, which other machines reach as this one does."""
    scheme, there, rest = url.partition("://")
    return bool(there) and scheme in BUCKET_SCHEMES and bool(rest.partition("/")[0])


def check_bucket(url: str) -> None:
    """Check that an address is that of a bucket.

    Raises:
        ConfigError: it is not.
    """
    if is_bucket(url):
        return
    if url.lower().startswith(("http://", "https://")):
        raise ConfigError(
            f"{url!r} is a web URL, not that of a bucket: download it with `naturalist sources "
            "fetch URL` first, then use the downloaded archive"
        )
    raise ConfigError(
        f"{url!r} is not the URL of a bucket: expected s3://bucket/prefix, gs://bucket/prefix, "
        "az://container/prefix or a plain path"
    )


def without_scheme(url: str) -> str:
    """Bucket and prefix of an address, or a path as it is."""
    return url.partition("://")[2] or url


def folder_of(url: str) -> Path | None:
    """The folder that an address means; None for that of a bucket, or of no known kind."""
    if "://" not in url:
        return Path(url).expanduser()
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    is_here = scheme.lower() == "file" and host in ("", "localhost")
    return Path("/", unquote(path)) if is_here else None


def check_slashes(url: str) -> None:
    """Check that a path does not begin as an address does, such as ``s3:/bucket``.

    Raises:
        ConfigError: it does, and would be a folder named ``s3:``.
    """
    slip = _SLIP.match(url)
    if slip is None:
        return
    scheme, rest = slip[1].lower(), url[slip.end() :].lstrip("/")
    slashes = ":///" if scheme == "file" else "://"
    raise ConfigError(
        f"{url!r} is neither a URL nor a usual path: did you mean {scheme}{slashes}{rest}? A "
        f"folder of this name is written ./{url}"
    )


def check_store(url: str) -> None:
    """Check that an address is that of a bucket or a folder.

    Raises:
        ConfigError: it is not.
    """
    check_slashes(url)
    if "://" in url and not is_bucket(url) and folder_of(url) is None:
        raise ConfigError(
            f"{url!r} is not the URL of a store: expected s3://bucket/prefix, gs://bucket/prefix, "
            "az://container/prefix, file:///folder or a plain path"
        )


def open_store(url: str, options: S3Options | None = None) -> Store:
    """Open a bucket, ``file:///folder`` or a plain path; nothing is sent yet.

    Buckets are ``s3://bucket/prefix``, ``gs://bucket/prefix`` (Google Cloud Storage) and
    ``az://container/prefix`` (Azure Blob); of `options` the last two take what is not of S3 alone.

    Raises:
        ConfigError: the address is of another kind.
        MissingExtra: obstore is needed and not installed.
        StoreError: the AWS configuration is wrong.
    """
    check_store(url)
    folder = folder_of(url)
    return open_bucket(url, options) if folder is None else LocalStore(folder)


def open_bucket(url: str, options: S3Options | None = None, *, any_key: bool = False) -> Bucket:
    """Open a bucket; with `any_key`, to read keys too that would not be written.

    Raises:
        ConfigError, MissingExtra, StoreError: as `open_store`.
    """
    check_bucket(url)
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme == "s3":
        from naturalist.stores.s3 import S3Store

        return S3Store(bucket, prefix, options, any_key=any_key)
    from naturalist.stores.cloud import CloudStore

    options = options or S3Options()
    client = client_for(scheme, bucket, check_prefix(prefix.strip("/")), options)
    return CloudStore(client, url, options, any_key=any_key)
