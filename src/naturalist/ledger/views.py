"""Asking the ledger in SQL: every file once, with what was learnt later."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from naturalist import artifacts
from naturalist.errors import WorkspaceError
from naturalist.layout import Layout
from naturalist.ledger.rows import categories
from naturalist.schemas import AMENDMENT, LEDGER

if TYPE_CHECKING:
    import duckdb

DUCKDB_MEMORY = "1GB"
_MANY_FILES = 30
_SMALL_BYTES = 16 << 20
"""Of all files of rows together; some 250,000 rows, which take five times as much memory."""


@contextlib.contextmanager
def connect(layout: Layout) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open DuckDB with the view `ledger`: every file once, amendments applied.

    The views `ledger_rows` (as written), `amendments`, `decisions` (the latest of a person about
    each picture) and `lost` (ids of pictures that were gone when they were to be placed) exist too.
    Memory is bounded (`bound_memory`).

    Raises:
        WorkspaceError: a file of the ledger cannot be read; also inside the `with` block.
    """
    import duckdb  # here, because workers read the ledger without it and start sooner

    try:
        with duckdb.connect() as connection:
            _prepare(connection, layout)
            yield connection
    except duckdb.Error as error:
        raise WorkspaceError(
            f"querying the ledger failed: {error}. If one of its files was deleted or damaged, "
            "restore it from a backup"
        ) from error


def bound_memory(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Bound what a connection holds in memory; more spills to the workspace's scratch folder."""
    connection.execute(f"SET memory_limit = '{DUCKDB_MEMORY}'")
    connection.execute(f"SET temp_directory = '{_quoted(layout.scratch / 'duckdb')}'")


def _prepare(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    bound_memory(connection, layout)
    connection.execute("SET preserve_insertion_order = true")
    rows, later = files(layout)
    _view(connection, "ledger_rows", rows, LEDGER)
    _hold_if_small(connection, layout, rows)
    _add_effective(connection, later)
    connection.execute(_LOST)
    connection.execute(_DECISIONS)


def files(layout: Layout) -> tuple[list[Path], list[Path]]:
    """The ledger's files of rows, and those of amendments."""
    names = categories(layout)
    rows = [p for c in names for p in sorted((layout.ledger / c).glob("[0-9]*.parquet"))]
    later = [p for c in names for p in sorted(layout.amendments(c).glob("*.parquet"))]
    return rows, later


def add_views(connection: duckdb.DuckDBPyConnection, rows: list[Path], later: list[Path]) -> None:
    """Add the views `ledger_rows`, `amendments` and `ledger`; published files will do."""
    _view(connection, "ledger_rows", rows, LEDGER)
    _add_effective(connection, later)


def _add_effective(connection: duckdb.DuckDBPyConnection, later: list[Path]) -> None:
    _view(connection, "amendments", later, AMENDMENT)
    connection.execute(_EFFECTIVE)


def _hold_if_small(connection: duckdb.DuckDBPyConnection, layout: Layout, rows: list[Path]) -> None:
    """Read all rows once a process where they are in many small files, and ask those.

    The view `ledger` reads each file five times, and a small one takes longer to open than to read.
    """

    def read() -> pa.Table | None:
        is_small = sum(path.stat().st_size for path in rows) <= _SMALL_BYTES
        return query(connection, "SELECT * FROM ledger_rows") if is_small else None

    if len(rows) < _MANY_FILES:
        return
    folders = [layout.ledger / category for category in categories(layout)]
    held = _HELD.get(layout.ledger, folders, read)
    if held is not None:
        connection.execute("DROP VIEW ledger_rows")
        connection.register("ledger_rows", held)


_HELD = artifacts.FolderMemo[pa.Table | None]()


def query(connection: duckdb.DuckDBPyConnection, text: str) -> pa.Table:
    """Run a query and give its rows as a table."""
    return connection.sql(text).to_arrow_table()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _view(
    connection: duckdb.DuckDBPyConnection, name: str, files: list[Path], schema: pa.Schema
) -> None:
    if files:
        listing = ", ".join(f"'{_quoted(path)}'" for path in files)
        source = f"read_parquet([{listing}], hive_partitioning = false)"
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {source}")  # noqa: S608
    else:
        connection.register(name, schema.empty_table())


BY_STAGES = ("ingest", "extract", "removal", "overwriting", "selection")
"""Who amends without being a person."""

_DECISIONS = f"""
CREATE VIEW decisions AS
SELECT pic_id, outcome AS decision, reason AS why FROM amendments WHERE "by" NOT IN {BY_STAGES}
QUALIFY row_number() OVER (PARTITION BY pic_id ORDER BY at_ns DESC) = 1
"""  # noqa: S608


_LOST = """
CREATE VIEW lost AS
SELECT DISTINCT pic_id FROM amendments WHERE "by" = 'ingest' AND outcome = 'refused'
"""


# Pictures, which are nearly all rows, are only joined with amendments, which are few: a join that
# only the other rows need would hold the whole ledger in memory.
_EFFECTIVE = """
CREATE VIEW ledger AS
WITH newest AS (
    SELECT category, source, path, occurrence, max(batch) AS newest
    FROM ledger_rows
    WHERE (category, source, path, occurrence) IN (
        SELECT (category, source, path, occurrence) FROM ledger_rows WHERE outcome = 'refused')
    GROUP BY ALL
),
decided AS (
    SELECT category, source, path, occurrence, sha256, max(batch) AS decided
    FROM ledger_rows
    WHERE sha256 IN (
        SELECT sha256 FROM ledger_rows WHERE pic_id IS NULL AND (outcome = 'conflict'
            OR (outcome = 'duplicate' AND regexp_replace(same_as, '_id_[0-9]+$', '') <> category)))
    GROUP BY ALL
),
latest AS (
    SELECT * FROM amendments QUALIFY row_number() OVER (PARTITION BY pic_id ORDER BY at_ns DESC) = 1
)
SELECT r.* REPLACE (
    coalesce(a.outcome, r.outcome) AS outcome,
    CASE WHEN a.pic_id IS NULL THEN r.reason ELSE a.reason END AS reason,
    CASE WHEN a.pic_id IS NULL THEN r.detail ELSE a.detail END AS detail,
    coalesce(a.same_as, r.same_as) AS same_as)
FROM ledger_rows r
LEFT JOIN latest a ON r.pic_id = a.pic_id
WHERE r.pic_id IS NOT NULL
UNION ALL
SELECT r.*
FROM ledger_rows r
LEFT JOIN newest n ON (r.category, r.source, r.path, r.occurrence)
    = (n.category, n.source, n.path, n.occurrence)
LEFT JOIN decided d ON (r.category, r.source, r.path, r.occurrence, r.sha256)
    = (d.category, d.source, d.path, d.occurrence, d.sha256)
WHERE r.pic_id IS NULL
    AND NOT (r.outcome = 'refused' AND r.batch < coalesce(n.newest, r.batch))
    AND NOT r.batch < coalesce(d.decided, r.batch)
"""
