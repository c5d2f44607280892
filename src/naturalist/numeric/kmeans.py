"""k-means by Lloyd's rule on blocks, for over-clustering, for cells of neighbours, for integrity.

Lloyd, Least squares quantization in PCM (1982); the start is drawn as in Arthur and Vassilvitskii,
k-means++ (2007), among a few rows when there are many centroids.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
BLOCK = 8192


def fit_centroids(
    points: Floats,
    count: int,
    seed: int,
    *,
    iterations: int = 20,
    spread: bool = True,
    start: Floats | None = None,
) -> Floats:
    """Find `count` centroids of the points.

    Args:
        points: (rows, dim) float32.
        count: number of centroids; at most as many as there are rows.
        seed: of the start; the same seed gives the same centroids.
        iterations: rounds of assigning and averaging, at most.
        spread: begin far apart (k-means++), which costs `count` passes; else at random rows.
        start: (count, dim) float32, centroids to begin with, instead of rows drawn by chance.

    Returns:
        (count, dim) float32.
    """
    rng = np.random.default_rng(seed)
    count = min(count, len(points))
    if start is not None:
        centroids = start[:count]
    else:
        begin = _spread_start if spread else _random_start
        centroids = begin(points, count, rng)
    before = np.full(len(points), -1, np.int32)
    for _ in range(iterations):
        labels, distances = assign(points, centroids)
        if np.array_equal(labels, before):
            break
        centroids = _means(points, labels, distances, count)
        before = labels
    return centroids


def assign(points: Floats, centroids: Floats) -> tuple[NDArray[np.int32], Floats]:
    """The nearest centroid of each row and the squared distance to it.

    Returns:
        (rows,) int32 and (rows,) float32.
    """
    labels = np.empty(len(points), np.int32)
    distances = np.empty(len(points), np.float32)
    for start, block, squares in squared_distances(points, centroids):
        best = squares.argmin(axis=1)
        end = start + len(block)
        labels[start:end] = best
        distances[start:end] = squares[np.arange(len(block)), best]
    return labels, np.maximum(distances, 0)


def squared_distances(points: Floats, centroids: Floats) -> Iterator[tuple[int, Floats, Floats]]:
    """Blocks of rows: where each begins, its points, and their squared distances to all centroids.

    The distances may be a little below zero, by rounding.
    """
    lengths = np.einsum("ij,ij->i", centroids, centroids)
    for start in range(0, len(points), BLOCK):
        block = points[start : start + BLOCK]
        squares = block @ (-2 * centroids.T)
        squares += lengths
        squares += np.einsum("ij,ij->i", block, block)[:, None]
        yield start, block, squares


def _random_start(points: Floats, count: int, rng: np.random.Generator) -> Floats:
    return points[rng.choice(len(points), count, replace=False)].copy()


def _spread_start(points: Floats, count: int, rng: np.random.Generator) -> Floats:
    selected = [int(rng.integers(len(points)))]
    lengths = np.einsum("ij,ij->i", points, points)
    nearest = np.full(len(points), np.inf, np.float32)
    while len(selected) < count:
        last = points[selected[-1]]
        np.minimum(nearest, lengths - 2 * (points @ last) + last @ last, out=nearest)
        np.maximum(nearest, 0, out=nearest)
        total = np.cumsum(nearest, dtype=np.float64)
        if total[-1] <= 0:
            # All rows are at a centroid already: fewer different rows than centroids.
            selected += rng.choice(len(points), count - len(selected), replace=False).tolist()
            break
        at = np.searchsorted(total, rng.random() * total[-1], side="right")
        selected.append(int(min(at, len(points) - 1)))
    return points[selected].copy()


def _means(points: Floats, labels: NDArray[np.int32], distances: Floats, count: int) -> Floats:
    sizes = np.bincount(labels, minlength=count)
    order = np.argsort(labels, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    held = np.flatnonzero(sizes)
    means = np.empty((count, points.shape[1]), np.float32)
    sums = np.add.reduceat(points[order], starts[held], axis=0, dtype=np.float64)
    means[held] = sums / sizes[held, None]
    empty = np.flatnonzero(sizes == 0)
    # An empty cluster begins again at a row that is far from its centroid.
    means[empty] = points[np.argsort(distances)[::-1][: len(empty)]]
    return means
