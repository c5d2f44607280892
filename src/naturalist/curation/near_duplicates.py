"""Near duplicates become decisions: of each group one picture stays, and the others are retired."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from naturalist import artifacts, ledger
from naturalist.curation.decisions import Decision
from naturalist.curation.measured import measured
from naturalist.layout import Layout
from naturalist.stages.ingest.resolve import Kind


class Keep(StrEnum):
    """Which picture of a group stays."""

    LARGEST = "largest"
    SHARPEST = "sharpest"
    FIRST = "first"
    PER_SOURCE = "per-source"


_ORDER = {
    Keep.LARGEST: "p.width * p.height DESC, p.size_bytes DESC, p.category, p.number",
    Keep.SHARPEST: "p.blur DESC NULLS LAST, p.width * p.height DESC, p.category, p.number",
    Keep.FIRST: "p.category, p.number",
    Keep.PER_SOURCE: "p.category, p.number",
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
        keep: which one stays; with `Keep.PER_SOURCE` the first of each source does.
    """
    part = "g.group" + (", p.category, p.source" if keep is Keep.PER_SOURCE else "")
    with measured(layout, categories) as connection:
        connection.register("grouped", artifacts.read_parquet(layout.near_duplicates))
        connection.execute(
            "CREATE TEMP TABLE members AS SELECT g.*, p.category, p.source, "  # noqa: S608
            f"first_value(p.pic_id) OVER (PARTITION BY {part} ORDER BY {_ORDER[keep]}) AS kept, "
            'p.number FROM (SELECT "picID" AS pic_id, "group", distance, cosine FROM grouped) g '
            "JOIN pictures p USING (pic_id)"
        )
        rows = ledger.query(connection, _TO_RETIRE).to_pylist()
        (counts,) = ledger.query(connection, _COUNTS).to_pylist()
    return Thinned(tuple(_decisions(rows)), counts["thinned"], counts["left_alone"])


_TO_RETIRE = """
SELECT pic_id, kept FROM members
WHERE pic_id <> kept AND "group" NOT IN (
    SELECT "group" FROM members GROUP BY "group" HAVING count(DISTINCT category) > 1)
ORDER BY "group", category, number
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
