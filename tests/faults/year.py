"""A year of a collection: what happens on each day, and a model of what must be there.

The model knows nothing of naturalist but its promises: which bytes were in a source when a run
ended, which were taken down, and what categories are called. Days are drawn from a seed.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tiny

CATEGORIES = {"plant": 0, "animal": 1, "human": 4}
RENAMED, NEW_NAME = "plant", "flora"
RETIRED = "human"
_NEW_EACH_DAY = 2
_CHANGES = 0.3
"""Chance of a change, a removal, a renaming and a copy on a day, each."""
_EVERY = {"study": 12, "prune": 30, "takedown": 25}
"""Days between two events of a kind; fewer where the whole time is short."""


@dataclass(frozen=True)
class Day:
    """What happens on a day besides new pictures: names of events, in order."""

    number: int
    events: tuple[str, ...]


def days(count: int, rng: random.Random) -> Iterator[Day]:
    """The days of a year, or of a shorter time in which the same things happen."""
    once = {
        "upgrade": 0.02, "rename": 0.2, "rename source": 0.3, "retire": 0.4, "restore": 0.55,
        "rollback": 0.65, "release": 0.7, "backbone": 0.9,
    }  # fmt: skip
    at: dict[int, list[str]] = {}
    for name, share in once.items():
        at.setdefault(1 + int(share * (count - 1)), []).append(name)
    for number in range(count):
        events = at.get(number, [])
        for name, usual in _EVERY.items():
            every = min(usual, count // 3)
            if number % every == every - 1:
                events.append(name)
        yield Day(number, tuple(events))


@dataclass
class Sources:
    """Folders of pictures, one for each category, that change from day to day.

    Attributes:
        root: folder of the folders.
        rng: draws what changes.
        seen: the bytes of each category that were there when a run ended, by checksum.
        waiting: categories whose files no run looks at now.
        taken_down: checksums of pictures that were taken down.
    """

    root: Path
    rng: random.Random
    seen: dict[str, dict[bytes, bytes]] = field(
        default_factory=lambda: {name: {} for name in CATEGORIES}
    )
    waiting: set[str] = field(default_factory=set)
    taken_down: set[bytes] = field(default_factory=set)
    _seed: int = 0

    def next_day(self, number: int) -> None:
        """New pictures come; some files are changed, removed, renamed or copied."""
        for category in CATEGORIES:
            for _ in range(self.rng.randint(0, _NEW_EACH_DAY)):
                self._write(self.root / category / f"{number // 30:02d}" / f"{self._next()}.png")
        for change in (self._change, self._remove, self._rename, self._copy):
            if self.rng.random() < _CHANGES:
                files = sorted(self.root.glob("*/*/*.png"))
                if len(files) > len(CATEGORIES):
                    change(self.rng.choice(files))

    def note_seen(self) -> None:
        """A run has ended: it has seen every file of the categories that are not retired."""
        for category in set(CATEGORIES) - self.waiting:
            for path in (self.root / category).rglob("*.png"):
                data = path.read_bytes()
                self.seen[category].setdefault(hashlib.sha256(data).digest(), data)

    def expected(self) -> dict[bytes, str]:
        """Checksums of all pictures that must be in the tables, with their category."""
        return {
            digest: category
            for category, files in self.seen.items()
            for digest in files
            if digest not in self.taken_down
        }

    def write_all(self, root: Path) -> None:
        """Write every picture that must be there into folders, one for each category."""
        for digest, category in self.expected().items():
            path = root / category / "photos" / f"{digest.hex()}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.seen[category][digest])

    def _next(self) -> int:
        self._seed += 1
        return self._seed

    def _write(self, path: Path) -> None:
        tiny.write_picture(path, self._next())

    def _change(self, path: Path) -> None:
        self._write(path)

    def _remove(self, path: Path) -> None:
        path.unlink()

    def _rename(self, path: Path) -> None:
        path.rename(path.with_name(f"renamed-{self._next()}.png"))

    def _copy(self, path: Path) -> None:
        path.with_name(f"copy-{self._next()}.png").write_bytes(path.read_bytes())
