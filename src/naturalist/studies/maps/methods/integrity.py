"""What a sample keeps of the whole, beside what uniform samples of the same size keep.

The whole is surveyed once, in passes over blocks: it is cut into many clusters, and coarsely into a
few; some rows are drawn whose surroundings are looked at. Each sample is then compared with it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra
from naturalist.numeric import kmeans, neighbours
from naturalist.numeric.threads import products_in_pieces
from naturalist.studies.maps.methods import sampling
from naturalist.studies.maps.methods.quality import KS, faithfulness, rank_correlation, shared
from naturalist.studies.maps.methods.sampling import Blocks, Cells, Sample, SampleOptions

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]
EXPECTED = 5
"""A cluster is rare if a uniform sample would be expected to keep fewer; a sample keeps it if it
has so many of its members."""

_SMALLEST_CLUSTER = 10
_COARSE = 20
_FITTED = 40_000
_FAR_QUERIES = 10_000
_DENSITY_QUERIES = 1_000
_DENSITY_NEIGHBOURS = 30
_NEIGHBOUR_QUERIES = 1_000
_REMOTE_QUANTILE = 0.999
_T = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
_NORMAL = 1.96


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of the whole.

    Attributes:
        clusters: (rows,) int32, one of many clusters.
        apart: (clusters,) whether a cluster is a group of its own: farther from the centre of every
            other than twice the (root mean square) distance of its members from its own.
        coarse: (rows,) int32, one of a few.
        coarse_centroids: (few, dim) float32, their centroids.
        categories: (rows,) int32, labels.
        queries: (queries, dim) float32, rows drawn by chance.
        radius: around a query, in which its surroundings are counted.
        counts: (density queries,) rows of the whole within the radius of the first queries.
    """

    clusters: Integers
    apart: NDArray[np.bool_]
    coarse: Integers
    coarse_centroids: Floats
    categories: Integers
    queries: Floats
    radius: float
    counts: NDArray[np.int64]


def survey(
    blocks: Blocks,
    categories: Integers,
    size: int,
    seed: int = 0,
    clusters: Integers | None = None,
) -> Survey:
    """Look at the whole once, for samples of about one size.

    Args:
        blocks: gives the (reduced) features in blocks, each time it is called.
        categories: (rows,) label of the category of each row.
        size: of the samples.
        seed: of what is drawn by chance; it is never used as that of a sample.
        clusters: (rows,) known clusters, from 0; found by over-clustering if not given.
    """
    rows = len(categories)
    rng = np.random.default_rng([seed, 7])
    if clusters is None:
        own_seed = int(rng.integers(2**31))
        cells = sampling.over_cluster(blocks, rows, size, own_seed)
        clusters, apart = cells.labels, _apart(cells)
    else:
        apart = np.ones(int(clusters.max()) + 1, np.bool_)
    fitted = np.sort(rng.choice(rows, min(rows, _FITTED), replace=False))
    centroids = kmeans.fit_centroids(sampling.take(blocks, fitted), _COARSE, seed)
    coarse, _ = sampling.assign_all(blocks, rows, centroids)
    drawn = np.sort(rng.choice(rows, min(rows, _FAR_QUERIES), replace=False))
    queries = rng.permutation(sampling.take(blocks, drawn))
    few = queries[:_DENSITY_QUERIES]
    radius = _radius(few, queries, rows)
    counts = np.zeros(len(few), np.int64)
    for block in blocks():
        counts += _within(few, block, radius).sum(axis=1)
    return Survey(clusters, apart, coarse, centroids, categories, queries, radius, counts)


def _apart(cells: Cells) -> NDArray[np.bool_]:
    count = len(cells.centroids)
    sizes = np.bincount(cells.labels, minlength=count)
    spread = np.bincount(cells.labels, cells.distances, count) / np.maximum(sizes, 1)
    held = np.flatnonzero(sizes)
    result = np.zeros(count, np.bool_)
    if len(held) > 1:
        _, away = neighbours.exact(
            cells.centroids[held], cells.centroids[held], 1, np.arange(len(held))
        )
        result[held] = away[:, 0] > 2 * np.sqrt(spread[held])
    return result


