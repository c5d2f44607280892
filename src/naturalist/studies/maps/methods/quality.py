"""How far a map keeps what is near in the features near, and what is far, far.

Trustworthiness and continuity as in Venna and Kaski, Neighborhood preservation in nonlinear
projection methods (2001); measured on some queries, each against all points, exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.numeric import neighbours
from naturalist.numeric.compiled import compiled
from naturalist.numeric.threads import products_in_pieces

Floats = NDArray[np.float32]
QUERIES = 1000
PASSES = 4
KS = (10, 30, 100)
_TRUST_K = 10
_DENSITY_K = 30
_QUERIES_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Quality:
    """What was measured on a map.

    Attributes:
        trustworthiness: 1 if no point has strangers among its 10 nearest on the map.
        continuity: 1 if no point has lost one of its 10 nearest in the features.
        knn_recall: for several k, the share of the k nearest that are so on the map too.
        density_correlation: Spearman's, between the distances to the 30th neighbour.
        queries: (queries,) rows that were measured.
        recalls: (queries,) share of the 10 nearest kept, of each.
    """

    trustworthiness: float
    continuity: float
    knn_recall: dict[int, float]
    density_correlation: float
    queries: NDArray[np.int64]
    recalls: NDArray[np.float64]


def measure(
    reduced: Floats,
    coordinates: Floats,
    seed: int = 0,
    queries: int = QUERIES,
    requested: NDArray[np.int64] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Quality:
    """Compare neighbourhoods in the features with those on the map.

    Args:
        reduced: (rows, dim) float32.
        coordinates: (rows, 2 or 3) float32.
        seed: of the queries.
        queries: how many points are measured, at most.
        requested: rows to measure; None for some drawn by chance.
        on_progress: hears how many more queries are done; each is measured `PASSES` times.

    Raises:
        ValueError: there are fewer than 5 points.
    """
    rows = len(reduced)
    trust_k, ks, deepest, density_k = depths(rows)
    rng = np.random.default_rng([seed, 3])
    if requested is None:
        requested = np.sort(rng.choice(rows, min(queries, rows), replace=False))
    on_progress = on_progress or (lambda amount: None)
    near = Near(reduced, requested, deepest, on_progress)
    shown = Near(coordinates, requested, deepest, on_progress)
    recalls = {k: shared(near.index[:, :k], shown.index[:, :k]) for k in ks}
    return Quality(
        trustworthiness=faithfulness(
            reduced,
            reduced[requested],
            shown.index[:, :trust_k],
            requested,
            on_progress=on_progress,
        ),
        continuity=faithfulness(
            coordinates,
            coordinates[requested],
            near.index[:, :trust_k],
            requested,
            on_progress=on_progress,
        ),
        knn_recall={k: float(kept.mean()) for k, kept in recalls.items()},
        density_correlation=rank_correlation(
            near.distance[:, density_k - 1], shown.distance[:, density_k - 1]
        ),
        queries=requested,
        recalls=recalls[ks[0]],
    )


def depths(rows: int) -> tuple[int, list[int], int, int]:
    """How many neighbours to look at among so many rows.

    Returns:
        For trustworthiness; for recall, several; the most of all; for density.

    Raises:
        ValueError: there are fewer than 5 rows.
    """
    if rows < 5:
        raise ValueError(f"a map of {rows} points has no neighbourhoods to compare")
    trust_k = min(_TRUST_K, (rows - 1) // 2)
    ks = [k for k in KS if k < rows] or [trust_k]
    density_k = min(_DENSITY_K, rows - 1)
    return trust_k, ks, max(*ks, density_k, trust_k), density_k


class Near:
    """The exact nearest points of some rows, without themselves: `index` and `distance`."""

    def __init__(
        self,
        points: Floats,
        requested: NDArray[np.int64],
        k: int,
        on_progress: Callable[[int], None],
    ) -> None:
        self.index = np.empty((len(requested), k), np.int32)
        self.distance = np.empty((len(requested), k), np.float32)
        points = np.ascontiguousarray(points - points.mean(axis=0), np.float32)

        def work(start: int, end: int) -> None:
            part = requested[start:end]
            result = neighbours.exact(points, points[part], k, part)
            self.index[start:end], self.distance[start:end] = result
            on_progress(end - start)

        products_in_pieces(len(requested), 256, work)


def shared(near: NDArray[np.int32], shown: NDArray[np.int32]) -> NDArray[np.float64]:
    """The share of each row of one (queries, k) index that is in the other's row too."""
    pairs = zip(near, shown, strict=True)
    return np.array([len(np.intersect1d(a, b)) / len(a) for a, b in pairs])


def faithfulness(
    points: Floats,
    queries: Floats,
    named: NDArray[np.int32],
    own_rows: NDArray[np.int64] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> float:
    """How near those lie here that were named as nearest there; 1 if they are nearest here too.

    Trustworthiness where `points` are the features, continuity where they are the map.

    Args:
        points: (rows, dim) float32.
        queries: (queries, dim) float32.
        named: (queries, k) int32, rows of the points.
        own_rows: (queries,) row of each query among the points, which is left out; None if none is.
        on_progress: hears how many more queries are done.
    """
    k = named.shape[1]
    others = len(points) - (own_rows is not None)
    own = np.full(len(queries), -1) if own_rows is None else own_rows
    middle = points.mean(axis=0)
    points = np.ascontiguousarray(points - middle, np.float32)
    queries = np.ascontiguousarray(queries - middle, np.float32)
    excess = np.zeros(len(queries))
    lengths = np.einsum("ij,ij->i", points, points)

    def work(start: int, end: int) -> None:
        squares = queries[start:end] @ (-2 * points.T)
        squares += lengths
        _ranks(squares, own[start:end], named[start:end], excess[start:end])
        if on_progress is not None:
            on_progress(end - start)

    products_in_pieces(len(queries), _QUERIES_AT_ONCE, work)
    worst = len(queries) * k * (2 * others - 3 * k + 1) / 2
    return float(1 - excess.sum() / worst)


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's correlation; 0 if either is constant."""
    ranks = [np.argsort(np.argsort(x, kind="stable")).astype(np.float64) for x in (a, b)]
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


@compiled
def _ranks(squares, part, named, excess):  # type: ignore[no-untyped-def]
    k = named.shape[1]
    between = np.zeros((len(part), k + 1), np.int64)
    limits = np.empty((len(part), k), np.float32)
    for row in range(len(part)):
        if part[row] >= 0:
            squares[row, part[row]] = np.inf
        for c in range(k):
            limit, at = squares[row, named[row, c]], c
            while at > 0 and limits[row, at - 1] > limit:
                limits[row, at] = limits[row, at - 1]
                at -= 1
            limits[row, at] = limit
    count_between(squares, limits, between)
    for row in range(len(part)):
        nearer = 0
        for c in range(k):
            nearer += between[row, c]
            excess[row] += max(0, nearer + 1 - k)


@compiled
def count_between(squares, limits, between):  # type: ignore[no-untyped-def]
    """Count how many values of each row are below its first limit, and between those that follow.

    Args:
        squares: (queries, rows) float32; infinite where not to be counted.
        limits: (queries, k) float32, ascending.
        between: (queries, k + 1) int64, to which the counts are added.
    """
    k = limits.shape[1]
    for row in range(len(squares)):
        last = limits[row, k - 1]
        for other in range(squares.shape[1]):
            square = squares[row, other]
            if square >= last:
                continue
            low, high = 0, k - 1
            while low < high:
                middle = (low + high) // 2
                if square < limits[row, middle]:
                    high = middle
                else:
                    low = middle + 1
            between[row, low] += 1
