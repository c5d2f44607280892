"""How good clusters are: found again in halves, apart from each other, and beside known groups."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra
from naturalist.studies.clusters.methods.clustering import NOISE, Model, assign, make_model
from naturalist.studies.clusters.options import ClusterOptions

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]
Groups = NDArray[np.int64]

_COUNTS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_ROWS_TO_REPEAT = 5_000
_ROWS_TO_COMPARE = 4_000


@dataclass(frozen=True)
class Tried:
    """A count of clusters, and how well they were found again in halves of the rows."""

    count: int
    stability: float


@dataclass(frozen=True, eq=False)
class Stability:
    """How well clusters are found again when they are made from half of the rows.

    Attributes:
        overall: mean adjusted Rand index.
        by_cluster: (clusters,) mean over repeats of the largest Jaccard index with a cluster of the
            half; Hennig, Cluster-wise assessment of cluster stability (2007): below 0.6 is
            doubtful, above 0.75 good.
    """

    overall: float
    by_cluster: NDArray[np.float64]


def rand_index(one: NDArray[np.integer], other: NDArray[np.integer]) -> float:
    """Adjusted Rand index of two groupings; 1 is the same, 0 what chance gives.

    Hubert and Arabie, Comparing partitions (1985).
    """
    table = contingency(one, other).astype(np.float64)
    pairs = _pairs(table).sum()
    rows, columns = _pairs(table.sum(axis=1)).sum(), _pairs(table.sum(axis=0)).sum()
    chance = rows * columns / max(_pairs(table.sum()), 1.0)
    most = (rows + columns) / 2
    return 1.0 if most == chance else float((pairs - chance) / (most - chance))


def contingency(one: NDArray[np.integer], other: NDArray[np.integer]) -> Groups:
    """Counts of rows for each pair of groups."""
    _, a = np.unique(one, return_inverse=True)
    names, b = np.unique(other, return_inverse=True)
    columns = max(len(names), 1)
    flat = np.bincount(a * columns + b, minlength=(a.max(initial=-1) + 1) * columns)
    return flat.reshape(-1, columns)


def _pairs(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return counts * (counts - 1) / 2


def agreement(clusters: Labels, groups: NDArray[np.integer]) -> dict[str, float | None]:
    """Clusters beside known groups: ari, nmi, purity, completeness, homogeneity.

    `ari` and `nmi` count noise as one more cluster, `ari_clustered` leaves noise out. `purity` is
    the share of clustered rows that belong to the largest group of their cluster. Completeness and
    homogeneity are those of Rosenberg and Hirschberg, V-measure (2007), noise counted. What is
    about clustered rows is None where all rows are noise.
    """
    table = contingency(clusters, groups).astype(np.float64)
    shared, by_cluster, by_group = _entropies(table)
    held = clusters != NOISE
    inside = contingency(clusters[held], groups[held])
    return {
        "ari": rand_index(clusters, groups),
        "ari_clustered": rand_index(clusters[held], groups[held]) if held.any() else None,
        "nmi": _share(2 * shared, by_cluster + by_group),
        "purity": float(inside.max(axis=1).sum() / held.sum()) if held.any() else None,
        "completeness": _share(shared, by_cluster),
        "homogeneity": _share(shared, by_group),
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 1.0


def _entropies(table: NDArray[np.float64]) -> tuple[float, float, float]:
    rows, columns = _entropy(table.sum(axis=1)), _entropy(table.sum(axis=0))
    return max(rows + columns - _entropy(table.ravel()), 0.0), rows, columns


def _entropy(counts: NDArray[np.float64]) -> float:
    """Entropy of groups of so many rows, in nats; exactly 0 where all are in one group."""
    # Sums of counts are exact. Sums of shares are not: those of one group may miss 1 by 1e-16,
    # whose entropy is no longer 0, and what is divided by it is noise.
    held = counts[counts > 0]
    shares = held / held.sum()
    return float(-(shares * np.log(shares)).sum())


def choose_count(
    points: Floats,
    model_of: Callable[[Floats, int, int], Model],
    options: ClusterOptions,
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[int, list[Tried]]:
    """The largest count whose clusters are found again in halves of the rows.

    Of a ladder of counts, each is made from all rows and from some random halves; the largest whose
    mean adjusted Rand index reaches `options.floor` is taken, or the one with the largest index.

    Args:
        points: (rows, axes) float32.
        model_of: makes clusters of rows, of a count, with a seed.
        options: floor, largest count and seed.
        on_progress: is notified of each count that was tried.
    """
    points = _some(points, _ROWS_TO_REPEAT, options.seed)
    # Fewer than ten rows for a cluster say nothing about whether it is found again.
    most = max(2, min(options.max_count, len(points) // 10))
    tried = []
    for count in (count for count in _COUNTS if count <= most):
        whole = assign(model_of(points, count, options.seed), points).cluster
        again = [
            rand_index(whole, assign(model_of(half, count, seed), points).cluster)
            for half, seed in _halves(points, options.seed)
        ]
        tried.append(Tried(count, float(np.mean(again))))
        on_progress(1)
    enough = [one for one in tried if one.stability >= options.floor]
    return (enough[-1] if enough else max(tried, key=lambda one: one.stability)).count, tried


def counts_to_try(rows: int, options: ClusterOptions) -> int:
    """How many counts `choose_count` tries."""
    most = max(2, min(options.max_count, min(rows, _ROWS_TO_REPEAT) // 10))
    return sum(count <= most for count in _COUNTS)


def stability(points: Floats, options: ClusterOptions, model: Model) -> Stability:
    """Make the clusters from halves of (some of) the rows and compare.

    Halves are drawn without replacement: rows that are there twice would be dense groups to
    hdbscan.
    """
    points = _some(points, _ROWS_TO_REPEAT, options.seed)
    whole = assign(model, points).cluster
    ids = model.ids
    indices, overlaps = [], []
    for half, seed in _halves(points, options.seed, 10):
        fewer = _for_fewer(options, len(half), seed)
        again = make_model(half, model.reduction, fewer, len(ids))
        result = assign(again, points).cluster
        indices.append(rand_index(whole, result))
        overlaps.append([_best_jaccard(whole == one, result) for one in ids])
    return Stability(float(np.mean(indices)), np.mean(overlaps, axis=0, dtype=np.float64))


def _for_fewer(options: ClusterOptions, rows: int, seed: int) -> ClusterOptions:
    from dataclasses import replace

    size = max(3, round(options.min_size * rows / min(options.rows, 2 * rows)))
    return replace(options, min_size=size, seed=seed)


def _best_jaccard(members: NDArray[np.bool_], result: Labels) -> float:
    inside = result[members & (result != NOISE)]
    if not len(inside):
        return 0.0
    names, common = np.unique(inside, return_counts=True)
    sizes = np.array([(result == name).sum() for name in names])
    return float((common / (members.sum() + sizes - common)).max())


def silhouette(points: Floats, clusters: Labels, seed: int) -> float | None:
    """Mean silhouette of some clustered rows, -1 to 1; None with fewer than two clusters.

    Rousseeuw, Silhouettes (1987).

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    try:
        from sklearn.metrics import silhouette_score
    except ImportError as error:
        raise MissingExtra("scikit-learn", "analysis") from error
    held = np.flatnonzero(clusters != NOISE)
    some = np.random.default_rng(seed).permutation(held)[:_ROWS_TO_COMPARE]
    groups = len(np.unique(clusters[some]))
    if not 1 < groups < len(some):
        return None
    return float(silhouette_score(points[some], clusters[some]))


def _some(points: Floats, rows: int, seed: int) -> Floats:
    if len(points) <= rows:
        return points
    selected = np.random.default_rng([seed, 2]).choice(len(points), rows, replace=False)
    return points[np.sort(selected)]


def _halves(points: Floats, seed: int, repeats: int = 5) -> list[tuple[Floats, int]]:
    rng = np.random.default_rng([seed, 3])
    half = max(2, len(points) // 2)
    return [
        (points[np.sort(rng.choice(len(points), half, replace=False))], seed + 1 + k)
        for k in range(repeats)
    ]
