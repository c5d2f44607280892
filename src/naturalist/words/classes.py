"""The classes of a network, from stored features: the head of the weights that are installed.

EfficientNet-Lite0's features are kept as 512 numbers, a projection M (512, 1280) of what the head
takes. Its rows are orthonormal, so the head applied to ``M.T @ feature`` needs only a matrix
(1000, 512): nothing is extracted again. Of each picture the most probable classes are kept.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist import backbones
from naturalist.backbones.projections import read_projection
from naturalist.backbones.readers.pickles import read_legacy_torch
from naturalist.backbones.registry import entry_of, weights_path
from naturalist.backbones.weights import read_checked

Floats = NDArray[np.float32]

KEPT = 32
"""Classes that are kept of each picture: with all 1,000, search is hardly better."""
_ROWS_AT_ONCE = 8192
_HEADS = {"efficientnet_lite0-v1": ("_fc.weight", "_fc.bias")}
"""Names of the head's weights and bias, by the graph of the network."""


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

    def sums(self, chosen: NDArray[np.int64], count: int) -> Floats:
        """(rows,) float32: the summed probability of the chosen ones of `count` classes."""
        wanted = np.zeros(count, np.float32)
        wanted[chosen] = 1
        found = np.empty(len(self), np.float32)
        for start in range(0, len(self), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            kept = self.probabilities[part].astype(np.float32)
            found[part] = np.einsum("rk,rk->r", wanted[self.classes[part]], kept)
        return found

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
        found = np.take_along_axis(values, top, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        classes[part] = np.take_along_axis(top, order, axis=1)
        probabilities[part] = np.take_along_axis(found, order, axis=1)
    return TopClasses(classes, probabilities)


@functools.cache
def head_of(backbone: str) -> Head | None:
    """The head for the stored features of a backbone; None if none is known for it.

    Raises:
        BackboneError: the weights are not on this machine, or not the pinned ones.
    """
    entry = entry_of(backbone)
    names = _HEADS.get(entry.spec.graph) if entry is not None else None
    if entry is None or names is None or entry.spec.projection is None:
        return None
    data = read_checked(weights_path(backbone), backbones.describe(backbone).weights_sha256)
    weights = read_legacy_torch(data)
    projection = read_projection(entry.spec.projection)
    turned = np.asarray(weights[names[0]], np.float32) @ projection.T
    return Head(turned, np.asarray(weights[names[1]], np.float32))
