"""How good predictions are: by category and source, calibration, accuracy against coverage."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

_CURVE = 100


@dataclass(frozen=True)
class Cell:
    """How the rows of one source of one category were predicted.

    `predicted` counts how often each class was predicted, `correct` is the count of its own.
    """

    source: str
    category: int
    rows: int
    correct: int
    predicted: tuple[int, ...]
    held_out: bool

    @property
    def accuracy(self) -> float:
        """Share of its rows that were predicted as their own category."""
        return self.correct / self.rows


def by_cell(
    truth: Index,
    predicted: Index,
    sources: NDArray[np.str_],
    held_out: NDArray[np.bool_],
    count: int,
) -> list[Cell]:
    """Counts for each source of each category, ordered by category, then source.

    Args:
        truth: (N,) class of each row.
        predicted: (N,) class that was predicted.
        sources: (N,) source of each row.
        held_out: (N,) whether the model had not seen the source.
        count: number of classes.
    """
    result = []
    for category in np.unique(truth).tolist():
        own = truth == category
        for name in np.unique(sources[own]).tolist():
            rows = own & (sources == name)
            counts = np.bincount(predicted[rows], minlength=count)
            result.append(
                Cell(
                    str(name),
                    category,
                    int(rows.sum()),
                    int(counts[category]),
                    tuple(counts.tolist()),
                    bool(held_out[rows].all()),
                )
            )
    return result


def balanced_accuracy(cells: list[Cell]) -> float:
    """Mean over categories of the mean over sources: every source of a category counts the same.

    So the number says what to expect of a source that is drawn at random, not of a picture drawn
    from the sources at hand, most of which may come from one of them.
    """
    return float(np.mean([np.mean(result) for result in accuracies(cells).values()]))


def accuracies(cells: list[Cell]) -> dict[int, list[float]]:
    """Accuracy of each source, by category."""
    result: dict[int, list[float]] = {}
    for cell in cells:
        result.setdefault(cell.category, []).append(cell.accuracy)
    return result


def confusion(truth: Index, predicted: Index, count: int) -> Index:
    """Counts (classes, classes): row is the true class, column the predicted one."""
    flat = np.bincount(truth * count + predicted, minlength=count * count)
    return flat.reshape(count, count).astype(np.int64)


@dataclass(frozen=True)
class Bin:
    """Rows of about the same confidence: what was promised, and what was held."""

    confidence: float
    accuracy: float
    rows: int
    weight: float


@dataclass(frozen=True)
class Calibration:
    """Reliability by bins of confidence, and the expected calibration error, 0 to 1."""

    ece: float
    bins: tuple[Bin, ...]


def calibration(
    probabilities: NDArray[np.floating[Any]], truth: Index, weights: Floats, bins: int = 10
) -> Calibration:
    """Compare the probability of the predicted class with how often it is right.

    Source of the measure: M. P. Naeini et al., Obtaining well calibrated probabilities using
    Bayesian binning (2015). Bins are equally wide from 1 / classes to 1.

    Args:
        probabilities: (N, classes).
        truth: (N,) class of each row.
        weights: (N,) what each row counts.
        bins: how many.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    lowest = 1 / probabilities.shape[1]
    place = np.floor((confidence - lowest) / (1 - lowest) * bins).astype(np.int64)
    place = np.clip(place, 0, bins - 1)
    result, error = [], 0.0
    for k in range(bins):
        rows = place == k
        weight = float(weights[rows].sum())
        if weight <= 0:
            continue
        claimed = float(np.average(confidence[rows], weights=weights[rows]))
        held = float(np.average(right[rows], weights=weights[rows]))
        share = weight / float(weights.sum())
        result.append(Bin(claimed, held, int(rows.sum()), share))
        error += share * abs(claimed - held)
    return Calibration(error, tuple(result))


def log_loss(probabilities: NDArray[np.floating[Any]], truth: Index, weights: Floats) -> float:
    """Mean negative logarithm of the probability of the true class, floored at 1e-6."""
    return float(np.average(losses(probabilities, truth), weights=weights))


def losses(probabilities: NDArray[np.floating[Any]], truth: Index) -> Floats:
    """Negative logarithm (N,) of the probability of each row's true class, floored at 1e-6."""
    own = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    result: Floats = -np.log(np.maximum(own, 1e-6))
    return result


def selective(
    probabilities: NDArray[np.floating[Any]], truth: Index, weights: Floats
) -> list[tuple[float, float]]:
    """Accuracy of the surest rows, for shares of all rows: pairs (coverage, accuracy).

    Source: R. El-Yaniv and Y. Wiener, On the foundations of noise-free selective classification
    (2010).
    """
    return selective_by(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth, weights)


def selective_by(
    trust: NDArray[np.floating[Any]], right: NDArray[np.bool_], weights: Floats
) -> list[tuple[float, float]]:
    """The same for any measure (N,) of trust: accuracy of the rows that have most of it."""
    order = np.argsort(-trust, kind="stable")
    right, weight = right[order], weights[order]
    covered = np.cumsum(weight)
    accuracy = np.cumsum(weight * right) / covered
    share = covered / covered[-1]
    expected = np.linspace(1 / _CURVE, 1, _CURVE)
    at = np.minimum(np.searchsorted(share, expected - 1e-12), len(share) - 1)
    return [(float(w), float(accuracy[k])) for w, k in zip(expected, at.tolist(), strict=True)]
