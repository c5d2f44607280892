"""The failure budget: how many pictures of the new batches may be unusable before a run fails."""

from dataclasses import dataclass

from naturalist import artifacts, ledger
from naturalist.config import Config
from naturalist.counting import counted
from naturalist.errors import FailureBudgetExceeded
from naturalist.layout import Layout
from naturalist.ledger import SourceCounts
from naturalist.reasons import Reason

_BY_OPTION = "run once with --accept-failures"


@dataclass(frozen=True)
class Spent:
    """Failures among the pictures of the batches that no good run has covered yet."""

    failures: dict[str, int]
    """By reason."""
    pictures: int

    @property
    def share(self) -> float:
        """Failures by pictures; 0 if there are none."""
        return sum(self.failures.values()) / self.pictures if self.pictures else 0.0


def spent(config: Config) -> Spent:
    """Count failures in the batches since the last good run."""
    layout = config.layout
    first = _covered(layout) + 1
    total = SourceCounts()
    for category in config.labels:
        for summary in ledger.batches(layout, category):
            if summary.batch >= first:
                counts = ledger.batch_counts(layout, summary, first)
                total = sum(counts.values(), total)
    failures = {reason: n for reason, n in total.refused.items() if Reason(reason).is_failure}
    good = total.accepted + total.duplicate + total.conflict
    return Spent(failures, good + sum(failures.values()))


def check(config: Config, to_accept: str = _BY_OPTION) -> None:
    """Refuse to call a run good that lost too much.

    Args:
        config: of the workspace.
        to_accept: how to publish all the same, where the run is not one of the command line.

    Raises:
        FailureBudgetExceeded: more failures than `failure_budget` allows.
    """
    result = spent(config)
    if result.share <= config.failure_budget:
        return
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(result.failures.items()))
    raise FailureBudgetExceeded(
        f"{sum(result.failures.values())} of {counted(result.pictures, 'new picture')} failed "
        f"({result.share:.1%}; failure_budget is {config.failure_budget:.1%}): {reasons}. "
        "See them with `naturalist ledger --refused`. Everything else was finished; nothing was "
        "published. To continue: repair the files, raise failure_budget, or "
        f"{to_accept}"
    )


def is_covered(layout: Layout) -> bool:
    """Whether a good run (or a person's decision) covers all batches so far."""
    return _covered(layout) == ledger.last_batch(layout)


def cover(layout: Layout) -> None:
    """Note that a good run (or a person's decision) covers all batches so far."""
    if not is_covered(layout):
        artifacts.write_json(layout.budget, {"covered_batch": ledger.last_batch(layout)})


def _covered(layout: Layout) -> int:
    value = artifacts.read_json(layout.budget)
    return int(value["covered_batch"]) if value else 0
