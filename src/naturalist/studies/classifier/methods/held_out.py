"""What a classifier says of rows whose source it has never seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.classifier.methods.linear import FitOptions, fit, softmax, temperature_for
from naturalist.studies.classifier.methods.splits import (
    Fold,
    Index,
    folds_within,
    leave_one_source_out,
)
from naturalist.studies.classifier.methods.voting import MixedModel, VoteOptions, fit_voters
from naturalist.studies.classifier.methods.weighting import (
    Balance,
    cells,
    row_weights,
    sample_cells,
)

Features = NDArray[np.float32]
Scorer = Callable[[Features], NDArray[np.float32]]
"""From features (n, dim) to scores (n, classes): logarithms of probabilities but for a constant."""
Learner = Callable[[Features, NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]], Scorer]
"""Trains on features, classes, sources and weights of rows."""

_NEVER = -30.0
"""Score of a class that a fold has no training rows of."""


@dataclass(frozen=True)
class HeldOutOptions:
    """How rows are predicted by models that have not seen their source.

    Attributes:
        fit: how each model is fitted.
        most_rows: rows that each of them is trained with at most; small sources stay whole.
        folds: random folds for categories that have one source only.
        seed: of samples and folds.
        class_weights: what the rows of a label count besides the balance; 1 where nothing is said.
        vote: how neighbours vote beside the linear model; None for the linear model alone.
    """

    fit: FitOptions = field(default_factory=FitOptions)
    most_rows: int = 30_000
    folds: int = 5
    seed: int = 0
    class_weights: Mapping[int, float] = field(default_factory=dict)
    vote: VoteOptions | None = None

    @property
    def learner(self) -> "Learner":
        """What is trained: the linear model, with neighbours if they vote."""
        return linear(self.fit) if self.vote is None else mixed(self.fit, self.vote)

    def for_classes(self, labels: NDArray[np.integer]) -> "HeldOutOptions":
        """The same, with class weights for the index of each label."""
        weights = {k: self.class_weights.get(label, 1.0) for k, label in enumerate(labels.tolist())}
        return replace(self, class_weights=weights)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores of all rows by models that were trained without them.

    Attributes:
        labels: (classes,) label of each class, ascending.
        scores: (N, classes) float32, before any temperature.
        held_out: (N,) whether the model was trained without the row's source as well. It is false
            where a category has one source only, which cannot be left out.
        folds: (N,) number of the fold that each row was tested in.
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    held_out: NDArray[np.bool_]
    folds: NDArray[np.int64]
    scorers: tuple[Scorer, ...]
    """The model of each fold, for rows that were in no fold."""

    def classes(self, labels: NDArray[np.integer]) -> NDArray[np.int64]:
        """The class (N,) of each label."""
        return np.searchsorted(self.labels, labels).astype(np.int64)


def learnt(held: HeldOut, labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether the model of each row's fold had rows of that row's class to learn from: (N,)."""
    own = held.scores[np.arange(len(labels)), held.classes(labels)]
    return np.asarray(own > _NEVER)


def linear(options: FitOptions) -> Learner:
    """The linear classifier as a learner."""

    def learn(
        features: Features,
        classes: NDArray[np.int64],
        sources: NDArray[np.int64],
        weights: NDArray[np.float64],
    ) -> Scorer:
        plain = replace(options, balance="none")
        return fit(features, classes, weights=weights, options=plain).scores

    return learn


def mixed(options: FitOptions, vote: VoteOptions) -> Learner:
    """The linear classifier mixed with the vote of neighbours as a learner."""

    def learn(
        features: Features,
        classes: NDArray[np.int64],
        sources: NDArray[np.int64],
        weights: NDArray[np.float64],
    ) -> Scorer:
        plain = replace(options, balance="none")
        model = fit(features, classes, weights=weights, options=plain)
        voters = fit_voters(features, classes, sources, weights, vote)
        return MixedModel(model, voters, vote.linear_share).scores

    return learn


def held_out_scores(
    features: Features,
    labels: NDArray[np.integer],
    sources: NDArray[np.generic],
    *,
    groups: Index | None = None,
    options: HeldOutOptions | None = None,
    learner: Learner | None = None,
    on_fold: Callable[[str, int], None] = lambda name, rows: None,
) -> HeldOut:
    """Scores of every row by a model that was trained without its source.

    Args:
        features: (N, dim) float32.
        labels: (N,) integers.
        sources: (N,) source of each row; rows of one name are held out together.
        groups: (N,) near duplicates have the same number; they are held out together too.
        options: how.
        learner: what is trained; that of the options by default.
        on_fold: hears the name and the rows of each fold when it is done.

    Raises:
        ConfigError: there are fewer than two labels.
        MissingExtra: scipy is not installed.
    """
    options = options or HeldOutOptions()
    known, classes = np.unique(labels, return_inverse=True)
    scores = np.empty((len(labels), len(known)), np.float32)
    fold_of = np.full(len(labels), -1, np.int64)
    scorers: list[Scorer] = []
    folds = [*leave_one_source_out(labels, sources, groups, seed=options.seed)]
    possible = (
        np.any([fold.test for fold in folds], axis=0) if folds else np.zeros_like(classes, bool)
    )
    folds += folds_within(labels, ~possible, groups, options.folds, options.seed)
    learn = learner or options.learner
    options = options.for_classes(known)
    for number, fold in enumerate(folds):
        scorer = learned(features, classes.astype(np.int64), sources, fold, options, learn)
        scores[fold.test] = scorer(features[fold.test])
        fold_of[fold.test] = number
        scorers.append(scorer)
        on_fold(fold.name, int(fold.test.sum()))
    return HeldOut(known.astype(np.int64), scores, possible, fold_of, tuple(scorers))


