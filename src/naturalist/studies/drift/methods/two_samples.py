"""Two-sample tests within strata: do new rows and reference rows come from the same place?

One machine serves vectors, numbers and words. Each kind of value is turned into an *embedding*, and
the statistic is the squared distance between the mean embeddings of new and reference rows, summed
over strata:

- vectors by random Fourier features, which gives the maximum mean discrepancy with a Gaussian
  kernel (Gretton et al., "A Kernel Two-Sample Test", JMLR 2012; Rahimi and Recht, "Random Features
  for Large-Scale Kernel Machines", NIPS 2007);
- numbers by cosines of their ranks, which gives the Cramér-von Mises distance (Durbin and Knott,
  "Components of Cramér-von Mises Statistics", JRSS B 1972);
- words by indicators, which gives the chi-squared distance.

Its distribution under "nothing has changed" comes from exchanging rows at random *within* strata,
so strata may be mixed differently in the two samples without being taken for a change. P-values
smaller than permutations can tell are those of a gamma distribution with the same first three
moments (Gretton et al., "A Fast, Consistent Kernel Two-Sample Test", NIPS 2009, with the third
moment added).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Codes = NDArray[np.int64]

_COSINES = 8
_AT_ONCE = 64
_EXCEEDED_ENOUGH = 10
_LEAST_P = 1e-12
_PAIRS = 2_000


@dataclass(frozen=True, eq=False)
class Compared:
    """What a test found.

    Attributes:
        statistic: summed over strata.
        p_value: of "new and reference rows of each stratum come from the same place".
        effect: 0 to 1, whatever the numbers of rows: the square root of the share of the variation
            that the difference between new and reference explains, if there were as many of both.
        stratum_p: (strata,) p-value of each stratum alone.
        stratum_effect: (strata,) effect in each stratum alone.
        witness: (rows,) for each row how much it is in the direction of what is new.
    """

    statistic: float
    p_value: float
    effect: float
    stratum_p: NDArray[np.float64]
    stratum_effect: NDArray[np.float64]
    witness: Floats


def fourier_features(vectors: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Embed vectors (rows, dim) as (rows, 2 * count) for a Gaussian kernel.

    The kernel's width is the median distance between rows.
    """
    width = _median_distance(vectors, rng)
    directions = rng.standard_normal((vectors.shape[1], count), np.float32) / np.float32(width)
    angles = vectors @ directions
    made = np.empty((len(vectors), 2 * count), np.float32)
    np.cos(angles, out=made[:, :count])
    np.sin(angles, out=made[:, count:])
    made *= np.float32(1 / np.sqrt(count))
    return made


def _median_distance(vectors: Floats, rng: np.random.Generator) -> float:
    one, other = rng.integers(0, len(vectors), (2, _PAIRS))
    gaps = np.linalg.norm(vectors[one] - vectors[other], axis=1)
    apart = gaps[gaps > 0]
    return float(np.median(apart)) if len(apart) else 1.0


def rank_features(values: NDArray[Any]) -> Floats:
    """Embed numbers (rows,) by cosines of their ranks: (rows, 8) float32; equal ones share ranks.

    NaN stands for a number that is not known, and is a value of its own, above all others.
    """
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True, equal_nan=True)
    ends = np.cumsum(counts)
    place = (ends - counts / 2)[at] / len(values)
    k = np.arange(1, _COSINES + 1)
    return np.asarray(np.cos(np.pi * k * place[:, None]) * np.sqrt(2) / (np.pi * k), np.float32)


def category_features(words: NDArray[np.str_]) -> Floats:
    """Embed words (rows,) as indicators (rows, different words), rare ones weighted more."""
    _, at, counts = np.unique(words, return_inverse=True, return_counts=True)
    made = np.zeros((len(words), len(counts)), np.float32)
    made[np.arange(len(words)), at] = np.sqrt(len(words) / counts)[at]
    return made


def compare(
    embedding: Floats, is_new: Mask, strata: Codes, permutations: int, rng: np.random.Generator
) -> Compared:
    """Test whether new and reference rows have the same embedding on average, in every stratum.

    Args:
        embedding: (rows, size) float32.
        is_new: (rows,) true for new rows, false for reference rows.
        strata: (rows,) number of each row's stratum, from 0; each has rows of both kinds.
        permutations: how often rows are exchanged; about 500 are enough.
        rng: says how they are exchanged.

    Raises:
        ValueError: a stratum has rows of one kind only.
        MissingExtra: SciPy is not installed.
    """
    result, nulls, squares, spreads = [], [], [], []
    witness = np.zeros(len(embedding), np.float32)
    for stratum in range(int(strata.max()) + 1):
        rows = np.flatnonzero(strata == stratum)
        new = is_new[rows]
        if new.all() or not new.any():
            raise ValueError(f"stratum {stratum} has rows of one kind only")
        # Moving all rows changes no difference, and keeps float32 exact enough.
        mine = embedding[rows] - embedding[rows].mean(axis=0, dtype=np.float64).astype(np.float32)
        difference = mine[new].mean(axis=0) - mine[~new].mean(axis=0)
        witness[rows] = mine @ difference
        scale = new.sum() * (~new).sum() / len(new)
        result.append(float(scale * (difference @ difference)))
        nulls.append(_exchanged(mine, int(new.sum()), permutations, rng))
        squares.append((result[-1] - nulls[-1].mean()) / scale)
        spreads.append(float(np.einsum("ij,ij->", mine, mine)) / len(new))
    each, null = np.array(result), np.array(nulls)
    weights = np.bincount(strata[is_new]) / is_new.sum()
    return Compared(
        statistic=float(each.sum()),
        p_value=p_value(float(each.sum()), null.sum(axis=0)),
        effect=_effect(float(weights @ squares), float(weights @ spreads)),
        stratum_p=np.array([p_value(one, of) for one, of in zip(each, null, strict=True)]),
        stratum_effect=np.array([_effect(a, b) for a, b in zip(squares, spreads, strict=True)]),
        witness=witness,
    )


def _exchanged(
    centred: Floats, new: int, permutations: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The statistic of one stratum after each exchange; rows must be centred."""
    rows = len(centred)
    stretch = rows * new / (rows - new)
    result = np.empty(permutations)
    for start in range(0, permutations, _AT_ONCE):
        count = min(_AT_ONCE, permutations - start)
        drawn = np.argpartition(rng.random((count, rows), np.float32), new - 1, axis=1)[:, :new]
        selected = np.zeros((count, rows), np.float32)
        np.put_along_axis(selected, drawn, np.float32(1 / new), axis=1)
        means = selected @ centred
        result[start : start + count] = stretch * np.einsum("ij,ij->i", means, means)
    return result


def _effect(square: float, spread: float) -> float:
    between = max(0.0, square) / 4
    return float(np.sqrt(between / max(spread, between, 1e-12)))


def p_value(result: float, null: NDArray[np.float64]) -> float:
    """The share of the null distribution that is at least as large as what was found.

    Args:
        result: the statistic.
        null: (permutations,) the same statistic after exchanges.

    Raises:
        MissingExtra: SciPy is not installed.
    """
    exceeded = int((null >= result).sum())
    if exceeded >= _EXCEEDED_ENOUGH or null.std() <= 0:
        return (1 + exceeded) / (1 + len(null))
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingExtra("SciPy", "analysis") from error
    standard = (result - null.mean()) / null.std(ddof=1)
    return max(_LEAST_P, float(stats.pearson3.sf(standard, max(0.0, stats.skew(null)))))


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values of several tests, raised so that one false alarm in all is as rare as is said.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return adjusted
