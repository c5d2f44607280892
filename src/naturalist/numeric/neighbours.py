"""Nearest neighbours of many points at once: cells found by k-means, searched block by block.

The points are cut into cells (an inverted file, as in Jégou, Douze and Schmid, Product quantization
for nearest neighbor search, 2011). Each query looks into the cells whose centroids are nearest;
all queries of a cell are compared with it in one matrix product, which is what processors do
fastest. How many cells are looked into follows from the recall that is asked for: it is measured on
some queries against exact search. Looking into all cells is exact search.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.numeric import kmeans
from naturalist.numeric.compiled import compiled
from naturalist.numeric.threads import products_in_pieces

Floats = NDArray[np.float32]
_SMALL = 4096
_QUERIES_AT_ONCE = 16_384
_TRIED = 400
_TRAINED_PER_CELL = 40
_PROBES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest points of each query, nearest first.

    Attributes:
        index: (queries, k) int32, rows of the points.
        distance: (queries, k) float32, Euclidean distances.
        recall: share of the true neighbours that were found, measured on some queries.
        probes: cells that each query looked into.
    """

    index: NDArray[np.int32]
    distance: Floats
    recall: float
    probes: int


@dataclass(frozen=True, eq=False)
class Cells:
    """Points cut into cells, for searching; made once, searched often.

    Attributes:
        centroids: (cells, dim) float32.
        order: (rows,) int32, rows of the points, cell by cell.
        starts: (cells + 1,) int64, where each cell begins in `order`.
        points: (rows, dim) float32, in the order of `order`.
    """

    centroids: Floats
    order: NDArray[np.int32]
    starts: NDArray[np.int64]
    points: Floats


def make_cells(points: Floats, seed: int = 0) -> Cells:
    """Cut points into cells of a few hundred."""
    rows = len(points)
    count = 1 if rows <= _SMALL else max(16, int(1.5 * rows**0.5))
    rng = np.random.default_rng(seed)
    some = rng.choice(rows, min(rows, count * _TRAINED_PER_CELL), replace=False)
    trained = points[np.sort(some)]
    centroids = kmeans.fit_centroids(trained, count, seed, iterations=8, spread=False)
    labels, _ = kmeans.assign(points, centroids)
    order = np.argsort(labels, kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=len(centroids)))])
    return Cells(centroids, order, starts, np.ascontiguousarray(points[order]))


def nearest(
    points: Floats,
    k: int,
    *,
    queries: Floats | None = None,
    recall: float = 0.95,
    seed: int = 0,
    cells: Cells | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Neighbours:
    """Find the `k` nearest points of each query.

    Args:
        points: (rows, dim) float32.
        k: how many; fewer than there are rows.
        queries: (queries, dim) float32; None for the points themselves, each without itself.
        recall: share of the true neighbours to find, at least; 1 is exact search.
        seed: of the cells, and of the queries on which the recall is measured.
        cells: of the points, if they were made before.
        on_progress: hears how many more queries are done.

    Raises:
        ValueError: there are not so many points.
        MissingExtra: a package of the extra `analysis` is not installed.
    """
    own = queries is None
    requested = points if queries is None else queries
    if not 0 < k <= len(points) - own:
        raise ValueError(f"k is {k}: there are {len(points)} points")
    cells = cells or make_cells(points, seed)
    probes, result = _enough_probes(cells, requested, k, own=own, recall=recall, seed=seed)
    index = np.empty((len(requested), k), np.int32)
    distance = np.empty((len(requested), k), np.float32)

    def search(start: int, end: int) -> None:
        own_rows = np.arange(start, end) if own else None
        part = _search(cells, requested[start:end], k, probes, own_rows)
        index[start:end], distance[start:end] = part
        if on_progress is not None:
            on_progress(end - start)

    products_in_pieces(len(requested), _QUERIES_AT_ONCE, search)
    return Neighbours(index, distance, result, probes)


def exact(
    points: Floats, queries: Floats, k: int, own_rows: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int32], Floats]:
    """The exact `k` nearest points of a few queries, and their distances.

    Args:
        points: (rows, dim) float32.
        queries: (queries, dim) float32.
        k: how many.
        own_rows: (queries,) row of each query among the points, which is left out.
    """
    everything = Cells(
        points[:1],
        np.arange(len(points), dtype=np.int32),
        np.array([0, len(points)], np.int64),
        points,
    )
    return _search(everything, queries, k, 1, own_rows)


