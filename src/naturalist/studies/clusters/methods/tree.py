"""Which clusters lie together: a tree over their centres; ids that stay when all is rebuilt."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Merge:
    """Two branches that become one, at a distance; clusters are branches by their id."""

    branch: int
    children: tuple[int, int]
    distance: float
    size: int


def tree(ids: Labels, centres: Floats, sizes: NDArray[np.int64]) -> list[Merge]:
    """Merge the two closest branches again and again, by Ward's criterion weighted by size.

    Ward, Hierarchical grouping to optimize an objective function (1963), in the form of Lance and
    Williams. New branches are numbered on from the largest id.

    Args:
        ids: (clusters,) int32.
        centres: (clusters, axes) float32.
        sizes: (clusters,) members of each.
    """
    places = {int(one): centre.astype(np.float64) for one, centre in zip(ids, centres, strict=True)}
    weights = {int(one): max(int(size), 1) for one, size in zip(ids, sizes, strict=True)}
    merges: list[Merge] = []
    branch = int(ids.max(initial=-1)) + 1
    while len(places) > 1:
        one, other, cost = _closest(places, weights)
        size = weights[one] + weights[other]
        middle = (places[one] * weights[one] + places[other] * weights[other]) / size
        for gone in (one, other):
            del places[gone], weights[gone]
        places[branch], weights[branch] = middle, size
        merges.append(Merge(branch, (one, other), float(np.sqrt(cost)), size))
        branch += 1
    return merges


def _closest(
    places: dict[int, NDArray[np.float64]], weights: dict[int, int]
) -> tuple[int, int, float]:
    names = list(places)
    points = np.array([places[name] for name in names])
    sizes = np.array([weights[name] for name in names], np.float64)
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    costs = squares * sizes[:, None] * sizes[None] / (sizes[:, None] + sizes[None])
    costs[np.tril_indices(len(names))] = np.inf
    a, b = divmod(int(costs.argmin()), len(names))
    return names[a], names[b], float(costs[a, b])


def match(before: Labels, now: Labels, used: int) -> dict[int, int]:
    """Ids for new clusters: those of the old ones with which they share most rows.

    The pairs with the most rows in common in total are found by the Hungarian method (Kuhn, 1955).
    A cluster that has no partner gets a number that was never used.

    Args:
        before: (rows,) int32, old clusters; -1 is noise.
        now: (rows,) int32, new clusters of the same rows.
        used: largest id that was ever used.

    Returns:
        The id of each new cluster.

    Raises:
        MissingExtra: SciPy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise MissingExtra("SciPy", "analysis") from error
    old, new = np.unique(before[before >= 0]), np.unique(now[now >= 0])
    both = (before >= 0) & (now >= 0)
    a, b = np.searchsorted(old, before[both]), np.searchsorted(new, now[both])
    common = np.bincount(a * len(new) + b, minlength=len(old) * len(new))
    common = common.reshape(len(old), len(new))
    names = {
        int(new[j]): int(old[i])
        for i, j in zip(*linear_sum_assignment(-common), strict=True)
        if common[i, j]
    }
    for one in new.tolist():
        if one not in names:
            used += 1
            names[one] = used
    return names


def by_size(clusters: Labels) -> dict[int, int]:
    """Ids for clusters that are made for the first time: 0 is the largest."""
    names, sizes = np.unique(clusters[clusters >= 0], return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    return {int(names[at]): rank for rank, at in enumerate(order)}
