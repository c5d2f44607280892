"""From an address to a store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from naturalist.errors import ConfigError
from naturalist.stores.connection import S3Options
from naturalist.stores.local import LocalStore
from naturalist.stores.protocol import Store


def is_bucket(url: str) -> bool:
    """Whether an address is that of a bucket, which other machines reach as this one does."""
    return url.startswith("s3://")


def open_store(url: str, options: S3Options | None = None) -> Store:
    """Open ``s3://bucket/prefix``, ``file:///folder`` or a plain path; nothing is sent yet.

    Raises:
        ConfigError: the address is of another kind.
        StoreError: the AWS configuration is wrong.
    """
    if "://" not in url:
        return LocalStore(Path(url).expanduser())
    scheme, _, rest = url.partition("://")
    if scheme == "s3" and rest.partition("/")[0]:
        from naturalist.stores.s3 import S3Store

        bucket, _, prefix = rest.partition("/")
        return S3Store(bucket, prefix, options)
    parts = urlsplit(url)
    if scheme == "file" and parts.netloc in ("", "localhost"):
        return LocalStore(Path(unquote(parts.path)))
    raise ConfigError(
        f"{url!r} is not the address of a store: give s3://bucket/prefix, file:///folder or a "
        "plain path"
    )
