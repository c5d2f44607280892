"""Each check of a table finds the fault that was planted, and nothing else.

Faults are planted with a receipt that vouches for them, so that the check itself has to find them
and not the checksum; the checksum has tests of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from naturalist import artifacts
from naturalist.layout import Layout
from naturalist.schemas import table_schema
from naturalist.stages import tables
from naturalist.stages.tables import features_of
from naturalist.stages.verify import tables as checks
from naturalist.stages.verify.tables import check_order
from naturalist.stages.verify.verdicts import HARD_CHECKS, Verdict
from tiny import SPEC, HandMade, Vectors, amend, amendment, flip_byte, in_memory, rehash, vectors


@dataclass(frozen=True)
class Made:
    """Twelve plants in tables of five."""

    layout: Layout

    def wanted(self) -> list[tables.TableTask]:
        return tables.all_tables(self.layout, "plant", 7, SPEC, 5)

    def verify(self, *, again: bool = True) -> list[Verdict]:
        tasks = checks.plan(self.wanted(), again=again)
        found = [verdict for task in tasks for verdict in checks.run(task).verdicts]
        assert all(v.severity == "hard" and v.check in HARD_CHECKS for v in found)
        return found

    def found(self) -> set[tuple[str, str]]:
        """Check and name of the file of each verdict."""
        return {(v.check, Path(v.file or "").name) for v in self.verify()}

    @property
    def first(self) -> Path:
        return self.layout.table("plant", 1)

    def rewrite(self, change: Callable[[pa.Table], pa.Table], *, csv: bool = True) -> None:
        """Change the first table, its CSV too, with a receipt that vouches for them."""
        table = change(pq.read_table(self.first, partitioning=None))
        artifacts.write_parquet(self.first, table)
        if csv:
            tables.write_csv(self.first.with_suffix(".csv"), table, SPEC.dim)
        rehash(self.first)

    def edit(self, change: Callable[[list[str]], None]) -> None:
        """Change lines of the first table's CSV, with a receipt that vouches for them."""
        path = self.first.with_suffix(".csv")
        lines = path.read_text().splitlines()
        change(lines)
        path.write_text("".join(f"{line}\n" for line in lines))
        rehash(self.first)


@pytest.fixture
def made() -> Iterator[Made]:
    with in_memory() as root:
        by_hand = HandMade(Layout(root))
        by_hand.add(vectors(12), shard_size=4)
        for task in tables.plan(by_hand.layout, {"plant": 7}, SPEC, 5):
            tables.run(task)
        yield Made(by_hand.layout)


FIRST = "image_df_1.parquet"
FIRST_CSV = "image_df_1.csv"


def replaced(table: pa.Table, column: str, values: object) -> pa.Table:
    at = table.schema.get_field_index(column)
    return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.types[at]))


def with_vectors(change: Callable[[Vectors], None]) -> Callable[[pa.Table], pa.Table]:
    def changed(table: pa.Table) -> pa.Table:
        values = features_of(table, SPEC.dim).copy()
        change(values)
        column = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), SPEC.dim)
        return table.set_column(3, table_schema(SPEC.dim).field(3), column)

    return changed


def test_tables_as_they_were_written_pass(made: Made) -> None:
    assert made.verify() == []
    assert checks.plan(made.wanted()) == []


def test_tables_without_withdrawn_pictures_pass(made: Made) -> None:
    amend(made.layout, "plant", "000002-x", [amendment("plant", n) for n in (4, 5, 6)])
    for task in tables.plan(made.layout, {"plant": 7}, SPEC, 5):
        tables.run(task)
    assert made.verify() == []


def test_a_table_without_rows_passes(made: Made) -> None:
    amend(made.layout, "plant", "000002-x", [amendment("plant", n) for n in range(1, 6)])
    for task in tables.plan(made.layout, {"plant": 7}, SPEC, 5):
        tables.run(task)
    assert made.verify() == []


