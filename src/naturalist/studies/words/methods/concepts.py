"""Concepts that a person makes: a linear model of features from a handful of examples.

The examples stand against pictures drawn at random from the collection, which are nearly all
something else, and against the pictures that a person has said no to. The model is logistic
regression with a penalty on squared weights that is the stronger the fewer examples there are,
fitted by Newton's method; positives and negatives count the same in total, a person's "no" more
than a drawn picture. Counting the drawn pictures nearest to the examples more (hard negatives) was
tried and is no better: some of them show the concept.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import ConfigError

Floats = NDArray[np.float32]
Exact = NDArray[np.float64]

BACKGROUND = 1000
"""Pictures that are drawn at random to stand for everything else."""
_LEAST_EXAMPLES = 2
_PENALTY = 3.0
"""Strength of the penalty on squared weights of scaled features, times the number of examples."""
_PENALTIES = (0.05, 1.0)
_ALIKE = 0.95
"""Cosine from which on two pictures are so alike that one of them is asked about."""
_NO_WEIGHT = 20.0
"""What a person's no counts beside a drawn picture."""
_STEPS = 30
_BETWEEN = re.compile(r"[\s_-]+")


def folded_name(name: str) -> str:
    """A name in small letters, with one space for what stands between its words.

    >>> folded_name("Red_cat"), folded_name("red-cat")
    ('red cat', 'red cat')
    """
    return " ".join(_BETWEEN.sub(" ", name).casefold().split())


@dataclass(frozen=True, eq=False)
class Concept:
    """A fitted concept: ``sigmoid(unit vector @ weights + bias)`` is its score.

    Attributes:
        weights: (dim,) float32, for feature vectors of length 1.
        bias: the score's shift.
    """

    weights: Floats
    bias: float

    def scores(self, vectors: NDArray[np.floating]) -> Floats:
        """Scores (N,) from 0 to 1 of vectors (N, dim) of length 1, as float32."""
        linear = np.asarray(vectors, np.float32) @ self.weights + np.float32(self.bias)
        return np.asarray(_sigmoid(linear), np.float32)


def fit_concept(yes: Floats, no: Floats, background: Floats) -> Concept:
    """Fit a concept.

    Args:
        yes: (examples, dim) float32 of length 1.
        no: (counter-examples, dim); may be empty.
        background: (drawn, dim), pictures of the collection drawn at random.

    Raises:
        ConfigError: there are fewer than 2 examples, or nothing to tell them from.
    """
    if len(yes) < _LEAST_EXAMPLES:
        raise ConfigError(f"a concept needs at least {_LEAST_EXAMPLES} examples; found {len(yes)}")
    if not len(no) + len(background):
        raise ConfigError(
            "a concept needs other pictures to compare its examples with, and there are none"
        )
    rows = np.concatenate([yes, no, background]).astype(np.float64)
    against = np.concatenate([np.full(len(no), _NO_WEIGHT), np.ones(len(background))])
    weights = np.concatenate([np.full(len(yes), 1 / len(yes)), against / against.sum()]) / 2
    target = np.zeros(len(rows))
    target[: len(yes)] = 1
    reference = background if len(background) else rows
    penalty = float(np.clip(_PENALTY / len(yes), *_PENALTIES))
    return _fit(rows, target, weights, reference.astype(np.float64), penalty)


