"""Killed at random system calls and started again, a command ends as if it had never been stopped.

One kill of the quick commands in every test run; hundreds, of all commands, by
`pytest tests/faults/test_kills.py --long -s --kills 20`, which also prints how many there were.
Every failure names the seed and the calls, and can be repeated.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.cases import CASES, Case
from faults.forking import Call, list_calls, run_forked, strike
from faults.outcomes import Outcome
from faults.striking import need_strace

KILLS = 1
QUICK = ("index", "takedown", "pull", "category rename", "sources fetch")
_IN_A_ROW = 5


@dataclass(frozen=True)
class Undisturbed:
    """What a command makes that nobody stops, and the calls at which it can be killed."""

    start: Path
    outcome: Outcome
    calls: list[Call]


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """Makes each folder that commands begin with once."""
    known: dict[Callable[[Path], object], Path] = {}

    def make(case: Case) -> Path:
        if case.start not in known:
            known[case.start] = tmp_path_factory.mktemp("faults") / "start"
            case.start(known[case.start])
        return known[case.start]

    return make


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """The command that a test is about, with the host that it needs."""
    need_strace()
    found = CASES[request.param]
    if found.fixture:
        request.getfixturevalue(found.fixture)
    return found


@pytest.mark.parametrize("case", QUICK, indirect=True)
def test_a_command_that_was_killed_ends_as_if_it_had_not_been(
    started: Callable[[Case], Path], case: Case, tmp_path: Path
) -> None:
    expected = watched(case, started(case), tmp_path)
    kill_and_compare(case, expected, tmp_path, KILLS, seed=0)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, indirect=True)
def test_a_command_that_was_killed_many_times_ends_as_if_it_had_not_been(
    started: Callable[[Case], Path],
    case: Case,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    expected = watched(case, started(case), tmp_path)
    kills = int(pytestconfig.getoption("--kills"))
    killed = kill_and_compare(case, expected, tmp_path, kills, seed=1)
    print(f"\n{' '.join(case.arguments)}: killed {killed} times, at {len(expected.calls)} places")


def watched(case: Case, start: Path, tmp: Path) -> Undisturbed:
    """Run a command once, undisturbed."""
    folder = begin(case, start, tmp / "undisturbed")
    calls = list_calls(case.arguments, folder, tmp / "trace")
    return Undisturbed(start, case.outcome(folder), calls)


def begin(case: Case, start: Path, folder: Path) -> Path:
    """A copy of the folder that the command begins with, ready for it."""
    shutil.copytree(start, folder, symlinks=True)
    case.before(folder)
    return folder


def kill_and_compare(case: Case, expected: Undisturbed, tmp: Path, kills: int, seed: int) -> int:
    """Strike until so many runs were killed, each time going on and comparing what came out.

    Returns:
        How many runs were killed themselves, not only a worker of theirs.
    """
    rng = random.Random(seed)
    tried = killed = 0
    while tried < kills:
        folder = begin(case, expected.start, tmp / f"from-{tried}")
        at = rng.choices(expected.calls, k=min(_IN_A_ROW, kills - tried))
        struck = strike_in_a_row(case, folder, at)
        killed += struck
        tried += max(1, struck)
        ended = run_forked(case.arguments, folder, is_alone=False)
        where = f"seed {seed}, {', '.join(map(str, at))}"
        assert ended.code == 0, f"{where}: {ended.err}"
        assert "Traceback" not in ended.err, f"{where}: {ended.err}"
        assert case.outcome(folder) == expected.outcome, where
        assert litter(folder) == [], where
        print(f"{where}: {struck} killed, {tried} of {kills} tried")
        shutil.rmtree(folder)
    return killed


def strike_in_a_row(case: Case, folder: Path, at: list[Call]) -> int:
    """Strike until a run is not killed: the next one has no more to do; how many were killed.

    Before each next attempt passes what time has to pass.
    """
    for killed, one in enumerate(at):
        if not strike(case.arguments, folder, one):
            return killed
        case.between(folder)
    return len(at)


def litter(folder: Path) -> list[Path]:
    """Temporary files that nothing would ever remove; a store sweeps its own after a day."""
    places = [folder / "collection", folder / "here", folder / "site"]
    return [path for place in places for path in place.rglob("*.tmp")]