def test_a_withdrawn_picture_that_is_still_in_its_table_is_found(made: Made) -> None:
    amend(made.layout, "plant", "000002-x", [amendment("plant", 4)])
    assert ("row_count", FIRST) in made.found()


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_flipped_byte_is_found_wherever_it_is(made: Made, suffix: str) -> None:
    path = made.first.with_suffix(suffix)
    whole = path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 25)):
        flip_byte(path, at)
        assert ("checksum", path.name) in made.found(), f"byte {at}"
        path.write_bytes(whole)
    assert made.verify() == []


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".json"])
def test_a_missing_file_is_found(made: Made, suffix: str) -> None:
    made.first.with_suffix(suffix).unlink()
    assert made.found() == {("missing", FIRST)}


def test_a_category_whose_tables_are_all_gone_is_found(made: Made) -> None:
    for path in (made.layout.tables / "plant").iterdir():
        path.unlink()
    (made.layout.tables / "plant").rmdir()
    assert [v.check for v in made.verify()] == ["missing"] * 3


def test_a_table_that_is_no_parquet_is_unreadable(made: Made) -> None:
    made.first.write_bytes(b"nothing")
    rehash(made.first)
    assert made.found() == {("unreadable", FIRST)}


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop_columns(["source"]),
        lambda table: table.append_column("more", table["source"]),
        lambda table: table.select(["category_label", "picID", "source", "features"]),
        lambda table: table.set_column(
            1, "category_label", table["category_label"].cast(pa.int64())
        ),
        lambda table: table.rename_columns(["pic_id", "category_label", "source", "features"]),
    ],
    ids=["too few", "too many", "other order", "other type", "other name"],
)
def test_columns_that_are_not_those_of_the_contract_are_found(
    made: Made, change: Callable[[pa.Table], pa.Table]
) -> None:
    made.rewrite(change, csv=False)
    assert made.found() == {("schema", FIRST)}


def test_missing_rows_are_found(made: Made) -> None:
    made.rewrite(lambda table: table.slice(0, 4))
    assert made.found() == {("row_count", FIRST), ("pic_ids", FIRST)}


def test_swapped_rows_are_found(made: Made) -> None:
    made.rewrite(lambda table: table.take([0, 2, 1, 3, 4]))
    assert made.found() == {("pic_ids", FIRST)}


@pytest.mark.parametrize(
    "name", ["plant_id_2", "animal_id_5", "plant_id_05", "plant_id_", "plant_id_5x", "5", ""]
)
def test_an_id_that_comes_twice_or_is_no_id_of_the_category_is_found(made: Made, name: str) -> None:
    names = ["plant_id_1", "plant_id_2", "plant_id_3", "plant_id_4", name]
    made.rewrite(lambda table: replaced(table, "picID", names))
    assert made.found() == {("pic_ids", FIRST)}


def test_a_picture_that_belongs_into_another_table_is_found(made: Made) -> None:
    names = ["plant_id_1", "plant_id_2", "plant_id_3", "plant_id_4", "plant_id_6"]
    made.rewrite(lambda table: replaced(table, "picID", names))
    assert made.found() == {("pic_ids", FIRST)}


@pytest.mark.parametrize("labels", [[7, 7, 8, 7, 7], [0] * 5])
def test_a_wrong_label_is_found(made: Made, labels: list[int]) -> None:
    made.rewrite(lambda table: replaced(table, "category_label", labels))
    assert made.found() == {("label", FIRST)}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_found(made: Made, value: float) -> None:
    def put(values: Vectors) -> None:
        values[3, 2] = value

    made.rewrite(with_vectors(put))
    assert ("not_finite", FIRST) in made.found()


def swap(values: Vectors) -> None:
    values[[1, 2]] = values[[2, 1]]


def change_a_bit(values: Vectors) -> None:
    values[3, 2] = np.nextafter(values[3, 2], np.float32(np.inf))


@pytest.mark.parametrize("change", [swap, change_a_bit])
def test_vectors_that_are_not_those_of_the_features_are_found(
    made: Made, change: Callable[[Vectors], None]
) -> None:
    made.rewrite(with_vectors(change))
    assert made.found() == {("equals_features", FIRST)}


def test_a_wrong_source_is_found(made: Made) -> None:
    made.rewrite(lambda table: replaced(table, "source", ["photos"] * 4 + ["elsewhere"]))
    assert made.found() == {("equals_features", FIRST)}