def _fit(rows: Exact, target: Exact, weights: Exact, reference: Exact, penalty: float) -> Concept:
    mean = reference.mean(axis=0)
    # One scale for all features: those that hardly vary would be blown up otherwise.
    scale = float(np.sqrt(np.square(reference - mean).mean())) or 1.0
    design = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 1e-6
    result = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = _sigmoid(design @ result)
        gradient = design.T @ (weights * (chance - target)) + ridge * result
        curvature = np.maximum(weights * chance * (1 - chance), 1e-9)
        hessian = (design * curvature[:, np.newaxis]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        result -= step
        if np.abs(step).max() < 1e-4:
            break
    plain = result[:-1] / scale
    return Concept(plain.astype(np.float32), float(result[-1] - plain @ mean))


def _sigmoid(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    chances: NDArray[np.floating] = 1 / (1 + np.exp(-np.clip(linear, -60, 60)))
    return chances


@dataclass(frozen=True)
class ConceptQuality:
    """What cross-validation says of a concept; drawn pictures count as wrong, some may be right.

    Attributes:
        average_precision: of held-out examples ranked among held-out negatives, at least.
        above: share of negatives that score lower than a held-out example, on average.
        threshold: score that tells examples from negatives best.
        recall: share of held-out examples with at least that score.
        drawn_share: share of drawn pictures with at least that score.
    """

    average_precision: float
    above: float
    threshold: float
    recall: float
    drawn_share: float


def cross_validate(
    yes: Floats, no: Floats, background: Floats, *, folds: int = 5, seed: int = 0
) -> ConceptQuality:
    """Fit a concept to all but one fold, in turn, and look at the scores of that fold.

    Raises:
        ConfigError: as `fit_concept` does; three examples at least are needed.
    """
    folds = min(folds, len(yes))
    if len(yes) <= _LEAST_EXAMPLES:
        raise ConfigError(
            f"cross-validation needs at least {_LEAST_EXAMPLES + 1} examples; found {len(yes)}"
        )
    rng = np.random.default_rng(seed)
    sets = (yes, no, background)
    parts = [rng.permutation(len(rows)) % folds for rows in sets]
    held = [np.empty(len(rows), np.float32) for rows in sets]
    for fold in range(folds):
        model = fit_concept(*(rows[own != fold] for rows, own in zip(sets, parts, strict=True)))
        for rows, own, scores in zip(sets, parts, held, strict=True):
            scores[own == fold] = model.scores(rows[own == fold])
    return _quality(held[0], np.concatenate(held[1:]), held[2])


def _quality(right: Floats, wrong: Floats, drawn: Floats) -> ConceptQuality:
    ranked = np.sort(right)[::-1]
    above = (wrong[np.newaxis] >= ranked[:, np.newaxis]).sum(axis=1)
    places = np.arange(1, len(ranked) + 1)
    recalls = places / len(ranked)
    false = above / max(len(wrong), 1)
    best = int(np.argmax(recalls - false))
    return ConceptQuality(
        average_precision=float((places / (places + above)).mean()),
        above=float(1 - false.mean()),
        threshold=float(ranked[best]),
        recall=float(recalls[best]),
        drawn_share=float((drawn >= ranked[best]).mean()) if len(drawn) else 0.0,
    )


def most_informative(
    vectors: Floats, scores: Floats, threshold: float, count: int
) -> NDArray[np.int64]:
    """Which pictures would tell most: nearest to the threshold, and unlike each other.

    Args:
        vectors: (candidates, dim) of length 1, none of them labelled.
        scores: (candidates,) by the concept.
        threshold: see `ConceptQuality`.
        count: how many.

    Returns:
        Up to `count` indices.
    """
    margin = np.abs(_logit(scores) - _logit(np.array([threshold])))
    pool = np.argsort(margin, kind="stable")[: 8 * count]
    selected: list[int] = []
    nearest = np.full(len(pool), -1.0)
    for _ in range(min(count, len(pool))):
        # As many as there are that lie not too near to a chosen one; the most uncertain first.
        free = [k for k in range(len(pool)) if pool[k] not in selected]
        apart = [k for k in free if nearest[k] < _ALIKE]
        best = (apart or free)[0]
        selected.append(int(pool[best]))
        nearest = np.maximum(nearest, vectors[pool] @ vectors[pool[best]])
    return np.array(selected, np.int64)


def interval_of_share(hits: int, of: int, z: float = 1.645) -> tuple[float, float]:
    """Wilson's interval (by default at 90 %) for a share that was seen `hits` times in `of`."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, z * z / of
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * float(np.sqrt(share * (1 - share) / of + square / (4 * of)))
    return max(0.0, middle - half), min(1.0, middle + half)


def _logit(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    inside = np.clip(scores, 1e-6, 1 - 1e-6)
    logits: NDArray[np.floating] = np.log(inside / (1 - inside))
    return logits
