"""The most probable classes of pictures, from stored features and the head of their network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

KEPT = 32
"""Classes that are kept of each picture: with all 1,000, search is hardly better."""
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, eq=False)
class Head:
    """The last layer of a network, for its stored features.

    Attributes:
        weights: (classes, dim) float32.
        bias: (classes,) float32.
    """

    weights: Floats
    bias: Floats

    def probabilities(self, features: Floats) -> Floats:
        """Probabilities (N, classes) of features (N, dim) as they are stored."""
        scores = features @ self.weights.T + self.bias
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return scores


@dataclass(frozen=True, eq=False)
class TopClasses:
    """The most probable classes of pictures; the arrays may be mapped into memory.

    Attributes:
        classes: (rows, kept) uint16, the most probable first.
        probabilities: (rows, kept) float16.
    """

    classes: NDArray[np.uint16]
    probabilities: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.classes)

    def sums(self, selected: NDArray[np.int64], count: int) -> Floats:
        """(rows,) float32: the summed probability of the chosen ones of `count` classes."""
        expected = np.zeros(count, np.float32)
        expected[selected] = 1
        result = np.empty(len(self), np.float32)
        for start in range(0, len(self), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            kept = self.probabilities[part].astype(np.float32)
            result[part] = np.einsum("rk,rk->r", expected[self.classes[part]], kept)
        return result

    def means(self, rows: NDArray[np.int64], count: int) -> Floats:
        """(count,) float32: mean probability of each class over some rows."""
        classes = np.asarray(self.classes[rows], np.int64).ravel()
        kept = np.asarray(self.probabilities[rows], np.float64).ravel()
        return (np.bincount(classes, kept, count) / max(len(rows), 1)).astype(np.float32)


def top_classes(head: Head, features: Floats, kept: int = KEPT) -> TopClasses:
    """The `kept` most probable classes of each row of features (N, dim)."""
    classes = np.empty((len(features), kept), np.uint16)
    probabilities = np.empty((len(features), kept), np.float16)
    for start in range(0, len(features), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        values = head.probabilities(features[part])
        top = np.argpartition(-values, kept - 1, axis=1)[:, :kept]
        result = np.take_along_axis(values, top, axis=1)
        order = np.argsort(-result, axis=1, kind="stable")
        classes[part] = np.take_along_axis(top, order, axis=1)
        probabilities[part] = np.take_along_axis(result, order, axis=1)
    return TopClasses(classes, probabilities)
