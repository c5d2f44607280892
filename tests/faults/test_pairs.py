"""Two commands at the same time on one workspace end as if one had come after the other.

Each may be turned away with its exit code and a sentence, and is then done again. Afterwards the
collection must be one that the two make one after the other, in one of the two orders, and pass
`verify --deep`. A few pairs in every test run; all of them by
`pytest tests/faults/test_pairs.py --long`.
"""

import itertools
import random
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faults.forking import run_forked
from faults.operations import COLLECTION, ON, OPERATIONS, outcome, prepare
from faults.striking import Ended
from naturalist.dashboard.bundle import load_bundle
from naturalist.errors import BundleMissing
from tiny import in_memory

PAIRS = list(itertools.combinations_with_replacement(OPERATIONS, 2))
SHORT = [
    ("run", "rename"), ("ingest", "review"), ("publish", "prune"), ("retire", "pull"),
    ("desk", "takedown"),
]  # fmt: skip
LONG_STAGGERS = 1
CHECKS = (["verify", "--deep", *ON], ["verify", "published", "-q"])
LONGEST_STAGGER_S = 0.5
SERVED = ("desk", "dashboard")
TURNED_AWAY = (5, 7)
"""Another writer has the workspace, or changed the published collection first: try again."""


@dataclass(frozen=True)
class Finished:
    """With which codes two operations ended, and what the collection is after a run."""

    codes: tuple[int, int]
    outcome: dict[str, Any]


InTurn = Callable[[str, str], Finished]


@pytest.fixture(scope="session")
def start() -> Iterator[Path]:
    """A collection to copy, in memory if possible."""
    with in_memory() as folder:
        prepare(folder / "start")
        yield folder / "start"


@pytest.fixture(scope="session")
def in_turn(start: Path) -> InTurn:
    """Does two operations one after the other, once in each order."""
    known: dict[tuple[str, str], Finished] = {}

    def make(first: str, second: str) -> Finished:
        if (first, second) not in known:
            with copied(start) as folder:
                ended = [OPERATIONS[name](folder) for name in (first, second)]
                for name, one in zip((first, second), ended, strict=True):
                    check_said(name, one)
                go_on(folder)
                known[first, second] = Finished((ended[0].code, ended[1].code), outcome(folder))
        return known[first, second]

    return make


@pytest.mark.parametrize(("a", "b"), SHORT)
def test_two_at_once_end_as_one_after_the_other(
    start: Path, in_turn: InTurn, a: str, b: str
) -> None:
    try_pair(start, in_turn, a, b, random.Random(0))


@pytest.mark.long
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_every_two_at_once_end_as_one_after_the_other(
    start: Path, in_turn: InTurn, a: str, b: str
) -> None:
    rng = random.Random(f"{a} {b}")
    for _ in range(LONG_STAGGERS):
        try_pair(start, in_turn, a, b, rng)


def try_pair(start: Path, in_turn: InTurn, a: str, b: str, rng: random.Random) -> None:
    """Do two operations at once, the ones that were turned away again, and compare."""
    need_pages(a, b)
    forth, back = in_turn(a, b), in_turn(b, a)
    codes = {forth.codes[0], back.codes[1]}, {forth.codes[1], back.codes[0]}
    delays = rng.sample([0.0, rng.uniform(0, LONGEST_STAGGER_S)], 2)
    with copied(start) as folder:
        for name, ended, expected in zip(
            (a, b), at_once(folder, (a, b), delays), codes, strict=True
        ):
            told = f"{a} and {b} with delays {delays}: {name} ended with {ended.code}: {ended.err}"
            check_said(name, ended)
            assert ended.code in expected | {0, *TURNED_AWAY}, told
            if ended.code in TURNED_AWAY:
                again = OPERATIONS[name](folder)
                check_said(name, again)
                assert again.code in expected, f"{told}, and then {again.code}: {again.err}"
        go_on(folder, *CHECKS)
        assert outcome(folder) in (forth.outcome, back.outcome), f"{a} and {b}, delays {delays}"


def need_pages(*names: str) -> None:
    """Skip what needs the dashboard's pages where they were not built."""
    if set(names) & set(SERVED):
        try:
            load_bundle()
        except BundleMissing as error:
            pytest.skip(str(error))


@contextmanager
def copied(start: Path) -> Iterator[Path]:
    """A copy of the collection, removed afterwards."""
    with in_memory() as folder:
        yield Path(shutil.copytree(start, folder / "copy", symlinks=True))


def at_once(folder: Path, names: tuple[str, str], delays: list[float]) -> list[Ended]:
    """Start operations, each after its delay in seconds, and wait for all."""

    def run(name: str, delay: float) -> Ended:
        time.sleep(delay)
        return OPERATIONS[name](folder)

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(run, names, delays))


def check_said(name: str, ended: Ended) -> None:
    """Whoever fails says why, in words."""
    assert "Traceback" not in ended.err, f"{name}: {ended.err}"
    assert ended.code >= 0, f"{name}: killed by {-ended.code}: {ended.err}"
    assert ended.code == 0 or ended.err.strip(), f"{name}: {ended.code} without a word"


def go_on(folder: Path, *checks: list[str]) -> None:
    """Publish again after a rollback, run, and check."""
    release = ["snapshots", "release", "-c", COLLECTION]
    for arguments in (release, ["run", *ON], *checks):
        ended = run_forked(arguments, folder)
        assert ended.code == 0, f"{arguments}: {ended.code} {ended.err}"
