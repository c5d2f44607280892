"""What a store costs and how fast it takes data, from a small table that anybody can edit."""

import math
import tomllib
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path

from naturalist.errors import ConfigError
from naturalist.stores.connection import S3Options, connect
from naturalist.suggestions import choose_one_of

MB = 10**6
GB = 10**9


@dataclass(frozen=True)
class Prices:
    """Prices of one store in one currency (US dollars in the built-in table), and speed."""

    storage_gb_month: float
    put_1000: float
    get_1000: float
    egress_gb: float
    upload_mb_s: float
    requests_s: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ConfigError(
                    f"the price {field.name} is {value!r}: expected a number of at least 0"
                )
        if not (self.upload_mb_s and self.requests_s):
            raise ConfigError("the speeds upload_mb_s and requests_s must be more than 0")

    def month(self, size_bytes: int) -> float:
        """Keeping so many bytes for a month."""
        return size_bytes / GB * self.storage_gb_month

    def writing(self, requests: int) -> float:
        """So many requests that write or list."""
        return requests / 1000 * self.put_1000

    def reading(self, requests: int, size_bytes: int) -> float:
        """So many reading requests for so many bytes in all, over the internet."""
        return requests / 1000 * self.get_1000 + size_bytes / GB * self.egress_gb

    def duration_s(self, requests: int, size_bytes: int) -> float:
        """Sending so many requests with so many bytes, as if the two did not overlap."""
        return requests / self.requests_s + size_bytes / MB / self.upload_mb_s


def load_prices(table: str, path: Path | None = None) -> Prices:
    """Read the prices of one store.

    Args:
        table: its name in the file: `aws`, `r2` or `own` in the built-in one.
        path: a file of the same form; None for the built-in one.

    Raises:
        ConfigError: the file cannot be read, or has no such table or price.
    """
    try:
        if path is None:
            text = resources.files(__package__).joinpath("prices.toml").read_text("utf-8")
        else:
            text = path.read_text("utf-8")
        tables = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the prices in {path} cannot be read: {error}") from error
    if table not in tables:
        raise ConfigError(f"--price-table: no prices for {table!r}: {choose_one_of(table, tables)}")
    try:
        return Prices(**tables[table])
    except TypeError as error:
        names = ", ".join(field.name for field in fields(Prices))
        raise ConfigError(f"the prices of {table!r} must be exactly {names}") from error


def prices_for(url: str, options: S3Options, table: str = "", path: Path | None = None) -> Prices:
    """Prices of the store at an address; which table is guessed from the address if not named.

    Raises:
        ConfigError: as `load_prices`.
    """
    if not table:
        is_s3 = url.startswith("s3://")
        # What the client found, not what was asked: the AWS chain may name another endpoint.
        table = guess_table(connect(options).client.meta.endpoint_url if is_s3 else "")
    return load_prices(table, path)


def guess_table(endpoint_url: str) -> str:
    """The table for an endpoint: `aws`, `r2` for Cloudflare's, else `own`."""
    if "amazonaws.com" in endpoint_url:
        return "aws"
    return "r2" if "r2.cloudflarestorage.com" in endpoint_url else "own"


def put_requests(size_bytes: int, chunk_bytes: int) -> int:
    """Writing requests that one new object of this size costs."""
    if size_bytes <= chunk_bytes:
        return 1
    begin_list_complete_list = 4
    return -(-size_bytes // chunk_bytes) + begin_list_complete_list
