"""One type for each column, found by looking at all of its values."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from naturalist.errors import ConfigError
from naturalist.metadata.reading import quoted
from naturalist.metadata.rules import ColumnType

if TYPE_CHECKING:
    import duckdb

_MISSING = "('na', 'n/a', 'nan', 'null', 'none')"
"""Words that stand for no value, wherever no other value is text."""

# What is written with a leading zero, as 007, is a name and no number.
_PATTERNS: tuple[tuple[ColumnType, str], ...] = (
    ("boolean", r"(?i)true|false"),
    ("integer", r"[-+]?(0|[1-9][0-9]{0,17})"),
    ("number", r"(?i)[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)(e[-+]?[0-9]+)?|[-+]?inf"),
    ("date", r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    ("time", r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?Z?"),
)
_SQL: dict[ColumnType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIMESTAMP",
}
ARROW: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.timestamp("us"),
}


def find_types(
    connection: "duckdb.DuckDBPyConnection",
    table: str,
    columns: Sequence[str],
    given: Mapping[str, ColumnType],
) -> dict[str, ColumnType]:
    """The type of each text column of a table.

    A column is of the first type of boolean, integer, number, date and time that all of its values
    have; anything else is text. Dates and times are those of ISO 8601.

    Args:
        connection: where the table is.
        table: its name.
        columns: its text columns.
        given: types that the configuration names.

    Raises:
        ConfigError: a value is not of the type that the configuration names.
    """
    types: dict[str, ColumnType] = {}
    for name in columns:
        if name in given:
            _check(connection, table, name, given[name])
            types[name] = given[name]
        else:
            types[name] = _matched(connection, table, name)
    return types


def _matched(connection: "duckdb.DuckDBPyConnection", table: str, name: str) -> ColumnType:
    column = quoted(name)
    tests = ", ".join(
        f"coalesce(bool_and(regexp_full_match({column}, '{pattern}')"
        f" AND try_cast({column} AS {_SQL[kind]}) IS NOT NULL), false)"
        for kind, pattern in _PATTERNS
    )
    fits = connection.execute(
        f"SELECT {tests} FROM {table} "  # noqa: S608
        f"WHERE {column} IS NOT NULL AND lower({column}) NOT IN {_MISSING}"
    ).fetchone()
    kinds = [kind for (kind, _), fit in zip(_PATTERNS, fits or (), strict=False) if fit]
    return kinds[0] if kinds else "text"


def _check(
    connection: "duckdb.DuckDBPyConnection", table: str, name: str, kind: ColumnType
) -> None:
    wrong = connection.execute(
        f"SELECT {quoted(name)} FROM {table} "  # noqa: S608
        f"WHERE {quoted(name)} IS NOT NULL AND {typed(name, kind)} IS NULL"
        f" AND lower({quoted(name)}) NOT IN {_MISSING} LIMIT 1"
    ).fetchone()
    if wrong:
        raise ConfigError(
            f"metadata column {name!r} has the configured type {kind} but contains {wrong[0]!r}: "
            "correct the value, or use the type text"
        )


def typed(name: str, kind: ColumnType) -> str:
    """SQL that gives a text column's values their type."""
    if kind == "text":
        return quoted(name)
    return f"try_cast({quoted(name)} AS {_SQL[kind]})"


def arrow_type(kind: str) -> pa.DataType:
    """The Arrow type of a column; a type that is not known here is read as text."""
    return {str(name): arrow for name, arrow in ARROW.items()}.get(kind, pa.string())


def schema(columns: Mapping[str, ColumnType]) -> pa.Schema:
    """Schema of a metadata file: `pic_id`, and the columns, all of which may be null."""
    fields = [pa.field(name, ARROW[kind]) for name, kind in columns.items()]
    return pa.schema([pa.field("pic_id", pa.string(), nullable=False), *fields])
