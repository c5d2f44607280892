"""From an address to a store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from naturalist.errors import ConfigError
from naturalist.stores.local import LocalStore
from naturalist.stores.protocol import Store


def open_store(url: str) -> Store:
    """Open ``file:///folder`` or a plain path.

    Raises:
        ConfigError: the address is of another kind.
    """
    if "://" not in url:
        return LocalStore(Path(url).expanduser())
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return LocalStore(Path(unquote(parts.path)))
    raise ConfigError(f"{url!r} is not the address of a store: give file:///folder or a plain path")