def _radius(few: Floats, queries: Floats, rows: int) -> float:
    # Chosen on the drawn rows so that about 30 of all rows lie within it, at the least 1 of them.
    k = max(1, round(_DENSITY_NEIGHBOURS * len(queries) / rows))
    k = min(k + 1, len(queries))
    return float(np.median(neighbours.exact(queries, few, k)[1][:, -1]))


def _within(few: Floats, block: Floats, radius: float) -> NDArray[np.bool_]:
    result = np.empty((len(few), len(block)), np.bool_)
    for start, _, squares in kmeans.squared_distances(block, few):
        result[:, start : start + len(squares)] = radius**2 >= squares.T
    return result


def compare(whole: Survey, blocks: Blocks, sample: Sample, seed: int = 0) -> dict[str, Any]:
    """What a sample keeps of the whole.

    Returns:
        `categories` (share of each kept, by label), `category_share` (the least, as a part of the
        share that is due; at most 1), `clusters`, `rare_clusters`, `cluster_share`,
        `rare_cluster_recall` (None without rare clusters), `ari` and `nmi` (between clusterings of
        the sample and of the whole), `hausdorff`, `robust_hausdorff`, `mean_distance`,
        `density_correlation`, `kl_divergence` (of the weighted clusters, in nats), `knn_recall`
        (by k), `trustworthiness` and `continuity` (of neighbourhoods, if the nearest point of the
        sample stands for each row).
    """
    points = sampling.take(blocks, sample.rows)
    return {
        **_shares(whole, sample),
        **_cluster_shares(whole, sample),
        **_agreement(whole, points, sample, seed),
        **_distances(whole, points),
        "density_correlation": _density_correlation(whole, points, sample),
        **_neighbourhoods(whole, points),
    }


def _shares(whole: Survey, sample: Sample) -> dict[str, Any]:
    labels, sizes = np.unique(whole.categories, return_counts=True)
    kept = np.array([(whole.categories[sample.rows] == label).sum() for label in labels])
    due = sizes * len(sample.rows) / len(whole.categories)
    return {
        "categories": {
            str(label): round(share, 4)
            for label, share in zip(labels.tolist(), (kept / sizes).tolist(), strict=True)
        },
        "category_share": _rounded(np.minimum(kept / due, 1).min()),
    }


def _cluster_shares(whole: Survey, sample: Sample) -> dict[str, Any]:
    sizes = np.bincount(whole.clusters, minlength=len(whole.apart))
    kept = np.bincount(whole.clusters[sample.rows], minlength=len(sizes))
    some = sizes > 0
    share = len(sample.rows) / len(whole.clusters)
    rare = whole.apart & (sizes >= _SMALLEST_CLUSTER) & (sizes * share < EXPECTED)
    stood_for = np.bincount(whole.clusters[sample.rows], sample.weights, len(sizes))
    recall = (kept[rare] >= EXPECTED).mean() if rare.any() else None
    return {
        "clusters": int(some.sum()),
        "rare_clusters": int(rare.sum()),
        "rare_cluster_recall": None if recall is None else _rounded(recall),
        "clusters_without_members": int((kept[some] == 0).sum()),
        "cluster_share": {
            word: _rounded(np.quantile(kept[some] / sizes[some], at))
            for word, at in (("least", 0), ("median", 0.5), ("most", 1))
        },
        "kl_divergence": _rounded(_kl(sizes[some], stood_for[some])),
    }


def _kl(whole: NDArray[Any], sample: NDArray[Any]) -> float:
    # Half a row is added to each cluster, so that one without members does not cost infinity.
    p, q = ((x + 0.5) / (x + 0.5).sum() for x in (whole.astype(float), sample.astype(float)))
    return float((p * np.log(p / q)).sum())


def _agreement(whole: Survey, points: Floats, sample: Sample, seed: int) -> dict[str, float]:
    try:
        from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    except ImportError as error:
        raise MissingExtra("scikit-learn", "analysis") from error
    true = whole.coarse[sample.rows]
    if len(points) == len(whole.coarse):
        return {"ari": 1.0, "nmi": 1.0}
    rng = np.random.default_rng([seed, 8])
    shares = sample.weights / sample.weights.sum(dtype=np.float64)
    shares = shares / shares.sum(dtype=np.float64)
    # A point that stands for many is drawn as often: the clustering is one of the whole. It begins
    # where that ended, because two with other starts differ, whatever they are made from.
    drawn = rng.choice(len(points), min(len(points), _FITTED), p=shares)
    fitted = kmeans.fit_centroids(points[drawn], _COARSE, seed, start=whole.coarse_centroids)
    labels, _ = kmeans.assign(points, fitted)
    return {
        "ari": _rounded(adjusted_rand_score(true, labels)),
        "nmi": _rounded(normalized_mutual_info_score(true, labels)),
    }


