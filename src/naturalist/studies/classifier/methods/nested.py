"""The whole procedure of estimating accuracy on new sources, tried on sources that it never saw.

Each source is held out of everything in turn: of the training, and of the estimate. The interval
that the others give is then compared with the accuracy on the held-out source. The models trained
without a pair of sources also tell which sources the data leans on: those without which other
sources are predicted worse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.classifier.methods.held_out import Features, HeldOutOptions, learned
from naturalist.studies.classifier.methods.intervals import Interval, interval_for_new_source
from naturalist.studies.classifier.methods.splits import Fold, Index, left_out_at_once
from naturalist.studies.classifier.methods.weighting import sample_cells

Accuracies = dict[tuple[int, str], float]
"""By category and source."""
Pairs = dict[tuple[int, int], Accuracies]
"""Accuracies on the second fold of each pair by models without both."""

_FITTED_ROWS = 8_000
_TESTED_ROWS = 500
_MOST_FOLDS = 20


@dataclass(frozen=True)
class Held:
    """One source of one category that was held out of the whole procedure."""

    source: str
    category: int
    accuracy: float
    interval: Interval

    @property
    def inside(self) -> bool:
        """Whether the accuracy is in the interval that was made without the source."""
        # An accuracy is a count of pictures: rounding must not put it outside.
        low, high = self.interval.low - 1e-9, self.interval.high + 1e-9
        return low <= self.accuracy <= high


@dataclass(frozen=True)
class Leaning:
    """What other sources lose when one source is not trained with: a difference of accuracies.

    `mean` is over all other sources; `worst` and `worst_source` are of the one that loses most.
    """

    source: str
    mean: float
    worst: float
    worst_source: str


@dataclass(frozen=True)
class Nested:
    """What holding out sources from the whole procedure has shown."""

    held: tuple[Held, ...]
    leaning: tuple[Leaning, ...]

    @property
    def coverage(self) -> float | None:
        """Share of the held-out sources whose accuracy is in its interval."""
        return float(np.mean([one.inside for one in self.held])) if self.held else None


def count_fits(labels: NDArray[np.integer], sources: NDArray[np.str_], seed: int) -> int:
    """How many pairs of held-out parts `nested` fits."""
    count = len(left_out_at_once(labels, sources, _MOST_FOLDS, seed))
    return count * (count - 1)


def nested(
    features: Features,
    labels: NDArray[np.integer],
    sources: NDArray[np.str_],
    *,
    groups: Index | None = None,
    options: HeldOutOptions,
    level: float,
    on_fit: Callable[[int, int], None] = lambda done, total: None,
) -> Nested:
    """Hold out each source, and each pair of sources, from fits on samples of the rows.

    Args:
        features: (N, dim) float32.
        labels: (N,) integers.
        sources: (N,) source of each row; rows of one name are held out together.
        groups: (N,) near duplicates have the same number.
        options: of the fits; at most 8,000 rows each.
        level: of the intervals.
        on_fit: hears how many of how many fits are done.
    """
    small = replace(options, most_rows=min(options.most_rows, _FITTED_ROWS))
    folds = left_out_at_once(labels, sources, _MOST_FOLDS, options.seed)
    trial = _Trial(features, labels, sources, groups, folds, small)
    count = len(folds)
    alone = [trial.accuracies(None, k) for k in range(count)]
    pairs: Pairs = {}
    for outer, inner in permutations(range(count), 2):
        # Where no category goes with them, it is all the same which of the two went first.
        known = inner < outer and trial.is_symmetric(outer, inner)
        both = pairs[inner, outer] if known else trial.accuracies(outer, inner)
        pairs[outer, inner] = both
        on_fit(len(pairs), count * (count - 1))
    pairs = {job: trial.of(job[1], result) for job, result in pairs.items()}
    chance = 1 / len(np.unique(labels))
    return Nested(tuple(_held(alone, pairs, level, chance)), tuple(_leaning(alone, pairs, folds)))


class _Trial:
    """Fits without some of the sources, scored on a few rows of each of them."""

    def __init__(
        self,
        features: Features,
        labels: NDArray[np.integer],
        sources: NDArray[np.str_],
        groups: Index | None,
        folds: Sequence[tuple[str, ...]],
        options: HeldOutOptions,
    ) -> None:
        self._features, self._sources, self._groups = features, sources, groups
        self._folds = folds
        self._known, classes = np.unique(labels, return_inverse=True)
        self._classes = classes.astype(np.int64)
        self._members = [np.isin(sources, names) for names in folds]
        self._options = options.for_classes(self._known)
        names, code = np.unique(sources, return_inverse=True)
        cell = np.unique(self._classes * len(names) + code, return_inverse=True)[1]
        drawn, _ = sample_cells(cell, _TESTED_ROWS * (int(cell.max()) + 1), options.seed)
        self._tested = np.zeros(len(labels), np.bool_)
        self._tested[drawn] = True

    def is_symmetric(self, one: int, other: int) -> bool:
        """Whether every category has rows left without both of them."""
        rest = ~(self._members[one] | self._members[other])
        return len(np.unique(self._classes[rest])) == len(self._known)

    def of(self, fold: int, result: Accuracies) -> Accuracies:
        """Those of the accuracies that are of a fold's sources."""
        return {cell: value for cell, value in result.items() if cell[1] in self._folds[fold]}

    def accuracies(self, outer: int | None, inner: int) -> Accuracies:
        """Accuracy on each source of the folds by a model without them.

        Sources of the outer fold are as if they had never been there. Of the inner fold, those
        that are the only ones of their category then stay, as in `leave_one_source_out`.
        """
        rest = np.ones_like(self._tested) if outer is None else ~self._members[outer]
        members = self._members[inner]
        left = rest & members & np.isin(self._classes, self._classes[rest & ~members])
        train = rest & ~left
        out = ~train
        if self._groups is not None:
            train &= ~np.isin(self._groups, self._groups[out])
        present = np.unique(self._classes[train])
        test = out & self._tested & np.isin(self._classes, present)
        if not test.any() or len(present) < 2:
            return {}
        fold = Fold("", train, test)
        learn = self._options.learner
        scorer = learned(self._features, self._classes, self._sources, fold, self._options, learn)
        right = scorer(self._features[test]).argmax(axis=1) == self._classes[test]
        return _by_cell(self._classes[test], self._sources[test], right)


