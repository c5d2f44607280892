"""Reading one table, from Parquet or CSV, after making sure of its bytes."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from naturalist import artifacts
from naturalist.consume.locations import TableFile
from naturalist.consume.selection import TABLES
from naturalist.errors import StoreError
from naturalist.schemas import CSV_DELIMITER, FEATURE_PREFIX, table_schema
from naturalist.snapshots import File
from naturalist.snapshots.documents import check_document
from naturalist.snapshots.parquet import BESIDE, TABLE, check, opened, plain
from naturalist.stores import Store

COLUMNS: tuple[str, ...] = tuple(table_schema(1).names)
_SCHEMA = pa.schema(
    [
        *(field for field in table_schema(1) if field.name != "features"),
        pa.field("features", pa.list_(pa.float32())),
    ]
)
"""Of a table with any number of features."""
_BESIDE_SCHEMA = pa.schema([("pic_id", pa.string())])
_CSV_COLUMNS = tuple(name for name in COLUMNS if name != "source")


def cache_folder() -> Path:
    """Where fetched tables are kept, by their SHA-256: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "naturalist" / "tables"


def check_header(path: Path, file: File) -> None:
    """Compare the headers of a published Parquet file, or a JSON document, with their bounds.

    Args:
        path: where its bytes lie.
        file: what it is; one of another format is passed over.

    Raises:
        StoreError: it breaks a bound, lacks a column or a field, or is damaged.
    """
    if file.suffix == ".json":
        check_document(path, file.name)
    if file.suffix != ".parquet":
        return
    if file.part == TABLES:
        check(path, file.name, TABLE, _SCHEMA)
    else:
        check(path, file.name)


def columns_of(files: Sequence[TableFile]) -> tuple[str, ...]:
    """The columns that all tables have."""
    return _CSV_COLUMNS if any(file.path.suffix == ".csv" for file in files) else COLUMNS


def make_sure(file: TableFile, store: Store | None) -> None:
    """Have the file on this machine, with the bytes that it must have.

    A file of the cache that was damaged is fetched again.

    Raises:
        StoreError: the bytes are others than were published, or the store failed.
    """
    if file.key is None or store is None:
        if not _is_good(file):
            raise StoreError(
                f"{file.path} is missing or its sha256 has changed: it is damaged, or is being "
                "replaced; pull, run or publish again"
            )
        return
    with _locked(file):
        if not _is_good(file):
            file.path.unlink(missing_ok=True)
            store.fetch(file.key, file.path, file.sha256, file.size_bytes)


def _is_good(file: TableFile) -> bool:
    try:
        return artifacts.sha256_file(file.path) == file.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextlib.contextmanager
def _locked(file: TableFile) -> Iterator[None]:
    """Let other processes that want the same file wait until it is there."""
    with artifacts.storage_errors(str(file.path.parent)):
        file.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file.path.parent / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def count_rows(file: TableFile) -> int:
    """Rows of a table; of Parquet only headers are read, unless some rows are withheld.

    Raises:
        StoreError: it breaks a bound of `snapshots.parquet`.
    """
    if file.withheld:
        return len(read(file, ["picID"]))
    if file.path.suffix == ".parquet":
        with _opened(file) as parquet:
            rows: int = parquet.metadata.num_rows
            return rows
    with file.path.open("rb") as lines:
        return sum(1 for _ in lines) - 1


def read(file: TableFile, columns: Sequence[str] = COLUMNS) -> pa.Table:
    """Read columns of a table, in the order asked for, with the types of `table_schema`.

    Rows of pictures that are withheld by now are left out.

    Raises:
        StoreError: it is damaged, or breaks a bound of `snapshots.parquet`.
    """
    if not file.withheld:
        return _read(file, columns)
    table = _read(file, [*(name for name in columns if name != "picID"), "picID"])
    gone = pc.is_in(table["picID"], pa.array(file.withheld, pa.string()))
    return table.filter(pc.invert(gone)).select(list(columns))


def _read(file: TableFile, columns: Sequence[str]) -> pa.Table:
    if file.path.suffix == ".parquet":
        with _opened(file) as parquet:
            table = parquet.read(list(columns))
            table = plain(table, file.name).select(list(columns))
    else:
        with _csv_errors(file):
            table = _read_csv(file.path, columns)
    bare = [pa.field(field.name, field.type) for field in table.schema]
    return table.cast(pa.schema(bare))


def read_beside(file: TableFile) -> pa.Table:
    """All columns of a file of metadata columns; values may be missing.

    Raises:
        StoreError: it is damaged, or breaks a bound of `snapshots.parquet`.
    """
    with opened(file.path, file.name, BESIDE, _BESIDE_SCHEMA) as parquet:
        return plain(parquet.read(), file.name, longest_bytes=None)


def _opened(file: TableFile) -> AbstractContextManager[pq.ParquetFile]:
    return opened(file.path, file.name, TABLE, _SCHEMA)


@contextlib.contextmanager
def _csv_errors(file: TableFile) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, KeyError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{file.name} is not a readable table ({error}): it was not written by naturalist, or "
            "has been changed; publish again, or ask the publisher to"
        ) from error


def _read_csv(path: Path, columns: Sequence[str]) -> pa.Table:
    options = pyarrow.csv.ConvertOptions(column_types=_csv_types(path))
    parse = pyarrow.csv.ParseOptions(delimiter=CSV_DELIMITER)
    wide = pyarrow.csv.read_csv(path, parse_options=parse, convert_options=options)
    return pa.table({name: _csv_column(wide, name) for name in columns})


def _csv_types(path: Path) -> dict[str, pa.DataType]:
    with path.open(encoding="utf-8") as file:
        names = file.readline().rstrip("\n").split(CSV_DELIMITER)
    types = {name: pa.float32() for name in names if name.startswith(FEATURE_PREFIX)}
    return types | {"picID": pa.string(), "category_label": pa.int32()}


def _csv_column(wide: pa.Table, name: str) -> Any:
    if name != "features":
        return wide[name]
    names = [column for column in wide.column_names if column.startswith(FEATURE_PREFIX)]
    features = np.stack([wide[column].to_numpy() for column in names], axis=1)
    return pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), len(names))
