"""Telling pictures that are unlike anything seen, at a stated rate of false alarms.

A picture is as unlike as its k-th nearest neighbour is far, among a sample of the training
pictures, by the cosine of features (Y. Sun et al., Out-of-distribution detection with deep nearest
neighbors, 2022). How far is too far is read off pictures of sources that were not in the sample:
pictures from elsewhere are always a little unlike, and that alone is no reason for an alarm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.classifier.methods.splits import can_be_left_out
from naturalist.studies.classifier.methods.weighting import cells, row_weights, sample_cells

Features = NDArray[np.float32]

_BLOCK_ROWS = 2_048
_STEPS = 1_000


@dataclass(frozen=True)
class NoveltyOptions:
    """How the unlike are told.

    Attributes:
        reference: training pictures that are kept for comparison, every source with its share.
        neighbours: which of the nearest is looked at.
        false_alarms: share of pictures from new sources that may be called unlike anything seen.
        seed: of the sample.
    """

    reference: int = 3_000
    neighbours: int = 10
    false_alarms: float = 0.05
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Novelty:
    """A detector: a small value.

    Attributes:
        reference: (R, dim) float16 feature vectors of length 1.
        neighbours: which of the nearest is looked at.
        quantiles: (1000,) float32 ascending distances of pictures from held-out sources.
        false_alarms: share of them that is called unlike.
    """

    reference: NDArray[np.float16]
    neighbours: int
    quantiles: NDArray[np.float32]
    false_alarms: float

    def scores(self, features: Features) -> NDArray[np.float32]:
        """Share (N,), 0 to 1, of pictures from held-out sources that are less unlike than each."""
        return self.scores_of(
            distances(features, self.reference.astype(np.float32), self.neighbours)
        )

    def scores_of(self, result: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same for distances (N,)."""
        below = np.searchsorted(self.quantiles, result, side="left")
        return (below / len(self.quantiles)).astype(np.float32)

    def known(self, scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether pictures of these scores are like what was seen in training."""
        return scores <= np.float32(1 - self.false_alarms)


@dataclass(frozen=True, eq=False)
class FittedNovelty:
    """A detector, and what is needed to judge rows by it as if their fold had not been there.

    Attributes:
        novelty: the detector.
        folds: (R,) fold of each vector of its reference.
        own: (N,) float32 distances of the rows that it was made of, without their fold.
    """

    novelty: Novelty
    folds: NDArray[np.int64]
    own: NDArray[np.float32]

    def held_out_scores(self, features: Features, folds: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores (n,) of rows (n, dim), each without what the reference has of its fold (n,)."""
        novelty = self.novelty
        exact = novelty.reference.astype(np.float32)
        result = np.empty(len(features), np.float32)
        for fold in np.unique(folds).tolist():
            rows, others = folds == fold, exact[self.folds != fold]
            result[rows] = distances(
                features[rows], others if len(others) else exact, novelty.neighbours
            )
        return novelty.scores_of(result)


def unit(features: Features) -> Features:
    """Feature vectors (N, dim) at length 1; a vector of zeros stays."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    result: Features = features / np.maximum(norms, np.float32(1e-12))
    return result


def distances(features: Features, reference: Features, neighbours: int) -> NDArray[np.float32]:
    """One minus the cosine (N,) to the k-th nearest vector of a reference of unit vectors."""
    k = min(neighbours, len(reference))
    result = np.empty(len(features), np.float32)
    for start in range(0, len(features), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        cosines = unit(features[part]) @ reference.T
        result[part] = 1 - np.partition(cosines, -k, axis=1)[:, -k]
    return result


def fit_novelty(
    features: Features,
    labels: NDArray[np.integer],
    sources: NDArray[np.generic],
    folds: NDArray[np.int64],
    options: NoveltyOptions,
) -> FittedNovelty:
    """Make a detector of rows, with their own distances without rows of their fold.

    Args:
        features: (N, dim) float32.
        labels: (N,) integers.
        sources: (N,) source of each row.
        folds: (N,) the fold that each row was held out in, as in `HeldOut.folds`.
        options: how.
    """
    cell = cells(labels, sources)
    drawn, _ = sample_cells(cell, options.reference, options.seed)
    reference = unit(features[drawn]).astype(np.float16)
    exact = reference.astype(np.float32)
    own = np.empty(len(labels), np.float32)
    for fold in np.unique(folds).tolist():
        rows = folds == fold
        others = exact[folds[drawn] != fold]
        own[rows] = distances(features[rows], others if len(others) else exact, options.neighbours)
    quantiles = quantiles_of(own, labels, sources)
    novelty = Novelty(reference, options.neighbours, quantiles, options.false_alarms)
    return FittedNovelty(novelty, folds[drawn], own)


def quantiles_of(
    own: NDArray[np.float32], labels: NDArray[np.integer], sources: NDArray[np.generic]
) -> NDArray[np.float32]:
    """Distances (1000,) below which each thousandth lies, every source counting the same.

    Rows of sources that can be left out are looked at; all rows where there are none.
    """
    rows = can_be_left_out(labels, sources)
    rows = rows if rows.any() else np.ones_like(rows)
    weights = row_weights(labels[rows], sources[rows])
    order = np.argsort(own[rows], kind="stable")
    share = np.cumsum(weights[order])
    expected = (np.arange(_STEPS) + 0.5) / _STEPS * share[-1]
    at = np.minimum(np.searchsorted(share, expected), len(order) - 1)
    result: NDArray[np.float32] = own[rows][order][at]
    return result


def false_alarms(
    own: NDArray[np.float32],
    labels: NDArray[np.integer],
    sources: NDArray[np.str_],
    rate: float,
) -> dict[tuple[int, str], float]:
    """Share of each source's rows that the threshold of all other sources calls unlike.

    Args:
        own: (N,) distances without rows of their own source.
        labels: (N,) integers.
        sources: (N,) source of each row.
        rate: the rate that the threshold aims at.
    """
    possible = can_be_left_out(labels, sources)
    result = {}
    for name in np.unique(sources[possible]).tolist():
        rest = possible & (sources != name)
        if not rest.any():
            continue
        limit = quantiles_of(own[rest], labels[rest], sources[rest])[
            min(_STEPS - 1, int((1 - rate) * _STEPS))
        ]
        for label in np.unique(labels[possible & (sources == name)]).tolist():
            rows = possible & (sources == name) & (labels == label)
            result[label, str(name)] = float((own[rows] > limit).mean())
    return result
