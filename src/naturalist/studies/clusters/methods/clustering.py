"""Clusters of features: made from a sample, told as a small model, given to any number of rows.

Both methods give the same kind of model: places (centroids of k-means, or the rows that HDBSCAN
clustered, noise among them) that belong to clusters. A row joins the cluster of the nearest place;
beyond the cluster's reach it is noise. So old rows never move when new ones come.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra
from naturalist.numeric import kmeans
from naturalist.numeric.reduction import Reduction, fit_reduction
from naturalist.studies.clusters.options import ClusterOptions

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]

NOISE = -1
_STARTS = 3
_CELLS_AT_ONCE = 1 << 24
_SPREADS = 4.0
"""Robust standard deviations (1.4826 MAD) beyond the median distance: one in 30,000 if normal."""
_NEIGHBOUR_SHARE = 0.99
_MIN_SAMPLES = 5


@dataclass(frozen=True, eq=False)
class Model:
    """Clusters as places in the space of the principal axes.

    Attributes:
        reduction: from features to that space.
        places: (places, axes) float32, those of a cluster one after another.
        owners: (places,) int32, ascending: the cluster of each; -1 is noise.
        reach: (clusters,) float32: beyond this distance from its nearest place a row is noise.
        centres: (clusters, axes) float32, the mean of each cluster, in the order of ids.
    """

    reduction: Reduction
    places: Floats
    owners: Labels
    reach: Floats
    centres: Floats

    @property
    def ids(self) -> Labels:
        """(clusters,) int32, ascending ids."""
        result: Labels = np.unique(self.owners[self.owners >= 0])
        return result


@dataclass(frozen=True, eq=False)
class Assigned:
    """Where rows belong.

    Attributes:
        cluster: (rows,) int32; -1 is noise.
        strength: (rows,) float32, 1 - (distance to its own centre) / (to the next one), at least 0.
        distance: (rows,) float32, distance to the centre of its cluster; for noise to the nearest.
    """

    cluster: Labels
    strength: Floats
    distance: Floats


def reduce_rows(features: Floats, options: ClusterOptions) -> Reduction:
    """The principal axes of rows scaled to length 1, so that distances follow cosines."""
    return fit_reduction([features], options.axes)


def make_model(points: Floats, reduction: Reduction, options: ClusterOptions, count: int) -> Model:
    """Cluster reduced rows.

    Args:
        points: (rows, axes) float32.
        reduction: that made them.
        options: how.
        count: clusters of kmeans; of no meaning to hdbscan.

    Raises:
        MissingExtra: scikit-learn is not installed, for hdbscan.
    """
    if options.method == "kmeans":
        return _by_kmeans(points, reduction, min(count, len(points)), options.seed)
    return _by_hdbscan(points, reduction, options.min_size)


def assign(model: Model, points: Floats) -> Assigned:
    """Give each of the reduced rows its cluster.

    Args:
        model: the clusters.
        points: (rows, axes) float32.
    """
    parts = list(_assigned(model, points))
    if not parts:
        return Assigned(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.float32))
    return Assigned(
        np.concatenate([part.cluster for part in parts]),
        np.concatenate([part.strength for part in parts]),
        np.concatenate([part.distance for part in parts]),
    )


def renumber(model: Model, names: dict[int, int]) -> Model:
    """The same clusters under other ids."""
    ids = model.ids.tolist()
    new = np.array([names[one] for one in ids], np.int32)
    owners = np.array([names.get(one, NOISE) for one in model.owners.tolist()], np.int32)
    order, by_id = np.argsort(owners, kind="stable"), np.argsort(new)
    return Model(
        model.reduction,
        model.places[order],
        owners[order],
        model.reach[by_id],
        model.centres[by_id],
    )


def _by_kmeans(points: Floats, reduction: Reduction, count: int, seed: int) -> Model:
    tries = [kmeans.fit_centroids(points, count, seed + 1000 * k) for k in range(_STARTS)]
    costs = [float(kmeans.assign(points, one)[1].sum(dtype=np.float64)) for one in tries]
    centroids = tries[int(np.argmin(costs))]
    labels, squares = kmeans.assign(points, centroids)
    # Rows that are all alike may leave centroids without any.
    held = np.unique(labels)
    reach = np.array([_far(np.sqrt(squares[labels == c])) for c in held.tolist()], np.float32)
    owners = np.arange(len(held), dtype=np.int32)
    return Model(reduction, centroids[held], owners, reach, centroids[held])


def _far(distances: Floats) -> float:
    middle = float(np.median(distances))
    spread = 1.4826 * float(np.median(np.abs(distances - middle)))
    return middle + _SPREADS * spread + 1e-6


def _by_hdbscan(points: Floats, reduction: Reduction, min_size: int) -> Model:
    try:
        from sklearn.cluster import HDBSCAN
    except ImportError as error:
        raise MissingExtra("scikit-learn", "analysis") from error
    size = max(2, min(min_size, len(points)))
    result = HDBSCAN(min_cluster_size=size, min_samples=min(_MIN_SAMPLES, size), copy=True)
    owners = result.fit_predict(points.astype(np.float64)).astype(np.int32)
    order = np.argsort(owners, kind="stable")
    places, owners = points[order], owners[order]
    groups = [places[owners == one] for one in np.unique(owners[owners >= 0])]
    reach = np.array([_usual_gap(group) for group in groups], np.float32)
    centres = np.array([group.mean(axis=0) for group in groups], np.float32)
    return Model(reduction, places, owners, reach, centres.reshape(-1, points.shape[1]))


def _usual_gap(members: Floats) -> float:
    """How far a member is from the nearest other one, but for the last hundredth."""
    from scipy.spatial import KDTree

    gaps, _ = KDTree(members).query(members, k=2)
    return float(np.quantile(gaps[:, 1], _NEIGHBOUR_SHARE)) + 1e-6


def _assigned(model: Model, points: Floats) -> Iterator[Assigned]:
    ids = model.ids
    step = max(64, _CELLS_AT_ONCE // max(len(model.places), 1))
    for start in range(0, len(points), step):
        block = points[start : start + step]
        if not len(ids):
            nothing = np.zeros(len(block), np.float32)
            yield Assigned(np.full(len(block), NOISE, np.int32), nothing, nothing)
            continue
        place, squares = kmeans.assign(block, model.places)
        best = model.owners[place]
        reach = model.reach[np.minimum(np.searchsorted(ids, best), len(ids) - 1)]
        is_noise = (best == NOISE) | (np.sqrt(squares) > reach)
        yield _with_strength(model, block, np.where(is_noise, NOISE, best).astype(np.int32), ids)


def _with_strength(model: Model, block: Floats, cluster: Labels, ids: Labels) -> Assigned:
    squares = np.concatenate([s for _, _, s in kmeans.squared_distances(block, model.centres)])
    distances = np.sqrt(np.maximum(squares, 0))
    rows = np.arange(len(block))
    noise = cluster == NOISE
    own = np.where(noise, distances.argmin(axis=1), np.searchsorted(ids, cluster))
    distance = distances[rows, own]
    distances[rows, own] = np.inf
    other = np.maximum(distances.min(axis=1), 1e-12)
    strength = np.where(noise, 0, np.clip(1 - distance / other, 0, 1))
    return Assigned(cluster, strength.astype(np.float32), distance.astype(np.float32))
