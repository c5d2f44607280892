"""Who hears how far a long piece of work is; the progress of the pipeline is one of them."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Protocol


class Watcher(Protocol):
    """Hears about one stage after another."""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """A stage begins that has `total` units of work."""

    def advance(self, amount: int) -> None:
        """So many more units are done."""

    def end(self) -> None:
        """The stage has ended."""


class Unwatched:
    """Nobody listens."""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """Say nothing."""

    def advance(self, amount: int) -> None:
        """Say nothing."""

    def end(self) -> None:
        """Say nothing."""


UNWATCHED = Unwatched()


@contextlib.contextmanager
def stage(watcher: Watcher, name: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Tell of a stage; gives the function to call with each amount done, from any thread."""
    lock = threading.Lock()

    def advance(amount: int) -> None:
        with lock:
            watcher.advance(amount)

    watcher.begin(name, total, unit)
    try:
        yield advance
    finally:
        watcher.end()
