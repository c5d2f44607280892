"""Checks that need all the features of a backbone at once; they cost a few bytes a picture."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from naturalist import artifacts, ledger
from naturalist.layout import Layout
from naturalist.ledger import bound_memory
from naturalist.small_files import Look
from naturalist.stages.verify.verdicts import Verdict, from_json

if TYPE_CHECKING:
    import duckdb

MAX_NORM_Z = 10.0
"""Robust z-score beyond which a norm is an outlier."""
_LEAST_SPREAD = 1e-4
"""Share of the median; vectors of one length differ by rounding alone, which is no spread."""
_MIN_ROWS = 100
_MAX_LISTED = 1000
FORMAT = 1
"""Changes when the same measures would give other verdicts."""

Vector = np.ndarray[Any, np.dtype[np.float32]]


def held_verdicts(layout: Layout, backbone_id: str) -> list[Verdict]:
    """Verdicts about every verified part, and about all of them together.

    What is found over all categories (repeated vectors, norm outliers, dead dimensions) is
    written down, and looked for again only if a part was verified since. Pictures that are in no
    table any more (such as the old id of one that was relabelled) are left out of it.
    """
    files = check_files(layout, backbone_id)
    held: list[Verdict] = []
    digests = []
    ranges = _Ranges()
    looks = {folder: Look(folder) for folder in dict.fromkeys(path.parent for path in files)}
    for path in files:
        receipt = artifacts.receipt_in(looks[path.parent], path.name)
        if receipt is not None:
            held += from_json(receipt.facts["verdicts"])
            digests.append([path.parent.name, path.name, receipt.sha256[path.name]])
            ranges.add(receipt)
    gone = [name for c in ledger.categories(layout) for name in ledger.not_accepted(layout, c)]
    expected = artifacts.fingerprint(FORMAT, MAX_NORM_Z, _LEAST_SPREAD, _MIN_ROWS, digests, gone)
    return [*held, *_known_or_computed(layout, backbone_id, expected, files, gone, ranges)]


def _known_or_computed(
    layout: Layout,
    backbone_id: str,
    expected: str,
    files: Sequence[Path],
    gone: Sequence[str],
    ranges: "_Ranges",
) -> Iterable[Verdict]:
    place = layout.collection_check(backbone_id)
    value = artifacts.read_json(place)
    if value is None or value["fingerprint"] != expected:
        result = [*_check_measures(layout, files, gone), *ranges.dead_dimensions()]
        value = {"fingerprint": expected, "verdicts": [verdict.as_json() for verdict in result]}
        if files:
            artifacts.write_json(place, value)
    return from_json(value["verdicts"])


def check_files(layout: Layout, backbone_id: str) -> list[Path]:
    """Measures of all verified parts of a backbone."""
    return sorted((layout.root / "checks" / backbone_id).glob("*/*.parquet"))


def _check_measures(layout: Layout, files: Sequence[Path], gone: Sequence[str]) -> list[Verdict]:
    if not files:
        return []
    import duckdb  # here, because most runs have measured nothing new

    with duckdb.connect() as connection:
        bound_memory(connection, layout)
        relation = connection.read_parquet([str(path) for path in files], filename=True)
        relation.create_view("all_measures")
        connection.register("gone", pa.table({"pic_id": pa.array(gone, pa.string())}))
        connection.execute(
            "CREATE VIEW measures AS SELECT * FROM all_measures ANTI JOIN gone USING (pic_id)"
        )
        return [*_repeated(connection), *_norm_outliers(connection)]


def _repeated(connection: "duckdb.DuckDBPyConnection") -> Iterator[Verdict]:
    # First the hashes alone: names are held of pictures whose vectors are repeated, not of all.
    query = f"""
        WITH repeated AS (
            SELECT vector_hash FROM measures GROUP BY vector_hash HAVING count(*) > 1)
        SELECT min(pic_id), list(pic_id ORDER BY pic_id), count(*)
        FROM measures SEMI JOIN repeated USING (vector_hash)
        GROUP BY vector_hash ORDER BY 1 LIMIT {_MAX_LISTED}"""  # noqa: S608
    for first, names, count in connection.execute(query).fetchall():
        others = ", ".join(name for name in names[:6] if name != first)
        detail = f"the same vector as {others}" + (
            f" and more ({count} in all)" if count > 6 else ""
        )
        yield Verdict("repeated_vector", "soft", detail, pic_id=first)


def _norm_outliers(connection: "duckdb.DuckDBPyConnection") -> Iterator[Verdict]:
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


class _Ranges:
    """Least and greatest value of every dimension over all parts."""

    def __init__(self) -> None:
        self._least: Vector | None = None
        self._greatest: Vector | None = None
        self._rows = 0

    def add(self, receipt: artifacts.Receipt) -> None:
        """Take in one part."""
        if ranges := receipt.facts["ranges"]:
            low, high = (_vector(ranges[name]) for name in ("least", "greatest"))
            self._rows += receipt.rows
            self._least = low if self._least is None else np.minimum(self._least, low)
            self._greatest = high if self._greatest is None else np.maximum(self._greatest, high)

    def dead_dimensions(self) -> Iterator[Verdict]:
        """Dimensions that never change."""
        if self._least is None or self._greatest is None or self._rows < _MIN_ROWS:
            return
        dead = np.flatnonzero(self._least == self._greatest) + 1
        if len(dead):
            listed = ", ".join(map(str, dead[:20])) + (" ..." if len(dead) > 20 else "")
            yield Verdict(
                "dead_dimension",
                "soft",
                f"{len(dead)} of {len(self._least)} never change: {listed}",
            )


def _vector(written: str | list[float]) -> Vector:
    # Receipts of earlier versions have lists of numbers.
    if isinstance(written, str):
        return np.frombuffer(base64.b64decode(written), "<f4")
    return np.asarray(written, np.float32)
