"""Metadata columns of pictures in the dashboard's index: names, values, filters and map colours.

The index holds them as `c0`, `c1`, ... in the order of `columns`, so that no name of a data set
becomes part of a query.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from naturalist import metadata
from naturalist.dashboard.collection import Collection
from naturalist.metadata.reading import quoted, text_literal

PREFIX = "column."
"""Begins the id of a metadata column, in addresses and among the columns of a map."""
MISSING = "without"
"""The filter for pictures that have no value in a column."""
_PLAIN = re.compile(r"[A-Za-z0-9._+-]{1,80}")
_RANGE = ".."
_SQL = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIMESTAMP",
}
_ORDERED = frozenset({"integer", "number", "date", "time"})
_DAYS_IN_A_YEAR = 365.2425


@dataclass(frozen=True)
class AttachedColumn:
    """A metadata column of the collection that is shown.

    Attributes:
        id: by which a browser asks for it: `column.` and the name, or a hash of a name that an
            address cannot hold.
        name: for people.
        type: of its values.
        pictures: pictures that had a value when it was collected.
        index: of its column in the index.
        is_published: whether it may leave this machine.
    """

    id: str
    name: str
    type: str
    pictures: int
    index: int
    is_published: bool = True

    @property
    def field(self) -> str:
        """Its column in the index."""
        return f"c{self.index}"

    @property
    def kind(self) -> str:
        """How a map shows it: as codes with names, or on a scale."""
        return "scale" if self.type in _ORDERED else "code"

    @property
    def scale(self) -> str:
        """SQL that gives its values as numbers; dates and times as years."""
        if self.type in ("date", "time"):
            seconds = f"epoch(CAST({self.field} AS TIMESTAMP))"
            return f"CAST(1970 + {seconds} / 86400 / {_DAYS_IN_A_YEAR} AS FLOAT)"
        return f"CAST({self.field} AS FLOAT)"

    def describe(self) -> dict[str, Any]:
        """What a browser must know of it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "kind": self.kind,
            "pictures": self.pictures,
        }


def columns_of(place: Collection) -> tuple[AttachedColumn, ...]:
    """The metadata columns of what is shown, in their order."""
    held = _collected(place) if place.kind == "workspace" else place.about.get("columns", [])
    published = place.config.publish.columns if place.config else ("*",)
    return tuple(
        AttachedColumn(
            _id_of(one["name"]),
            one["name"],
            one["type"] if one["type"] in _SQL else "text",
            int(one.get("pictures") or 0),
            index,
            place.config is None or metadata.is_published(one["name"], published),
        )
        for index, one in enumerate(held)
    )


def _collected(place: Collection) -> list[dict[str, Any]]:
    summary = metadata.read_summary(place.layout)
    return [vars(column) for column in summary.columns] if summary else []


def _id_of(name: str) -> str:
    plain = name if _PLAIN.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:12]
    return PREFIX + plain


def files_of(place: Collection) -> list[Path]:
    """The files that hold them, of the categories that are not retired."""
    result = sorted(place.layout.metadata.glob("*/*.parquet"))
    return [path for path in result if path.parent.name not in place.retired]


def add_table(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], held: Sequence[AttachedColumn]
) -> None:
    """Make the table `attached`: a row for each accepted picture that has metadata.

    Raises:
        duckdb.Error: a file cannot be read.
    """
    types = [f"{one.field} {_SQL[one.type]}" for one in held]
    connection.execute(
        f"CREATE TABLE attached (category VARCHAR, number INTEGER, pic_id VARCHAR"
        f"{''.join(f', {one}' for one in types)})"
    )
    if not held:
        return
    for path in paths:
        source = f"read_parquet({text_literal(str(path))})"
        names = {
            row[0]
            for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()  # noqa: S608
        }
        values = ", ".join(
            f"TRY_CAST({quoted(one.name)} AS {_SQL[one.type]})" if one.name in names else "NULL"
            for one in held
        )
        connection.execute(
            f"INSERT INTO attached SELECT f.category, f.number, f.pic_id, {values} "  # noqa: S608
            f"FROM {source} m JOIN files f ON f.pic_id = m.pic_id WHERE f.outcome = 'accepted'"
        )


def conditions(
    held: Sequence[AttachedColumn], expected: Mapping[str, str]
) -> tuple[list[str], list[Any]]:
    """SQL conditions over `files`, and their parameters, for filters of an address.

    `column.NAME=VALUE` wants a value; of numbers, dates and times `A..B` wants what lies between,
    with either end left out. `without=column.NAME` wants pictures without a value. A value that is
    none of the column's type fits no picture; unknown columns are left out.
    """
    parts: list[str] = []
    values: list[Any] = []
    for one in held:
        if value := expected.get(one.id):
            test, given = _test(one, value)
            parts.append(f"pic_id IN (SELECT pic_id FROM attached WHERE {test})")  # noqa: S608
            values += given
        if expected.get(MISSING) == one.id:
            held_by = f"SELECT pic_id FROM attached WHERE {one.field} IS NOT NULL"  # noqa: S608
            parts.append(f"outcome = 'accepted' AND pic_id NOT IN ({held_by})")
    return parts, values


def _test(column: AttachedColumn, value: str) -> tuple[str, list[Any]]:
    kind = f"TRY_CAST(? AS {_SQL[column.type]})"
    if column.type not in _ORDERED or _RANGE not in value:
        return f"{column.field} = {kind}", [value]
    low, _, high = value.partition(_RANGE)
    tests = [(f"{column.field} >= {kind}", low), (f"{column.field} <= {kind}", high)]
    kept = [(test, end) for test, end in tests if end]
    return " AND ".join(test for test, _ in kept) or "false", [end for _, end in kept]
