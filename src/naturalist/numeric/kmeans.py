"""k-means by Lloyd's rule on blocks, for over-clustering, for cells of neighbours, for integrity.

Lloyd, Least squares quantization in PCM (1982); the start is drawn as in Arthur and Vassilvitskii,
k-means++ (2007), among a few rows when there are many centroids.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from naturalist.numeric.threads import in_pieces, products_on_one_thread

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
    with products_on_one_thread():
        return _fitted(points, min(count, len(points)), seed, iterations, spread, start)


def assign(points: Floats, centroids: Floats) -> tuple[NDArray[np.int32], Floats]:
    """The nearest centroid of each row and the squared distance to it.

    Returns:
        (rows,) int32 and (rows,) float32.
    """
    if len(points) <= BLOCK:
        # One block is for all threads of the product, as there is nothing beside it.
        return _assigned(points, centroids)
    with products_on_one_thread():
        return _assigned(points, centroids)


def _fitted(
    points: Floats, count: int, seed: int, iterations: int, spread: bool, start: Floats | None
) -> Floats:
    rng = np.random.default_rng(seed)
    if start is not None:
        centroids = start[:count]
    else:
        begin = _spread_start if spread else _random_start
        centroids = begin(points, count, rng)
    before = np.full(len(points), -1, np.int32)
    for _ in range(iterations):
        labels, distances = _assigned(points, centroids)
        if np.array_equal(labels, before):
            break
        centroids = _means(points, labels, distances, count)
        before = labels
    return centroids


def _assigned(points: Floats, centroids: Floats) -> tuple[NDArray[np.int32], Floats]:
    labels = np.empty(len(points), np.int32)
    distances = np.empty(len(points), np.float32)
    lengths = _squared_lengths(centroids)

    def work(start: int, end: int) -> None:
        squares = _squares(points[start:end], centroids, lengths)
        best = squares.argmin(axis=1)
        labels[start:end] = best
        distances[start:end] = squares[np.arange(len(best)), best]

    in_pieces(len(points), BLOCK, work)
    return labels, np.maximum(distances, 0)


def squared_distances(points: Floats, centroids: Floats) -> Iterator[tuple[int, Floats, Floats]]:
    """Blocks of rows: where each begins, its points, and their squared distances to all centroids.

    The distances may be a little below zero, by rounding.
    """
    lengths = _squared_lengths(centroids)
    for start in range(0, len(points), BLOCK):
        block = points[start : start + BLOCK]
        yield start, block, _squares(block, centroids, lengths)


def _squares(block: Floats, centroids: Floats, lengths: Floats) -> Floats:
    squares: Floats = block @ (-2 * centroids.T)
    squares += lengths
    squares += _squared_lengths(block)[:, None]
    return squares


def _squared_lengths(rows: Floats) -> Floats:
    lengths: Floats = np.einsum("ij,ij->i", rows, rows)
    return lengths


def _random_start(points: Floats, count: int, rng: np.random.Generator) -> Floats:
    return points[rng.choice(len(points), count, replace=False)].copy()


def _spread_start(points: Floats, count: int, rng: np.random.Generator) -> Floats:
    selected = [int(rng.integers(len(points)))]
    lengths = _squared_lengths(points)
    nearest = np.full(len(points), np.inf, np.float32)
    while len(selected) < count:
        _come_nearer(nearest, points, lengths, points[selected[-1]])
        total = np.cumsum(nearest, dtype=np.float64)
        if total[-1] <= 0:
            # All rows are at a centroid already: fewer different rows than centroids.
            selected += rng.choice(len(points), count - len(selected), replace=False).tolist()
            break
        at = np.searchsorted(total, rng.random() * total[-1], side="right")
        selected.append(int(min(at, len(points) - 1)))
    return points[selected].copy()


def _come_nearer(nearest: Floats, points: Floats, lengths: Floats, last: Floats) -> None:
    """Lower the squared distances (rows,) to those from one more centroid, where it is nearer."""
    length = last @ last

    def work(start: int, end: int) -> None:
        part = slice(start, end)
        squares = lengths[part] - 2 * (points[part] @ last) + length
        np.clip(squares, 0, nearest[part], out=nearest[part])

    in_pieces(len(points), BLOCK, work)


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
