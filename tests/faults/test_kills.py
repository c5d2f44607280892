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
from faults.forking import count_calls, run_forked, strike
from faults.outcomes import Outcome
from faults.striking import need_strace

KILLS = 1
QUICK = ("index", "takedown", "pull", "category rename", "sources fetch")
_IN_A_ROW = 5


@dataclass(frozen=True)
class Undisturbed:
    """What a command makes that nobody stops, and how many calls its busiest process makes."""

    start: Path
    outcome: Outcome
    calls: int


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
    print(f"\n{' '.join(case.arguments)}: killed {killed} times, {expected.calls} calls")


def watched(case: Case, start: Path, tmp: Path) -> Undisturbed:
    """Run a command once, undisturbed."""
    folder = begin(case, start, tmp / "undisturbed")
    calls = count_calls(case.arguments, folder, tmp / "trace")
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
        at = [rng.randint(1, expected.calls) for _ in range(min(_IN_A_ROW, kills - tried))]
        struck = strike_in_a_row(case, folder, at)
        killed += struck
        tried += max(1, struck)
        ended = run_forked(case.arguments, folder, is_alone=False)
        assert ended.code == 0, f"seed {seed}, calls {at}: {ended.err}"
        assert "Traceback" not in ended.err, f"seed {seed}, calls {at}: {ended.err}"
        assert case.outcome(folder) == expected.outcome, f"seed {seed}, calls {at}"
        assert litter(folder) == [], f"seed {seed}, calls {at}"
        print(f"calls {at}: {struck} killed, {tried} of {kills} tried")
        shutil.rmtree(folder)
    return killed


def strike_in_a_row(case: Case, folder: Path, at: list[int]) -> int:
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
