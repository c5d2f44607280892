"""How far a new batch drifts from what a map was made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.numeric import neighbours
from naturalist.studies.maps.methods import quality as map_quality
from naturalist.studies.maps.methods.drawing import MapModel
from naturalist.studies.maps.methods.placement import Placement
from naturalist.studies.maps.options import MapOptions

Floats = NDArray[np.float32]
_FAR_QUANTILE = 0.99
_FEWEST = 20
_MOST = 5_000


@dataclass(frozen=True)
class BatchDrift:
    """What was measured on a batch.

    Attributes:
        far_share: share of the batch that lies far from all that the map was made of; about 0.01
            where nothing drifts.
        distance_ks: one-sided Kolmogorov-Smirnov distance: how much farther the batch lies from
            the nearest point of the layout than the layout's own points do; 0 to 1.
        confidence: mean confidence of the batch's places.
        trustworthiness: of the batch among the points of the layout; None of fewer than 20.
        knn_recall: the same, of the 10 nearest.
        remake: whether the map has to be rebuilt.
        words: why, or that it fits.
    """

    far_share: float
    distance_ks: float
    confidence: float
    trustworthiness: float | None
    knn_recall: float | None
    remake: bool
    words: list[str]


def measure_drift(
    model: MapModel,
    reduced: Floats,
    placed: Placement,
    limits: MapOptions,
    *,
    grown: float,
    seed: int,
) -> BatchDrift:
    """Compare a placed batch with the points of the layout.

    Args:
        model: of the map.
        reduced: (rows, kept) the batch.
        placed: where it was placed.
        limits: when the map has to be rebuilt.
        grown: points placed after the map was made, for each one that it had then; with this batch.
        seed: of the rows that are looked at where there are many.
    """
    own = _own_distances(model.reduced, seed)
    limit = float(np.quantile(own, _FAR_QUANTILE))
    far = float((placed.distance > limit).mean())
    trust, recall = _quality(model, reduced, placed, seed)
    farther, chance = _farther(own, placed.distance)
    words = _beyond(far, farther, chance, trust, limits) if len(reduced) >= _FEWEST else []
    if grown > limits.max_grown:
        words.append(
            f"{grown:.2f} points were added for each point that the map was created with; the "
            "limit is "
            f"{limits.max_grown:g}"
        )
    return BatchDrift(
        far_share=round(far, 4),
        distance_ks=round(farther, 4),
        confidence=round(float(placed.confidence.mean()), 4),
        trustworthiness=None if trust is None else round(trust, 4),
        knn_recall=None if recall is None else round(recall, 4),
        remake=bool(words),
        words=words or ["the batch fits the map"],
    )


def _beyond(
    far: float, farther: float, chance: float, trust: float | None, limits: MapOptions
) -> list[str]:
    """In words, what is beyond its limit; not measured for a handful, which says nothing."""
    words = []
    if far > limits.max_far_share:
        words.append(
            f"{far:.1%} of the batch lies far from everything that the map was created with; the "
            "limit is "
            f"{limits.max_far_share:.1%}"
        )
    if farther - chance > limits.max_distance_ks:
        words.append(
            f"the batch lies farther from the map's own pictures than they lie from each other: "
            f"distance_ks is {farther:.3f}, the limit is {limits.max_distance_ks:.3f} beyond "
            f"chance ({chance:.3f})"
        )
    if trust is not None and trust < limits.min_batch_trustworthiness:
        words.append(
            f"trustworthiness of the batch is {trust:.3f}, the threshold is "
            f"{limits.min_batch_trustworthiness:.3f}"
        )
    return words


def _own_distances(reduced: Floats, seed: int) -> Floats:
    requested = _some(len(reduced), seed)
    return neighbours.exact(reduced, reduced[requested], 1, requested)[1][:, 0]


def _quality(
    model: MapModel, reduced: Floats, placed: Placement, seed: int
) -> tuple[float | None, float | None]:
    if len(reduced) < _FEWEST:
        return None, None
    some = _some(len(reduced), seed)[: map_quality.QUERIES]
    together = np.concatenate([model.reduced, reduced[some]])
    shown = np.concatenate([model.coordinates, placed.coordinates[some]])
    requested = np.arange(len(model.reduced), len(together))
    result = map_quality.measure(together, shown, seed, requested=requested)
    return result.trustworthiness, float(result.recalls.mean())


def _some(rows: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 6]).permutation(rows)[:_MOST]


def _farther(own: Floats, batch: Floats) -> tuple[float, float]:
    # The distance, and what it reaches by chance once in twenty times (Smirnov, one-sided).
    a, b = np.sort(own), np.sort(batch)
    shares = [np.searchsorted(x, a, side="right") / len(x) for x in (a, b)]
    chance = 1.22 * np.sqrt((len(a) + len(b)) / (len(a) * len(b)))
    return max(float((shares[0] - shares[1]).max()), 0.0), float(chance)
