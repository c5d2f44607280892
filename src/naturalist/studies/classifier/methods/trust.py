"""When a prediction is sure: a threshold on its probability, and how well it separates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.classifier.methods.splits import Index
from naturalist.studies.classifier.methods.weighting import row_weights

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Flagging:
    """What a doubt is worth on pictures of left-out sources, every source counting the same.

    Attributes:
        false_alarms: share of right predictions that it flags; None if none is right.
        caught: share of wrong predictions that it flags; None if none is wrong.
        wrong: number of wrong predictions that this rests on.
        flagged: share of all predictions.
    """

    false_alarms: float | None
    caught: float | None
    wrong: int
    flagged: float


def sure_threshold(
    probabilities: Floats, truth: Index, sources: NDArray[np.generic], false_alarms: float
) -> float:
    """The probability below which the given share of right predictions lies.

    Args:
        probabilities: (N, classes) of rows whose source the model had not seen.
        truth: (N,) class of each row.
        sources: (N,) source of each row; every source of a category counts the same.
        false_alarms: share of right predictions that may be called unsure, 0 to 1.
    """
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    if not right.any():
        return 1.0
    weights = row_weights(truth, sources)[right]
    order = np.argsort(top[right], kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    at = min(int(np.searchsorted(share, false_alarms, side="right")), len(order) - 1)
    return float(top[right][order][at])


def held_out_sure(
    probabilities: Floats, truth: Index, sources: NDArray[np.str_], false_alarms: float
) -> NDArray[np.bool_]:
    """Whether each row (N,) is sure by the threshold that all other sources give."""
    sure = np.ones(len(truth), np.bool_)
    for name in np.unique(sources).tolist():
        own = sources == name
        rest = ~own if (~own).any() else own
        limit = sure_threshold(probabilities[rest], truth[rest], sources[rest], false_alarms)
        sure[own] = probabilities[own].max(axis=1) >= np.float32(limit)
    return sure


def flagging(
    flagged: NDArray[np.bool_], right: NDArray[np.bool_], weights: NDArray[np.float64]
) -> Flagging:
    """What flagging these rows (N,) catches and costs."""

    def share(rows: NDArray[np.bool_]) -> float | None:
        total = float(weights[rows].sum())
        return float(weights[rows & flagged].sum()) / total if total > 0 else None

    return Flagging(share(right), share(~right), int((~right).sum()), share(right | ~right) or 0.0)
