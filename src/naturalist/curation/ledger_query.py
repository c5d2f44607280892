"""Asking the ledger for rows, as the command line and others show them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from naturalist import ledger
from naturalist.config import Config
from naturalist.errors import ConfigError
from naturalist.running import workspace

_SHOWN = (
    "category", "batch", "source", "path", "path_text", "occurrence", "outcome", "reason", "detail",
    "pic_id", "same_as", "size_bytes", "sha256", "format", "width", "height",
)  # fmt: skip
_CHUNK_ROWS = 10_000


@dataclass(frozen=True)
class Filter:
    """What rows must have; an empty text asks for nothing."""

    outcome: str = ""
    reason: str = ""
    category: str = ""
    source: str = ""
    pic_id: str = ""

    def where(self) -> tuple[str, list[str]]:
        """The SQL condition and its parameters."""
        requested = {column: value for column, value in asdict(self).items() if value}
        condition = " AND ".join(f"{column} = ?" for column in requested) or "true"
        return condition, list(requested.values())


def check_names(config: Config, filters: Filter) -> None:
    """Check that the asked category and source are known: a mistyped one would find nothing.

    Raises:
        ConfigError: neither the configuration nor the ledger has that name.
    """
    categories = {*config.labels, *ledger.categories(config.layout)}
    sources = {source.name for source in config.known_sources}
    if filters.source not in {"", *sources}:
        # Only now, because it costs a summary for each batch: names that are configured no more.
        sources |= {name for c in categories for name in ledger.counts(config.layout, c)}
    for what, requested, known in (
        ("category", filters.category, categories),
        ("source", filters.source, sources),
    ):
        if requested and requested not in known:
            raise ConfigError(
                f"--{what} {requested!r}: unknown name; choose one of {', '.join(sorted(known))}"
            )


def rows(config: Config, filters: Filter, limit: int) -> Iterator[dict[str, Any]]:
    """Give rows in id and path order; `limit` 0 gives all. Hashes and exact paths are hex."""
    workspace.reading(config.layout)
    condition, values = filters.where()
    most = f"LIMIT {limit}" if limit else ""
    with ledger.connect(config.layout) as connection:
        query = (
            f"SELECT {', '.join(_SHOWN)} FROM ledger WHERE {condition} "  # noqa: S608
            f"ORDER BY category, batch, source, path, occurrence {most}"
        )
        result = connection.execute(query, values)
        while chunk := result.fetchmany(_CHUNK_ROWS):
            for values_of_row in chunk:
                row = dict(zip(_SHOWN, values_of_row, strict=True))
                row["sha256"] = row["sha256"].hex() if row["sha256"] else None
                row["path_hex"] = row.pop("path").hex()
                yield row


def count(config: Config, filters: Filter) -> int:
    """Count rows."""
    workspace.reading(config.layout)
    condition, values = filters.where()
    with ledger.connect(config.layout) as connection:
        query = f"SELECT count(*) FROM ledger WHERE {condition}"  # noqa: S608
        result = connection.execute(query, values).fetchone()
    return int(result[0]) if result else 0
