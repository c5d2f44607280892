"""Asking the ledger for rows, as the command line and others show them."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from naturalist import categories, ledger
from naturalist.config import Config
from naturalist.errors import ConfigError
from naturalist.running import workspace
from naturalist.suggestions import choose_one_of

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


def keys_by_name(config: Config) -> dict[str, str]:
    """The key of each category, retired ones too, by every name that it has or else had."""
    known = categories.read(config.layout).known
    keys = {key: key for key in ledger.categories(config.layout)}
    keys |= {word: one.key for one in known for word in one.words}
    keys |= {one.name: one.key for one in known}
    return keys | {name: key for key, name in config.names.items()}


def _present_names(config: Config) -> dict[str, str]:
    """The name of each category, retired ones too, by its key."""
    known = categories.read(config.layout).known
    names = {key: key for key in ledger.categories(config.layout)}
    return names | {one.key: one.name for one in known} | config.names


def _where(config: Config, filters: Filter) -> tuple[str, list[str]]:
    """The SQL condition and its parameters; the ledger has the keys of categories."""
    requested = {column: value for column, value in asdict(filters).items() if value}
    if filters.category:
        requested["category"] = keys_by_name(config).get(filters.category, filters.category)
    condition = " AND ".join(f"{column} = ?" for column in requested) or "true"
    return condition, list(requested.values())


def check_names(config: Config, filters: Filter) -> None:
    """Check that the asked category and source are known: a mistyped one would find nothing.

    Raises:
        ConfigError: neither the configuration nor the ledger has that name.
    """
    keys = keys_by_name(config)
    sources = {source.name for source in config.known_sources}
    if filters.source not in {"", *sources}:
        # Only now, because it costs a summary for each batch: names that are configured no more.
        there = ledger.categories(config.layout)
        sources |= {name for key in there for name in ledger.counts(config.layout, key)}
    if filters.category and filters.category not in keys:
        raise _unknown("category", filters.category, _present_names(config).values())
    if filters.source and filters.source not in sources:
        raise _unknown("source", filters.source, sources)


def _unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    return ConfigError(f"--{what} {name!r}: unknown name; {choose_one_of(name, sorted(known))}")


def rows(config: Config, filters: Filter, limit: int) -> Iterator[dict[str, Any]]:
    """Give rows in id and path order; `limit` 0 gives all. Hashes and exact paths are hex.

    Categories have their present names, those of retired categories too.
    """
    names = _present_names(config)
    workspace.reading(config.layout)
    condition, values = _where(config, filters)
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
                row["category"] = names.get(row["category"], row["category"])
                row["sha256"] = row["sha256"].hex() if row["sha256"] else None
                row["path_hex"] = row.pop("path").hex()
                yield row


def count(config: Config, filters: Filter) -> int:
    """Count rows."""
    workspace.reading(config.layout)
    condition, values = _where(config, filters)
    with ledger.connect(config.layout) as connection:
        query = f"SELECT count(*) FROM ledger WHERE {condition}"  # noqa: S608
        result = connection.execute(query, values).fetchone()
    return int(result[0]) if result else 0
