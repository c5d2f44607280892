"""Choosing some of the points so that they stand for all.

Three ways. *aware* knows of clusters and densities: the points are cut into many cells by k-means,
rare groups that no cell was made for get cells of their own, every cell keeps its first members,
and dense cells are thinned most. *sketch* is geometric sketching (Hie and others, Geometric
sketching compactly summarizes the single-cell transcriptomic landscape, 2019): boxes of equal side,
each giving one point in turn. *uniform* is chance.

The features come in blocks and are never in memory as a whole; a few bytes a row stay. The same
seed chooses the same rows, whatever the blocks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from naturalist.numeric import kmeans, neighbours

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Blocks = Callable[[], Iterable[Floats]]
Method = Literal["aware", "sketch", "uniform"]

_TRAINED_PER_CELL = 48
_MOST_CELLS = 1024
_RARE_CELLS = 512
_WORST = 24_576
_GROUP = 6
_APART = 0.9
_COVERED = 1.5
_BOX_AXES = 12


@dataclass(frozen=True)
class SampleOptions:
    """How a sample is chosen.

    Attributes:
        size: points to choose.
        method: aware, sketch or uniform.
        seed: of chance.
        thinning: 0 keeps the proportions of cells, 1 takes as many of each; between, of a cell of
            n points about n to the power of 1 - thinning are taken.
        keep: members that each cell keeps, if it has so many and the size allows it.
    """

    size: int
    method: Method = "aware"
    seed: int = 0
    thinning: float = 0.5
    keep: int = 20


@dataclass(frozen=True, eq=False)
class Sample:
    """Which points were chosen.

    Attributes:
        rows: (size,) int64, ascending.
        weights: (size,) float32: how many points of the whole each stands for; they sum to the
            number of points.
        cells: number of cells or boxes that the points were cut into; 1 for uniform.
    """

    rows: Rows
    weights: Floats
    cells: int


def choose(blocks: Blocks, rows: int, options: SampleOptions) -> Sample:
    """Choose points.

    Args:
        blocks: gives the (reduced) features in blocks of (rows, dim), each time it is called; it
            is called up to four times.
        rows: how many there are in all.
        options: see there.

    Raises:
        ValueError: the size is less than 1.
    """
    if options.size < 1:
        raise ValueError(f"a sample of {options.size} points: at least 1 is needed")
    if options.size >= rows:
        return Sample(np.arange(rows), np.ones(rows, np.float32), 1)
    if options.method == "uniform":
        cells = np.zeros(rows, np.int32)
    elif options.method == "sketch":
        cells = _boxes(blocks, rows, options)
    else:
        cells = over_cluster(blocks, rows, options.size, options.seed).labels
    sizes = np.bincount(cells)
    if options.method == "sketch":
        shares = fill(sizes, np.ones(len(sizes)), options.size, 1)
    else:
        # Half of the sample at most is spent on keeping small cells whole.
        kept = min(options.keep, max(1, options.size // (2 * max(1, int((sizes > 0).sum())))))
        strengths = sizes.astype(np.float64) ** (1 - options.thinning)
        shares = fill(sizes, strengths, options.size, kept)
    selected = _draw(cells, shares, options.seed)
    weights = (sizes / np.maximum(shares, 1))[cells[selected]]
    # Cells that gave no point are stood for by all others.
    weights *= rows / weights.sum()
    return Sample(selected, weights.astype(np.float32), int((sizes > 0).sum()))


def fill(
    sizes: NDArray[np.int64], strengths: NDArray[np.float64], total: int, keep: int
) -> NDArray[np.int64]:
    """How many to take of each cell: in proportion to its strength, between `keep` and its size.

    Args:
        sizes: (cells,) members of each.
        strengths: (cells,) not negative.
        total: to take in all; at most the sum of the sizes.
        keep: least of each cell that has so many; less if the total does not reach.

    Returns:
        (cells,) that sum to `total`.
    """
    least = np.minimum(sizes, keep)
    while keep > 0 and least.sum() > total:
        keep -= 1
        least = np.minimum(sizes, keep)
    low, high = 0.0, float(total) / max(float(strengths[strengths > 0].min(initial=1)), 1e-12) + 1
    for _ in range(80):
        rate = (low + high) / 2
        if np.clip(rate * strengths, least, sizes).sum() > total:
            high = rate
        else:
            low = rate
    expected = np.clip(low * strengths, least, sizes)
    shares = np.floor(expected).astype(np.int64)
    # What rounding down left over goes to the largest remainders that have room.
    order = np.lexsort((np.arange(len(sizes)), -(expected - shares)))
    while (missing := total - int(shares.sum())) > 0:
        room = order[shares[order] < sizes[order]]
        shares[room[:missing]] += 1
    return shares


@dataclass(frozen=True, eq=False)
class Cells:
    """Points cut into many cells.

    Attributes:
        labels: (rows,) int32, the cell of each point.
        distances: (rows,) float32, squared, to its centroid.
        centroids: (cells, dim) float32.
    """

    labels: NDArray[np.int32]
    distances: Floats
    centroids: Floats


def over_cluster(blocks: Blocks, rows: int, size: int, seed: int) -> Cells:
    """Cut the points into many cells, some of them for rare groups far from all others.

    A first k-means is made on rows drawn by chance, where rare groups have nobody. Then all rows
    are compared with its centroids. Among the worst served, measured by the spread of their own
    cell, those that are nearer to some others of them than to any centroid are a group that was
    missed, and it gets a centroid.
    """
    count = int(np.clip(size // 40, 8, _MOST_CELLS))
    drawn = _some_rows(blocks, rows, min(rows, count * _TRAINED_PER_CELL), seed)
    centroids = kmeans.fit_centroids(drawn, count, seed, iterations=12, spread=False)
    labels, distances = assign_all(blocks, rows, centroids)
    worst = min(rows // 4, _WORST)
    bad = _worst_served(labels, distances, len(centroids), worst)
    if len(bad) <= _GROUP:
        return Cells(labels, distances, centroids)
    rare = _missed_groups(take(blocks, bad), np.sqrt(distances[bad]), min(count, _RARE_CELLS), seed)
    if not len(rare):
        return Cells(labels, distances, centroids)
    centroids = np.concatenate([centroids, rare])
    return Cells(*assign_all(blocks, rows, centroids), centroids)


def _missed_groups(points: Floats, away: Floats, most: int, seed: int) -> Floats:
    """Centroids of groups among badly served points.

    Args:
        points: (rows, dim).
        away: (rows,) how far the nearest centroid is.
        most: groups to find; the closest and most remote come first.
        seed: of the search for neighbours.

    Returns:
        (groups, dim).
    """
    near = neighbours.nearest(points, _GROUP, seed=seed)
    reach = near.distance[:, -1]
    closeness = reach / np.maximum(away, 1e-12)
    free = closeness < _APART
    result: list[Floats] = []
    # The more remote of two groups that are equally close comes first.
    for row in np.argsort(closeness / np.maximum(away, 1e-12), kind="stable"):
        if len(result) == most:
            break
        if free[row]:
            centre = points[[row, *near.index[row]]].mean(axis=0)
            result.append(centre)
            free &= np.linalg.norm(points - centre, axis=1) > _COVERED * reach[row]
    return np.array(result, np.float32).reshape(-1, points.shape[1])


def _worst_served(labels: NDArray[np.int32], distances: Floats, count: int, expected: int) -> Rows:
    # Far for its cell, or far by itself: several rare groups may share a cell of their own.
    sizes = np.maximum(np.bincount(labels, minlength=count), 1)
    means = np.bincount(labels, distances, count) / sizes
    squares = np.bincount(labels, distances.astype(np.float64) ** 2, count) / sizes
    spreads = np.sqrt(np.maximum(squares - means**2, 1e-20))
    for_cell = (distances - means[labels]) / spreads[labels]
    last = len(labels) - max(expected // 2, 1)
    result = [np.argpartition(badness, last)[last:] for badness in (for_cell, distances)]
    return np.union1d(*result)


def _boxes(blocks: Blocks, rows: int, options: SampleOptions) -> NDArray[np.int32]:
    # Boxes of the first axes; their side is halved until there are about as many as points wanted.
    low, high = _ranges(blocks)
    low, high = low[:_BOX_AXES], high[:_BOX_AXES]
    sides = max(float((high - low).max()), 1e-12) / np.geomspace(1.01, 512, 28)
    some = _some_rows(blocks, rows, min(rows, 50_000), options.seed)[:, :_BOX_AXES]
    goal = options.size * len(some) / rows if rows > len(some) else options.size
    counts = [len(np.unique(_box_names(some, low, side))) for side in sides]
    side = sides[min(int(np.searchsorted(counts, max(goal, 2))), len(sides) - 1)]
    names = np.empty(rows, np.uint64)
    start = 0
    for block in blocks():
        names[start : start + len(block)] = _box_names(block[:, :_BOX_AXES], low, float(side))
        start += len(block)
    return np.unique(names, return_inverse=True)[1].astype(np.int32)


def _box_names(points: Floats, low: Floats, side: float) -> NDArray[np.uint64]:
    cells = np.floor((points - low) / side).astype(np.uint64)
    name = np.zeros(len(points), np.uint64)
    for axis in range(cells.shape[1]):
        name = (name ^ cells[:, axis]) * np.uint64(0x9E3779B97F4A7C15)
        name ^= name >> np.uint64(29)
    return name


def _ranges(blocks: Blocks) -> tuple[Floats, Floats]:
    low: Floats | None = None
    high: Floats | None = None
    for block in blocks():
        if not len(block):
            continue
        here, there = block.min(axis=0), block.max(axis=0)
        low = here if low is None else np.minimum(low, here)
        high = there if high is None else np.maximum(high, there)
    if low is None or high is None:
        raise ValueError("no rows to choose from")
    return low, high


def _draw(cells: NDArray[np.int32], shares: NDArray[np.int64], seed: int) -> Rows:
    # Of each cell the rows with the smallest random numbers.
    numbers = np.random.default_rng([seed, 4]).random(len(cells))
    order = np.lexsort((numbers, cells))
    sizes = np.bincount(cells, minlength=len(shares))
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.arange(len(cells)) - np.repeat(first, sizes)
    return np.sort(order[rank < np.repeat(shares, sizes)])


def _some_rows(blocks: Blocks, rows: int, count: int, seed: int) -> Floats:
    drawn = np.random.default_rng([seed, 5]).choice(rows, count, replace=False)
    return take(blocks, np.sort(drawn))


def take(blocks: Blocks, expected: Rows) -> Floats:
    """Some rows (ascending) of all blocks."""
    result: list[Floats] = []
    start = 0
    for block in blocks():
        low, high = np.searchsorted(expected, [start, start + len(block)])
        if high > low:
            result.append(block[expected[low:high] - start])
        start += len(block)
    return np.concatenate(result)


def assign_all(blocks: Blocks, rows: int, centroids: Floats) -> tuple[NDArray[np.int32], Floats]:
    """The nearest centroid of each row of all blocks, and the squared distance to it."""
    labels = np.empty(rows, np.int32)
    distances = np.empty(rows, np.float32)
    start = 0
    for block in blocks():
        end = start + len(block)
        labels[start:end], distances[start:end] = kmeans.assign(block, centroids)
        start = end
    return labels, distances
