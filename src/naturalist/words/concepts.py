"""Concepts that a person makes: a linear model of features from a handful of examples.

The examples stand against pictures drawn at random from the collection, which are nearly all
something else, and against hard negatives: those of the draw that lie nearest to the examples. The
model is logistic regression with a penalty on squared weights, fitted by Newton's method; positives
and negatives count the same in total, a person's "no" more than a drawn picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import ConfigError

Floats = NDArray[np.float32]
Exact = NDArray[np.float64]

BACKGROUND = 1000
"""Pictures that are drawn at random to stand for everything else."""
_LEAST_EXAMPLES = 2
_STEPS = 30


@dataclass(frozen=True)
class ConceptOptions:
    """How a concept is fitted.

    Attributes:
        penalty: strength of the penalty on squared weights of standardised features, per mean loss.
        no_weight: what a person's "no" counts beside a drawn picture.
        hard_share: share of the drawn pictures, nearest to the examples, that are hard negatives.
        hard_weight: what a hard negative counts beside another drawn picture.
    """

    penalty: float = 0.05
    no_weight: float = 20.0
    hard_share: float = 0.0
    hard_weight: float = 3.0
    skip: float = 0.0


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
        return _sigmoid(linear)


def fit_concept(
    yes: Floats, no: Floats, background: Floats, options: ConceptOptions | None = None
) -> Concept:
    """Fit a concept.

    Args:
        yes: (examples, dim) float32 of length 1.
        no: (counter-examples, dim); may be empty.
        background: (drawn, dim), pictures of the collection drawn at random.
        options: how.

    Raises:
        ConfigError: there are fewer than 2 examples, or nothing to tell them from.
    """
    options = options or ConceptOptions()
    if len(yes) < _LEAST_EXAMPLES:
        raise ConfigError(f"a concept needs at least {_LEAST_EXAMPLES} examples; found {len(yes)}")
    if not len(no) + len(background):
        raise ConfigError("a concept needs pictures to tell its examples from, and there are none")
    drawn = np.ones(len(background))
    hard = int(len(background) * options.hard_share)
    if hard:
        near = background @ yes.mean(axis=0)
        skip = int(len(background) * options.skip)
        drawn[np.argsort(-near, kind="stable")[skip:skip+hard]] = options.hard_weight
    rows = np.concatenate([yes, no, background]).astype(np.float64)
    against = np.concatenate([np.full(len(no), options.no_weight), drawn])
    weights = np.concatenate([np.full(len(yes), 1 / len(yes)), against / against.sum()]) / 2
    target = np.zeros(len(rows))
    target[: len(yes)] = 1
    reference = background if len(background) else rows
    return _fit(rows, target, weights, reference.astype(np.float64), options.penalty)


def _fit(rows: Exact, target: Exact, weights: Exact, reference: Exact, penalty: float) -> Concept:
    mean = reference.mean(axis=0)
    # One scale for all features: those that hardly vary would be blown up otherwise.
    scale = float(np.sqrt(np.square(reference - mean).mean())) or 1.0
    design = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 1e-6
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = _sigmoid(design @ found)
        gradient = design.T @ (weights * (chance - target)) + ridge * found
        curvature = np.maximum(weights * chance * (1 - chance), 1e-9)
        hessian = (design * curvature[:, np.newaxis]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        found -= step
        if np.abs(step).max() < 1e-4:
            break
    plain = found[:-1] / scale
    return Concept(plain.astype(np.float32), float(found[-1] - plain @ mean))


def _sigmoid(linear: NDArray[np.floating]) -> NDArray:  # type: ignore[type-arg]
    return 1 / (1 + np.exp(-np.clip(linear, -60, 60)))
