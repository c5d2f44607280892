"""How long work reports its progress; the command line and run reports listen.

Code that works through units opens a stage, which always ends::

    with stage(progress, "cluster", total=rows, unit="rows") as advance:
        for block in blocks:
            ...
            advance(len(block))
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Protocol


class Progress(Protocol):
    """Listens to one stage of work after another."""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """A stage begins with `total` units of work (None: not counted yet)."""

    def advance(self, amount: int) -> None:
        """`amount` more units are done."""

    def end(self) -> None:
        """The stage has ended."""

    def note(self, text: str) -> None:
        """Something that a person should know."""


class Silent:
    """Progress that nobody listens to."""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """Do nothing."""

    def advance(self, amount: int) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


SILENT = Silent()


class KeptNotes:
    """Progress that passes everything on, and keeps the notes.

    Attributes:
        notes: every note so far, in order.
    """

    def __init__(self, progress: Progress) -> None:
        self.notes: list[str] = []
        self._progress = progress
        self.begin, self.advance, self.end = progress.begin, progress.advance, progress.end

    def note(self, text: str) -> None:
        """Keep the note and pass it on."""
        self.notes.append(text)
        self._progress.note(text)


@contextlib.contextmanager
def stage(
    progress: Progress, name: str, total: int | None, unit: str
) -> Iterator[Callable[[int], None]]:
    """Open a stage and end it whatever happens.

    Gives the function to call with each amount done; it may be called from any thread.
    """
    lock = threading.Lock()

    def advance(amount: int) -> None:
        with lock:
            progress.advance(amount)

    progress.begin(name, total, unit)
    try:
        yield advance
    finally:
        progress.end()


@contextlib.contextmanager
def uncounted_stage(
    progress: Progress, name: str, unit: str, size: int = 1
) -> Iterator[tuple[Callable[[int | None], None], Callable[[int], None]]]:
    """Open a stage whose total only the work can tell, and end it whatever happens.

    Gives two functions: to call once with the total, which begins the stage, and with each amount
    done.

    Args:
        progress: listens.
        name: of the stage.
        unit: what the listener counts.
        size: how much of what the functions are given makes one unit (1000 bytes are a kB).
    """
    seen, has_begun = 0, False

    def begin(total: int | None) -> None:
        nonlocal has_begun
        has_begun = True
        progress.begin(name, None if total is None else total // size, unit)

    def advance(amount: int) -> None:
        nonlocal seen
        before, seen = seen, seen + amount
        progress.advance(seen // size - before // size)

    try:
        yield begin, advance
    finally:
        if has_begun:
            progress.end()
