"""The tables stage: features and labels become tables of at most 10,001 rows, CSV and Parquet.

Rows are in id order. Which rows a table has follows from their place in the category alone, so only
the last table of a category ever grows. Pictures that were withdrawn later (a conflict, a review,
a takedown) leave their table and no other row moves.
"""

import hashlib
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, ledger
from naturalist.backbones import BackboneSpec
from naturalist.errors import WorkspaceError
from naturalist.layout import Layout, pic_number, receipt_path
from naturalist.schemas import CSV_DELIMITER, csv_columns, table_schema
from naturalist.stages import csv_text, extract
from naturalist.stages.extract import Part

FORMAT = 1
"""Changes when the same features would give other tables."""


@dataclass(frozen=True)
class Piece:
    """Rows `start` to `stop` of a features part."""

    path: Path
    sha256: str
    start: int
    stop: int
    numbers: tuple[int, int]


@dataclass(frozen=True)
class TableTask:
    """One table of one category."""

    root: Path
    category: str
    label: int
    k: int
    dim: int
    backbone_id: str
    pieces: tuple[Piece, ...]
    withheld: tuple[str, ...]
    full: bool
    csv: bool = True

    @property
    def base(self) -> str:
        """Fingerprint of everything but the withdrawn pictures."""
        pieces = [[p.path.name, p.sha256, p.start, p.stop] for p in self.pieces]
        return artifacts.fingerprint(FORMAT, self.backbone_id, self.category, self.label, pieces)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of everything that the table is made from."""
        # Left out where CSV is written, so that tables of older versions stay as they are.
        without = () if self.csv else ("without csv",)
        return artifacts.fingerprint(self.base, list(self.withheld), *without)

    @property
    def cut(self) -> int:
        """Its rows, those counted that were withdrawn."""
        return sum(piece.stop - piece.start for piece in self.pieces)

    @property
    def path(self) -> Path:
        """The Parquet file."""
        return Layout(self.root).table(self.category, self.k)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the table: Parquet, and CSV where that is written."""
        return (self.path, self.path.with_suffix(".csv")) if self.csv else (self.path,)


@dataclass(frozen=True)
class Tabled:
    """What a finished task tells."""

    rows: int


def plan(
    layout: Layout,
    labels: Mapping[str, int],
    spec: BackboneSpec,
    rows_per_table: int,
    *,
    rebuild: bool = False,
    csv: bool = True,
) -> list[TableTask]:
    """List the tables that are not done.

    Args:
        layout: the workspace.
        labels: the label of each category.
        spec: backbone whose features the tables hold.
        rows_per_table: most rows in a table.
        rebuild: allow full tables to change.
        csv: write each table as CSV too.

    Raises:
        WorkspaceError: a full table would change and `rebuild` is false.
    """
    tasks = [
        task
        for category in sorted(labels)
        for task in all_tables(layout, category, labels[category], spec, rows_per_table, csv=csv)
        if not artifacts.is_done(task.path, task.fingerprint)
    ]
    if not rebuild:
        for task in tasks:
            _refuse_change(task)
    return tasks


def all_tables(
    layout: Layout,
    category: str,
    label: int,
    spec: BackboneSpec,
    rows_per_table: int,
    *,
    csv: bool = True,
) -> list[TableTask]:
    """Every table that a category's features give, done or not."""
    parts = extract.parts(layout, category, spec)
    total = sum(part.rows for part in parts)
    # Pictures that could not be decoded are in no features part: nothing to withhold.
    withheld = ledger.not_accepted(layout, category, but_by="extract")
    cuts = list(_cut(parts, rows_per_table))
    return [
        TableTask(
            root=layout.root,
            category=category,
            label=label,
            k=k,
            dim=spec.dim,
            backbone_id=spec.id,
            pieces=pieces,
            withheld=ledger.between(withheld, pieces[0].numbers[0], pieces[-1].numbers[1]),
            full=k * rows_per_table <= total,
            csv=csv,
        )
        for k, pieces in enumerate(cuts, start=1)
    ]


def _cut(parts: Sequence[Part], rows_per_table: int) -> Iterator[tuple[Piece, ...]]:
    pieces: list[Piece] = []
    room = rows_per_table
    for part in parts:
        start = 0
        while start < part.rows:
            stop = min(part.rows, start + room)
            pieces.append(Piece(part.path, part.sha256, start, stop, part.numbers))
            room -= stop - start
            start = stop
            if room == 0:
                yield tuple(pieces)
                pieces, room = [], rows_per_table
    if pieces:
        yield tuple(pieces)


def _refuse_change(task: TableTask) -> None:
    receipt = artifacts.read_receipt(task.path)
    if receipt is None or not receipt.facts["full"] or receipt.facts["base"] == task.base:
        return
    raise WorkspaceError(
        f"{task.path.name} of {task.category} is full, but would change because "
        f"{_what_changed(task, receipt)}. Restore its inputs, or rebuild all tables with "
        "`naturalist tables --rebuild`"
    )


