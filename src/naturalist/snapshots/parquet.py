"""Opening Parquet files that somebody else published: every size is bounded before rows are read.

A file of some megabytes may say that it holds gigabytes: a column of one value takes no room when
it is written, and all of it when it is read. So the footer and the headers of all pages are
compared with bounds first, and each other; reading then needs no more memory than the bounds say.
"""

import contextlib
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from naturalist.errors import StoreError
from naturalist.schemas import MAX_ROWS_PER_TABLE
from naturalist.snapshots.pages import BrokenHeader, Chunk, pages, row_groups
from naturalist.snapshots.schema import MAX_DIM

_FOOTER_BYTES = 8
_MAGIC = b"PAR1"
_TEXT = "BYTE_ARRAY"
_GIB = 1 << 30
_LONGEST_TEXT_BYTES = 4096


@dataclass(frozen=True)
class Bounds:
    """What a Parquet file may hold at most."""

    rows: int = 1 << 31
    columns: int = 1_024
    row_groups: int = 100_000
    footer_bytes: int = 256 << 20
    decoded_bytes: int = 64 * _GIB
    """Of all rows together, once they are read."""


TABLE = Bounds(rows=MAX_ROWS_PER_TABLE, columns=16, row_groups=10_000, decoded_bytes=8 * _GIB)
"""A table as the default settings write it has 10,001 rows, 20 MB."""
INDEX = Bounds(rows=10_000_000, columns=16, row_groups=10_000, decoded_bytes=4 * _GIB)
"""An index of the pictures of one shard, usually 1,000."""
BESIDE = Bounds(rows=MAX_ROWS_PER_TABLE, row_groups=10_000, decoded_bytes=4 * _GIB)
"""The metadata columns of the pictures of a table."""
ANY = Bounds()


