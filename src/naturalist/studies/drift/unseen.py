"""What a classifier that never saw a new source makes of it, and how much of it to label.

A new source has no earlier pictures, so no test can say that the classifier still works on it. Two
things can be said: how many of its pictures are recognised as they are filed, beside earlier
sources that were left out of training; and how many labels would tell the accuracy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra
from naturalist.studies.drift.rows import DrawnPictures

FALL = 0.1
"""Loss of accuracy that matters: 10 points below earlier sources that were left out."""
_NORMAL_QUANTILE_90 = 1.645
_WORST_VARIANCE = 0.25


@dataclass(frozen=True, eq=False)
class Unseen:
    """Answers of a classifier that was trained without the sources of these pictures.

    Attributes:
        categories: (new pictures,) the most probable category; "" where there is no such answer.
        unlike: (new pictures,) whether a picture is unlike all training pictures.
        usual: of each earlier source, the share that was recognised when it was left out.
    """

    categories: NDArray[np.str_]
    unlike: NDArray[np.bool_]
    usual: dict[str, float]


Ask = Callable[[DrawnPictures], Unseen | None]
"""Gives the answers about the new pictures; None without a classifier that can be asked."""


@dataclass(frozen=True, eq=False)
class Recognised:
    """How a new source fares.

    Attributes:
        share: of its pictures that are recognised as they are filed.
        usual: the same of earlier sources, left out in turn: their mean; None without any.
        unlike: share of its pictures that are unlike all training pictures.
        p_value: of "it is at most 10 points below the usual"; None without a usual.
        taken_for: the other categories that are seen in it, with the share of its pictures, the
            largest first.
        wrong: (pictures of the source,) 1 where another category is more probable, else 0.
    """

    share: float
    usual: float | None
    unlike: float
    p_value: float | None
    taken_for: dict[str, float]
    wrong: NDArray[np.float64]

    @property
    def effect(self) -> float:
        """How far below the usual, 0 to 1."""
        return 0.0 if self.usual is None else max(0.0, self.usual - self.share)

    def as_json(self) -> dict[str, Any]:
        """The facts of a report."""
        usual = None if self.usual is None else round(self.usual, 4)
        return {
            "recognised": round(self.share, 4),
            "recognised_usually": usual,
            "unlike": round(self.unlike, 4),
            "taken_for": self.taken_for,
        }


def recognised(answers: Unseen, mine: NDArray[np.bool_], category: str) -> Recognised | None:
    """How many pictures of a new source are recognised; None if they were not all answered.

    Args:
        answers: about all new pictures.
        mine: (new pictures,) those of the source.
        category: that the source is filed under.

    Raises:
        MissingExtra: SciPy is not installed.
    """
    predicted = answers.categories[mine]
    if not len(predicted) or (predicted == "").any():
        return None
    wrong = (predicted != category).astype(np.float64)
    right = len(predicted) - int(wrong.sum())
    usual = float(np.mean(list(answers.usual.values()))) if answers.usual else None
    p_value = None if usual is None else _at_most(right, len(predicted), usual - FALL)
    return Recognised(
        right / len(predicted),
        usual,
        float(answers.unlike[mine].mean()),
        p_value,
        _taken_for(predicted[predicted != category], len(predicted)),
        wrong,
    )


def _taken_for(others: NDArray[np.str_], pictures: int) -> dict[str, float]:
    names, counts = np.unique(others, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {str(names[k]): round(float(counts[k] / pictures), 4) for k in order}


def _at_most(right: int, count: int, share: float) -> float:
    """Probability of so few right ones among `count`, if each is right with this probability."""
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingExtra("SciPy", "analysis") from error
    return float(stats.binom.cdf(right, count, max(share, 0.0)))


def labels_to_know(pictures: int) -> int:
    """Labels that give the accuracy on a source to within 10 points in 9 of 10 cases.

    The sample size for a share in the worst case, a half, with the correction for a finite source.
    """
    endless = _NORMAL_QUANTILE_90**2 * _WORST_VARIANCE / FALL**2
    return min(pictures, int(np.ceil(endless / (1 + (endless - 1) / max(pictures, 1)))))
