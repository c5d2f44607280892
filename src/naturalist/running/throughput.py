"""How much each node of a cluster does in a stage."""

import time
from collections import Counter
from dataclasses import dataclass, field

REPORT_EVERY_S = 30.0


@dataclass
class Throughput:
    """Counts a stage's work by node; that of this machine's own processes has none, and is not.

    A stage may go over its tasks in several passes; rates are over the time of the passes.
    """

    unit: str
    _amounts: Counter[str] = field(default_factory=Counter)
    _passes_s: float = 0.0
    _begun_s: float | None = None
    _told_s: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Begin a pass."""
        self._begun_s = self._told_s = time.monotonic()

    def end(self) -> None:
        """End a pass."""
        self._passes_s, self._begun_s = self._elapsed_s(), None

    def _elapsed_s(self) -> float:
        now_s = 0.0 if self._begun_s is None else time.monotonic() - self._begun_s
        return self._passes_s + now_s

    def count(self, node: str, amount: int) -> None:
        """Add what a node has done."""
        if node:
            self._amounts[node] += amount

    def is_due(self) -> bool:
        """Whether it is time to tell again; then not for a while."""
        now = time.monotonic()
        if not self._amounts or now - self._told_s < REPORT_EVERY_S:
            return False
        self._told_s = now
        return True

    def by_node(self) -> dict[str, dict[str, float]]:
        """Amount and rate of each node that was counted, as JSON values."""
        elapsed_s = max(self._elapsed_s(), 1e-9)
        return {
            node: {self.unit: amount, "per_s": round(amount / elapsed_s, 1)}
            for node, amount in sorted(self._amounts.items())
        }

    def report(self, stage: str) -> str:
        """One line for people; empty if no node was counted."""
        shares = [
            f"{node} {done[self.unit]:,} {self.unit} ({done['per_s']:,.0f}/s)"
            for node, done in self.by_node().items()
        ]
        return f"{stage} by node: {', '.join(shares)}" if shares else ""
