"""Two more views of change: can new rows be told from old, and is a new source an ordinary one?

Both are needed beside the tests of `two_samples`: the classifier's answer is a number that people
can read and it ranks the pictures, and a *new* source has no earlier rows of its own to be compared
with, only the differences that there are between other sources.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra
from naturalist.studies.drift.methods.two_samples import Codes, Floats, Mask

_RIDGE = 0.1
_LEAST_GROUPS = 4
_LEAST_SQUARE = 1e-4


@dataclass(frozen=True, eq=False)
class Separation:
    """How well a classifier told new rows from reference rows that it had not seen.

    Attributes:
        auc: probability that a new row gets a higher score than a reference row of its stratum.
        p_value: of "it cannot tell", that is, 0.5.
        scores: (rows,) of each row, by the classifier that was made without it; standardised by
            the reference rows of its stratum.
    """

    auc: float
    p_value: float
    scores: Floats

    @property
    def effect(self) -> float:
        """0 (cannot tell) to 1 (always right)."""
        return max(0.0, 2 * self.auc - 1)


def separate(vectors: Floats, is_new: Mask, strata: Codes, rng: np.random.Generator) -> Separation:
    """Classifier two-sample test: a linear discriminant made on one half, tested on the other.

    Both halves take both parts; the smaller p-value, doubled, holds. Ranks are compared within
    strata only. Sources: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017;
    van Elteren's test for ranks in strata, 1960.

    Args:
        vectors: (rows, dim) float32.
        is_new: (rows,) true for new rows.
        strata: (rows,) number of each row's stratum, from 0; each has two rows of both kinds.
        rng: cuts the halves.

    Raises:
        MissingExtra: SciPy is not installed.
    """
    first = _half(is_new, strata, rng)
    scores = np.empty(len(vectors), np.float32)
    result = []
    for train in (first, ~first):
        test = ~train
        direction = _discriminant(vectors[train], is_new[train], strata[train])
        scores[test] = vectors[test] @ direction
        result.append(_stratified_auc(scores[test], is_new[test], strata[test]))
    auc = float(np.mean([one[0] for one in result]))
    smaller = min(one[1] for one in result)
    return Separation(auc, min(1.0, 2 * smaller), _standardised(scores, is_new, strata, first))


def _half(is_new: Mask, strata: Codes, rng: np.random.Generator) -> Mask:
    """Half of the rows of each kind of each stratum; which half takes an odd one is drawn."""
    half = np.zeros(len(is_new), np.bool_)
    for group in np.unique(2 * strata + is_new):
        rows = rng.permutation(np.flatnonzero(2 * strata + is_new == group))
        half[rows[: (len(rows) + int(rng.integers(2))) // 2]] = True
    return half


def _discriminant(vectors: Floats, is_new: Mask, strata: Codes) -> Floats:
    dim = vectors.shape[1]
    centred = vectors.copy()
    shift = np.zeros(dim)
    for stratum in np.unique(strata):
        new, old = (strata == stratum) & is_new, (strata == stratum) & ~is_new
        if new.any() and old.any():
            gap = vectors[new].mean(axis=0) - vectors[old].mean(axis=0)
            shift += gap * (new.sum() * old.sum() / (new.sum() + old.sum()))
        for rows in (new, old):
            if rows.any():
                centred[rows] -= vectors[rows].mean(axis=0)
    spread = (centred.T @ centred).astype(np.float64) / len(centred)
    spread[np.diag_indices(dim)] += _RIDGE * np.trace(spread) / dim + 1e-12
    return np.linalg.solve(spread, shift).astype(np.float32)


def _stratified_auc(scores: Floats, is_new: Mask, strata: Codes) -> tuple[float, float]:
    """The area under the curve within strata, and the one-sided p-value of its being over 0.5."""
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingExtra("SciPy", "analysis") from error
    wins = pairs = excess = variance = 0.0
    for stratum in np.unique(strata):
        mine = strata == stratum
        n, m = int(is_new[mine].sum()), int((~is_new[mine]).sum())
        if not n or not m:
            continue
        ranks = stats.rankdata(scores[mine])
        above = ranks[is_new[mine]].sum() - n * (n + 1) / 2
        # Weighted so that a stratum counts by its rows, not by the square of them.
        weight = 1 / (n + m + 1)
        wins += weight * above
        pairs += weight * n * m
        excess += weight * (above - n * m / 2)
        variance += weight**2 * n * m * ranks.var() / (n + m - 1)
    if not variance:
        return 0.5, 1.0
    return wins / pairs, float(stats.norm.sf(excess / np.sqrt(variance)))


def _standardised(scores: Floats, is_new: Mask, strata: Codes, half: Mask) -> Floats:
    # The two classifiers have scales of their own.
    made = np.zeros(len(scores), np.float32)
    for stratum in np.unique(strata):
        for part in (half, ~half):
            rows = (strata == stratum) & part
            old = scores[rows & ~is_new]
            if len(old) > 1:
                made[rows] = (scores[rows] - old.mean()) / max(float(old.std()), 1e-12)
    return made


@dataclass(frozen=True)
class Spread:
    """How far a new group is from its like, beside the groups that were there before.

    Attributes:
        distance: between the mean embeddings of the new group and of its like.
        ordinary: the same for each earlier group and the others of its kind.
        p_value: of "it is one more ordinary group"; None if there are too few to say.
        effect: 0 to 1: how much of the distance is beyond the ordinary one.
        found_from: the power: a group that is so far away is called different in half of the
            cases; None if there are too few to say.
    """

    distance: float
    ordinary: tuple[float, ...]
    p_value: float | None
    effect: float
    found_from: float | None = None


def distance_between(one: Floats, other: Floats) -> float:
    """Distance between the means of two embeddings, what sampling adds to it taken off."""
    gap = one.mean(axis=0, dtype=np.float64) - other.mean(axis=0, dtype=np.float64)
    square = gap @ gap - _variance_of_mean(one) - _variance_of_mean(other)
    return float(np.sqrt(max(square, _LEAST_SQUARE)))


def _variance_of_mean(rows: Floats) -> float:
    if len(rows) < 2:
        return 0.0
    return float(rows.var(axis=0, ddof=1, dtype=np.float64).sum() / len(rows))


def beyond_spread(distance: float, ordinary: Sequence[float], alpha: float = 0.01) -> Spread:
    """Whether a distance is larger than one more distance of the ordinary kind would be.

    A prediction interval for logarithms of distances, which are taken to be normally distributed;
    one-sided. At least 4 ordinary ones are needed. `alpha` decides about `found_from` alone.

    Raises:
        MissingExtra: SciPy is not installed.
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingExtra("SciPy", "analysis") from error
    if len(ordinary) < _LEAST_GROUPS:
        return Spread(distance, tuple(ordinary), None, 0.0)
    logs: NDArray[np.float64] = np.log(ordinary)
    expected = logs.std(ddof=1) * np.sqrt(1 + 1 / len(logs))
    t = (np.log(distance) - logs.mean()) / max(float(expected), 1e-12)
    usual = float(np.exp(logs.mean()))
    effect = max(0.0, (distance - usual) / distance)
    reach = stats.t.isf(alpha, len(logs) - 1) * max(float(expected), 1e-12)
    p_value, found_from = float(stats.t.sf(t, len(logs) - 1)), float(np.exp(logs.mean() + reach))
    return Spread(distance, tuple(ordinary), p_value, effect, found_from)
