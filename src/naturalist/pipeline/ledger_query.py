"""Asking the ledger for rows, as the command line and others show them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from naturalist import ledger
from naturalist.config import Config
from naturalist.pipeline import workspace

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
        asked = {column: value for column, value in asdict(self).items() if value}
        condition = " AND ".join(f"{column} = ?" for column in asked) or "true"
        return condition, list(asked.values())


def rows(config: Config, wanted: Filter, limit: int) -> Iterator[dict[str, Any]]:
    """Give rows in id and path order; `limit` 0 gives all. Hashes and exact paths are hex."""
    workspace.reading(config.layout)
    condition, values = wanted.where()
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


def count(config: Config, wanted: Filter) -> int:
    """Count rows."""
    workspace.reading(config.layout)
    condition, values = wanted.where()
    with ledger.connect(config.layout) as connection:
        query = f"SELECT count(*) FROM ledger WHERE {condition}"  # noqa: S608
        found = connection.execute(query, values).fetchone()
    return int(found[0]) if found else 0
