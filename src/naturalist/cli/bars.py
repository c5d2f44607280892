"""Progress as a bar on a terminal, which fits in 60 columns."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn
from rich.text import Text

from naturalist.cli.advice import completed
from naturalist.cli.output import shown
from naturalist.cli.progress import counted


class _Counted(ProgressColumn):
    """How many of how many, the rate and the time left, as far as they are known."""

    def render(self, task: Any) -> Text:
        speed = task.finished_speed or task.speed or 0.0
        total = None if task.total is None else int(task.total)
        return Text(counted(int(task.completed), total, task.fields["unit"], speed))


class BarProgress:
    """A bar for each stage, on a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress: Progress | None = None

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """Show a new bar."""
        if total == 0:
            return
        columns = [SpinnerColumn(finished_text="✓"), TextColumn("{task.description}")]
        # On a narrow terminal the numbers matter more than the bar.
        bar = [BarColumn(bar_width=20)] if self._console.width >= _ROOM_FOR_A_BAR else []
        self._progress = Progress(*columns, *bar, _Counted(), console=self._console)
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
        self._console.print(shown(completed(text)), markup=False)


_ROOM_FOR_A_BAR = 90
