"""The pictures that stand for the parts of a map, in one file that is published beside it.

Whoever looks at a published map from afar sees one picture for each part of it. They are in as many
files of previews, each with a thousand pictures; in this file they lie together.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.layout import Layout
from naturalist.ledger import Withheld
from naturalist.schemas import MAP_PICTURES
from naturalist.snapshots import parquet
from naturalist.studies.thumbnails import read_thumbnails
from naturalist.studies.withheld_rows import StudyFiles

NAME = "pictures.parquet"
MOST = 576
"""Pictures in one file, at most."""
_FORMAT = 1
_ACROSS = {2: 24, 3: 8}
_LEAST_DENSITY = 0.1
_BOUNDS = parquet.Bounds(rows=10_000, columns=16, row_groups=1_000, decoded_bytes=1 << 28)
"""Of a file that somebody published; one of ours has `MOST` rows in 2 MB."""


def write_pictures(files: StudyFiles, name: str, gone: Withheld) -> Path | None:
    """Write the pictures of a map to the outbox, unless they are there as they have to be.

    Args:
        files: of the studies of the workspace.
        name: of the map.
        gone: pictures that must not be shown.

    Returns:
        Where they are, at most `MOST` of them; None if no picture of the map has a thumbnail.
    """
    layout = files.layout
    points = layout.map(name) / "points.parquet"
    path = layout.outbox / (layout.map(name) / NAME).relative_to(layout.root)
    withheld = artifacts.fingerprint(files.withheld(points, gone))
    expected = artifacts.fingerprint(_FORMAT, files.sha256(points), withheld)
    if artifacts.is_done(path, expected):
        return path
    names = artifacts.read_parquet(points, ["picID"])["picID"].combine_chunks()
    rows = np.flatnonzero(~gone.among(names).to_numpy(zero_copy_only=False))
    ids = names.take(pa.array(rows[representatives(*_read(points, rows))])).to_pylist()
    thumbnails = _thumbnails(layout, path, ids)
    if not thumbnails:
        return None
    columns = [list(thumbnails), list(thumbnails.values())]
    table = pa.Table.from_arrays(
        [pa.array(column, one.type) for column, one in zip(columns, MAP_PICTURES, strict=True)],
        schema=MAP_PICTURES,
    )
    artifacts.write_parquet(path, table)
    digest = {path.name: artifacts.sha256_file(path)}
    artifacts.write_receipt(path, artifacts.Receipt(expected, len(table), digest))
    return path


def read_pictures(folder: Path) -> dict[str, bytes]:
    """The pictures that were published beside a map, whoever did: JPEG by picture id.

    Args:
        folder: of the map.

    Returns:
        At most `MOST`; none if there is no file.

    Raises:
        StoreError: the file is damaged, or has other columns or types.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    with parquet.opened(path, str(path), _BOUNDS, MAP_PICTURES) as file:
        table = parquet.plain(file.read(MAP_PICTURES.names), str(path)).slice(0, MOST)
    return dict(zip(*table.to_pydict().values(), strict=True))


def representatives(places: NDArray[np.float32], density: NDArray[np.float32]) -> NDArray[np.int64]:
    """One row for each cell of a grid over a map, in the order of rows.

    It is a lottery that is the same each time, in which sparse surroundings have better chances, so
    that rare kinds of pictures show; rows that are added later change few of the winners.

    Args:
        places: (rows, 2 or 3) coordinates.
        density: (rows,) 0 to 1.
    """
    finite = np.where(np.isfinite(places), places, 0)
    low = finite.min(axis=0, initial=np.inf)
    span = float((finite - low).max(initial=0)) or 1.0
    across = _ACROSS[places.shape[1]]
    steps = np.minimum((finite - low) / span * across, across - 1).astype(np.int64)
    cells = steps @ (across ** np.arange(places.shape[1]))
    chances = np.random.default_rng(0).exponential(size=len(places))
    order = np.lexsort((chances * (_LEAST_DENSITY + np.nan_to_num(density)), cells))
    first = np.flatnonzero(np.diff(cells[order], prepend=-1))
    return np.sort(order[first])


def _read(points: Path, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates and density of rows."""
    table = artifacts.read_parquet(points)
    axes = [axis for axis in "xyz" if axis in table.column_names]
    columns = [table[one].to_numpy()[rows] for one in (*axes, "density")]
    return np.stack(columns[:-1], axis=1), columns[-1]


def _thumbnails(layout: Layout, path: Path, ids: list[str]) -> dict[str, bytes]:
    """Thumbnails of pictures, in their order; those of the file as it was are not read again."""
    held: dict[str, bytes] = {}
    if path.exists():
        table = artifacts.read_parquet(path, ["picID", "thumbnail"]).to_pydict()
        held = dict(zip(table["picID"], table["thumbnail"], strict=True))
    found = held | read_thumbnails(layout, [one for one in ids if one not in held])
    return {one: found[one] for one in ids if one in found}
