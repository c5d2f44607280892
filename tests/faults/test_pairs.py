"""Two commands at the same time on one workspace end as if one had come after the other.

Each may be turned away with its exit code and a sentence, and is then done again. Afterwards the
collection must be one that the two make one after the other, in one of the two orders, and pass
`verify --deep`. All pairs by
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
SHORT = [("run", "rename"), ("publish", "prune"), ("desk", "takedown")]
LONG_STAGGERS = 1
LONGEST_STAGGER_S = 0.5
SERVED = ("desk", "dashboard")
READING = ("prune", "pull", "verify", "map", "cluster", "duplicates", "train", "dashboard")
"""What leaves ids, ledger and tables as they are, whatever it comes before or after."""
ROLLED_BACK = "rollback"
TURNED_AWAY = (5, 7)
"""Another writer has the workspace, or changed the published collection first: try again."""


@dataclass(frozen=True)
class Finished:
    """With which codes operations ended, and what the collection is after a run."""

    codes: dict[str, set[int]]
    outcome: dict[str, Any]


InTurn = Callable[..., Finished]


@pytest.fixture(scope="session")
def start() -> Iterator[Path]:
    """A collection to copy, in memory if possible."""
    with in_memory() as folder:
        prepare(folder / "start")
        yield folder / "start"


@pytest.fixture(scope="session")
def in_turn(start: Path) -> InTurn:
    """Does operations one after the other, once in each order; what only reads is left out."""
    known: dict[tuple[str, ...], Finished] = {}

    def make(*names: str) -> Finished:
        changing = tuple(name for name in names if name not in READING)
        if changing not in known:
            known[changing] = one_after_the_other(start, changing)
        return known[changing]

    return make


def one_after_the_other(start: Path, names: tuple[str, ...]) -> Finished:
    """Do operations in turn on a copy."""
    codes: dict[str, set[int]] = {}
    with copied(start) as folder:
        for name in names:
            ended = OPERATIONS[name](folder)
            check_said(name, ended)
            codes.setdefault(name, set()).add(ended.code)
        go_on(folder, names)
        return Finished(codes, outcome(folder))


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
    delays = rng.sample([0.0, rng.uniform(0, LONGEST_STAGGER_S)], 2)
    told = f"{a} and {b} with delays {delays}"
    with copied(start) as folder:
        for name, ended in zip((a, b), at_once(folder, (a, b), delays), strict=True):
            expected = {0} | forth.codes.get(name, set()) | back.codes.get(name, set())
            check_said(name, ended)
            if ended.code in TURNED_AWAY:
                told += f"; {name} was turned away: {ended.err}"
                ended = OPERATIONS[name](folder)
                check_said(name, ended)
            if ended.code not in expected:
                # What only reads may have its reason too, in one of the orders.
                turns = [one_after_the_other(start, names).codes for names in ((a, b), (b, a))]
                expected |= {code for one in turns for code in one[name]}
            assert ended.code in expected, f"{told}; {name}: {ended.code} {ended.err}"
        go_on(folder, (a, b), ["verify", "--deep", *ON], ["verify", "published", "-q"])
        assert outcome(folder) in (forth.outcome, back.outcome), told


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


def go_on(folder: Path, names: tuple[str, ...], *checks: list[str]) -> None:
    """Publish again after a rollback, run, and check."""
    release = [["snapshots", "release", "-c", COLLECTION]] if ROLLED_BACK in names else []
    for arguments in (*release, ["run", *ON], *checks):
        ended = run_forked(arguments, folder)
        assert ended.code == 0, f"{names}: {arguments}: {ended.code} {ended.err}"
