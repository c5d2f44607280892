"""A brake on runs that would take much out of the tables at once, by a mistake in a path.

Pictures leave when their bytes turn up in another category (a conflict), and, where the
configuration asks for it, when their files are gone. Two sources whose paths were swapped put both
categories in conflict as a whole; such a run is stopped before it changes anything.
"""

from collections import Counter
from collections.abc import Mapping

from naturalist import ledger
from naturalist.counting import counted
from naturalist.errors import WithdrawalBudgetExceeded
from naturalist.layout import Layout

ALWAYS_ALLOWED = 25
"""As many pictures of a category may leave, however small it is."""


class Withdrawals:
    """Counts what one run withdraws, over all its batches.

    Args:
        layout: the workspace.
        budget: largest share of a category's accepted pictures that may be withdrawn.
    """

    def __init__(self, layout: Layout, budget: float) -> None:
        self._layout = layout
        self._budget = budget
        self._accepted: dict[str, int] = {}
        self._withdrawn: Counter[str] = Counter()

    def add(self, pictures: Mapping[str, int], why: str) -> None:
        """Count pictures of each category that are about to be withdrawn.

        Raises:
            WithdrawalBudgetExceeded: they are too many, with those before; nothing may be changed.
        """
        for category, count in sorted(pictures.items()):
            if not count:
                continue
            self._withdrawn[category] += count
            accepted = self._accepted_of(category)
            allowed = max(ALWAYS_ALLOWED, int(self._budget * accepted))
            if self._withdrawn[category] > allowed:
                raise WithdrawalBudgetExceeded(
                    f"{self._withdrawn[category]} of {counted(accepted, 'picture')} of category "
                    f"{category!r} would leave the tables because {why}; withdrawal_budget "
                    f"allows {allowed}. Nothing was changed. If the path of a source is wrong, "
                    "correct it and run again. If the pictures should leave, run once with "
                    "--accept-withdrawals, or raise withdrawal_budget"
                )

    def _accepted_of(self, category: str) -> int:
        if category not in self._accepted:
            counts = ledger.counts(self._layout, category).values()
            self._accepted[category] = sum(one.accepted for one in counts)
        return self._accepted[category]
