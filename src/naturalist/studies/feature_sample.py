"""Drawing rows from files of features in flat memory: which ones follows from their names alone.

The rows with the smallest hashes of their names are taken, so a collection that grows keeps most
of its sample.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.analysis import kmeans
from naturalist.analysis.reduction import to_unit
from naturalist.studies.feature_files import FeatureFiles

Floats = NDArray[np.float32]
OnRows = Callable[[int], None]
_CELLS = 256
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


def draw(files: FeatureFiles, count: int, seed: int, on_rows: OnRows) -> Drawn:
    """Draw `count` rows evenly from all, or take all if there are no more."""
    return _smallest(files, count, seed, on_rows, lambda features: np.ones(len(features), bool))


def draw_far(files: FeatureFiles, near: Drawn, seed: int, on_rows: OnRows) -> Drawn:
    """Rows that are far from all that was drawn evenly, where rare groups are.

    A group of 20 among a million has hardly a row in an even sample. Its rows are farther from the
    middles of cells of the sample than nearly all rows are, and so they are found here: rows
    beyond the distance that 5 in 1,000 of the sample exceed, at most half as many as were drawn.
    All features count: the principal axes of a sample without the group may not have its direction.
    """
    points = to_unit(near.features)
    middles = kmeans.fit_centroids(points, _CELLS, seed, spread=False)
    limit = np.quantile(kmeans.assign(points, middles)[1], _FAR)

    def is_far(features: Floats) -> NDArray[np.bool_]:
        return np.asarray(kmeans.assign(to_unit(features), middles)[1] > limit)

    return _smallest(files, len(points) // 2, seed, on_rows, is_far)


def _smallest(
    files: FeatureFiles,
    count: int,
    seed: int,
    on_rows: OnRows,
    wanted: Callable[[Floats], NDArray[np.bool_]],
) -> Drawn:
    names = np.empty(0, np.str_)
    features = np.empty((0, files.dim), np.float32)
    hashes = np.empty(0, np.uint64)
    seen = 0
    for rows in files.rows():
        seen += len(rows)
        on_rows(len(rows))
        held = np.flatnonzero(wanted(rows.features))
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
