"""Candidates by features: each new picture with those most like it."""

import numpy as np

from naturalist.numeric.neighbours import nearest
from naturalist.studies.duplicates.methods.grouping import Indices, Vectors

NEIGHBOURS = 10
"""The original is nearest to 98 % of photos that lost a tenth of width and height; the others are
room for crowds of copies."""
_RECALL = 0.95


def alike_pairs(points: Vectors, old: int, farthest: float) -> tuple[Indices, Indices]:
    """Pairs of a new row and one of the rows nearest to it, each once: first, second, (P,) each.

    Args:
        points: (N, axes) float32.
        old: rows whose neighbours are not looked for.
        farthest: greatest Euclidean distance.

    Raises:
        MissingExtra: a package of the extra `analysis` is not installed.
    """
    count = min(NEIGHBOURS + 1, len(points))
    result = nearest(points, count, queries=points[old:], recall=_RECALL)
    one = np.repeat(np.arange(old, len(points)), count)
    other, distance = result.index.ravel().astype(np.int64), result.distance.ravel()
    keep = (one != other) & (other >= 0) & (distance <= farthest)
    both = np.sort(np.stack([one[keep], other[keep]]), axis=0)
    first, second = np.unique(both, axis=1)
    return first, second
