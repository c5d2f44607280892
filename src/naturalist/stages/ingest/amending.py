"""Taking pictures out of the tables and back: which files are looked at, and the amendments."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from naturalist import ledger
from naturalist.layout import Layout
from naturalist.ledger import Outcome
from naturalist.reasons import Reason

Row = dict[str, Any]


@dataclass(frozen=True)
class Withdrawing:
    """Who takes pictures out, and what is said of it.

    Attributes:
        by: the stage.
        reason: of a picture that leaves.
        leaves: what was found of one that leaves.
        returns: what was found of one that comes back.
    """

    by: str
    reason: Reason
    leaves: str
    returns: str

    def amendments(self, out: Mapping[str, str], back: Mapping[str, str], at_ns: int) -> list[Row]:
        """Amendments of schema AMENDMENT.

        Args:
            out: the source of each picture that leaves, by its id.
            back: the same of each that comes back.
            at_ns: when, in ns since 1970.
        """
        left = [
            self._amendment(pic, out[pic], Outcome.REFUSED, at_ns, self.leaves, self.reason.value)
            for pic in sorted(out)
        ]
        return left + [
            self._amendment(pic, back[pic], Outcome.ACCEPTED, at_ns, self.returns, None)
            for pic in sorted(back)
        ]

    def _amendment(
        self,
        pic: str,
        source: str,
        outcome: Outcome,
        at_ns: int,
        detail: str,
        reason: str | None,
    ) -> Row:
        return {
            "pic_id": pic,
            "source": source,
            "outcome": outcome.value,
            "reason": reason,
            "detail": detail,
            "same_as": None,
            "by": self.by,
            "at_ns": at_ns,
        }


def files_with(
    layout: Layout, category: str, outcome: Outcome, columns: Sequence[str]
) -> Iterator[list[Row]]:
    """Ledger rows with an outcome, batch after batch.

    Accepted pictures that came by relabelling have their file in another category's source, and
    are left out.
    """
    for summary in ledger.batches(layout, category):
        table = ledger.batch_rows(layout, category, summary.batch, list(columns))
        expected = pc.equal(table["outcome"], outcome)
        if outcome is Outcome.ACCEPTED:
            expected = pc.and_(expected, pc.is_null(table["same_as"]))
        yield table.filter(expected).to_pylist()