def learned(
    features: Features,
    classes: NDArray[np.int64],
    sources: NDArray[np.generic],
    fold: Fold,
    options: HeldOutOptions,
    learn: Learner,
) -> Scorer:
    """What is learnt from a fold's training rows; gives scores of all classes.

    Args:
        features: (N, dim) float32.
        classes: (N,) from 0; a class that has no training row is never predicted.
        sources: (N,) source of each row.
        fold: what to train with.
        options: how; its class weights are for classes, not labels.
        learn: what is trained.
    """
    train = np.flatnonzero(fold.train)
    cell = cells(classes[train], sources[train])
    drawn, stands_for = sample_cells(cell, options.most_rows, options.seed)
    weights = row_weights(
        classes[train],
        sources[train],
        balance=options.fit.balance,
        class_weights=options.class_weights,
    )
    rows = train[drawn]
    count = int(classes.max()) + 1
    present, local = np.unique(classes[rows], return_inverse=True)
    scorer = learn(features[rows], local.astype(np.int64), cell[drawn], weights[drawn] * stands_for)

    def of_all_classes(requested: Features) -> NDArray[np.float32]:
        result = np.full((len(requested), count), _NEVER, np.float32)
        result[:, present] = scorer(requested)
        return result

    return of_all_classes


def calibrate_held_out(
    held_out: HeldOut,
    labels: NDArray[np.integer],
    sources: NDArray[np.generic],
    options: FitOptions,
) -> NDArray[np.float32]:
    """Probabilities (N, classes); those of each fold by a temperature fitted on all other folds."""
    return at_temperatures(held_out, fold_temperatures(held_out, labels, sources, options))


def at_temperatures(held_out: HeldOut, temperatures: Mapping[int, float]) -> NDArray[np.float32]:
    """Probabilities (N, classes) by the temperature of each fold."""
    probabilities = np.empty_like(held_out.scores)
    for fold, temperature in temperatures.items():
        own = held_out.folds == fold
        probabilities[own] = softmax(held_out.scores[own], temperature)
    return probabilities


def fold_temperatures(
    held_out: HeldOut,
    labels: NDArray[np.integer],
    sources: NDArray[np.generic],
    options: FitOptions,
    *,
    counted: NDArray[np.bool_] | None = None,
    prior_sources: float = 0.0,
) -> dict[int, float]:
    """The temperature for each fold, fitted on all other folds; see `shrunk_temperature`.

    Fitted are the `counted` rows, all by default, but for those whose class the model of their fold
    had no rows of: no temperature explains these, and the highest would be the least wrong.
    """
    classes = held_out.classes(labels)
    telling = learnt(held_out, labels)
    telling &= True if counted is None else counted
    temperatures = {}
    for fold in np.unique(held_out.folds).tolist():
        own = held_out.folds == fold
        rest = telling & ~own if (telling & ~own).any() else telling
        temperatures[fold] = shrunk_temperature(
            held_out.scores[rest],
            classes[rest],
            sources[rest],
            balance=options.balance,
            prior_sources=prior_sources,
        )
    return temperatures


def shrunk_temperature(
    scores: NDArray[np.float32],
    classes: Index,
    sources: NDArray[np.generic],
    *,
    balance: Balance = "sources",
    prior_sources: float = 0.0,
) -> float:
    """The temperature that fits rows of left-out sources, drawn towards 1 where these are few.

    Sources at hand are more alike than the next one will be, and a temperature that is fitted to
    three of them makes probabilities too bold.

    Args:
        scores: (N, classes) by models that had not seen the row's source.
        classes: (N,) true class of each row.
        sources: (N,) source of each row.
        balance: what is given the same weight.
        prior_sources: how many sources the temperature 1 weighs as much as.

    Returns:
        1 where there are no rows.

    Raises:
        MissingExtra: scipy is not installed.
    """
    if not len(classes):
        return 1.0
    weights = row_weights(classes, sources, balance=balance)
    count = int(cells(classes, sources).max()) + 1
    fitted = temperature_for(scores, classes, weights)
    return float(fitted ** (count / (count + prior_sources)))
