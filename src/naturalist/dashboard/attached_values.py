"""Values of metadata columns, asked of the index: counts, those of one picture, map colours."""

from typing import Any

import numpy as np

from naturalist.dashboard import columns
from naturalist.dashboard.attached import AttachedColumn
from naturalist.dashboard.catalogue import Catalogue
from naturalist.dashboard.columns import Column, Finder, Keys

MAX_NAMES = 2_000
"""Values of a text column that have a colour of their own on a map, the most frequent ones."""
OTHERS = "other values"


def values_of(
    catalogue: Catalogue, column: AttachedColumn, text: str, limit: int
) -> dict[str, Any]:
    """The most frequent values of a column, with how many pictures have each; asked steadily.

    Args:
        catalogue: the index.
        column: one of `catalogue.attached`.
        text: only values that contain it, whatever the case; empty for all.
        limit: most values to give.

    Returns:
        `values`, how many there are (`of`), pictures without one (`missing`), and of numbers, dates
        and times the lowest and highest (`low`, `high`).
    """
    field = column.field
    fits = f"{field} IS NOT NULL AND contains(lower(CAST({field} AS VARCHAR)), lower(?))"
    values = catalogue.rows(
        f"SELECT CAST({field} AS VARCHAR) AS value, count(*) AS pictures FROM attached "  # noqa: S608
        f"WHERE {fits} GROUP BY {field} ORDER BY pictures DESC, {field} LIMIT ?",
        [text, limit],
    )
    (counts,) = catalogue.rows(
        f"SELECT count(DISTINCT {field}) FILTER (WHERE {fits}) AS of, "  # noqa: S608
        "(SELECT count(*) FROM files WHERE outcome = 'accepted') "
        f"- count({field}) AS missing, CAST(min({field}) AS VARCHAR) AS low, "
        f"CAST(max({field}) AS VARCHAR) AS high FROM attached",
        [text],
    )
    if column.kind == "code":
        counts |= {"low": None, "high": None}
    return {**column.describe(), **counts, "values": values}


def of_picture(catalogue: Catalogue, pic_id: str) -> dict[str, str | None]:
    """The values of one picture by the names of their columns; empty if it has no metadata."""
    with catalogue.steady():
        held = catalogue.attached
        listed = "".join(f", CAST({one.field} AS VARCHAR) AS {one.field}" for one in held)
        query = f"SELECT pic_id{listed} FROM attached WHERE pic_id = ?"  # noqa: S608
        result = catalogue.rows(query, [pic_id])
    return {one.name: row[one.field] for row in result[:1] for one in held}


def on_map(catalogue: Catalogue, column: AttachedColumn, finder: Finder, rows: int) -> Column:
    """A column laid out in the rows of a map; asked steadily (`Catalogue.steady`)."""
    if column.kind == "scale":
        return _scaled(catalogue, column, finder, rows)
    return _coded(catalogue, column, finder, rows)


_WHERE_IT_LIES = "list_position(?, category) - 1 AS category, number"


def _scaled(catalogue: Catalogue, column: AttachedColumn, finder: Finder, rows: int) -> Column:
    result = catalogue.arrays(
        f"SELECT {_WHERE_IT_LIES}, coalesce({column.scale}, 'nan') AS value FROM attached",  # noqa: S608
        [list(catalogue.place.labels)],
    )
    spread = np.full(rows, np.nan, np.float32)
    at = _rows(finder, result)
    spread[at[at >= 0]] = result["value"][at >= 0]
    about = "In years." if column.type in ("date", "time") else ""
    return columns.fitted(column.id, column.name, spread, about)


def _coded(catalogue: Catalogue, column: AttachedColumn, finder: Finder, rows: int) -> Column:
    result = catalogue.rows(
        f"SELECT CAST({column.field} AS VARCHAR) AS name FROM attached "  # noqa: S608
        f"WHERE {column.field} IS NOT NULL GROUP BY ALL ORDER BY count(*) DESC, name LIMIT ?",
        [MAX_NAMES + 1],
    )
    names = [row["name"] for row in result][:MAX_NAMES]
    codes = catalogue.arrays(
        "WITH top AS (SELECT unnest(?) AS name, unnest(range(?)) AS code) "  # noqa: S608
        f"SELECT {_WHERE_IT_LIES}, CASE WHEN {column.field} IS NULL THEN -1 "
        "ELSE coalesce(code, ?) END AS code "
        f"FROM attached LEFT JOIN top ON name = CAST({column.field} AS VARCHAR)",
        [names, len(names), list(catalogue.place.labels), len(names)],
    )
    spread = np.full(rows, -1, np.int32)
    at = _rows(finder, codes)
    spread[at[at >= 0]] = codes["code"][at >= 0]
    about = ""
    if len(result) > MAX_NAMES:
        names.append(OTHERS)
        about = f"The {MAX_NAMES:,} most frequent values."
    return columns.coded(column.id, column.name, spread, names, about)


def _rows(finder: Finder, result: dict[str, Any]) -> Any:
    keys = Keys(result["category"].astype(np.int16), result["number"].astype(np.int64))
    return finder.find(keys)
