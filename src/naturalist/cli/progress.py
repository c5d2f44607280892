"""Showing progress: a bar on a terminal, a line now and then elsewhere; always on stderr."""

import sys
import time

from naturalist.cli.advice import completed
from naturalist.cli.output import shown
from naturalist.counting import counted_of_several
from naturalist.progress import Progress, Silent

_LINE_EVERY_S = 15.0


def counted(done: int, total: int | None, unit: str, rate: float) -> str:
    """Progress in words, as in: 200 of 1,000 pictures, 34/s, 24 s left.

    Args:
        done: units that are done.
        total: units there are in all, None if that is not known.
        unit: what is counted, in the plural.
        rate: units per second; 0 when it is not known yet.
    """
    left = 0 if total is None else max(0, total - done)
    number = counted_of_several(done + left, unit)
    text = f"{done:,} of {number}" if left else number
    if rate > 0:
        text += f", {_rate(rate, unit)}"
        if left:
            text += f", {_time(max(1.0, left / rate))} left"
    return text


def _rate(rate: float, unit: str) -> str:
    """Units per second; slow work per minute or hour, so that the number is not 0."""
    if rate >= 1:
        return f"{rate:,.0f} kB/s" if unit == "kB" else f"{rate:,.0f}/s"
    return f"{60 * rate:,.0f}/min" if rate >= 1 / 60 else f"{3600 * rate:,.1f}/h"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


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
            self.note(stage if total is None else f"{stage}: {counted_of_several(total, unit)}")

    def advance(self, amount: int) -> None:
        """Count, and print a line if the last one is old."""
        self._done += amount
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY_S:
            self._last = now
            self.note(f"{self._stage}: {self._counted(now)}")

    def _counted(self, now: float) -> str:
        rate = self._done / max(now - self._start, 1e-9)
        return counted(self._done, self._total, self._unit, rate)

    def end(self) -> None:
        """Print what was done."""
        if self._done:
            now = time.monotonic()
            self.note(f"{self._stage}: {self._counted(now)}, took {_time_taken(now - self._start)}")

    def note(self, text: str) -> None:
        """Print a line."""
        print(shown(completed(text)), file=sys.stderr, flush=True)


def _time_taken(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds < 120 else _time(seconds)


def make_progress(*, quiet: bool) -> Progress:
    """Choose how to show progress on this stderr."""
    if quiet:
        return Silent()
    if not sys.stderr.isatty():
        return LineProgress()
    # Imported here because it needs rich, and most of the command line starts without it.
    from naturalist.cli.bars import BarProgress

    return BarProgress()
