"""Who hears how far a study is: what `naturalist.pipeline.progress` gives, seen from below it."""

from typing import Protocol


class Watcher(Protocol):
    """Hears about one stage of a study after another."""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """A stage begins, of so many units if that is known."""

    def advance(self, amount: int) -> None:
        """So many more are done."""

    def end(self) -> None:
        """The stage has ended."""
