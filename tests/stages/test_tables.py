import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from naturalist import artifacts
from naturalist.errors import WorkspaceError
from naturalist.layout import Layout, pic_number, receipt_path
from naturalist.schemas import csv_columns, table_schema
from naturalist.stages import tables
from naturalist.stages.tables import TableTask, all_tables, build, done_tables, features_of
from naturalist.stages.verify import tables as table_checks
from naturalist.stages.verify.tables import read_csv
from tiny import SPEC, HandMade, Vectors, amend, amendment, in_memory, vectors

any_float32 = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=True)
LABELS = {"plant": 7}


@pytest.fixture
def folder() -> Iterator[Path]:
    with in_memory() as root:
        yield root


def write_all(layout: Layout, rows_per_table: int = 5, **options: Any) -> list[TableTask]:
    tasks = tables.plan(layout, LABELS, SPEC, rows_per_table, **options)
    for task in tasks:
        tables.run(task)
    return tasks


def files(layout: Layout) -> dict[str, bytes]:
    """Every table, as it is: name to bytes."""
    found = [*layout.tables.rglob("*.csv"), *layout.tables.rglob("*.parquet")]
    return {str(path.relative_to(layout.root)): path.read_bytes() for path in sorted(found)}


def names_in(layout: Layout, category: str = "plant") -> list[list[str]]:
    return [
        pq.read_table(path, partitioning=None)["picID"].to_pylist()
        for path, _ in done_tables(layout, category)
    ]


def as_table(values: Vectors) -> pa.Table:
    rows, dim = values.shape
    columns = [
        pa.array([f"plant_id_{n}" for n in range(1, rows + 1)]),
        pa.array([7] * rows, pa.int32()),
        pa.array(["photos"] * rows),
        pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), dim),
    ]
    return pa.Table.from_arrays(columns, schema=table_schema(dim))


shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))


@given(values=hnp.arrays(np.float32, shapes, elements=any_float32))
@settings(max_examples=60)
def test_every_finite_number_reads_back_from_csv_to_the_same_bits(values: Vectors) -> None:
    with in_memory() as root:
        path, dim = root / "t.csv", values.shape[1]
        tables.write_csv(path, as_table(values), dim)
        with path.open(newline="") as file:
            header, *rows = csv.reader(file, delimiter=";")
        assert header == csv_columns(dim)
        with np.errstate(under="ignore"):
            by_python = np.array([[np.float32(x) for x in row[1:-1]] for row in rows])
        np.testing.assert_array_equal(by_python.view(np.uint32), values.view(np.uint32))
        by_arrow = features_of(read_csv(path, dim), dim)
        np.testing.assert_array_equal(by_arrow.view(np.uint32), values.view(np.uint32))


def test_the_hardest_numbers_read_back_too() -> None:
    info = np.finfo(np.float32)
    hard = [0.0, -0.0, info.max, info.min, info.tiny, info.smallest_subnormal, 0.1, 1 / 3, 2**24]
    hard += [np.nextafter(np.float32(1), np.float32(2)), 16777217.0, 9.5e-39, 3.4e38, -1e-45]
    test_every_finite_number_reads_back_from_csv_to_the_same_bits.hypothesis.inner_test(  # type: ignore[attr-defined]
        np.array([hard], np.float32)
    )


growth = st.lists(st.integers(0, 9), min_size=1, max_size=4)


@given(growth, st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=25)
def test_every_picture_is_in_exactly_one_row_in_id_order_however_tables_grew(
    days: list[int], rows_per_table: int, shard_size: int
) -> None:
    with in_memory() as root:
        grown = HandMade(Layout(root / "grown"))
        for seed, count in enumerate(days):
            grown.add(vectors(count, seed=seed), shard_size)
            full = {n: b for n, b in files(grown.layout).items() if is_full(grown.layout, n)}
            write_all(grown.layout, rows_per_table)
            after = files(grown.layout)
            assert full.items() <= after.items()
        listed = names_in(grown.layout)
        assert [n for names in listed for n in names] == [
            f"plant_id_{n}" for n in range(1, sum(days) + 1)
        ]
        assert all(len(names) == rows_per_table for names in listed[:-1])
        assert all(1 <= len(names) <= rows_per_table for names in listed)


