"""Laying one map over another by turning, mirroring, scaling and shifting it (Procrustes)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a map was laid over another.

    Attributes:
        coordinates: (rows, dims) float32, the whole map after it.
        median_move: of the common points, as a share of the old map's size.
        far_move: 95th percentile of the same.
    """

    coordinates: Floats
    median_move: float
    far_move: float


def align(new: Floats, common: NDArray[np.int64], old: Floats, *, scaled: bool = True) -> Alignment:
    """Lay a new map over an old one; distances on it keep their proportions.

    Args:
        new: (rows, dims) the new map.
        common: (n,) rows of it that the old map has too.
        old: (n, dims) where these lay.
        scaled: whether the new map may be made larger or smaller.

    Raises:
        ValueError: there are not enough common points (fewer than dims + 1).
    """
    if len(common) <= new.shape[1]:
        raise ValueError(f"{len(common)} common points do not fix a map of {new.shape[1]} axes")
    here, there = new[common].astype(np.float64), old.astype(np.float64)
    centre, goal = here.mean(axis=0), there.mean(axis=0)
    turned, values, axes = np.linalg.svd((here - centre).T @ (there - goal))
    size_now = max(float(((here - centre) ** 2).sum()), 1e-30)
    scale = values.sum() / size_now if scaled else 1.0
    moved = scale * (new - centre) @ (turned @ axes) + goal
    size = 2 * float(np.sqrt(((there - goal) ** 2).sum(axis=1).mean()))
    moves = np.linalg.norm(moved[common] - there, axis=1) / max(size, 1e-30)
    median, far = np.quantile(moves, [0.5, 0.95])
    return Alignment(moved.astype(np.float32), float(median), float(far))
