"""Sketches of collections: hashes and 64 bits of the features of each picture, and no pictures.

A sketch is one Parquet file of about 60 bytes a picture. Whoever has one can be told which of its
pictures another collection has too, without either side giving pictures away. Of a workspace, a
pulled folder or a published collection it is made when it is needed.

The bits are the signs of 64 random projections, the same for everybody: of two vectors with an
angle t they differ in a share of t / pi. Source: M. Charikar, Similarity estimation techniques from
rounding algorithms (STOC 2002); projections of +1 and -1 as in D. Achlioptas, Database-friendly
random projections (PODS 2001).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from naturalist import artifacts, ledger, snapshots
from naturalist.config import CONFIG_NAME, load_config
from naturalist.errors import ConfigError
from naturalist.features import open_features
from naturalist.features.beside import is_collection, open_beside, values_of
from naturalist.layout import Layout
from naturalist.pipeline.describing import describe
from naturalist.stores import S3Options

BITS = 64
_MARK = b"naturalist.sketch"
_FORMAT = b"1"
_SEED = b"naturalist sketch 1"
SKETCH = pa.schema(
    [
        pa.field("pic_id", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("licence", pa.string(), nullable=False),
        pa.field("sha256", pa.binary(32), nullable=False),
        pa.field("perceptual_hash", pa.uint64()),
        pa.field("feature_bits", pa.uint64()),
    ]
)


@dataclass(frozen=True, eq=False)
class Sketch:
    """What is compared of a collection.

    Attributes:
        name: what the user called it.
        backbone: id of the network that the feature bits are of; empty if there are none.
        rows: of schema SKETCH, a row for each accepted picture.
        layout: where thumbnails may lie; None for a sketch that was published.
        values: the value of the column that is asked about, by pic_id.
    """

    name: str
    backbone: str
    rows: pa.Table
    layout: Layout | None = None
    values: Mapping[str, str] = field(default_factory=dict)


def is_place(text: str) -> bool:
    """Whether a word names a collection or a sketch, rather than a source of a collection."""
    path = Path(text).expanduser()
    return is_collection(text) or path.is_file() or (path / CONFIG_NAME).exists()


def same_place(one: str, other: str) -> bool:
    """Whether two places (addresses, folders, configurations or files) are one."""
    return _absolute(one) == _absolute(other)


def _absolute(place: str) -> str:
    if "://" in place:
        return place.rstrip("/")
    path = Path(place).expanduser().resolve()
    return str(path.parent if path.name == CONFIG_NAME else path)


def open_sketch(place: str, options: S3Options | None = None, column: str = "") -> Sketch:
    """The sketch of a workspace, a pulled or published collection, or of a file that is one.

    Args:
        place: folder, address or file.
        options: how to reach an S3 server.
        column: a metadata column, whose values are wanted too; empty for none.

    Raises:
        NotFound: there is no collection.
        ConfigError: the file is no sketch, tables have no rows, or there is no such column.
        StoreError: the store failed.
    """
    path = Path(place).expanduser()
    if "://" not in place and path.is_file() and path.name != CONFIG_NAME:
        if column:
            raise ConfigError(f"{place} is a sketch, which has no column {column!r}")
        return _read(place, path)
    if "://" not in place and (path.name == CONFIG_NAME or (path / CONFIG_NAME).exists()):
        config = load_config(path)
        licences = {(s["category"], s["name"]): s["licence"] for s in describe(config)["sources"]}
        tables, options = str(config.layout.root), None
        made = _make(place, tables, config.layout, config.names, licences, None)
    else:
        tables, found = place, open_beside(place, options)
        made = _make(place, place, found.layout, *_of_about(found.about), options)
    return replace(made, values=values_of(tables, column, options)) if column else made


def _of_about(
    about: Mapping[str, Any],
) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """Names of categories by key, and licences by category and source."""
    names = snapshots.names_of(about) if about else {}
    sources = about.get("sources", ())
    return names, {(s["category"], s["name"]): str(s.get("licence") or "") for s in sources}


def _make(
    name: str,
    tables: str,
    layout: Layout,
    names: Mapping[str, str],
    licences: Mapping[tuple[str, str], str],
    options: S3Options | None,
) -> Sketch:
    bits, backbone = _feature_bits(tables, options)
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '1GB'")
        ledger.add_views(connection, *ledger.files(layout))
        connection.register("bits", bits)
        connection.execute(_previews(layout))
        rows = ledger.query(connection, _ROWS)
    category = [names.get(key, key) for key in rows["category"].to_pylist()]
    licence = [
        licences.get(pair, "") for pair in zip(category, rows["source"].to_pylist(), strict=True)
    ]
    columns = {one: rows[one] for one in rows.column_names}
    columns["category"] = pa.array(category, pa.string())
    columns["licence"] = pa.array(licence, pa.string())
    table = pa.table([columns[field.name].cast(field.type) for field in SKETCH], schema=SKETCH)
    return Sketch(name, backbone, table, layout)


# Only what is in the tables counts: whatever is withheld by now is in none.
_ROWS = """
SELECT l.pic_id, l.category, l.source, l.sha256, p.perceptual_hash, b.feature_bits
FROM ledger l JOIN bits b USING (pic_id) LEFT JOIN previews p USING (pic_id)
WHERE l.outcome = 'accepted' ORDER BY l.pic_id
"""


def _previews(layout: Layout) -> str:
    found = sorted(layout.previews_of("").glob("*/*.parquet"))
    if not found:
        empty = "SELECT '' AS pic_id, CAST(0 AS UBIGINT) AS perceptual_hash LIMIT 0"
        return f"CREATE VIEW previews AS {empty}"
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in found)
    return (
        "CREATE VIEW previews AS SELECT pic_id, perceptual_hash "  # noqa: S608
        f"FROM read_parquet([{listed}], hive_partitioning = false)"
    )


def _feature_bits(place: str, options: S3Options | None) -> tuple[pa.Table, str]:
    table = open_features(place, options=options, sources=False)
    ids: list[str] = []
    parts = [np.empty(0, np.uint64)]
    for rows in table.rows():
        ids += rows.pic_ids.tolist()
        parts.append(feature_bits(rows.features))
    columns = {"pic_id": pa.array(ids, pa.string()), "feature_bits": np.concatenate(parts)}
    return pa.table(columns), table.backbone


def feature_bits(features: NDArray[np.float32]) -> NDArray[np.uint64]:
    """The signs of 64 projections of each vector, (N, d) to uint64 (N,)."""
    signs = features @ _projections(features.shape[1]) > 0
    return np.packbits(signs, axis=1, bitorder="little").view("<u8")[:, 0].astype(np.uint64)


@cache
def _projections(dim: int) -> NDArray[np.float32]:
    # Of a hash, which is the same in every version of every library.
    drawn = np.frombuffer(hashlib.shake_256(_SEED).digest(dim * BITS // 8), np.uint8)
    return np.unpackbits(drawn).reshape(dim, BITS).astype(np.float32) * 2 - 1


def write_sketch(path: Path, sketch: Sketch) -> None:
    """Write a sketch as a file, to be given to others.

    Raises:
        ConfigError: there is something else at its path.
        StorageFull: there is no space left.
    """
    if path.exists():
        raise ConfigError(f"{path} already exists: choose another file, or delete it")
    about = {_MARK.decode(): _FORMAT.decode(), "backbone": sketch.backbone}
    with artifacts.storage_errors(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        artifacts.write_parquet(path, sketch.rows, metadata=about)


def _read(name: str, path: Path) -> Sketch:
    try:
        with pq.ParquetFile(path) as file:
            about = file.schema_arrow.metadata or {}
            held = file.schema_arrow.remove_metadata()
            rows = file.read() if about.get(_MARK) == _FORMAT and held == SKETCH else None
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"{path} is not a sketch of a collection: {error}") from error
    if rows is None:
        raise ConfigError(
            f"{path} is not a sketch of a collection: create one with `naturalist overlap PLACE "
            "--sketch FILE`"
        )
    return Sketch(name, about.get(b"backbone", b"").decode(), rows)
