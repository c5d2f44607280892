"""How far a map keeps the neighbourhoods of the features themselves, not of their first axes.

The features come in blocks and are gone through twice, so that they need not fit in memory; the
measures are those of `quality`, as exact, for the same queries.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from naturalist.numeric.reduction import to_unit
from naturalist.numeric.threads import products_in_pieces
from naturalist.studies.maps.methods import quality
from naturalist.studies.maps.methods.quality import Quality
from naturalist.studies.maps.methods.sampling import take

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Blocks = Callable[[], Iterable[Floats]]
_QUERIES_AT_ONCE = 128
_SLACK = 1e-6
"""Of the lengths: the same distance, added up in another order, is not a nearer one."""


def measure_in_features(
    blocks: Blocks,
    coordinates: Floats,
    requested: Rows,
    *,
    unit: bool = True,
    on_progress: Callable[[int], None] | None = None,
) -> Quality:
    """Compare neighbourhoods of all features with those on the map.

    Args:
        blocks: gives the features (rows, dim) in blocks, each time it is called.
        coordinates: (rows, 2 or 3) float32.
        requested: rows to look at, ascending.
        unit: scale features to length 1 first, so that distances follow cosines.
        on_progress: hears how many more queries are done; each is looked at `quality.PASSES` times.

    Raises:
        ValueError: there are fewer than 5 points.
    """
    on_progress = on_progress or (lambda amount: None)
    trust_k, ks, deepest, density_k = quality.depths(len(coordinates))
    shown = quality.Near(coordinates, requested, deepest, on_progress)
    named = shown.index[:, :trust_k]

    def scaled() -> Iterator[Floats]:
        for block in blocks():
            yield to_unit(block) if unit else block

    index, distance, excess = _search(scaled, requested, named, deepest, on_progress)
    worst = len(requested) * trust_k * (2 * (len(coordinates) - 1) - 3 * trust_k + 1) / 2
    recalls = {k: quality.shared(index[:, :k], shown.index[:, :k]) for k in ks}
    return Quality(
        trustworthiness=float(1 - excess.sum() / worst),
        continuity=quality.faithfulness(
            coordinates,
            coordinates[requested],
            index[:, :trust_k],
            requested,
            on_progress=on_progress,
        ),
        knn_recall={k: float(kept.mean()) for k, kept in recalls.items()},
        density_correlation=quality.rank_correlation(
            distance[:, density_k - 1], shown.distance[:, density_k - 1]
        ),
        queries=requested,
        recalls=recalls[ks[0]],
    )


def _search(
    blocks: Blocks,
    requested: Rows,
    named: NDArray[np.int32],
    k: int,
    on_progress: Callable[[int], None],
) -> tuple[NDArray[np.int32], Floats, NDArray[np.float64]]:
    """The k nearest of each query, and by how many ranks those that are named are too far."""
    wanted, at = np.unique(np.concatenate([requested, named.ravel()]), return_inverse=True)
    drawn = take(blocks, wanted)
    queries = drawn[at[: len(requested)]]
    limits = _squares(queries, drawn[at[len(requested) :]].reshape(*named.shape, -1))
    index = np.full((len(requested), k), -1, np.int32)
    squares = np.full((len(requested), k), np.inf, np.float32)
    between = np.zeros((len(requested), named.shape[1] + 1), np.int64)
    start = 0
    for block in blocks():
        lengths = np.einsum("ij,ij->i", block, block)

        def work(
            low: int,
            high: int,
            block: Floats = block,
            lengths: Floats = lengths,
            first: int = start,
        ) -> None:
            some = slice(low, high)
            away = queries[some] @ (-2 * block.T)
            away += lengths
            away += np.einsum("ij,ij->i", queries[some], queries[some])[:, None]
            own = requested[some] - first
            inside = np.flatnonzero((own >= 0) & (own < len(block)))
            away[inside, own[inside]] = np.inf
            quality.count_between(away, limits[some], between[some])
            _keep_nearest(away, first, index[some], squares[some])

        products_in_pieces(len(requested), _QUERIES_AT_ONCE, work)
        start += len(block)
    on_progress(2 * len(requested))
    # A point that is named r-th and has n nearer ones has rank n + 1.
    nearer = np.cumsum(between, axis=1)[:, :-1]
    excess = np.maximum(0, nearer + 1 - named.shape[1]).sum(axis=1).astype(np.float64)
    return index, np.sqrt(np.maximum(squares, 0)), excess


def _squares(queries: Floats, points: Floats) -> Floats:
    """Squared distances (queries, k) of named points, ascending, a little less than they are."""
    away = points - queries[:, None, :]
    found = np.einsum("ijk,ijk->ij", away, away)
    slack = _SLACK * float(np.einsum("ij,ij->i", queries, queries).mean())
    return np.sort(found, axis=1) - np.float32(slack)


def _keep_nearest(away: Floats, first: int, index: NDArray[np.int32], squares: Floats) -> None:
    """Put the rows of a block that are nearer than what was found so far in their place."""
    k = squares.shape[1]
    near = min(k, away.shape[1])
    best = np.argpartition(away, near - 1, axis=1)[:, :near]
    together = np.concatenate([squares, np.take_along_axis(away, best, 1)], axis=1)
    names = np.concatenate([index, (best + first).astype(np.int32)], axis=1)
    order = np.argsort(together, axis=1, kind="stable")[:, :k]
    squares[:] = np.take_along_axis(together, order, 1)
    index[:] = np.take_along_axis(names, order, 1)
