"""Checks that need all the features of a backbone at once; they cost a few bytes a picture."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from naturalist import artifacts
from naturalist.layout import Layout, receipt_path
from naturalist.ledger import DUCKDB_MEMORY
from naturalist.verify.verdicts import Verdict

MAX_NORM_Z = 10.0
"""Robust z-score beyond which a norm is an outlier."""
_LEAST_SPREAD = 1e-4
"""Share of the median; vectors of one length differ by rounding alone, which is no spread."""
_MIN_ROWS = 100
_MAX_LISTED = 1000


def check_files(layout: Layout, backbone_id: str) -> list[Path]:
    """Measures of all verified parts of a backbone."""
    return sorted((layout.root / "checks" / backbone_id).glob("*/*.parquet"))


def check_collection(layout: Layout, backbone_id: str) -> list[Verdict]:
    """Find repeated vectors, norm outliers and dead dimensions over all categories."""
    files = check_files(layout, backbone_id)
    if not files:
        return []
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{DUCKDB_MEMORY}'")
        relation = connection.read_parquet([str(path) for path in files], filename=True)
        relation.create_view("measures")
        verdicts = [*_repeated(connection), *_norm_outliers(connection)]
    return [*verdicts, *_dead_dimensions(files)]


def _repeated(connection: duckdb.DuckDBPyConnection) -> Iterator[Verdict]:
    query = f"""
        SELECT min(pic_id), list(pic_id ORDER BY pic_id), count(*) FROM measures
        GROUP BY vector_hash HAVING count(*) > 1 ORDER BY 1 LIMIT {_MAX_LISTED}"""  # noqa: S608
    for first, names, count in connection.execute(query).fetchall():
        others = ", ".join(name for name in names[:6] if name != first)
        detail = f"the same vector as {others}" + (
            f" and more ({count} in all)" if count > 6 else ""
        )
        yield Verdict("repeated_vector", "soft", detail, pic_id=first)


def _norm_outliers(connection: duckdb.DuckDBPyConnection) -> Iterator[Verdict]:
    # Robust z-score by median and median absolute deviation: Iglewicz and Hoaglin,
    # "How to Detect and Handle Outliers", 1993.
    query = f"""
        WITH named AS (
            SELECT pic_id, norm::DOUBLE AS norm,
                   regexp_extract(pic_id, '^(.*)_id_[0-9]+$', 1) AS category
            FROM measures WHERE isfinite(norm)),
        middle AS (
            SELECT category, median(norm) AS centre, mad(norm) AS spread, count(*) AS n
            FROM named GROUP BY category HAVING centre > 0)
        SELECT pic_id, norm, centre,
               0.6745 * (norm - centre) / greatest(spread, {_LEAST_SPREAD} * centre) AS z
        FROM named JOIN middle USING (category)
        WHERE n >= {_MIN_ROWS} AND abs(z) > {MAX_NORM_Z}
        ORDER BY abs(z) DESC, pic_id LIMIT {_MAX_LISTED}"""  # noqa: S608
    for name, norm, centre, z in connection.execute(query).fetchall():
        detail = f"norm {norm:.4g}, the category's median is {centre:.4g} (robust z {z:.1f})"
        yield Verdict("norm_outlier", "soft", detail, pic_id=name)


def _dead_dimensions(files: Sequence[Path]) -> Iterator[Verdict]:
    least: np.ndarray[Any, Any] | None = None
    greatest: np.ndarray[Any, Any] | None = None
    rows = 0
    for path in files:
        value = artifacts.read_json(receipt_path(path))
        if value is None or not value["facts"]["ranges"]:
            continue
        rows += value["rows"]
        low = np.asarray(value["facts"]["ranges"]["least"], np.float32)
        high = np.asarray(value["facts"]["ranges"]["greatest"], np.float32)
        least = low if least is None else np.minimum(least, low)
        greatest = high if greatest is None else np.maximum(greatest, high)
    if least is None or greatest is None or rows < _MIN_ROWS:
        return
    dead = np.flatnonzero(least == greatest) + 1
    if len(dead):
        listed = ", ".join(map(str, dead[:20])) + (" ..." if len(dead) > 20 else "")
        yield Verdict(
            "dead_dimension", "soft", f"{len(dead)} of {len(least)} never change: {listed}"
        )
