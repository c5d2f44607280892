"""What can be said of accuracy on new sources, given the accuracy on a few held-out ones.

Sources are the units: pictures of one source are much alike, so a thousand of them say little more
than a hundred. Two questions have two answers. The *mean over many new sources* has a confidence
interval; the accuracy on *one new source* has a prediction interval, which is wider.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra

BOOTSTRAPS = 2000
PRIOR_SOURCES = 3.0
"""Imaginary sources by which the interval of a mean is widened, set by `benchmarks/truth.py`."""


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, for the quantity and at the level that are said in words."""

    low: float
    high: float
    level: float
    method: str


def bootstrap_over_sources(
    result: Mapping[int, Sequence[float]], level: float, seed: int, times: int = BOOTSTRAPS
) -> Interval:
    """Percentile bootstrap of the mean over categories of the mean over sources.

    Too narrow where a category has few sources: `interval_of_mean` makes up for that.

    Args:
        result: accuracies of the sources of each category.
        level: such as 0.9.
        seed: of the draws.
        times: how often sources are drawn again.
    """
    rng = np.random.default_rng(seed)
    means = np.zeros(times)
    for values in result.values():
        drawn = rng.choice(np.asarray(values), size=(times, len(values)))
        means += drawn.mean(axis=1) / len(result)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, "bootstrap over sources")


def interval_of_mean(
    result: Mapping[int, Sequence[float]], level: float, chance: float
) -> Interval | None:
    """Where the mean over categories of the mean over new sources lies.

    That is Student's interval, and wider: sources that were gathered together are more alike than
    those to come, so their spread alone says too little. The low end is at most what the mean would
    be if each category had three more sources, recognised at chance; the high end at least what it
    would be with three that are recognised wholly. With many sources they weigh little.

    Variances of categories are estimated one by one and added up, with the degrees of freedom of
    F. E. Satterthwaite (An approximate distribution of estimates of variance components, 1946). A
    category with one source lends no variance of its own and takes the mean of the others'.

    Returns:
        None where no category has two sources.
    """
    spread = {k: float(np.var(v, ddof=1)) for k, v in result.items() if len(v) > 1}
    if not spread:
        return None
    usual = float(np.mean(list(spread.values())))
    parts = [(spread.get(k, usual) / len(v), max(1, len(v) - 1)) for k, v in result.items()]
    total = sum(part for part, _ in parts)
    freedom = total**2 / sum(part**2 / df for part, df in parts) if total > 0 else 1.0
    mean = float(np.mean([np.mean(v) for v in result.values()]))
    half = _student(level, freedom) * float(np.sqrt(total)) / len(result)
    low, high = (_with_imaginary(result, value) for value in (chance, 1.0))
    low, high = _clipped(min(low, mean - half), max(high, mean + half))
    return Interval(low, high, level, "Student's t over sources and three imaginary sources")


def _with_imaginary(result: Mapping[int, Sequence[float]], accuracy: float) -> float:
    """The mean if each category had further sources of this accuracy."""
    means = [
        (sum(values) + PRIOR_SOURCES * accuracy) / (len(values) + PRIOR_SOURCES)
        for values in result.values()
    ]
    return float(np.mean(means))


def interval_for_new_source(
    accuracies: Sequence[float], level: float, chance: float
) -> Interval | None:
    """Between which values the accuracy on one new source lies, at `level`.

    With enough sources the k-th smallest and k-th largest accuracy, which hold at the level for
    any distribution as long as the new source is drawn like the others (conformal prediction:
    V. Vovk et al., Algorithmic learning in a random world, 2005). With fewer sources than that no
    accuracy that was seen is a bound: the bounds are then as far between chance and the smallest
    accuracy, and between 1 and the largest, as the rank is between 0 and 1, or those of Student's
    prediction interval where it is wider.

    Returns:
        None with fewer than two sources.
    """
    count = len(accuracies)
    if count < 2:
        return None
    ordered = np.sort(np.asarray(accuracies, np.float64))
    exact_rank = (count + 1) * (1 - level) / 2 + 1e-9
    rank = int(np.floor(exact_rank))
    if rank >= 1:
        return Interval(float(ordered[rank - 1]), float(ordered[-rank]), level, "order statistics")
    mean, spread = float(ordered.mean()), float(ordered.std(ddof=1))
    half = _student(level, count - 1) * spread * float(np.sqrt(1 + 1 / count))
    least = min(ordered[0], chance + exact_rank * (ordered[0] - chance))
    most = 1 + exact_rank * (ordered[-1] - 1)
    low, high = _clipped(min(least, mean - half), max(most, mean + half))
    return Interval(low, high, level, "ranks between chance and 1, and Student's t")


def _clipped(low: float, high: float) -> tuple[float, float]:
    return max(0.0, float(low)), min(1.0, float(high))


def _student(level: float, freedom: float) -> float:
    try:
        from scipy.stats import t
    except ImportError as error:
        raise MissingExtra("scipy", "analysis") from error
    return float(t.ppf((1 + level) / 2, max(freedom, 1.0)))


def rows_interval(right: NDArray[np.bool_], weights: NDArray[np.float64], level: float) -> Interval:
    """Normal interval of a weighted share of rows, for rows that are drawn one by one."""
    total = float(weights.sum())
    mean = float(weights @ right) / total
    spread = float(np.sqrt(np.square(weights) @ np.square(right - mean))) / total
    try:
        from scipy.stats import norm
    except ImportError as error:
        raise MissingExtra("scipy", "analysis") from error
    half = float(norm.ppf((1 + level) / 2)) * spread
    low, high = _clipped(mean - half, mean + half)
    return Interval(low, high, level, "normal, over pictures")
