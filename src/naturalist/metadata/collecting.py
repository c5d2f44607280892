"""Collecting metadata: all files of all sources in, one Parquet file for each table out.

Memory is bounded by DuckDB's limit (`ledger.views`); more spills to the workspace's scratch folder.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, ledger
from naturalist.errors import ConfigError
from naturalist.layout import Layout, pic_number
from naturalist.metadata import kinds, matching
from naturalist.metadata.finding import find_files, stamps
from naturalist.metadata.folder_names import FolderPattern
from naturalist.metadata.reading import quoted, read_rows, text_literal, usable_name
from naturalist.metadata.rules import COLUMNS_OF_EXIF, ColumnType, SourceRules
from naturalist.metadata.summary import Column, FileSummary, Summary

if TYPE_CHECKING:
    import duckdb

FORMAT = 1


@dataclass(frozen=True)
class TableRows:
    """A table that metadata are written beside.

    Attributes:
        category: of the table.
        name: file name of the table's Parquet file, which that of its metadata is too.
        sha256: of the table's bytes.
        read_ids: gives its picture ids, in its order.
    """

    category: str
    name: str
    sha256: str
    read_ids: Callable[[], Sequence[str]]


@dataclass(frozen=True)
class ComputedColumns:
    """Columns that naturalist itself found out about pictures; files of sources come before them.

    Attributes:
        source: what the columns are said to come from.
        path: Parquet file with `pic_id` and the columns.
        names: of the columns.
        fingerprint: changes with their values.
    """

    source: str
    path: Path
    names: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class _Part:
    """Values that one file, or one pattern of folder names, gave: a table in DuckDB."""

    table: str
    source: str
    columns: tuple[str, ...]


def collect(
    layout: Layout,
    rules: Sequence[SourceRules],
    tables: Sequence[TableRows],
    on_progress: Callable[[int], None] = lambda _: None,
    computed: Sequence[ComputedColumns] = (),
) -> Summary:
    """Bring the metadata of all tables up to date.

    Nothing is done if neither a metadata file nor a table nor the ledger has changed.

    Args:
        layout: the workspace.
        rules: sources that have metadata.
        tables: every table, in order.
        on_progress: hears 1 for each source that was read.
        computed: columns that come from no source.

    Raises:
        ConfigError: a rule does not fit its file.
        SourceError: a metadata file is missing or cannot be read.
    """
    if not rules and not computed:
        remove(layout)
        return Summary()
    fingerprint = _fingerprint(layout, rules, tables, computed)
    before = read_summary(layout)
    if before is not None and _is_whole(layout, before) and before.fingerprint == fingerprint:
        return before
    layout.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.scratch, prefix="metadata-") as folder:
        summary = _collect(layout, rules, tables, Path(folder), fingerprint, on_progress, computed)
    artifacts.write_json(layout.metadata_summary, summary.as_json())
    _remove_others(layout, summary.tables)
    return summary


def _is_whole(layout: Layout, summary: Summary) -> bool:
    return all((layout.metadata / name).exists() for name in summary.tables)


def remove(layout: Layout) -> None:
    """Remove all metadata of a workspace whose configuration has none."""
    if layout.metadata.exists():
        shutil.rmtree(layout.metadata)


def read_summary(layout: Layout) -> Summary | None:
    """What was collected last; None if nothing was."""
    value = artifacts.read_json(layout.metadata_summary)
    return None if value is None else Summary.from_json(value)


def _fingerprint(
    layout: Layout,
    rules: Sequence[SourceRules],
    tables: Sequence[TableRows],
    computed: Sequence[ComputedColumns],
) -> str:
    described = [asdict(one) | {"location": str(one.location), "beside": ""} for one in rules]
    return artifacts.fingerprint(
        FORMAT,
        described,
        [stamps(one, rule) for one in rules for rule in one.files],
        [[table.category, table.name, table.sha256] for table in tables],
        ledger.last_batch(layout),
        ledger.withdrawn_fingerprint(layout),
        *[[one.fingerprint, one.names] for one in computed],
    )


def _collect(
    layout: Layout,
    rules: Sequence[SourceRules],
    tables: Sequence[TableRows],
    scratch: Path,
    fingerprint: str,
    on_progress: Callable[[int], None],
    computed: Sequence[ComputedColumns],
) -> Summary:
    with ledger.connect(layout) as connection:
        connection.execute(matching.PROBLEMS)
        files: list[FileSummary] = []
        parts: list[_Part] = []
        for one in rules:
            read, result = _read_source(connection, layout, one, scratch, len(parts))
            files += read
            parts += result
            on_progress(1)
        parts += [_keep_computed(connection, one, len(parts) + k) for k, one in enumerate(computed)]
        types = _merge(connection, parts, _given_types(rules))
        filled = Counter[str]()
        written = dict(_write_tables(connection, layout, tables, types, filled))
        columns = tuple(
            Column(name, kind, filled[name], _sources_of(name, parts))
            for name, kind in types.items()
        )
        _write_problems(connection, layout.metadata_problems)
    return Summary(fingerprint, columns, tuple(files), written)


def _read_source(
    connection: "duckdb.DuckDBPyConnection",
    layout: Layout,
    rules: SourceRules,
    scratch: Path,
    first: int,
) -> tuple[list[FileSummary], list[_Part]]:
    """Match all metadata of one source with its pictures."""
    matching.load_pictures(connection, rules)
    files: list[FileSummary] = []
    parts: list[_Part] = []
    for rule in rules.files:
        for file in find_files(rules, rule, scratch):
            given = read_rows(connection, file, rule, scratch)
            counts = matching.match_rows(connection, rules, file, rule)
            part = _Part(f"values_{first + len(parts)}", rules.source, given.columns)
            matching.keep_values(connection, part.table, given.columns, first + len(parts))
            parts.append(part)
            files.append(
                FileSummary(
                    rules.category,
                    rules.source,
                    file.name,
                    given.key,
                    rows=given.rows,
                    unreadable=given.unreadable,
                    note="" if counts.matched else _NONE_MATCHED,
                    **vars(counts),
                )
            )
    if parts:
        named = [part.table for part in parts]
        without = matching.note_pictures_without_row(connection, rules, named)
        files[-1] = FileSummary(**vars(files[-1]) | {"pictures_without_row": without})
    if rules.folders:
        part, summary = _read_folders(connection, rules, first + len(parts))
        parts.append(part)
        files.append(summary)
    if rules.exif:
        path = layout.exif(rules.category, rules.source)
        parts.append(_read_exif(connection, rules, path, first + len(parts)))
    return files, parts


_NONE_MATCHED = "no row matches a picture: check key, match and strip for this file"
_NONE_FIT = "no picture is in folders that match this pattern"


def _read_folders(
    connection: "duckdb.DuckDBPyConnection", rules: SourceRules, order: int
) -> tuple[_Part, FileSummary]:
    pattern = FolderPattern(rules.folders)
    columns = tuple(map(usable_name, pattern.columns))
    part = _Part(f"values_{order}", rules.source, columns)
    fit = matching.keep_folder_names(connection, part.table, pattern, columns, order)
    without = matching.note_pictures_without_row(connection, rules, [part.table])
    summary = FileSummary(
        rules.category,
        rules.source,
        rules.folders,
        "",
        "folders",
        rows=fit,
        matched=fit,
        pictures_without_row=without,
        note="" if fit else _NONE_FIT,
    )
    return part, summary


def _keep_computed(
    connection: "duckdb.DuckDBPyConnection", computed: ComputedColumns, order: int
) -> _Part:
    table = f"values_{order}"
    matching.keep_computed(connection, table, computed.path, computed.names, order)
    return _Part(table, computed.source, computed.names)


def _read_exif(
    connection: "duckdb.DuckDBPyConnection", rules: SourceRules, path: Path, order: int
) -> _Part:
    columns = tuple(name for one in rules.exif for name in COLUMNS_OF_EXIF[one])
    part = _Part(f"values_{order}", rules.source, columns)
    matching.keep_exif(connection, part.table, path, columns, order)
    return part


def _given_types(rules: Sequence[SourceRules]) -> dict[str, ColumnType]:
    given: dict[str, ColumnType] = {}
    for one in rules:
        for rule in one.files:
            for name, kind in rule.types:
                if given.setdefault(name.lower(), kind) != kind:
                    raise ConfigError(
                        f"{one.where}: column {name!r} is of type {kind} here and of type "
                        f"{given[name.lower()]} in another source: use the same type in both"
                    )
    return given


def _merge(
    connection: "duckdb.DuckDBPyConnection", parts: Sequence[_Part], given: Mapping[str, ColumnType]
) -> dict[str, ColumnType]:
    """Make the table `metadata`: one row a picture, typed; gives the types by column.

    Names that differ in case only are one column, spelt as it was met first.
    """
    spelt: dict[str, str] = {}
    for part in parts:
        for name in part.columns:
            spelt.setdefault(name.lower(), name)
    columns = list(spelt.values())
    union = " UNION ALL BY NAME ".join(f"SELECT * FROM {part.table}" for part in parts)  # noqa: S608
    firsts = "".join(f", arg_min({quoted(n)}, __priority) AS {quoted(n)}" for n in columns)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE texts AS SELECT pic_id, "  # noqa: S608
        "regexp_replace(pic_id, '_id_[0-9]+$', '') AS __category, "
        "CAST(regexp_extract(pic_id, '[0-9]+$') AS BIGINT) AS __number"
        f"{firsts} FROM ({union}) WHERE pic_id IS NOT NULL GROUP BY pic_id"
    )
    selected = {name: given[name.lower()] for name in columns if name.lower() in given}
    types = kinds.find_types(connection, "texts", columns, selected)
    listed = "".join(f", {kinds.typed(n, kind)} AS {quoted(n)}" for n, kind in types.items())
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE metadata AS SELECT pic_id, __category, __number{listed} "  # noqa: S608
        "FROM texts ORDER BY __category, __number"
    )
    connection.execute("DROP TABLE texts")
    return types


def _write_tables(
    connection: "duckdb.DuckDBPyConnection",
    layout: Layout,
    tables: Sequence[TableRows],
    types: Mapping[str, ColumnType],
    filled: Counter[str],
) -> Iterator[tuple[str, str]]:
    """Write a file for each table, counting values; its name and hex sha256."""
    for table in tables:
        ids = list(table.read_ids())
        rows = _rows_of(connection, table.category, ids, types)
        filled.update({name: len(ids) - rows[name].null_count for name in types})
        path = layout.metadata_of(table.category, table.name)
        artifacts.write_parquet(path, rows)
        yield path.relative_to(layout.metadata).as_posix(), artifacts.sha256_file(path)


def _rows_of(
    connection: "duckdb.DuckDBPyConnection",
    category: str,
    ids: Sequence[str],
    types: Mapping[str, ColumnType],
) -> pa.Table:
    """The metadata of pictures, in their order; null for those that have none."""
    schema = kinds.schema(types)
    if not ids:
        return schema.empty_table()
    numbers = [pic_number(ids[0]), pic_number(ids[-1])]
    result = ledger.query(
        connection,
        "SELECT * EXCLUDE (__category, __number) FROM metadata "  # noqa: S608
        f"WHERE __category = {text_literal(category)} "
        f"AND __number BETWEEN {min(numbers)} AND {max(numbers)}",
    )
    at = pc.index_in(pa.array(ids, pa.string()), result["pic_id"].combine_chunks())
    columns = [
        result[name].combine_chunks().take(at).cast(schema.field(name).type) for name in types
    ]
    return pa.Table.from_arrays([pa.array(ids, pa.string()), *columns], schema=schema)


def _write_problems(connection: "duckdb.DuckDBPyConnection", path: Path) -> None:
    with artifacts.atomic(path) as temporary:
        target = text_literal(str(temporary))
        connection.execute(f"COPY problems TO {target} (FORMAT parquet, COMPRESSION zstd)")


def _sources_of(name: str, parts: Sequence[_Part]) -> tuple[str, ...]:
    has = {part.source for part in parts if name.lower() in map(str.lower, part.columns)}
    return tuple(sorted(has))


def _remove_others(layout: Layout, written: Mapping[str, str]) -> None:
    """Remove files of tables that are no more."""
    for path in layout.metadata.glob("*/*.parquet"):
        if path.relative_to(layout.metadata).as_posix() not in written:
            path.unlink()
