"""A multinomial linear classifier of features: fitting, also block by block, and calibration.

The model is logistic regression with a penalty on the squared weights of standardised features,
fitted by L-BFGS (D. C. Liu and J. Nocedal, On the limited memory BFGS method for large scale
optimization, 1989). Nothing of the size of the features is allocated: a fit of N rows needs the
rows themselves, or one block of them where they come as a stream.

Probabilities are calibrated by one temperature (C. Guo et al., On calibration of modern neural
networks, 2017), which is fitted on scores of rows that the model was not trained with.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import ConfigError, MissingExtra
from naturalist.numeric.threads import products_on_one_thread
from naturalist.studies.classifier.methods.weighting import Balance, row_weights

Floats = NDArray[np.float64]
Block = tuple[NDArray[np.float32], NDArray[np.int64], Floats]
"""Features (n, dim), index of the class of each row, weight of each row."""

_BLOCK_ROWS = 16_384
_TEMPERATURES = (-3.0, 5.0)
"""Bounds of the temperature's logarithm."""


@dataclass(frozen=True)
class FitOptions:
    """How a linear model is fitted.

    Attributes:
        penalty: strength of the penalty on squared weights, per mean loss of a row.
        balance: what is given the same weight, see `row_weights`.
        iterations: steps of L-BFGS at most; each reads all rows about once.
        tolerance: it stops when a step improves the loss by less than this share.
    """

    penalty: float = 0.01
    balance: Balance = "sources"
    iterations: int = 200
    tolerance: float = 1e-7


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A fitted classifier: a small value.

    Attributes:
        weights: (classes, dim) float32, for features as they are (nothing need be standardised).
        bias: (classes,) float32.
        labels: (classes,) int64, the label that each class stands for, ascending.
        temperature: what scores are divided by before they become probabilities.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    labels: NDArray[np.int64]
    temperature: float = 1.0

    @property
    def dim(self) -> int:
        """Features that it takes."""
        return int(self.weights.shape[1])

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (N, classes) of features (N, dim), before the temperature."""
        result: NDArray[np.float32] = features @ self.weights.T + self.bias
        return result

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated probabilities (N, classes) of features (N, dim); each row sums to 1."""
        return softmax(self.scores(features), self.temperature)


def fit(
    features: NDArray[np.float32],
    labels: NDArray[np.integer],
    *,
    sources: NDArray[np.generic] | None = None,
    weights: Floats | None = None,
    class_weights: Mapping[int, float] | None = None,
    options: FitOptions | None = None,
) -> LinearModel:
    """Fit a model to rows in memory; its temperature is 1 until `calibrated` sets it.

    Args:
        features: (N, dim) float32.
        labels: (N,) integers; two different ones at least.
        sources: (N,) source of each row, for balance over sources.
        weights: (N,) what each row counts besides the balance; None for 1.
        class_weights: what the rows of a label count besides the balance.
        options: how.

    Raises:
        ConfigError: there are fewer than two labels.
        MissingExtra: scipy is not installed.
    """
    options = options or FitOptions()
    known, classes = np.unique(labels, return_inverse=True)
    total = row_weights(labels, sources, balance=options.balance, class_weights=class_weights)
    if weights is not None:
        total = total * weights
    blocks = _in_blocks(features, classes.astype(np.int64), total)
    return fit_blocks(blocks, known.astype(np.int64), features.shape[1], options)


