"""Verifying tables file by file, and the ids over all tables of a category."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from naturalist import artifacts
from naturalist.layout import pic_id
from naturalist.schemas import CSV_DELIMITER, csv_columns, table_schema
from naturalist.tables import TableTask, check_path, features_of
from naturalist.verify.verdicts import Checked, Verdict, from_json

FORMAT = 1


@dataclass(frozen=True)
class TableCheckTask:
    """One table to verify; `expected_rows` comes from the features, not from the table."""

    root: Path
    path: Path
    category: str
    label: int
    dim: int
    expected_rows: int
    sha256: tuple[tuple[str, str], ...]

    @property
    def fingerprint(self) -> str:
        """What the verdicts depend on."""
        return artifacts.fingerprint(
            FORMAT,
            self.category,
            self.label,
            self.dim,
            self.expected_rows,
            [list(pair) for pair in self.sha256],
        )


def plan(wanted: Sequence[TableTask], *, again: bool = False) -> list[TableCheckTask]:
    """List the tables that were not verified as they are now; with `again`, all of them.

    Args:
        wanted: every table that the features give.
        again: verify those that were verified too.
    """
    tasks = []
    for table in wanted:
        receipt = artifacts.read_receipt(table.path)
        sha256 = tuple(sorted(receipt.sha256.items())) if receipt else ()
        expected = sum(p.stop - p.start for p in table.pieces) - _count_withheld(table)
        task = TableCheckTask(
            table.root, table.path, table.category, table.label, table.dim, expected, sha256
        )
        if again or not _is_verified(task):
            tasks.append(task)
    return tasks


def _count_withheld(table: TableTask) -> int:
    if not table.withheld:
        return 0
    names = pa.array(table.withheld, pa.string())
    found = 0
    for piece in table.pieces:
        column = pq.read_table(piece.path, columns=["pic_id"], partitioning=None)["pic_id"]
        part = column.slice(piece.start, piece.stop - piece.start)
        found += pc.sum(pc.is_in(part, names)).as_py() or 0
    return found


def _is_verified(task: TableCheckTask) -> bool:
    value = artifacts.read_json(check_path(task.path))
    return bool(task.sha256 and value and value["fingerprint"] == task.fingerprint)


def run(task: TableCheckTask) -> Checked:
    """Verify one table and write its verdicts beside it."""
    verdicts = list(_check(task))
    rows = task.expected_rows
    value = {
        "fingerprint": task.fingerprint,
        "rows": rows,
        "verdicts": [verdict.as_json() for verdict in verdicts],
    }
    if task.path.parent.is_dir():
        artifacts.write_json(check_path(task.path), value)
    return Checked(rows, tuple(verdicts))


def verdicts_of(path: Path) -> tuple[Verdict, ...]:
    """Verdicts about a table, as they were written last; none if it was never verified."""
    value = artifacts.read_json(check_path(path))
    return from_json(value["verdicts"]) if value else ()


def _verdict(task: TableCheckTask, check: str, detail: str, suffix: str = ".parquet") -> Verdict:
    file = str(task.path.with_suffix(suffix).relative_to(task.root))
    return Verdict(check, "hard", detail, file=file)


def _check(task: TableCheckTask) -> Iterator[Verdict]:
    if not task.sha256:
        yield _verdict(task, "missing", "the table or its receipt is not there: run tables again")
        return
    for name, expected in task.sha256:
        file = task.path.with_name(name)
        found = artifacts.sha256_file(file) if file.exists() else "missing"
        if found != expected:
            detail = f"sha256 is {found}, the receipt says {expected}"
            yield _verdict(task, "checksum", detail, file.suffix)
    try:
        table = pq.read_table(task.path, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        yield _verdict(task, "unreadable", f"cannot be read: {error}")
        return
    if not table.schema.equals(table_schema(task.dim)):
        yield _verdict(task, "schema", "columns or types are not those of the contract")
        return
    yield from _check_rows(task, table)
    yield from _check_csv(task, table)


def _check_rows(task: TableCheckTask, table: pa.Table) -> Iterator[Verdict]:
    if table.num_rows != task.expected_rows:
        detail = f"{table.num_rows} rows, the features give {task.expected_rows}"
        yield _verdict(task, "row_count", detail)
    numbers = _numbers(table["picID"], task.category)
    if numbers is None or not (np.diff(numbers) > 0).all():
        yield _verdict(task, "pic_ids", "not all ids are of the category, rising, each once")
    if not pc.all(pc.equal(table["category_label"], task.label)).as_py() and table.num_rows:
        yield _verdict(task, "label", f"not every row has label {task.label}")
    bad = int((~np.isfinite(features_of(table, task.dim))).any(axis=1).sum())
    if bad:
        yield _verdict(task, "not_finite", f"{bad} rows have NaN or infinite values")


def _numbers(names: pa.ChunkedArray, category: str) -> np.ndarray[Any, Any] | None:
    prefix = pic_id(category, 0)[:-1]
    if names.null_count or not pc.all(pc.starts_with(names, pattern=prefix)).as_py():
        return None if len(names) else np.empty(0, np.int64)
    digits = pc.utf8_slice_codeunits(names, len(prefix))
    if not pc.all(pc.match_substring_regex(digits, "^[1-9][0-9]*$")).as_py():
        return None
    numbers: np.ndarray[Any, Any] = pc.cast(digits, pa.int64()).to_numpy()
    return numbers


def _check_csv(task: TableCheckTask, table: pa.Table) -> Iterator[Verdict]:
    path = task.path.with_suffix(".csv")
    try:
        found = read_csv(path, task.dim)
    except (OSError, pa.ArrowInvalid, pa.ArrowKeyError) as error:
        yield _verdict(task, "csv_equals_parquet", f"cannot be read: {error}", ".csv")
        return
    names_equal = found["picID"].to_pylist() == table["picID"].to_pylist()
    labels_equal = found["category_label"].to_pylist() == table["category_label"].to_pylist()
    values = np.column_stack([found[name].to_numpy() for name in csv_columns(task.dim)[1:-1]])
    same = values.shape == (table.num_rows, task.dim) and np.array_equal(
        values.view(np.uint32), features_of(table, task.dim).view(np.uint32)
    )
    if not (names_equal and labels_equal and same):
        detail = "its rows are not those of the Parquet file, bit for bit"
        yield _verdict(task, "csv_equals_parquet", detail, ".csv")


def read_csv(path: Path, dim: int) -> pa.Table:
    """Read a table's CSV file with float32 features.

    Raises:
        ArrowInvalid, ArrowKeyError: columns or values are not those of the contract.
    """
    names = csv_columns(dim)
    types = dict.fromkeys(names, pa.float32())
    types |= {"picID": pa.string(), "category_label": pa.int32()}
    return pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(delimiter=CSV_DELIMITER),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types, include_columns=names),
    )


def check_order(root: Path, paths: Sequence[tuple[Path, artifacts.Receipt]]) -> list[Verdict]:
    """Check that ids rise from table to table; with each table's own order, no id comes twice."""
    verdicts = []
    last = 0
    for path, receipt in paths:
        numbers = receipt.facts["numbers"]
        if numbers and numbers[0] <= last:
            detail = f"begins at number {numbers[0]}, the table before ends at {last}"
            file = str(path.relative_to(root))
            verdicts.append(Verdict("pic_ids", "hard", detail, file=file))
        last = numbers[1] if numbers else last
    return verdicts
