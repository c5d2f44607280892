"""Principal components of features that come in blocks, so that they need not fit in memory."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reduction:
    """A linear map from features to fewer values.

    Attributes:
        mean: (dim,) float32, mean of the (scaled) features.
        axes: (dim, kept) float32, the principal axes, most important first.
        explained: share of the variance that the kept axes have.
        unit: whether features are scaled to length 1 first, so that distances follow cosines.
    """

    mean: Floats
    axes: Floats
    explained: float
    unit: bool

    def __call__(self, features: Floats) -> Floats:
        """Reduce (rows, dim) features to (rows, kept) float32."""
        scaled = to_unit(features) if self.unit else features
        return np.asarray((scaled - self.mean) @ self.axes, np.float32)

    def with_share_of(self, features: Floats) -> "Reduction":
        """The same axes, `explained` being the share that they have of these features (rows, dim).

        Rows that came after the axes were found vary in directions that the axes lack.
        """
        scaled = to_unit(features) if self.unit else features
        total = float(scaled.var(axis=0, dtype=np.float64).sum())
        kept = float(self(features).var(axis=0, dtype=np.float64).sum())
        return replace(self, explained=kept / max(total, 1e-30))

    @property
    def space(self) -> str:
        """In words, where distances between reduced rows are measured."""
        scaled = " scaled to length 1" if self.unit else ""
        return (
            f"the first {self.axes.shape[1]} principal axes of the features{scaled}, which "
            f"explain {self.explained:.1%} of their variance"
        )


def fit_reduction(blocks: Iterable[Floats], kept: int = 100, *, unit: bool = True) -> Reduction:
    """Find the principal axes of all rows of all blocks, in one pass (exact, not sketched).

    Args:
        blocks: (rows, dim) float32 each.
        kept: number of axes; at most dim.
        unit: scale each row to length 1 first.

    Raises:
        ValueError: there is no row.
    """
    count, total, products = 0, np.zeros(0), np.zeros((0, 0))
    shift: Floats | None = None
    for block in blocks:
        scaled = to_unit(block) if unit else block
        if shift is None:
            # Sums of squares around a value near the mean lose no digits.
            shift = scaled.mean(axis=0)
            total, products = np.zeros(len(shift)), np.zeros((len(shift), len(shift)))
        moved = scaled - shift
        count += len(moved)
        total += moved.sum(axis=0, dtype=np.float64)
        products += moved.T @ moved
    if shift is None or count == 0:
        raise ValueError("no rows to find principal axes of")
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1][: min(kept, len(values))]
    axes = _with_signs(vectors[:, order])
    share = float(values[order].sum() / max(values.sum(), 1e-30))
    return Reduction((shift + mean).astype(np.float32), axes.astype(np.float32), share, unit)


def to_unit(features: Floats) -> Floats:
    """The rows scaled to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(lengths > 0, lengths, 1), np.float32)


def _with_signs(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    # An axis may point either way: the largest entry is made positive, so that runs agree.
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return np.asarray(vectors * signs, np.float64)
