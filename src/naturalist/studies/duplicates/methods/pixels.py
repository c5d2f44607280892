"""Whether two pictures are one by their pixels: the correlation of their luma where it is highest.

Features do not know a picture that was turned or that lost its colours. The luma of a copy, laid
over that of the original in the right way, has a correlation with it near 1: of 360 photos cropped
or made grey, 98 % have `LEAST_CORRELATION`, and of 635 pairs of different photos with alike
features two in a hundred (`benchmarks/duplicates.py` measures found copies and precision).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.duplicates.methods.turning import Turn

SIDE = 32
"""Side of the square on which pictures are compared, their proportions ignored."""
LEAST_CORRELATION = 0.95
_SCALES = (1.0, 0.975, 0.95, 0.925, 0.9, 0.875)
_STEP = 0.025
_PAIRS_AT_ONCE = 64
_LEAST_LENGTH = 2.0 * SIDE
"""Of a standard deviation of 2 of 255: below it a picture shows nothing that could be compared."""

Luma = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Windows:
    """Parts of a picture that a crop may have left.

    Attributes:
        samplers: (W, SIDE, SIDE), each takes SIDE samples of a part of SIDE pixels.
        pairs: samplers of rows and of columns of each window, (n, 2).
    """

    samplers: Floats
    pairs: NDArray[np.int64]


def frame_correlations(first: Luma, second: Luma, ways: Sequence[Turn]) -> Floats:
    """The highest correlation of each pair over turns of the second: (P, SIDE, SIDE) to (P,)."""
    one, other = _standardised(first), _standardised(second)
    held = [np.einsum("pij,pij->p", one, turn.pixels(other)) for turn in ways]
    return np.asarray(np.max(held, axis=0), np.float32)


def crop_correlations(first: Luma, second: Luma, ways: Sequence[Turn]) -> Floats:
    """The same where either may be a crop of the other, of 7/8 of its sides at least."""
    windows = crop_windows()
    result = np.full(len(first), -1, np.float32)
    for start in range(0, len(first), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        for turn in ways:
            one, other = first[part], np.ascontiguousarray(turn.pixels(second[part]))
            for whole, crop in ((one, other), (other, one)):
                result[part] = np.maximum(result[part], _best_window(whole, crop, windows))
    return result


def crop_windows() -> Windows:
    """Windows of a few sizes, a fortieth of the side apart."""
    samplers: list[Floats] = []
    pairs: list[tuple[int, int]] = []
    for scale in _SCALES:
        starts = np.arange(0, 1 - scale + _STEP / 2, _STEP)
        places = range(len(samplers), len(samplers) + len(starts))
        samplers += [_sampler(start, scale) for start in starts.tolist()]
        pairs += [(row, column) for row in places for column in places]
    return Windows(np.array(samplers, np.float32), np.array(pairs, np.int64))


def _sampler(start: float, scale: float) -> Floats:
    """Linear interpolation of SIDE samples between `start` and `start + scale` of SIDE pixels."""
    at = (start + scale * (np.arange(SIDE) + 0.5) / SIDE) * SIDE - 0.5
    low = np.clip(np.floor(at).astype(np.int64), 0, SIDE - 1)
    share = np.clip(at - low, 0, 1)
    result = np.zeros((SIDE, SIDE), np.float32)
    rows = np.arange(SIDE)
    result[rows, low] += 1 - share
    result[rows, np.minimum(low + 1, SIDE - 1)] += share
    return result


def _best_window(whole: Luma, crop: Luma, windows: Windows) -> Floats:
    expected = _standardised(crop)
    rows = np.matmul(windows.samplers[:, None], whole[None].astype(np.float32))
    best = np.full(len(whole), -1, np.float32)
    for row, column in windows.pairs.tolist():
        seen = _standardised(rows[row] @ windows.samplers[column].T)
        best = np.maximum(best, np.einsum("pij,pij->p", seen, expected))
    return best


def _standardised(pictures: NDArray[np.uint8] | Floats) -> Floats:
    """Mean 0 and length 1 each; a picture of one shade is all zeros."""
    values = pictures.astype(np.float32)
    values -= values.mean(axis=(-2, -1), keepdims=True)
    length = np.sqrt(np.einsum("pij,pij->p", values, values))[:, None, None]
    return np.asarray(np.where(length > _LEAST_LENGTH, values / np.maximum(length, 1e-9), 0))