def is_full(layout: Layout, name: str) -> bool:
    value = artifacts.read_json(receipt_path(layout.root / name))
    return bool(value["facts"]["full"])


@given(growth, st.integers(1, 6), st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=15)
def test_the_bytes_of_tables_do_not_depend_on_days_or_shards(
    days: list[int], rows_per_table: int, one_size: int, other_size: int
) -> None:
    with in_memory() as root:
        values = vectors(sum(days))
        at_once, grown = HandMade(Layout(root / "1")), HandMade(Layout(root / "2"))
        at_once.add(values, one_size)
        write_all(at_once.layout, rows_per_table)
        start = 0
        for count in days:
            grown.add(values[start : start + count], other_size)
            write_all(grown.layout, rows_per_table)
            start += count
        assert files(at_once.layout) == files(grown.layout)


@given(st.sets(st.integers(1, 17)), st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=15)
def test_a_withdrawn_picture_leaves_its_table_and_no_other_row_moves(
    gone: set[int], rows_per_table: int, shard_size: int
) -> None:
    with in_memory() as root:
        made = HandMade(Layout(root))
        made.add(vectors(17), shard_size)
        write_all(made.layout, rows_per_table)
        before = names_in(made.layout)
        if gone:
            rows = [amendment("plant", n) for n in sorted(gone)]
            amend(made.layout, "plant", "000002-conflicts", rows)
        write_all(made.layout, rows_per_table)
        left = [[n for n in names if pic_number(n) not in gone] for names in before]
        assert names_in(made.layout) == left


@pytest.fixture
def made(folder: Path) -> HandMade:
    """Twelve pictures in three tables of five, two parts a table or so."""
    made = HandMade(Layout(folder))
    made.add(vectors(12), shard_size=4)
    write_all(made.layout)
    return made


def test_what_is_done_is_not_done_again(made: HandMade) -> None:
    assert write_all(made.layout) == []


def test_only_the_last_table_is_written_when_pictures_come(made: HandMade) -> None:
    made.add(vectors(2))
    assert [task.k for task in write_all(made.layout)] == [3]
    made.add(vectors(2))
    assert [task.k for task in write_all(made.layout)] == [3, 4]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_a_file_that_was_removed_is_written_again_with_the_same_bytes(
    made: HandMade, suffix: str
) -> None:
    before = files(made.layout)
    made.layout.table("plant", 1).with_suffix(suffix).unlink()
    assert [task.k for task in write_all(made.layout)] == [1]
    assert files(made.layout) == before


def test_csv_and_parquet_hold_the_vectors_of_their_pictures(made: HandMade) -> None:
    values = vectors(12)
    for path, _ in done_tables(made.layout, "plant"):
        table = pq.read_table(path, partitioning=None)
        assert table.schema.equals(table_schema(SPEC.dim))
        rows = [pic_number(name) - 1 for name in table["picID"].to_pylist()]
        np.testing.assert_array_equal(features_of(table, SPEC.dim), values[rows])
        text = read_csv(path.with_suffix(".csv"), SPEC.dim)
        assert text["picID"].equals(table["picID"])
        assert text["category_label"].to_pylist() == [7] * len(rows)


def test_a_full_table_never_changes_unless_asked(made: HandMade) -> None:
    layout = made.layout
    for labels, spec_rows in (({"plant": 8}, 5), (LABELS, 4)):
        with pytest.raises(WorkspaceError, match=r"image_df_1.* of plant is full.*--rebuild"):
            tables.plan(layout, labels, SPEC, spec_rows)
    rebuilt = tables.plan(layout, {"plant": 8}, SPEC, 5, rebuild=True)
    assert [task.k for task in rebuilt] == [1, 2, 3]


