"""What became of files, counted by source."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pyarrow as pa


class Outcome(StrEnum):
    """What became of a file."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"
    UNPACKED = "unpacked"
    RELABELLED = "relabelled"


@dataclass(frozen=True)
class SourceCounts:
    """Files of one source by outcome; `refused` by reason."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    unpacked: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    relabelled: int = 0

    @property
    def seen(self) -> int:
        """All files but those that are counted elsewhere.

        Archives that were opened are counted by their members, and a picture that was relabelled is
        counted once, in the category that it has now.
        """
        return self.accepted + self.duplicate + self.conflict + sum(self.refused.values())

    def __add__(self, other: "SourceCounts") -> "SourceCounts":
        """Sum, outcome by outcome."""
        refused = Counter(self.refused)
        refused.update(other.refused)
        return SourceCounts(
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.conflict + other.conflict,
            self.unpacked + other.unpacked,
            {reason: n for reason, n in sorted(refused.items()) if n},
            self.relabelled + other.relabelled,
        )

    def __neg__(self) -> "SourceCounts":
        """The same counts, to be taken off."""
        return SourceCounts(
            -self.accepted,
            -self.duplicate,
            -self.conflict,
            -self.unpacked,
            {reason: -n for reason, n in self.refused.items()},
            -self.relabelled,
        )


def count_rows(rows: pa.Table) -> dict[str, SourceCounts]:
    """Count ledger rows by source, outcome and reason."""
    grouped = rows.group_by(["source", "outcome", "reason"]).aggregate([([], "count_all")])
    counts: dict[str, SourceCounts] = {}
    for row in grouped.to_pylist():
        n = row["count_all"]
        if row["outcome"] == Outcome.REFUSED:
            one = SourceCounts(refused={row["reason"]: n})
        else:
            one = count_one(row["outcome"], n)
        counts[row["source"]] = counts.get(row["source"], SourceCounts()) + one
    return counts


def count_one(outcome: str, n: int) -> SourceCounts:
    """Counts in which only `outcome` is not zero."""
    counted: dict[str, Any] = {outcome: n}
    return SourceCounts(**counted)


def merge_counts(many: Iterable[dict[str, SourceCounts]]) -> dict[str, SourceCounts]:
    """Add counts by source."""
    total: dict[str, SourceCounts] = {}
    for counts in many:
        for source, one in counts.items():
            total[source] = total.get(source, SourceCounts()) + one
    return dict(sorted(total.items()))
