"""Which pictures the sources of a collection share, exactly and nearly, and what that damages.

Exactly: files with the same SHA-256, all files that were ever seen counted, those too that became
duplicates of a picture of another source. Nearly: pictures of one group of near duplicates, as far
as `naturalist duplicates` has looked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from naturalist import artifacts, ledger, metadata
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    import duckdb

SourceName = str
"""``category/source``."""


@dataclass(frozen=True)
class Shared:
    """What two sources share.

    Attributes:
        first: a source.
        second: another one.
        exact: different pictures, by their bytes, that both have.
        near_first: pictures of the first that are near duplicates of one of the second.
        near_second: pictures of the second that are near duplicates of one of the first.
        share: of the smaller source, the larger part of it that the other has too (0 to 1).
    """

    first: SourceName
    second: SourceName
    exact: int
    near_first: int
    near_second: int
    share: float

    @property
    def is_across_categories(self) -> bool:
        """Whether one of the labels must be wrong."""
        return self.first.partition("/")[0] != self.second.partition("/")[0]


@dataclass(frozen=True)
class Leak:
    """Groups of near duplicates that span values of a column, such as train and test.

    Attributes:
        values: the values, in their order.
        groups: groups that have pictures of all of them.
        pictures: pictures of those groups.
    """

    values: tuple[str, ...]
    groups: int
    pictures: int


@dataclass(frozen=True)
class Overlap:
    """All that is shared.

    Attributes:
        sizes: different pictures of each source, by their bytes.
        shared: pairs of sources that share something, the largest share first.
        leaks: what spans values of the column that was asked about.
        has_near: whether near duplicates have been looked for.
    """

    sizes: dict[SourceName, int]
    shared: tuple[Shared, ...]
    leaks: tuple[Leak, ...]
    has_near: bool


def find_overlap(
    layout: Layout, categories: list[str], sources: list[SourceName], column: str = ""
) -> Overlap:
    """Compare the sources of a collection with each other.

    Args:
        layout: the workspace.
        categories: those of the collection.
        sources: sources to compare; empty for all.
        column: a metadata column, whose values near duplicates are looked for across.

    Raises:
        ConfigError: there is no such source, or no such column.
    """
    with ledger.connect(layout) as connection:
        _load_files(connection, categories)
        sizes = {r["source"]: r["n"] for r in ledger.query(connection, _SIZES).to_pylist()}
        for name in sources:
            if name not in sizes:
                raise ConfigError(
                    f"there is no source {name!r}: {choose_one_of(name, sorted(sizes))}"
                )
        has_near = layout.near_duplicates.exists()
        _load_groups(connection, layout)
        rows = ledger.query(connection, _SHARED).to_pylist()
        selected = set(sources) or set(sizes)
        leaks = _leaks(connection, layout, column, sorted(selected)) if column else ()
    shared = [_shared(r, sizes) for r in rows if {r["first"], r["second"]} <= selected]
    shared.sort(key=lambda one: (-one.share, -one.exact, one.first, one.second))
    kept = {name: count for name, count in sizes.items() if name in selected}
    return Overlap(kept, tuple(shared), leaks, has_near)


def _load_files(connection: "duckdb.DuckDBPyConnection", categories: list[str]) -> None:
    among = ", ".join(map(_literal, categories))
    connection.execute(
        "CREATE TEMP TABLE files AS SELECT DISTINCT category || '/' || source AS source, sha256 "  # noqa: S608
        "FROM ledger WHERE sha256 IS NOT NULL AND occurrence >= 0 "
        "AND outcome IN ('accepted', 'duplicate', 'conflict', 'relabelled') "
        f"AND category IN ({among})"
    )


def _load_groups(connection: "duckdb.DuckDBPyConnection", layout: Layout) -> None:
    grouped = pa.table({"pic_id": pa.array([], pa.string()), "grp": pa.array([], pa.string())})
    if layout.near_duplicates.exists():
        result = artifacts.read_parquet(layout.near_duplicates, ["picID", "group"])
        grouped = result.rename_columns(["pic_id", "grp"])
    connection.register("grouped", grouped)
    connection.execute(
        "CREATE TEMP TABLE members AS "
        "SELECT g.pic_id, g.grp, l.category || '/' || l.source AS source "
        "FROM grouped g JOIN ledger l USING (pic_id) WHERE l.outcome = 'accepted'"
    )


_SIZES = "SELECT source, count(*) AS n FROM files GROUP BY source"
_SHARED = """
WITH several AS (SELECT sha256 FROM files GROUP BY sha256 HAVING count(*) > 1),
exact AS (
    SELECT a.source AS first, b.source AS second, count(*) AS exact
    FROM (SELECT * FROM files SEMI JOIN several USING (sha256)) a
    JOIN (SELECT * FROM files SEMI JOIN several USING (sha256)) b
        ON a.sha256 = b.sha256 AND a.source < b.source
    GROUP BY ALL),
near AS (
    SELECT a.source AS first, b.source AS second, count(DISTINCT a.pic_id) AS near_first,
        count(DISTINCT b.pic_id) AS near_second
    FROM members a JOIN members b ON a.grp = b.grp AND a.source < b.source
    GROUP BY ALL)
SELECT first, second, coalesce(exact, 0) AS exact, coalesce(near_first, 0) AS near_first,
    coalesce(near_second, 0) AS near_second
FROM exact FULL JOIN near USING (first, second)
"""


def _shared(row: Mapping[str, Any], sizes: Mapping[SourceName, int]) -> Shared:
    first, second = row["first"], row["second"]
    smaller = min((sizes[first], row["near_first"]), (sizes[second], row["near_second"]))
    common = row["exact"] + smaller[1]
    return Shared(
        first,
        second,
        row["exact"],
        row["near_first"],
        row["near_second"],
        min(1.0, common / smaller[0]) if smaller[0] else 0.0,
    )


def _leaks(
    connection: "duckdb.DuckDBPyConnection", layout: Layout, column: str, sources: list[SourceName]
) -> tuple[Leak, ...]:
    summary = metadata.read_summary(layout) or metadata.Summary()
    known = [one.name for one in summary.columns]
    if column not in known:
        raise ConfigError(
            f"there is no column {column!r} in the metadata: {choose_one_of(column, known)}"
        )
    files = ", ".join(_literal(str(layout.metadata / name)) for name in summary.tables)
    among = ", ".join(map(_literal, sources))
    name = '"' + column.replace('"', '""') + '"'
    rows = ledger.query(
        connection,
        "WITH spanning AS (SELECT m.grp, count(*) AS pictures, "  # noqa: S608
        f"list_sort(list(DISTINCT CAST(c.{name} AS VARCHAR))) AS found FROM members m "
        f"JOIN read_parquet([{files}], hive_partitioning = false) c USING (pic_id) "
        f"WHERE c.{name} IS NOT NULL AND m.source IN ({among}) GROUP BY m.grp) "
        "SELECT found, count(*) AS groups, sum(pictures)::BIGINT AS pictures FROM spanning "
        "WHERE len(found) > 1 GROUP BY found ORDER BY groups DESC, found",
    )
    return tuple(
        Leak(tuple(row["found"]), row["groups"], row["pictures"]) for row in rows.to_pylist()
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
