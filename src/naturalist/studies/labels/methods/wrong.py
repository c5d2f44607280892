"""How probable it is that a label is wrong, beside what a classifier that did not see the row says.

Labels are modelled as true ones of which a share was replaced by another class, each with the same
chance. Temperature of the classifier and share of wrong labels are those that make the labels most
probable: an over-confident classifier alone needs the temperature, wrong labels need the share. So
where no label is wrong, the probabilities are near 0 for odd pictures too. The model is that of
uniform label noise (D. Angluin and P. Laird, Learning from noisy examples, 1988), fitted by
expectation maximisation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_TEMPERATURES = np.geomspace(0.1, 6.0, 33)
_ROUNDS = 100
_CONVERGED = 1e-5
_FIRST_SHARE = 0.01
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Wrong:
    """What is estimated of labels.

    Attributes:
        probabilities: (rows,) that the label is wrong; 0 for rows that could not be judged.
        share: of the labels that could be judged, that is wrong.
        temperature: by which the classifier's logarithms were divided.
    """

    probabilities: Floats
    share: float
    temperature: float


def estimate_wrong(
    given: NDArray[np.integer], probabilities: NDArray[np.floating], judged: NDArray[np.bool_]
) -> Wrong:
    """Estimate how probable it is that each label is wrong.

    Args:
        given: (rows,) the class that each row is given, from 0.
        probabilities: (rows, classes) by a classifier that did not see the row.
        judged: (rows,) whether that classifier saw other rows of the class.
    """
    rows, result = np.flatnonzero(judged), np.zeros(len(given))
    # No label can be the true one of which no row could be judged.
    classes, own = np.unique(given[rows], return_inverse=True)
    if len(classes) < 2:
        return Wrong(result, 0.0, 1.0)
    among = probabilities[np.ix_(rows, classes)].astype(np.float64)
    logs = np.log(np.maximum(among, _LEAST))
    best = max(
        (_fit(logs / temperature, own, float(temperature)) for temperature in _TEMPERATURES),
        key=lambda fit: fit[0],
    )
    _, fitted = best
    result[rows] = fitted.probabilities
    return Wrong(result, fitted.share, fitted.temperature)


def _fit(logs: Floats, given: NDArray[np.integer], temperature: float) -> tuple[float, Wrong]:
    """The share of wrong labels at one temperature; first the logarithm of the likelihood."""
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    own = odds[np.arange(len(given)), given] / odds.sum(axis=1)
    # That another class is the true one, and was replaced by just this one.
    replaced = (1 - own) / (logs.shape[1] - 1)
    share = _FIRST_SHARE
    for _ in range(_ROUNDS):
        wrong = share * replaced / ((1 - share) * own + share * replaced + _LEAST)
        before, share = share, float(wrong.mean())
        if abs(share - before) < _CONVERGED * before:
            break
    likelihood = float(np.log((1 - share) * own + share * replaced + _LEAST).sum())
    return likelihood, Wrong(wrong, share, temperature)