def _enough_probes(
    cells: Cells, queries: Floats, k: int, *, own: bool, recall: float, seed: int
) -> tuple[int, float]:
    every = len(cells.centroids)
    if recall >= 1 or every == 1:
        return every, 1.0
    rng = np.random.default_rng([seed, 1])
    rows = np.sort(rng.choice(len(queries), min(_TRIED, len(queries)), replace=False))
    own_rows = rows if own else None
    true, _ = _search(cells, queries[rows], k, every, own_rows)
    for probes in _PROBES:
        if probes >= every:
            break
        result, _ = _search(cells, queries[rows], k, probes, own_rows)
        share = share_found(result, true)
        if share >= recall:
            return probes, share
    return every, 1.0


def share_found(result: NDArray[np.int32], true: NDArray[np.int32]) -> float:
    """Share of the true neighbours (queries, k) that are among those found."""
    pairs = zip(result, true, strict=True)
    hits = sum(len(np.intersect1d(a, b, assume_unique=True)) for a, b in pairs)
    return hits / max(true.size, 1)


def _search(
    cells: Cells, queries: Floats, k: int, probes: int, own_rows: NDArray[np.int64] | None
) -> tuple[NDArray[np.int32], Floats]:
    squares = np.full((len(queries), k), np.inf, np.float32)
    index = np.full((len(queries), k), -1, np.int32)
    own = np.full(len(queries), -1, np.int64) if own_rows is None else own_rows
    lengths = np.einsum("ij,ij->i", cells.points, cells.points)
    for cell, rows in _by_cell(cells, queries, probes):
        for start in range(cells.starts[cell], cells.starts[cell + 1], _QUERIES_AT_ONCE):
            end = min(start + _QUERIES_AT_ONCE, cells.starts[cell + 1])
            for few in np.array_split(rows, -(-len(rows) // 2048)):
                products = queries[few] @ cells.points[start:end].T
                _keep(
                    products, lengths[start:end], cells.order[start:end], few, own, squares, index
                )
    _in_order(squares, index)
    own_lengths = np.einsum("ij,ij->i", queries, queries)[:, None]
    return index, np.sqrt(np.maximum(squares + own_lengths, 0))


def _by_cell(cells: Cells, queries: Floats, probes: int) -> "list[tuple[int, NDArray[np.int64]]]":
    every = len(cells.centroids)
    if probes >= every:
        return [(cell, np.arange(len(queries))) for cell in range(every)]
    selected = np.empty((len(queries), probes), np.int32)
    for start, block, squares in kmeans.squared_distances(queries, cells.centroids):
        part = np.argpartition(squares, probes - 1, axis=1)[:, :probes]
        selected[start : start + len(block)] = part
    flat = selected.ravel()
    order = np.argsort(flat, kind="stable")
    bounds = np.searchsorted(flat[order], np.arange(every + 1))
    groups = ((cell, order[bounds[cell] : bounds[cell + 1]] // probes) for cell in range(every))
    return [(cell, rows) for cell, rows in groups if len(rows)]


@compiled
def _sink(heap, names, size, square, name):  # type: ignore[no-untyped-def]
    # Puts an entry in the place of the top.
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= square:
            break
        heap[at], names[at] = heap[child], names[child]
        at = child
    heap[at], names[at] = square, name


@compiled
def _keep(products, lengths, ids, rows, own, squares, index):  # type: ignore[no-untyped-def]
    # Each row of `squares` is a heap with the farthest kept neighbour on top.
    k = squares.shape[1]
    for r in range(len(rows)):
        row = rows[r]
        heap, names = squares[row], index[row]
        for c in range(len(ids)):
            square = lengths[c] - 2 * products[r, c]
            if square >= heap[0] or ids[c] == own[row]:
                continue
            _sink(heap, names, k, square, ids[c])


@compiled
def _in_order(squares, index):  # type: ignore[no-untyped-def]
    for row in range(len(squares)):
        heap, names = squares[row], index[row]
        for last in range(len(heap) - 1, 0, -1):
            square, name = heap[last], names[last]
            heap[last], names[last] = heap[0], names[0]
            _sink(heap, names, last, square, name)
