"""How much each node of a cluster does in a stage."""

import time
from collections import Counter
from dataclasses import dataclass, field

TOLD_EVERY_S = 30.0


@dataclass
class Throughput:
    """Counts work by node; work of this machine's own processes has no node and is not counted."""

    unit: str
    begun_s: float = field(default_factory=time.monotonic)
    _amounts: Counter[str] = field(default_factory=Counter)
    _told_s: float = field(default_factory=time.monotonic)

    def count(self, node: str, amount: int) -> None:
        """Add what a node has done."""
        if node:
            self._amounts[node] += amount

    def is_due(self) -> bool:
        """Whether it is time to tell again; then not for a while."""
        now = time.monotonic()
        if not self._amounts or now - self._told_s < TOLD_EVERY_S:
            return False
        self._told_s = now
        return True

    def told(self, stage: str) -> str:
        """One line for people; empty if no node was counted."""
        elapsed_s = max(time.monotonic() - self.begun_s, 1e-9)
        shares = [
            f"{node} {amount:,} {self.unit} ({amount / elapsed_s:,.0f}/s)"
            for node, amount in sorted(self._amounts.items())
        ]
        return f"{stage} by node: {', '.join(shares)}" if shares else ""
