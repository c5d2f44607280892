"""A batch that is decided by columns gets what `assign` gives it row by row."""

from itertools import groupby
from typing import Any

import pyarrow as pa
from hypothesis import given
from tests.stages.ingest.test_assign import Finding, World, days, finding, refusal

from naturalist.schemas import FINDINGS, LEDGER
from naturalist.stages.ingest.assign import Assigned, Prior, assign
from naturalist.stages.ingest.assign_batch import assign_batch


def no_root(_category: str, _row: dict[str, Any]) -> None:
    """Pictures stay in their sources."""


def by_rows(
    findings: list[Finding], prior: Prior, last: dict[str, int], batch: int
) -> tuple[dict[str, pa.Table], Assigned]:
    assigned = assign(findings, prior, last, batch, no_root)
    rows = {c: pa.Table.from_pylist(own, LEDGER) for c, own in assigned.rows.items()}
    return rows, assigned


def by_columns(
    findings: list[Finding], prior: Prior, last: dict[str, int], batch: int
) -> tuple[dict[str, pa.Table], Assigned]:
    tables = [
        (category, pa.Table.from_pylist([row for _, row in group], FINDINGS))
        for category, group in groupby(findings, key=lambda one: one[0])
    ]
    if not tables:
        return {}, Assigned(last_numbers=dict(last))
    return assign_batch(tables, prior, last, batch, lambda rows: pa.nulls(len(rows)))


def timeless(assigned: Assigned) -> list[Any]:
    amendments = {
        category: [row | {"at_ns": 0} for row in rows]
        for category, rows in assigned.amendments.items()
    }
    return [amendments, dict(assigned.touched)]


def whole(findings: list[Finding]) -> list[Finding]:
    """Findings with values in all columns that may not be null."""
    return [(category, {**row, "staged": bool(row["staged"])}) for category, row in findings]


@given(days())
def test_columns_give_the_rows_ids_amendments_and_touched_files_that_rows_give(
    drawn: tuple[list[Finding], list[list[Finding]]],
) -> None:
    world = World()
    for day in drawn[1]:
        listed = sorted(whole(day), key=lambda f: (f[0], f[1]["source"], f[1]["path"]))
        prior, last = world.prior(), dict(world.last_numbers)
        expected, one = by_rows(listed, prior, last, world.batch + 1)
        result, other = by_columns(listed, prior, last, world.batch + 1)
        assert result == expected
        assert timeless(other) == timeless(one)
        assert {c: other.last_numbers.get(c, 0) for c in one.last_numbers} == one.last_numbers
        world.day(day)


def test_new_pictures_and_twins_in_one_listing_count_on_together() -> None:
    names = [("a.jpg", 1), ("b.jpg", 2), ("c.jpg", 1), ("d.jpg", 3), ("e.jpg", 2), ("f.jpg", 4)]
    findings = [finding("plant", "s", name, content) for name, content in names]
    result, assigned = by_columns(findings, Prior(), {"plant": 7}, 3)
    assert result["plant"]["pic_id"].to_pylist() == [
        "plant_id_8", "plant_id_9", None, "plant_id_10", None, "plant_id_11",
    ]  # fmt: skip
    assert result["plant"]["same_as"].to_pylist()[2:5:2] == ["plant_id_8", "plant_id_9"]
    assert assigned.last_numbers == {"plant": 11}


def test_paths_that_are_no_text_and_paths_inside_archives_are_written_for_people() -> None:
    findings = [
        finding("plant", "s", "x", 1, path="späť/ä.jpg".encode()),
        finding("plant", "s", "x", 2, path=b"a.zip\0in/b.jpg"),
        finding("plant", "s", "x", 3, path=b"bad\xff\xfe.jpg"),
        refusal("plant", "s", "broken.jpg", 4),
    ]
    for some in (findings, findings[:2], findings[3:]):
        result, _ = by_columns(some, Prior(), {}, 1)
        assert result == by_rows(some, Prior(), {}, 1)[0]


def test_image_roots_are_asked_for_accepted_pictures_alone_in_listing_order() -> None:
    findings = [
        finding("plant", "s", name, content)
        for name, content in [("a", 1), ("b", 2), ("c", 2), ("d", 3)]
    ]
    findings.insert(1, refusal("plant", "s", "aa", 9))
    table = pa.Table.from_pylist([row for _, row in findings], FINDINGS)

    def roots(rows: pa.Table) -> pa.Array:
        return pa.array([path.decode().upper() for path in rows["path"].to_pylist()])

    result, _ = assign_batch([("plant", table)], Prior(), {}, 1, roots)
    assert result["plant"]["image_root"].to_pylist() == ["A", None, "B", None, "D"]