def test_the_refusal_names_what_changed(made: HandMade) -> None:
    layout = made.layout
    write_all(layout)
    with pytest.raises(WorkspaceError, match=r"its number of rows .* was 5 and is 4"):
        tables.plan(layout, LABELS, SPEC, 4)
    with pytest.raises(WorkspaceError, match="the label was 7 and is 3") as error:
        tables.plan(layout, {"plant": 3}, SPEC, 5)
    assert "backbone" not in str(error.value)
    assert "rows" not in str(error.value)


def test_a_rebuild_with_larger_tables_leaves_no_old_table_behind(made: HandMade) -> None:
    write_all(made.layout, 6, rebuild=True)
    tables.remove_surplus(made.layout, "plant", 2)
    assert [len(names) for names in names_in(made.layout)] == [6, 6]
    left = {path.stem for path in (made.layout.tables / "plant").iterdir()}
    assert left == {"image_df_1", "image_df_2"}


def test_a_table_whose_pictures_were_all_withdrawn_is_an_empty_table(made: HandMade) -> None:
    amend(made.layout, "plant", "000002-x", [amendment("plant", n) for n in range(1, 6)])
    write_all(made.layout)
    path, receipt = done_tables(made.layout, "plant")[0]
    assert receipt.rows == 0
    assert features_of(pq.read_table(path), SPEC.dim).shape == (0, SPEC.dim)
    assert read_csv(path.with_suffix(".csv"), SPEC.dim).num_rows == 0
    assert [len(names) for names in names_in(made.layout)] == [0, 5, 2]


def test_a_picture_that_came_back_is_in_its_table_again(made: HandMade) -> None:
    before = files(made.layout)
    amend(made.layout, "plant", "000002-x", [amendment("plant", 3)])
    write_all(made.layout)
    assert files(made.layout) != before
    amend(made.layout, "plant", "000003-x", [amendment("plant", 3, outcome="accepted", at_ns=2)])
    write_all(made.layout)
    assert files(made.layout) == before


def test_withdrawing_a_picture_changes_no_table_but_its_own(made: HandMade) -> None:
    before = files(made.layout)
    amend(made.layout, "plant", "000002-x", [amendment("plant", 5)])
    write_all(made.layout)
    changed = {name for name, data in files(made.layout).items() if data != before[name]}
    assert changed == {"tables/plant/image_df_1.csv", "tables/plant/image_df_1.parquet"}


def test_a_table_can_be_put_together_from_slices_of_parts(made: HandMade) -> None:
    task = all_tables(made.layout, "plant", 7, SPEC, 5)[1]
    assert len(task.pieces) == 2
    assert build(task)["picID"].to_pylist() == [f"plant_id_{n}" for n in range(6, 11)]


def test_tables_are_listed_by_number_and_not_by_name(folder: Path) -> None:
    made = HandMade(Layout(folder))
    made.add(vectors(12))
    write_all(made.layout, 1)
    numbers = [receipt.facts["numbers"] for _, receipt in done_tables(made.layout, "plant")]
    assert numbers == [[n, n] for n in range(1, 13)]


def test_csv_can_be_left_out_and_comes_back_with_the_same_bytes(folder: Path) -> None:
    made = HandMade(Layout(folder))
    made.add(vectors(12), 3)
    assert len(write_all(made.layout)) == 3
    both = files(made.layout)
    # All tables are written anew, full ones too: nothing but the form of the rows changes.
    assert len(write_all(made.layout, csv=False)) == 3
    assert files(made.layout) == {n: b for n, b in both.items() if n.endswith(".parquet")}
    assert all(len(receipt.sha256) == 1 for _, receipt in done_tables(made.layout, "plant"))
    assert not tables.plan(made.layout, LABELS, SPEC, 5, csv=False)
    tasks = all_tables(made.layout, "plant", 7, SPEC, 5, csv=False)
    assert not [v for task in table_checks.plan(tasks) for v in table_checks.run(task).verdicts]
    assert not table_checks.plan(tasks)
    assert len(table_checks.plan(all_tables(made.layout, "plant", 7, SPEC, 5))) == 3
    assert len(write_all(made.layout)) == 3
    assert files(made.layout) == both
