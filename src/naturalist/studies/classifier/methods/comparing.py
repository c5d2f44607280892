"""Whether one classifier is better than another on the same pictures: a paired comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """What a challenger changes on the pictures of one category, every source counting the same.

    Attributes:
        category: its class.
        rows: pictures that were compared.
        champion, challenger: accuracies.
        low: least difference (challenger minus champion) that the pictures allow, at 95 %.
        high: largest difference that pictures and the spread between sources allow, at 95 %.
        gained, lost: pictures that only the challenger, or only the champion, recognises.
        p_better: of the hypothesis that the challenger is no better (McNemar's test, exact and
            one-sided).
    """

    category: int
    rows: int
    champion: float
    challenger: float
    low: float
    high: float
    gained: int
    lost: int
    p_better: float

    @property
    def difference(self) -> float:
        """Challenger minus champion."""
        return self.challenger - self.champion


@dataclass(frozen=True)
class Comparison:
    """A challenger against a champion on the same pictures.

    `log_loss` is the mean difference of log losses (challenger minus champion, below 0 is better)
    and `p_log_loss` belongs to the hypothesis that it is not below 0.
    """

    changes: tuple[Change, ...]
    log_loss: float
    p_log_loss: float


@dataclass(frozen=True)
class Verdict:
    """Whether to promote, and why, in words."""

    promote: bool
    reason: str


def compare(
    truth: NDArray[np.int64],
    sources: NDArray[np.str_],
    champion_right: NDArray[np.bool_],
    challenger_right: NDArray[np.bool_],
    champion_loss: Floats,
    challenger_loss: Floats,
) -> Comparison:
    """Compare two classifiers picture by picture; all arrays are (N,).

    The sources are taken as given: what is said holds for more pictures of these sources.
    Differences of sources are averaged, and so are their variances. Source of the test:
    Q. McNemar, Note on the sampling error of the difference between correlated proportions (1947).

    Raises:
        MissingExtra: scipy is not installed.
    """
    changes = []
    for category in np.unique(truth).tolist():
        own = truth == category
        changes.append(_change(category, sources[own], champion_right[own], challenger_right[own]))
    differences = challenger_loss - champion_loss
    mean, error = _balanced(differences, _codes(truth, sources))
    return Comparison(tuple(changes), mean, _below(mean, error))


def _change(
    category: int,
    sources: NDArray[np.str_],
    champion: NDArray[np.bool_],
    challenger: NDArray[np.bool_],
) -> Change:
    try:
        from scipy.stats import binomtest, norm
    except ImportError as error:
        raise MissingExtra("scipy", "analysis") from error
    code = np.unique(sources, return_inverse=True)[1]
    before, _ = _balanced(champion.astype(np.float64), code)
    after, _ = _balanced(challenger.astype(np.float64), code)
    mean, deviation = _balanced(challenger.astype(np.float64) - champion, code)
    gained, lost = int((challenger & ~champion).sum()), int((champion & ~challenger).sum())
    p_better = 1.0
    if gained + lost:
        p_better = float(binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue)
    quantile = float(norm.ppf(0.95))
    spread = max(deviation, _between_sources(challenger.astype(np.float64) - champion, code))
    low, high = mean - quantile * deviation, mean + quantile * spread
    return Change(category, len(champion), before, after, low, high, gained, lost, p_better)


def _codes(truth: NDArray[np.int64], sources: NDArray[np.str_]) -> NDArray[np.int64]:
    names, code = np.unique(sources, return_inverse=True)
    pairs = truth * len(names) + code
    code_of: NDArray[np.int64] = np.unique(pairs, return_inverse=True)[1].astype(np.int64)
    return code_of


def _balanced(values: Floats, code: NDArray[np.int64]) -> tuple[float, float]:
    """Mean over sources of their means, and its standard error over pictures."""
    counts = np.bincount(code)
    means = np.bincount(code, values) / counts
    spread = np.bincount(code, np.square(values - means[code])) / np.maximum(counts - 1, 1)
    return float(means.mean()), float(np.sqrt((spread / counts).sum())) / len(counts)


def _between_sources(values: Floats, code: NDArray[np.int64]) -> float:
    """Standard error of the mean over sources, as if the sources were drawn; 0 for one."""
    means = np.bincount(code, values) / np.bincount(code)
    return float(means.std(ddof=1)) / float(np.sqrt(len(means))) if len(means) > 1 else 0.0


def _below(mean: float, error: float) -> float:
    """P-value of the hypothesis that a mean with this error is not below 0."""
    from scipy.stats import norm

    if error == 0:
        return 0.0 if mean < 0 else 1.0
    return float(norm.cdf(mean / error))


def decide(
    comparison: Comparison, names: Sequence[str], *, margin: float, significance: float = 0.05
) -> Verdict:
    """Promote if no category is worse beyond the margin and something is better.

    A category counts as not worse when the least difference that the pictures allow, at 95 %, is
    above minus the margin. Something is better when, of the categories' tests and that of the log
    loss, one is significant after Bonferroni's correction for looking at several.

    Args:
        comparison: the comparison.
        names: of the classes.
        margin: what a category may lose, 0 to 1.
        significance: of the tests.
    """
    worse = [one for one in comparison.changes if one.low < -margin]
    if worse:
        one = min(worse, key=lambda change: change.low)
        if one.difference < -margin:
            text = f"{names[one.category]} is recognised {-100 * one.difference:.1f} points less"
        else:
            text = (
                f"{names[one.category]} may be recognised {-100 * one.low:.1f} points less, and "
                f"{one.rows:,} pictures are too few to rule that out"
            )
        return Verdict(False, f"{text}; the margin is {100 * margin:.1f} points")
    better = _what_is_better(comparison, names, significance)
    if better is None:
        return Verdict(False, "no category is worse beyond the margin, and nothing is better")
    return Verdict(True, f"{better}; no category is worse beyond the margin")


def decide_with_new(
    new: Comparison,
    every: Comparison,
    names: Sequence[str],
    *,
    margin: float,
    significance: float = 0.05,
) -> Verdict:
    """Promote what repairs new sources and makes no category worse beyond chance.

    A champion knows nothing of sources that came after it, and a challenger that learns them may
    lose a little on others. A category is worse beyond chance when even the largest difference
    that its pictures and the spread between its sources allow is below minus the margin.

    Args:
        new: the comparison on pictures of new sources, by models that had not seen the picture.
        every: the same on these and on pictures of earlier sources, every source the same weight.
        names: of the classes.
        margin: what a category may lose, 0 to 1.
        significance: of the tests.
    """
    worse = [one for one in every.changes if one.high < -margin]
    if worse:
        one = min(worse, key=lambda change: change.difference)
        return Verdict(
            False,
            f"{names[one.category]} is recognised {-100 * one.difference:.1f} points less over old "
            f"and new sources, beyond chance; the margin is {100 * margin:.1f} points",
        )
    better = _what_is_better(new, names, significance)
    overall = float(np.mean([one.difference for one in every.changes]))
    if better is None:
        return Verdict(False, "nothing is better on the new sources")
    if overall < 0:
        lost = f"{-100 * overall:.1f} points worse over old and new sources together"
        return Verdict(False, f"on new sources {better}, but it is {lost}")
    return Verdict(
        True, f"on new sources {better}; no category is worse beyond chance over all sources"
    )


def _what_is_better(
    comparison: Comparison, names: Sequence[str], significance: float
) -> str | None:
    """The category that gained most surely, or else the log loss; None if nothing has."""
    tests = len(comparison.changes) + 1
    one = min(comparison.changes, key=lambda change: change.p_better, default=None)
    if one is not None and one.p_better * tests < significance:
        return (
            f"{names[one.category]} is recognised more often "
            f"({100 * one.difference:+.1f} points, p = {one.p_better:.1g})"
        )
    if comparison.p_log_loss * tests < significance:
        return (
            f"its probabilities are better (log loss {comparison.log_loss:+.4f}, "
            f"p = {comparison.p_log_loss:.1g})"
        )
    return None
