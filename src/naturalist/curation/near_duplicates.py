"""Near duplicates become decisions: of each group one picture stays, and the others are retired."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from naturalist import artifacts, ledger
from naturalist.curation.decisions import Decision
from naturalist.curation.measured import measured
from naturalist.curation.sharpness import sharpness_at_one_size
from naturalist.images.previews import THUMBNAIL_SIDE
from naturalist.layout import Layout
from naturalist.stages.ingest.resolve import Kind

if TYPE_CHECKING:
    import duckdb


class Keep(StrEnum):
    """Which picture of a group stays."""

    LARGEST = "largest"
    SHARPEST = "sharpest"
    FIRST = "first"
    PER_SOURCE = "per-source"


_CLEARLY_SHARPER = 0.9
"""Of a group, pictures with at least this share of the greatest sharpness count as equally sharp.

Copies that were reduced or recompressed differ by as much without being sharper."""

_LARGEST = "width * height DESC, size_bytes DESC, category, number"
_ORDER = {
    Keep.LARGEST: _LARGEST,
    Keep.SHARPEST: f"blur >= {_CLEARLY_SHARPER} * sharpest DESC NULLS LAST, {_LARGEST}",
    Keep.FIRST: "category, number",
    Keep.PER_SOURCE: "category, number",
}


@dataclass(frozen=True)
class Thinned:
    """What keeping one picture of each group would change.

    Attributes:
        decisions: pictures to retire, in the order of groups.
        groups: groups that were thinned.
        left_alone: groups that span categories: one of their labels is wrong, which is for a
            person to decide first.
    """

    decisions: tuple[Decision, ...]
    groups: int
    left_alone: int


def thin_out(layout: Layout, categories: list[str], keep: Keep) -> Thinned:
    """Propose to retire all but one picture of each group of near duplicates.

    Args:
        layout: a workspace whose groups are up to date.
        categories: those of the collection.
        keep: which one stays; with `Keep.PER_SOURCE` the first of each source does. With
            `Keep.SHARPEST` pictures are compared at one size, and of those that are about equally
            sharp the largest stays.
    """
    part = '"group"' + (", category, source" if keep is Keep.PER_SOURCE else "")
    with measured(layout, categories) as connection:
        connection.register("grouped", artifacts.read_parquet(layout.near_duplicates))
        connection.execute(_GROUPED_PICTURES)
        if keep is Keep.SHARPEST:
            _measure_at_one_size(connection, layout)
        connection.execute(
            "CREATE TEMP TABLE members AS SELECT *, "  # noqa: S608
            f"first_value(pic_id) OVER (PARTITION BY {part} ORDER BY {_ORDER[keep]}) AS kept "
            'FROM (SELECT *, max(blur) OVER (PARTITION BY "group") AS sharpest '
            "FROM grouped_pictures)"
        )
        rows = ledger.query(connection, _TO_RETIRE).to_pylist()
        (counts,) = ledger.query(connection, _COUNTS).to_pylist()
    return Thinned(tuple(_decisions(rows)), counts["thinned"], counts["left_alone"])


def spanning(layout: Layout, categories: list[str]) -> list[tuple[str, ...]]:
    """Pictures of each group that spans categories, which `thin_out` leaves alone."""
    with measured(layout, categories) as connection:
        connection.register("grouped", artifacts.read_parquet(layout.near_duplicates))
        connection.execute(_GROUPED_PICTURES)
        return [tuple(row["names"]) for row in ledger.query(connection, _SPANNING).to_pylist()]


def _measure_at_one_size(connection: "duckdb.DuckDBPyConnection", layout: Layout) -> None:
    """Replace the sharpness where a group has a picture smaller than a thumbnail."""
    small = ledger.query(connection, _WITH_SMALL_ONES).to_pylist()
    measures = sharpness_at_one_size(layout, ((one["names"], one["side"]) for one in small))
    names, values = zip(*measures, strict=True) if small else ((), ())
    connection.register("at_one_size", pa.table({"pic_id": names, "value": values}))
    connection.execute(_REPLACE_SHARPNESS)


_GROUPED_PICTURES = """
CREATE TEMP TABLE grouped_pictures AS
SELECT g."group", p.* FROM (SELECT "picID" AS pic_id, "group" FROM grouped) g
JOIN pictures p USING (pic_id)
"""
_WITH_SMALL_ONES = f"""
SELECT list(pic_id) AS names, min(greatest(width, height)) AS side FROM grouped_pictures
GROUP BY "group" HAVING side < {THUMBNAIL_SIDE}
"""  # noqa: S608
_REPLACE_SHARPNESS = """
UPDATE grouped_pictures SET blur = value FROM at_one_size
WHERE at_one_size.pic_id = grouped_pictures.pic_id
"""
_TO_RETIRE = """
SELECT pic_id, kept FROM members
WHERE pic_id <> kept AND "group" NOT IN (
    SELECT "group" FROM members GROUP BY "group" HAVING count(DISTINCT category) > 1)
ORDER BY "group", category, number
"""
_SPANNING = """
SELECT list(pic_id ORDER BY category, number) AS names FROM grouped_pictures
GROUP BY "group" HAVING count(DISTINCT category) > 1 ORDER BY "group"
"""
_COUNTS = """
WITH groups AS (
    SELECT "group", count(DISTINCT category) AS categories, bool_or(pic_id <> kept) AS is_thinned
    FROM members GROUP BY "group")
SELECT count(*) FILTER (categories = 1 AND is_thinned) AS thinned,
    count(*) FILTER (categories > 1) AS left_alone FROM groups
"""


def _decisions(rows: list[dict[str, Any]]) -> Iterator[Decision]:
    for number, row in enumerate(rows, start=2):
        note = f"near duplicate of {row['kept']}"
        yield Decision(number, row["pic_id"], Kind.RETIRE, note=note)