def _by_cell(classes: Index, sources: NDArray[np.str_], right: NDArray[np.bool_]) -> Accuracies:
    result: Accuracies = {}
    for category in np.unique(classes).tolist():
        for name in np.unique(sources[classes == category]).tolist():
            rows = (classes == category) & (sources == name)
            result[category, str(name)] = float(right[rows].mean())
    return result


def _held(alone: Sequence[Accuracies], pairs: Pairs, level: float, chance: float) -> list[Held]:
    """For each source: the accuracy on it, and the interval made of the others without it."""
    held = []
    for outer, own in enumerate(alone):
        others = [
            value for (out, _), result in pairs.items() if out == outer for value in result.values()
        ]
        interval = interval_for_new_source(others, level, chance)
        if interval is not None:
            held += [Held(name, k, accuracy, interval) for (k, name), accuracy in own.items()]
    return held


def _leaning(
    alone: Sequence[Accuracies], pairs: Pairs, folds: Sequence[tuple[str, ...]]
) -> list[Leaning]:
    """Sources by how much others lose without them, those that matter most first."""
    leaning = []
    for removed, names in enumerate(folds):
        losses = [
            (alone[other][cell] - value, cell[1])
            for (out, other), result in pairs.items()
            if out == removed
            for cell, value in result.items()
            if cell in alone[other]
        ]
        if losses:
            worst, name = max(losses)
            mean = float(np.mean([loss for loss, _ in losses]))
            leaning.append(Leaning(", ".join(names), mean, worst, name))
    return sorted(leaning, key=lambda one: -one.mean)
