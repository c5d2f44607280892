"""Suspects of a wrong label, by confident learning.

A row is a suspect if a classifier that did not see it finds another label at least as probable as
it finds that label, on average, for rows that carry it; so a classifier that is never sure of one
label, or always sure of another, is judged by its own measure. Here the other label must be more
probable than the given one as well. A label that a classifier could not learn without the row, as
of a category with one picture, is neither doubted nor suggested: of other rows the classifier is
asked as if there were no such label. Source: C. G. Northcutt, L. Jiang
and I. L. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.labels.methods.wrong import estimate_wrong

Floats = NDArray[np.float64]
_ROUNDING = 1e-9
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Suspects:
    """Rows in the order of suspicion.

    Attributes:
        order: (rows,) places of all rows, the most suspect first; suspects before all others.
        count: how many of them are suspects.
        suggested: (rows,) the class that each row seems to be, by place.
        scores: (rows,) how probable it is that the label is wrong, by place; 0 for rows that could
            not be judged. See `wrong`.
        thresholds: (classes,) the mean probability of each class in the rows that are given it
            and could be judged; infinite for a class without such rows.
        confident: (classes, classes) rows given the first class that are surely of the second.
    """

    order: NDArray[np.int64]
    count: int
    suggested: NDArray[np.int64]
    scores: Floats
    thresholds: Floats
    confident: NDArray[np.int64]


def find_suspects(
    given: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    judged: NDArray[np.bool_] | None = None,
) -> Suspects:
    """Rank all rows by how likely their label is wrong.

    Args:
        given: (rows,) the class that each row is given, from 0.
        probabilities: (rows, classes) by a classifier that did not see the row.
        judged: (rows,) whether that classifier saw other rows of the class; all by default.
    """
    rows, classes = probabilities.shape
    judged = np.ones(rows, np.bool_) if judged is None else judged
    counts = np.bincount(given[judged], minlength=classes)
    probability = _of_learnt(probabilities.astype(np.float64), counts > 0)
    own = probability[np.arange(rows), given]
    totals = np.bincount(given[judged], own[judged], classes)
    # A class that no row is given, or that was not learnt, can be no row's true one.
    thresholds = np.where(counts > 0, totals / np.maximum(counts, 1), np.inf)
    # A mean of equal numbers may be a little more than they are.
    surely = np.where(probability >= thresholds - _ROUNDING, probability, -1.0)
    # No row is surely of another class that is less probable than by chance.
    is_other = np.arange(classes) != np.asarray(given)[:, None]
    surely[is_other & (probability < 1 / max(1, int((counts > 0).sum())))] = -1.0
    is_sure = judged & (surely.max(axis=1) >= 0)
    confident = np.zeros((classes, classes), np.int64)
    best = surely.argmax(axis=1)
    # Half of the rows are below their own mean, and would be suspects of a class that hardly any
    # row is given with confidence.
    is_sure &= probability[np.arange(rows), best] >= own - _ROUNDING
    np.add.at(confident, (given[is_sure], best[is_sure]), 1)
    is_suspect = is_sure & (best != given)
    suggested = np.where(is_suspect, best, _next_best(given, probability, counts > 0))
    scores = estimate_wrong(given, probability, judged).probabilities
    order = np.lexsort((np.arange(rows), own, ~judged, -scores, ~is_suspect))
    return Suspects(
        order.astype(np.int64),
        int(is_suspect.sum()),
        suggested.astype(np.int64),
        scores,
        thresholds,
        confident,
    )


def _of_learnt(probability: Floats, is_learnt: NDArray[np.bool_]) -> Floats:
    """Probabilities (rows, classes) among the classes that were learnt; 0 for all others."""
    if is_learnt.all() or not is_learnt.any():
        return probability
    among = np.where(is_learnt, np.maximum(probability, _LEAST), 0.0)
    result: Floats = among / among.sum(axis=1, keepdims=True)
    return result


def _next_best(
    given: NDArray[np.integer], probability: Floats, is_learnt: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The most probable other class (rows,) that was learnt; the given one where there is none."""
    others = np.where(is_learnt, probability, -1.0)
    others[np.arange(len(given)), given] = -1.0
    return np.where(others.max(axis=1) < 0, given, others.argmax(axis=1))
