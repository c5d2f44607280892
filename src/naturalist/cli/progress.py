"""Showing progress: a bar on a terminal, a line now and then elsewhere; always on stderr."""

import sys
import time
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from naturalist.cli.output import shown
from naturalist.progress import Silent

_LINE_EVERY_S = 15.0


class _RateColumn(ProgressColumn):
    def render(self, task: Any) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "")


class BarProgress:
    """A bar for each stage, on a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress: bars.Progress | None = None

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """Show a new bar."""
        if total == 0:
            return
        self._progress = bars.Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task(stage, total=total, unit=unit)
        self._progress.start()

    def advance(self, amount: int) -> None:
        """Move the bar."""
        if self._progress is not None:
            self._progress.advance(self._task, amount)

    def end(self) -> None:
        """Leave the bar as it is."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(shown(text), markup=False)


class LineProgress:
    """A line when a stage begins and ends, and now and then between; for logs."""

    def __init__(self) -> None:
        self._done = 0

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """Begin to count."""
        self._stage, self._total, self._unit = stage, total, unit
        self._done = 0
        self._start = self._last = time.monotonic()
        if total != 0:
            of = f" of {total:,} {unit}" if total is not None else ""
            self.note(f"{stage}: begins{of}")

    def advance(self, amount: int) -> None:
        """Count, and print a line if the last one is old."""
        self._done += amount
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY_S:
            self._last = now
            self.note(f"{self._stage}: {self._counted(now)}")

    def _counted(self, now: float) -> str:
        rate = self._done / max(now - self._start, 1e-9)
        text = f"{self._done:,} {self._unit}, {rate:,.0f}/s"
        if self._total and rate and self._done < self._total:
            left_s = (self._total - self._done) / rate
            text += f", {left_s:,.0f} s left of {self._total:,}"
        return text

    def end(self) -> None:
        """Print what was done."""
        if self._done:
            now = time.monotonic()
            self.note(f"{self._stage}: {self._counted(now)} in {now - self._start:,.1f} s")

    def note(self, text: str) -> None:
        """Print a line."""
        print(shown(text), file=sys.stderr, flush=True)


def make_progress(*, quiet: bool) -> BarProgress | LineProgress | Silent:
    """Choose how to show progress on this stderr."""
    if quiet:
        return Silent()
    return BarProgress() if sys.stderr.isatty() else LineProgress()