def _in_blocks(
    features: NDArray[np.float32], classes: NDArray[np.int64], weights: Floats
) -> Callable[[], Iterator[Block]]:
    def blocks() -> Iterator[Block]:
        for start in range(0, len(features), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            yield features[part], classes[part], weights[part]

    return blocks


def fit_blocks(
    blocks: Callable[[], Iterable[Block]],
    labels: NDArray[np.int64],
    dim: int,
    options: FitOptions,
    *,
    start: LinearModel | None = None,
    on_pass: Callable[[int, float], None] = lambda number, loss: None,
) -> LinearModel:
    """Fit a model to rows that come in blocks, as often as `blocks` is called.

    Args:
        blocks: gives all rows once, always the same ones; a block is let go before the next.
        labels: (classes,) the label of each class, ascending.
        dim: number of features.
        options: how.
        start: a model of the same labels to begin with, such as one fitted on a sample.
        on_pass: is notified of each pass over the rows and the loss that it found.

    Raises:
        ConfigError: there are fewer than two labels, or no rows.
        MissingExtra: scipy is not installed.
    """
    if len(labels) < 2:
        raise ConfigError(f"a classifier needs at least 2 categories; found {len(labels)}")
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise MissingExtra("scipy", "analysis") from error
    scale = _scale_of(blocks(), dim)
    problem = _Problem(blocks, scale, len(labels), dim, options.penalty, on_pass)
    # Products with as many columns as classes only wait for each other on several threads.
    with products_on_one_thread():
        result = minimize(
            problem.loss_and_gradient,
            problem.packed(start),
            jac=True,
            method="L-BFGS-B",
            options={
                "maxiter": options.iterations,
                "maxfun": 2 * options.iterations,
                "ftol": options.tolerance,
                "gtol": 1e-6,
            },
        )
    return problem.model(result.x, labels)


@dataclass(frozen=True, eq=False)
class _Scale:
    """Weighted mean and standard deviation of each feature, and the total weight."""

    mean: Floats
    std: Floats
    total: float


def _scale_of(blocks: Iterable[Block], dim: int) -> _Scale:
    total, sums, squares = 0.0, np.zeros(dim), np.zeros(dim)
    for features, _, weights in blocks:
        light = weights.astype(np.float32)
        total += float(weights.sum())
        sums += light @ features
        squares += light @ np.square(features)
    if total <= 0:
        raise ConfigError("there are no rows to train a classifier on")
    mean = sums / total
    std = np.sqrt(np.maximum(squares / total - np.square(mean), 0))
    # A feature that never changes says nothing: divided by 1 it stays at zero.
    return _Scale(mean, np.where(std > 1e-6 * (1 + np.abs(mean)), std, 1.0), total)


class _Problem:
    """The loss as a function of the weights of standardised features, packed into one vector."""

    def __init__(
        self,
        blocks: Callable[[], Iterable[Block]],
        scale: _Scale,
        classes: int,
        dim: int,
        penalty: float,
        on_pass: Callable[[int, float], None],
    ) -> None:
        self._blocks, self._scale, self._penalty = blocks, scale, penalty
        self._shape = (classes, dim + 1)
        self._on_pass = on_pass
        self._passes = 0

    def loss_and_gradient(self, packed: Floats) -> tuple[float, Floats]:
        weights, bias = self._unpacked(packed)
        plain, shift = self._plain(weights, bias)
        loss, by_weight, by_bias = 0.0, np.zeros_like(weights), np.zeros_like(bias)
        for features, classes, row_weight in self._blocks():
            scores = (features @ plain.T).astype(np.float64) + shift
            scores -= scores.max(axis=1, keepdims=True)
            own = scores[np.arange(len(classes)), classes]
            residual = np.exp(scores)
            sums = residual.sum(axis=1)
            loss += float(row_weight @ (np.log(sums) - own))
            residual /= sums[:, np.newaxis]
            residual[np.arange(len(classes)), classes] -= 1
            residual *= row_weight[:, np.newaxis]
            by_weight += residual.T.astype(np.float32) @ features
            by_bias += residual.sum(axis=0)
        return self._summed(weights, loss, by_weight, by_bias)

    def _summed(
        self, weights: Floats, loss: float, by_weight: Floats, by_bias: Floats
    ) -> tuple[float, Floats]:
        scale = self._scale
        loss = loss / scale.total + 0.5 * self._penalty * float(np.square(weights).sum())
        centred = (by_weight - np.outer(by_bias, scale.mean)) / scale.std / scale.total
        gradient = np.column_stack([centred + self._penalty * weights, by_bias / scale.total])
        self._passes += 1
        self._on_pass(self._passes, loss)
        return loss, gradient.ravel()

    def _unpacked(self, packed: Floats) -> tuple[Floats, Floats]:
        both = packed.reshape(self._shape)
        return both[:, :-1], both[:, -1]

    def _plain(self, weights: Floats, bias: Floats) -> tuple[NDArray[np.float32], Floats]:
        """The same model for features that are not standardised."""
        plain = weights / self._scale.std
        return plain.astype(np.float32), bias - plain @ self._scale.mean

    def packed(self, start: LinearModel | None) -> Floats:
        """Where to begin: a model in the terms of this problem, or zeros."""
        if start is None:
            return np.zeros(self._shape[0] * self._shape[1])
        plain = start.weights.astype(np.float64)
        bias = start.bias + plain @ self._scale.mean
        return np.column_stack([plain * self._scale.std, bias]).ravel()

    def model(self, packed: Floats, labels: NDArray[np.int64]) -> LinearModel:
        """The solution for plain features."""
        plain, shift = self._plain(*self._unpacked(packed))
        return LinearModel(plain, shift.astype(np.float32), labels)


def softmax(scores: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float32]:
    """Probabilities (N, classes) of scores (N, classes)."""
    scaled = scores.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled.astype(np.float32)


def temperature_for(
    scores: NDArray[np.floating], classes: NDArray[np.integer], weights: Floats | None = None
) -> float:
    """The temperature under which scores of unseen rows explain their classes best.

    Args:
        scores: (N, classes) of rows that the model was not trained with.
        classes: (N,) index of the true class of each row.
        weights: (N,) what each row counts; None for 1.

    Raises:
        MissingExtra: scipy is not installed.
    """
    try:
        from scipy.optimize import minimize_scalar
    except ImportError as error:
        raise MissingExtra("scipy", "analysis") from error
    exact = scores.astype(np.float64)
    own = exact[np.arange(len(classes)), classes]

    def loss(log_temperature: float) -> float:
        scaled = exact / np.exp(log_temperature)
        top = scaled.max(axis=1)
        sums = np.log(np.exp(scaled - top[:, np.newaxis]).sum(axis=1)) + top
        return float(np.average(sums - own / np.exp(log_temperature), weights=weights))

    result = minimize_scalar(loss, bounds=_TEMPERATURES, method="bounded")
    return float(np.exp(result.x))


def calibrated(
    model: LinearModel,
    scores: NDArray[np.floating],
    labels: NDArray[np.integer],
    weights: Floats | None = None,
) -> LinearModel:
    """The model with the temperature that fits scores (N, classes) of rows unseen in training."""
    classes = np.searchsorted(model.labels, labels)
    return replace(model, temperature=temperature_for(scores, classes, weights))