def _what_changed(task: TableTask, receipt: artifacts.Receipt) -> str:
    facts = receipt.facts
    lines = [
        f"{what} was {then} and is {now}"
        for what, then, now in (
            ("the backbone", facts["backbone"], task.backbone_id),
            ("the label", facts.get("label", task.label), task.label),
            ("its number of rows (tables.rows_per_table)", facts.get("cut", task.cut), task.cut),
        )
        if then != now
    ]
    return "; ".join(lines) or "features it was built from have changed"


def run(task: TableTask) -> Tabled:
    """Write one table: Parquet, CSV if wanted, then the receipt that vouches for them.

    Raises:
        StorageFull: the workspace's drive is full.
    """
    table = build(task)
    csv_path = task.path.with_suffix(".csv")
    metadata = {"backbone": task.backbone_id, "category": task.category}
    artifacts.write_parquet(task.path, table, metadata=metadata)
    if task.csv:
        sha256 = {csv_path.name: write_csv(csv_path, table, task.dim)}
    else:
        # Before the receipt: nothing that it does not vouch for is left beside it by a kill.
        csv_path.unlink(missing_ok=True)
        sha256 = {}
    numbers = [pic_number(str(table["picID"][i])) for i in (0, -1)] if table.num_rows else []
    artifacts.write_receipt(
        task.path,
        artifacts.Receipt(
            fingerprint=task.fingerprint,
            rows=table.num_rows,
            sha256={task.path.name: artifacts.sha256_file(task.path), **sha256},
            facts={
                "base": task.base,
                "full": task.full,
                "backbone": task.backbone_id,
                "label": task.label,
                "cut": task.cut,
                "numbers": numbers,
                "withheld": list(task.withheld),
            },
        ),
    )
    return Tabled(table.num_rows)


def build(task: TableTask) -> pa.Table:
    """Put a table together in memory: at most `rows_per_table` rows of schema `table_schema`."""
    parts = [
        artifacts.read_parquet(piece.path).slice(piece.start, piece.stop - piece.start)
        for piece in task.pieces
    ]
    rows = pa.concat_tables(parts).combine_chunks()
    if task.withheld:
        gone = pc.is_in(rows["pic_id"], pa.array(task.withheld, pa.string()))
        rows = rows.filter(pc.invert(gone))
    labels = pa.array(np.full(rows.num_rows, task.label, np.int32))
    columns = [rows["pic_id"], labels, rows["source"], rows["features"]]
    return pa.Table.from_arrays(columns, schema=table_schema(task.dim))


def features_of(table: pa.Table, dim: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The `features` column as a float32 array (rows, dim)."""
    column = table["features"]
    # Putting together what is whole would copy it.
    column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    values: np.ndarray[Any, np.dtype[np.float32]] = column.flatten().to_numpy()
    return values.reshape(-1, dim)


def write_csv(path: Path, table: pa.Table, dim: int) -> str:
    """Write a table's rows as CSV, with the shortest numbers that read back to their float32.

    Returns:
        The file's sha256 in hex.
    """
    # No pic_id can hold a delimiter or a quote: category names are letters, digits, - and _.
    names, labels = (table[name].to_pylist() for name in ("picID", "category_label"))
    header = (CSV_DELIMITER.join(csv_columns(dim)) + "\n").encode()
    digest = hashlib.sha256()
    with artifacts.atomic(path) as temporary, temporary.open("wb") as file:
        for text in itertools.chain(
            [header], csv_text.lines(names, features_of(table, dim), labels)
        ):
            digest.update(text)
            file.write(text)
    return digest.hexdigest()


def remove_surplus(layout: Layout, category: str, count: int) -> None:
    """Remove tables beyond the first `count`, which a rebuild with other options left behind."""
    for path in (layout.tables / category).glob("image_df_*.parquet"):
        if int(path.stem.rpartition("_")[2]) > count:
            for old in (receipt_path(path), path, path.with_suffix(".csv"), check_path(path)):
                old.unlink(missing_ok=True)


def check_path(path: Path) -> Path:
    """Where the verdicts about a table lie."""
    return path.with_suffix(".check.json")


def done_tables(layout: Layout, category: str) -> list[tuple[Path, artifacts.Receipt]]:
    """Finished tables of a category with their receipts, in order."""
    paths = (layout.tables / category).glob("image_df_*.parquet")
    result = []
    for path in sorted(paths, key=lambda p: int(p.stem.rpartition("_")[2])):
        receipt = artifacts.read_receipt(path)
        if receipt is not None:
            result.append((path, receipt))
    return result


def withheld_since(
    receipt: artifacts.Receipt, category: str, gone: Collection[str]
) -> tuple[str, ...]:
    """Pictures that were withdrawn after a table of a category was written.

    Args:
        receipt: of the table.
        category: its key.
        gone: every picture that is withheld now.
    """
    numbers = receipt.facts.get("numbers")
    if not numbers:
        return ()
    own = [name for name in gone if name.rpartition("_id_")[0] == category]
    later = set(ledger.between(own, *numbers)) - set(receipt.facts.get("withheld", ()))
    return tuple(sorted(later, key=pic_number))
