"""Progress as lines of a task's log."""

import logging
import time

from naturalist.counting import counted_of_several

_LOG = logging.getLogger(__name__)


class Logged:
    """Logs the beginning and the end of each stage; a line for each step would fill the log."""

    def __init__(self) -> None:
        self._stage, self._unit = "", ""
        self._done, self._begun_s = 0, 0.0

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """See `Progress.begin`."""
        self._stage, self._unit = stage, unit
        self._done, self._begun_s = 0, time.monotonic()
        if total:
            _LOG.info("%s: %s to do", stage, counted_of_several(total, unit))

    def advance(self, amount: int) -> None:
        """See `Progress.advance`."""
        self._done += amount

    def end(self) -> None:
        """See `Progress.end`."""
        took_s = max(time.monotonic() - self._begun_s, 1e-3)
        if self._done:
            rate = self._done / took_s
            done = f"{counted_of_several(self._done, self._unit)} in {took_s:.1f} s"
            _LOG.info("%s: %s, %s/s", self._stage, done, f"{rate:,.0f}")

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        _LOG.info("%s", text)
