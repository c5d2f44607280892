"""What a run tells about itself while it works; only the command line shows it.

Below the pipeline, where `Progress` is not known, a function that takes long has a parameter
`on_<units>` (on_file, on_rows, on_bytes): a callable that hears how many more are done.
"""

from typing import Protocol


class Progress(Protocol):
    """Hears about the work of one stage after another."""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """A stage begins; `total` units of work are known to be there, None if not counted yet."""

    def advance(self, amount: int) -> None:
        """So many more units are done."""

    def end(self) -> None:
        """The stage has ended."""

    def note(self, text: str) -> None:
        """Something that a person should know."""


class Silent:
    """Progress that nobody watches."""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """Say nothing."""

    def advance(self, amount: int) -> None:
        """Say nothing."""

    def end(self) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""
