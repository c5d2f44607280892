"""Killed at random system calls and started again, a command ends as if it had never been stopped.

One kill of the quick commands in every test run; hundreds, of all commands, by
`pytest tests/faults --long`. Every failure names the seed and the calls, and can be repeated.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.cases import CASES, Case, Outcome, make_collection
from faults.striking import count_calls, need_strace, run, strike

KILLS = 1
QUICK = ("index", "takedown", "pull")
LONG_KILLS = 70
_IN_A_ROW = 5


@dataclass(frozen=True)
class Undisturbed:
    """What a command makes that nobody stops, and how many calls its busiest process makes."""

    start: Path
    outcome: Outcome
    calls: int


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Undisturbed]:
    """Runs each command once."""
    need_strace()
    start = tmp_path_factory.mktemp("faults") / "start"
    make_collection(start)
    known: dict[str, Undisturbed] = {}

    def make(name: str) -> Undisturbed:
        if name not in known:
            case = CASES[name]
            folder = begin(case, start, tmp_path_factory.mktemp(name) / "folder")
            calls = count_calls(case.arguments, folder, folder.parent / "trace")
            known[name] = Undisturbed(start, case.outcome(folder), calls)
        return known[name]

    return make


def begin(case: Case, start: Path, folder: Path) -> Path:
    """A copy of the collection, ready for the command."""
    shutil.copytree(start, folder, symlinks=True)
    case.before(folder)
    return folder


@pytest.mark.parametrize("name", QUICK)
def test_a_command_that_was_killed_ends_as_if_it_had_not_been(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path, name: str
) -> None:
    kill_and_compare(undisturbed(name), CASES[name], tmp_path, KILLS, seed=0)


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_a_command_that_was_killed_many_times_ends_as_if_it_had_not_been(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path, name: str
) -> None:
    kill_and_compare(undisturbed(name), CASES[name], tmp_path, LONG_KILLS, seed=1)


def kill_and_compare(expected: Undisturbed, case: Case, tmp: Path, kills: int, seed: int) -> None:
    """Strike until so many runs were killed, each time going on and comparing what came out."""
    rng = random.Random(seed)
    killed = 0
    while killed < kills:
        folder = begin(case, expected.start, tmp / f"from-{killed}")
        at = [rng.randint(1, expected.calls) for _ in range(min(_IN_A_ROW, kills - killed))]
        # At least one counts, so that commands that survive a lost worker come to an end.
        struck = [strike(case.arguments, folder, one).was_killed for one in at]
        killed += max(1, sum(struck))
        ended = run(case.arguments, folder)
        assert ended.code == 0, f"seed {seed}, calls {at}: {ended.err}"
        assert "Traceback" not in ended.err, f"seed {seed}, calls {at}: {ended.err}"
        assert case.outcome(folder) == expected.outcome, f"seed {seed}, calls {at}"
        assert litter(folder) == [], f"seed {seed}, calls {at}"
        shutil.rmtree(folder)


def litter(folder: Path) -> list[Path]:
    """Temporary files that nothing would ever remove; a store sweeps its own after a day."""
    places = [folder / "collection", folder / "here", folder / "site"]
    return [path for place in places for path in place.rglob("*.tmp")]
