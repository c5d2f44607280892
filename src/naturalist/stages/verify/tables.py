"""Verifying tables file by file, and the ids over all tables of a category."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from naturalist import artifacts
from naturalist.errors import WorkspaceError
from naturalist.schemas import CSV_DELIMITER, csv_columns, table_schema
from naturalist.stages.tables import TableTask, build, check_path, features_of
from naturalist.stages.verify.verdicts import Checked, Verdict, from_json, hard

FORMAT = 2
_SINGLE_COLUMNS = ("picID", "category_label")
_BLOCK_BYTES = 4 << 20
"""Of CSV text that is looked at in one go: the fastest, and far longer than any row."""


@dataclass(frozen=True)
class TableCheckTask:
    """One table to verify against the features that it was made from, and against its receipt."""

    table: TableTask
    sha256: tuple[tuple[str, str], ...]

    @property
    def path(self) -> Path:
        """The Parquet file."""
        return self.table.path

    @property
    def rows(self) -> int:
        """Rows to look at: those of the features, withdrawn pictures too."""
        return sum(piece.stop - piece.start for piece in self.table.pieces)

    @property
    def fingerprint(self) -> str:
        """What the verdicts depend on."""
        pairs = [list(pair) for pair in self.sha256]
        return artifacts.fingerprint(FORMAT, self.table.fingerprint, pairs)


def plan(expected: Sequence[TableTask], *, again: bool = False) -> list[TableCheckTask]:
    """List the tables that were not verified as they are now; with `again`, all of them.

    Args:
        expected: every table that the features give.
        again: verify those that were verified too.
    """
    tasks = []
    for table in expected:
        receipt = artifacts.read_receipt(table.path)
        task = TableCheckTask(table, tuple(sorted(receipt.sha256.items())) if receipt else ())
        if again or not _is_verified(task):
            tasks.append(task)
    return tasks


def _is_verified(task: TableCheckTask) -> bool:
    value = artifacts.read_json(check_path(task.path))
    done = bool(task.sha256 and value and value["fingerprint"] == task.fingerprint)
    # What was broken may have been made anew, with the same bytes as before: look again.
    return done and not hard(verdicts_of(task.path))


def run(task: TableCheckTask) -> Checked:
    """Verify one table and write its verdicts beside it."""
    verdicts = list(_check(task))
    value = {
        "fingerprint": task.fingerprint,
        "rows": task.rows,
        "verdicts": [verdict.as_json() for verdict in verdicts],
    }
    if task.path.parent.is_dir():
        artifacts.write_json(check_path(task.path), value)
    return Checked(task.rows, tuple(verdicts))


def verdicts_of(path: Path) -> tuple[Verdict, ...]:
    """Verdicts about a table, as they were written last; none if it was never verified."""
    value = artifacts.read_json(check_path(path))
    return from_json(value["verdicts"]) if value else ()


def _verdict(task: TableCheckTask, check: str, detail: str, suffix: str = ".parquet") -> Verdict:
    file = str(task.path.with_suffix(suffix).relative_to(task.table.root))
    return Verdict(check, "hard", detail, file=file)


def _check(task: TableCheckTask) -> Iterator[Verdict]:
    if not task.sha256:
        yield _verdict(
            task, "missing", "the table or its receipt is missing: run `naturalist tables`"
        )
        return
    for name, expected in task.sha256:
        file = task.path.with_name(name)
        result = artifacts.sha256_file(file) if file.exists() else "missing"
        if result != expected:
            detail = f"sha256 is {result}, the receipt says {expected}"
            yield _verdict(task, "checksum", detail, file.suffix)
    try:
        table = pq.read_table(task.path, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        yield _verdict(task, "unreadable", f"cannot be read: {error}")
        return
    if not table.schema.equals(table_schema(task.table.dim)):
        yield _verdict(task, "schema", "columns or types differ from the contract")
        return
    yield from _check_values(task, table)
    yield from _check_rows(task, table)
    if task.table.csv:
        yield from _check_csv(task, table)


def _check_values(task: TableCheckTask, table: pa.Table) -> Iterator[Verdict]:
    label = task.table.label
    if not pc.all(pc.equal(table["category_label"], label)).as_py() and table.num_rows:
        yield _verdict(task, "label", f"not every row has label {label}")
    bad = int((~np.isfinite(features_of(table, task.table.dim))).any(axis=1).sum())
    if bad:
        yield _verdict(task, "not_finite", f"{bad} rows have NaN or infinite values")


def _check_rows(task: TableCheckTask, table: pa.Table) -> Iterator[Verdict]:
    try:
        expected = build(task.table)
    except WorkspaceError as error:
        yield _verdict(task, "equals_features", f"its features cannot be read: {error}")
        return
    if table.num_rows != expected.num_rows:
        detail = f"{table.num_rows} rows, the features give {expected.num_rows}"
        yield _verdict(task, "row_count", detail)
    if not table["picID"].equals(expected["picID"]):
        yield _verdict(task, "pic_ids", "its pictures are not those of the features, in order")
    elif not (table["source"].equals(expected["source"]) and _same_bits(task, table, expected)):
        detail = "vectors or sources differ from the features"
        yield _verdict(task, "equals_features", detail)


def _same_bits(task: TableCheckTask, one: pa.Table, other: pa.Table) -> bool:
    dim = task.table.dim
    mine, its = (features_of(table, dim).view(np.uint32) for table in (one, other))
    return bool(np.array_equal(mine, its))


def _check_csv(task: TableCheckTask, table: pa.Table) -> Iterator[Verdict]:
    path = task.path.with_suffix(".csv")
    try:
        equal = _reads_back(task, path, table)
    except (OSError, pa.ArrowInvalid) as error:
        yield _verdict(task, "csv_equals_parquet", f"cannot be read: {error}", ".csv")
        return
    if not equal:
        detail = "its rows differ from the Parquet file"
        yield _verdict(task, "csv_equals_parquet", detail, ".csv")


def _reads_back(task: TableCheckTask, path: Path, table: pa.Table) -> bool:
    done = 0
    for result in csv_blocks(path, task.table.dim):
        expected = table.slice(done, result.num_rows)
        same = all(result[name].equals(expected[name]) for name in _SINGLE_COLUMNS)
        if not (same and _same_bits(task, result, expected)):
            return False
        done += result.num_rows
    return bool(done == table.num_rows)


def read_csv(path: Path, dim: int) -> pa.Table:
    """Read a table's CSV file: picID, category_label and features, as in the Parquet file.

    Raises:
        ArrowInvalid: columns or values are not those of the contract.
    """
    return pa.concat_tables([_csv_schema(dim).empty_table(), *csv_blocks(path, dim)])


def _csv_schema(dim: int) -> pa.Schema:
    schema = table_schema(dim)
    return pa.schema([schema.field(name) for name in (*_SINGLE_COLUMNS, "features")])


def csv_blocks(path: Path, dim: int) -> Iterator[pa.Table]:
    """Read a table's CSV file as `read_csv`, a few hundred rows at a time.

    Raises:
        ArrowInvalid: columns or values are not those of the contract.
    """
    names = csv_columns(dim)
    with path.open("rb") as file:
        if file.readline() != f"{CSV_DELIMITER.join(names)}\n".encode():
            raise pa.ArrowInvalid(f"columns are not {names[0]}, {names[1]} ... {names[-1]}")
    types = dict.fromkeys(names, pa.float32()) | {
        "picID": pa.string(),
        "category_label": pa.int32(),
    }
    with pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(delimiter=CSV_DELIMITER),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types, null_values=[]),
    ) as blocks:
        for block in blocks:
            values = pa.concat_arrays(block.columns[1:-1]).to_numpy().reshape(dim, -1)
            features = pa.FixedSizeListArray.from_arrays(pa.array(values.T.reshape(-1)), dim)
            columns = [*(block[name] for name in _SINGLE_COLUMNS), features]
            yield pa.Table.from_arrays(columns, schema=_csv_schema(dim))


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