@contextlib.contextmanager
def opened(
    source: Path | bytes, what: str, bounds: Bounds = ANY, schema: pa.Schema | None = None
) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file after comparing it with its bounds.

    Text columns are read as dictionaries, so that one long text that many rows share takes its room
    once.

    Args:
        source: a file, or the bytes of one.
        what: its name for messages.
        bounds: what it may hold.
        schema: columns that it must have, with their types; others may be there too.

    Raises:
        StoreError: it is no Parquet file, is damaged, breaks a bound, or lacks a column. Also if
            reading inside the `with` shows that it is damaged.
    """
    try:
        with _bytes_of(source) as data:
            _check_footer(data, bounds)
            readable = pa.BufferReader(data) if isinstance(source, bytes) else source
            with _file(readable) as file:
                _check_counts(file.metadata, bounds)
                _check_schema(file.schema_arrow, schema)
                _check_sizes(file, data, bounds)
                yield file
    except (pa.ArrowException, ValueError, OSError, KeyError) as error:
        raise _refused(what, str(error)) from error


def check(source: Path, what: str, bounds: Bounds = ANY, schema: pa.Schema | None = None) -> None:
    """Compare a Parquet file with its bounds, without reading rows; raises as `opened`."""
    with opened(source, what, bounds, schema):
        pass


def plain(table: pa.Table, what: str, longest_bytes: int | None = _LONGEST_TEXT_BYTES) -> pa.Table:
    """The table with its text columns as plain text, after making sure that they are not too long.

    Args:
        table: as it was read from what `opened` gave.
        what: its name for messages.
        longest_bytes: of a text; None for what keeps the column within 4 GiB, and lets values be
            missing.

    Raises:
        StoreError: a text is longer, or a value is missing.
    """
    for at, field in enumerate(table.schema):
        column = table.column(at)
        if longest_bytes is not None:
            _check_complete(column, field, what)
        if not pa.types.is_dictionary(field.type):
            continue
        allowed = longest_bytes or max(_LONGEST_TEXT_BYTES, 4 * _GIB // max(len(table), 1))
        lengths = [pc.max(pc.binary_length(part.dictionary)).as_py() for part in column.chunks]
        longest = max((length for length in lengths if length is not None), default=0)
        if longest > allowed:
            raise _refused(what, f"a {field.name} has {longest:,} bytes")
        table = table.set_column(at, field.name, column.cast(field.type.value_type))
    return table


def _check_complete(column: pa.ChunkedArray, field: pa.Field, what: str) -> None:
    missing = column.null_count
    if pa.types.is_fixed_size_list(field.type):
        missing += sum(part.flatten().null_count for part in column.chunks)
    if missing:
        raise _refused(what, f"{missing:,} values of {field.name} are missing")


@contextlib.contextmanager
def _bytes_of(source: Path | bytes) -> Iterator[memoryview]:
    if isinstance(source, bytes):
        yield memoryview(source)
        return
    with source.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise BrokenHeader("it is empty")
        # Not closed by hand: it goes with the last view of it.
        yield memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _check_footer(data: memoryview, bounds: Bounds) -> None:
    if len(data) < 12 or data[-4:] != _MAGIC or data[:4] != _MAGIC:
        raise BrokenHeader("it does not begin and end as Parquet files do")
    size_bytes = int.from_bytes(data[-_FOOTER_BYTES:-4], "little")
    if size_bytes > min(len(data) - _FOOTER_BYTES, bounds.footer_bytes):
        raise BrokenHeader(f"its footer is said to have {size_bytes:,} bytes")


def _file(source: Path | pa.BufferReader) -> pq.ParquetFile:
    schema = pq.read_schema(source)
    if isinstance(source, pa.BufferReader):
        source.seek(0)
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    return pq.ParquetFile(source, read_dictionary=texts, page_checksum_verification=True)


def _check_counts(metadata: pq.FileMetaData, bounds: Bounds) -> None:
    counts = {
        "rows": (metadata.num_rows, bounds.rows),
        "columns": (metadata.num_columns, bounds.columns),
        "row groups": (metadata.num_row_groups, bounds.row_groups),
    }
    for name, (count, allowed) in counts.items():
        if not 0 <= count <= allowed:
            raise BrokenHeader(f"it has {count:,} {name}, at most {allowed:,} are allowed")


def _check_schema(schema: pa.Schema, expected: pa.Schema | None) -> None:
    for field in expected or ():
        if schema.get_field_index(field.name) < 0:
            raise BrokenHeader(f"it has no column {field.name}")
        kind = schema.field(field.name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if not _matches(kind, field.type):
            raise BrokenHeader(f"the column {field.name} holds {kind}, not {field.type}")


def _matches(result: pa.DataType, expected: pa.DataType) -> bool:
    """Whether a column is as expected; a list is expected to be a vector of any size."""
    if not pa.types.is_list(expected):
        return bool(result == expected)
    is_vector = pa.types.is_fixed_size_list(result) and result.value_type == expected.value_type
    return is_vector and bool(1 <= result.list_size <= MAX_DIM)


def _check_sizes(file: pq.ParquetFile, data: memoryview, bounds: Bounds) -> None:
    """Add up what the rows take once they are read; no page may hold more than its column says."""
    columns, allowed = _columns(file), min(bounds.decoded_bytes, memory_bytes())
    decoded = rows = 0
    for group in row_groups(_footer(data)):
        if len(group.chunks) != len(columns):
            raise BrokenHeader(f"a row group has {len(group.chunks):,} of {len(columns):,} columns")
        rows += group.rows
        for column, chunk in zip(columns, group.chunks, strict=True):
            decoded += chunk.values * column.width
            if column.is_text:
                decoded += chunk.uncompressed_bytes
            if chunk.values > group.rows * column.repeats:
                raise BrokenHeader(f"{column.path} has more values than its rows can have")
        if decoded > allowed:
            raise BrokenHeader(f"its rows take more than {allowed:,} bytes once they are read")
        for column, chunk in zip(columns, group.chunks, strict=True):
            _check_pages(column.path, chunk, data)
    if rows != file.metadata.num_rows:
        raise BrokenHeader(f"its row groups have {rows:,} rows, and it {file.metadata.num_rows:,}")


def _footer(data: memoryview) -> memoryview:
    size_bytes = int.from_bytes(data[-_FOOTER_BYTES:-4], "little")
    return data[-_FOOTER_BYTES - size_bytes : -_FOOTER_BYTES]


def memory_bytes() -> int:
    """Memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _check_pages(path: str, chunk: Chunk, data: memoryview) -> None:
    if not chunk.compressed_bytes:
        return
    size_bytes = values = 0
    for page in pages(data, chunk.start, chunk.start + chunk.compressed_bytes):
        size_bytes += page.uncompressed_bytes
        values += page.values
        if size_bytes > chunk.uncompressed_bytes or values > chunk.values:
            raise BrokenHeader(f"pages of {path} hold more than the footer says")


class _Column(NamedTuple):
    """A column as the schema has it."""

    path: str
    is_text: bool
    width: int
    """Bytes that one value takes in memory; texts and lists count their offsets."""
    repeats: int
    """Values that it may have in one row: 1, or the size of its list."""


def _columns(file: pq.ParquetFile) -> list[_Column]:
    result = []
    for at in range(len(file.schema)):
        column = file.schema.column(at)
        kind = column.physical_type
        width = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT96": 12}.get(kind, 8)
        result.append(_Column(column.path, kind == _TEXT, width, _repeats(file, at)))
    return result


def _repeats(file: pq.ParquetFile, at: int) -> int:
    column = file.schema.column(at)
    if not column.max_repetition_level:
        return 1
    kind = file.schema_arrow.field(column.path.split(".")[0]).type
    return kind.list_size if pa.types.is_fixed_size_list(kind) else 1 << 31


def _refused(what: str, why: str) -> StoreError:
    return StoreError(
        f"{what} is not a readable Parquet file ({why}): it was not written by naturalist, or has "
        "been changed; publish again, or ask the publisher to"
    )
