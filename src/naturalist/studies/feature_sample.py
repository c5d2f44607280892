"""Drawing rows from files of features in flat memory: which ones follows from their names alone.

The rows with the smallest hashes of their names are taken, so a collection that grows keeps most
of its sample.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.features import FeatureTable
from naturalist.numeric import kmeans
from naturalist.numeric.reduction import to_unit

Floats = NDArray[np.float32]
OnRows = Callable[[int], None]
_CELLS = 256
_USUAL = 8
_FAR = 0.995


@dataclass(frozen=True, eq=False)
class Drawn:
    """Rows that were drawn.

    Attributes:
        pic_ids: (rows,) names.
        features: (rows, dim) float32.
        of: rows of all files.
    """

    pic_ids: NDArray[np.str_]
    features: Floats
    of: int


def draw(files: FeatureTable, count: int, seed: int, on_rows: OnRows) -> Drawn:
    """Draw `count` rows evenly from all, or take all if there are no more."""
    return _smallest(files, count, seed, on_rows, lambda features: np.ones(len(features), bool))


def draw_far(files: FeatureTable, near: Drawn, few: int, seed: int, on_rows: OnRows) -> Drawn:
    """Rows of places where hardly any were drawn evenly: rare groups are there.

    A group of 20 among a million has hardly a row in an even sample. Either its rows are farther
    from the middles of cells of the sample than nearly all rows are, or it has a cell of its own in
    which there are few. So these are found here: rows beyond the distance that 5 in 1,000 of the
    sample exceed, and all rows of cells with few drawn ones; at most half as many as were drawn.
    All features count: the principal axes of a sample without the group may not have its direction.

    Args:
        files: all rows.
        near: what was drawn evenly.
        few: a cell with fewer drawn rows is looked into.
        seed: of the cells and the hashes.
        on_rows: is notified of rows that were read.
    """
    points = to_unit(near.features)
    # So many that an ordinary cell has far more than a few.
    cells = max(2, min(_CELLS, len(points) // (_USUAL * few)))
    middles = kmeans.fit_centroids(points, cells, seed, spread=False)
    labels, squares = kmeans.assign(points, middles)
    limit = np.quantile(squares, _FAR)
    sparse = np.bincount(labels, minlength=len(middles)) < few

    def is_far(features: Floats) -> NDArray[np.bool_]:
        nearest, distances = kmeans.assign(to_unit(features), middles)
        return np.asarray((distances > limit) | sparse[nearest])

    return _smallest(files, len(points) // 2, seed, on_rows, is_far)


def _smallest(
    files: FeatureTable,
    count: int,
    seed: int,
    on_rows: OnRows,
    expected: Callable[[Floats], NDArray[np.bool_]],
) -> Drawn:
    names = np.empty(0, np.str_)
    features = np.empty((0, files.dim), np.float32)
    hashes = np.empty(0, np.uint64)
    seen = 0
    for rows in files.rows():
        seen += len(rows)
        on_rows(len(rows))
        held = np.flatnonzero(expected(rows.features))
        new = _hashes(rows.pic_ids[held], seed)
        if len(hashes) == count and count:
            held, new = held[new < hashes.max()], new[new < hashes.max()]
        names = np.concatenate([names, rows.pic_ids[held]])
        features = np.concatenate([features, rows.features[held]])
        hashes = np.concatenate([hashes, new])
        if len(hashes) > count:
            kept = np.sort(np.argpartition(hashes, count)[:count])
            names, features, hashes = names[kept], features[kept], hashes[kept]
    return Drawn(names, features, seen)


def _hashes(names: NDArray[np.str_], seed: int) -> NDArray[np.uint64]:
    salt = seed.to_bytes(8, "big", signed=True)
    digests = (hashlib.blake2b(n.encode(), digest_size=8, salt=salt) for n in names.tolist())
    return np.frombuffer(b"".join(one.digest() for one in digests), np.uint64)