def _distances(whole: Survey, points: Floats) -> dict[str, float]:
    result = np.empty(len(whole.queries), np.float32)

    def work(start: int, end: int) -> None:
        queries = whole.queries[start:end]
        nearest = points[neighbours.exact(points, queries, 1)[0][:, 0]]
        # Of the point itself the search finds a distance of 0.001, by rounding.
        result[start:end] = np.linalg.norm(nearest - queries, axis=1)

    products_in_pieces(len(result), 1024, work)
    return {
        "hausdorff": _rounded(result.max()),
        "robust_hausdorff": _rounded(np.quantile(result, _REMOTE_QUANTILE)),
        "mean_distance": _rounded(result.mean()),
    }


def _density_correlation(whole: Survey, points: Floats, sample: Sample) -> float:
    few = whole.queries[: len(whole.counts)]
    counts = np.zeros(len(few))
    for start in range(0, len(points), kmeans.BLOCK):
        part = slice(start, start + kmeans.BLOCK)
        counts += _within(few, points[part], whole.radius) @ sample.weights[part]
    return _rounded(rank_correlation(whole.counts.astype("f"), counts.astype("f")))


def _neighbourhoods(whole: Survey, points: Floats) -> dict[str, Any]:
    """Of some rows: the nearest points of the sample, and those of the one that stands for them."""
    few = whole.queries[:_NEIGHBOUR_QUERIES]
    ks = [k for k in KS if k < len(points)] or [1]
    near, _ = neighbours.exact(points, few, ks[-1])
    standing = points[near[:, 0]]
    theirs, _ = neighbours.exact(points, standing, ks[-1])
    k = ks[0] if len(points) > 2 * ks[0] else 1
    return {
        "knn_recall": {
            str(some): _rounded(shared(near[:, :some], theirs[:, :some]).mean()) for some in ks
        },
        "trustworthiness": _rounded(faithfulness(points, few, theirs[:, :k])),
        "continuity": _rounded(faithfulness(points, standing, near[:, :k])),
    }


MEASURES = (
    "category_share",
    "rare_cluster_recall",
    "clusters_without_members",
    "ari",
    "nmi",
    "hausdorff",
    "robust_hausdorff",
    "mean_distance",
    "density_correlation",
    "kl_divergence",
    "knn_recall",
    "trustworthiness",
    "continuity",
)
"""Those that are compared with uniform samples."""


def uniform_samples(
    whole: Survey,
    blocks: Blocks,
    size: int,
    seeds: int = 5,
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """The same measures of uniform samples: the mean of each, and its 95 % confidence interval.

    Args:
        whole: from `survey`.
        blocks: as there.
        size: of the samples.
        seeds: how many samples, 2 or more.
        seed: of the first.
        on_progress: hears how many more samples are done.
    """
    rows = len(whole.categories)
    result = []
    for k in range(seeds):
        options = SampleOptions(size, "uniform", seed + k)
        result.append(compare(whole, blocks, sampling.choose(blocks, rows, options), seed + k))
        if on_progress is not None:
            on_progress(1)
    return {"seeds": seeds} | {word: _interval([one[word] for one in result]) for word in MEASURES}


def _interval(values: list[Any]) -> dict[str, Any] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    if isinstance(known[0], dict):
        return {key: _interval([value[key] for value in known]) for key in known[0]}
    mean = sum(known) / len(known)
    if len(known) < 2:
        return {"mean": _rounded(mean), "interval": None}
    deviation = math.sqrt(sum((value - mean) ** 2 for value in known) / (len(known) - 1))
    half = _T.get(len(known), _NORMAL) * deviation / math.sqrt(len(known))
    return {"mean": _rounded(mean), "interval": [_rounded(mean - half), _rounded(mean + half)]}


def _rounded(value: Any) -> float:
    return round(float(value), 4)