def test_a_table_whose_features_are_gone_or_broken_is_found(made: Made) -> None:
    wanted = made.wanted()
    (made.layout.features(SPEC.id, "plant", 1, 0)).write_bytes(b"broken")
    (made.layout.features(SPEC.id, "plant", 1, 2)).unlink()
    found = [v for task in checks.plan(wanted, again=True) for v in checks.run(task).verdicts]
    assert [v.check for v in found] == ["equals_features"] * 3


def test_csv_that_differs_in_the_last_bit_of_one_number_is_found(made: Made) -> None:
    whole = made.first.read_bytes()
    made.rewrite(with_vectors(change_a_bit))
    made.first.write_bytes(whole)
    rehash(made.first)
    assert made.found() == {("csv_equals_parquet", FIRST_CSV)}


def test_csv_with_another_sign_of_zero_is_found(made: Made) -> None:
    def zero(sign: float) -> Callable[[Vectors], None]:
        def put(values: Vectors) -> None:
            values[3, 2] = np.copysign(0.0, sign)

        return put

    made.rewrite(with_vectors(zero(1.0)))
    made.rewrite(with_vectors(zero(-1.0)), csv=False)
    assert ("csv_equals_parquet", FIRST_CSV) in made.found()


def swap_columns(lines: list[str]) -> None:
    for at, line in enumerate(lines):
        first, second, third, *rest = line.split(";")
        lines[at] = ";".join([first, third, second, *rest])


def swap_header(lines: list[str]) -> None:
    header = lines[:1]
    swap_columns(header)
    lines[:1] = header


def add_column(lines: list[str]) -> None:
    lines[:] = [f"{line};x" for line in lines]


def drop_row(lines: list[str]) -> None:
    lines.pop()


def repeat_row(lines: list[str]) -> None:
    lines.append(lines[-1])


def swap_rows(lines: list[str]) -> None:
    lines[2], lines[3] = lines[3], lines[2]


def empty_value(lines: list[str]) -> None:
    lines[2] = ";".join([*lines[2].split(";")[:2], "", *lines[2].split(";")[3:]])


def commas(lines: list[str]) -> None:
    lines[:] = [line.replace(";", ",") for line in lines]


def no_header(lines: list[str]) -> None:
    lines.pop(0)


def other_label(lines: list[str]) -> None:
    lines[1] = lines[1].rpartition(";")[0] + ";8"


def nothing(lines: list[str]) -> None:
    lines.clear()


@pytest.mark.parametrize(
    "change",
    [
        swap_columns,
        swap_header,
        add_column,
        drop_row,
        repeat_row,
        swap_rows,
        empty_value,
        commas,
        no_header,
        other_label,
        nothing,
    ],
)
def test_csv_that_does_not_hold_the_rows_of_the_parquet_file_is_found(
    made: Made, change: Callable[[list[str]], None]
) -> None:
    made.edit(change)
    assert made.found() == {("csv_equals_parquet", FIRST_CSV)}


def test_a_table_with_a_finding_is_verified_again_when_it_was_made_anew(made: Made) -> None:
    whole = made.first.read_bytes()
    flip_byte(made.first, 100)
    assert made.verify()
    made.first.write_bytes(whole)
    assert made.verify(again=False) == []
    assert checks.verdicts_of(made.first) == ()


def test_ids_that_come_in_two_tables_are_found(made: Made) -> None:
    done = tables.done_tables(made.layout, "plant")
    assert check_order(made.layout.root, done) == []
    (verdict,) = check_order(made.layout.root, [done[0], done[0], done[2]])
    assert (verdict.check, verdict.file) == ("pic_ids", "tables/plant/image_df_1.parquet")


def test_an_empty_table_is_in_order_anywhere(made: Made) -> None:
    amend(made.layout, "plant", "000002-x", [amendment("plant", n) for n in range(6, 11)])
    for task in tables.plan(made.layout, {"plant": 7}, SPEC, 5):
        tables.run(task)
    assert check_order(made.layout.root, tables.done_tables(made.layout, "plant")) == []
