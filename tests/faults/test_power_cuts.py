"""After a power cut, a command that is run again ends as if the power had never failed.

A command is recorded once, undisturbed. From its system calls a drive is built that forgets what
was not flushed (`faults.disk`), the power is cut at a random call, and the command is run again on
what is left. A few cuts in every test run, hundreds by
`pytest tests/faults/test_power_cuts.py --long`.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import tiny
from faults.cases import CASES as KILLED
from faults.cases import Case
from faults.disk import Disk, Kept
from faults.outcomes import Outcome, of_files, of_pictures, of_run, of_workspace
from faults.recording import Call, record, record_program
from faults.starts import COLLECTION, ON_COLLECTION, config_of, make_collection, make_sources
from faults.striking import need_strace, run_here
from naturalist import artifacts
from naturalist.curation.reviewing.journal import Journal

MODES = ("auto", "hardlink", "copy", "move", "reference")
LONG_CUTS = 60
DECISION_CUTS = 200


def of_whole_run(folder: Path) -> Outcome:
    """What a run makes, where every picture is, and what is left in the sources."""
    root = config_of(folder).layout.root
    made = of_files(root, "features/**/*.parquet", "previews/**/*.parquet")
    return of_run(folder) | of_pictures(folder) | {"made": made}


STARTS: dict[str, Callable[[Path], object]] = {
    mode: lambda folder, mode=mode: make_sources(folder, mode) for mode in MODES
} | dict.fromkeys(("more", "publish", "map", "takedown"), make_collection)
MAP = of_workspace("maps/*/points.parquet")
CASES = dict.fromkeys(MODES, Case(["run", *ON_COLLECTION], of_whole_run)) | {
    "more": Case(["run", *ON_COLLECTION], of_whole_run),
    "publish": KILLED["publish"],
    "map": Case(["map", *ON_COLLECTION], MAP),
    "takedown": Case(
        ["takedown", "plant_id_3", "--why", "asked for", "-c", COLLECTION], of_whole_run
    ),
}


@dataclass(frozen=True)
class Recorded:
    """A command that nothing disturbed: from what, by which calls, what it made and left.

    Cuts are tried in the same folder, so that what was left is kept apart.
    """

    start: Path
    folder: Path
    calls: list[Call]
    outcome: Outcome
    left: dict[str, bytes]


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Recorded]:
    """Records each command once."""
    need_strace()
    known: dict[str, Recorded] = {}

    def make(name: str) -> Recorded:
        if name not in known:
            root = tmp_path_factory.mktemp(f"recorded-{name}").resolve()
            start, folder, case = root / "start", root / "folder", CASES[name]
            STARTS[name](start)
            (start / "tmp").mkdir()
            case.before(start)
            shutil.copytree(start, folder, symlinks=True)
            ended, calls = record(case.arguments, folder, root / "trace")
            assert ended.code == 0, ended.err
            (root / "trace").unlink()
            left = _bytes_of(folder)
            known[name] = Recorded(start, folder, calls, case.outcome(folder), left)
        return known[name]

    return make


def test_the_drive_of_all_calls_holds_what_the_command_left(
    recorded: Callable[[str], Recorded], tmp_path: Path
) -> None:
    what = recorded("move")
    disk = Disk(what.start, what.folder)
    disk.replay(what.calls)
    disk.now(tmp_path / "copy")
    assert _bytes_of(tmp_path / "copy") == what.left


def _bytes_of(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else b"folder"
        for path in root.rglob("*")
    }


def test_a_run_goes_on_after_a_power_cut(recorded: Callable[[str], Recorded]) -> None:
    cut_and_compare(recorded("move"), CASES["move"], list(Kept), seed=0)


DECIDING = """
import sys
from pathlib import Path
from naturalist.curation.reviewing.history import Change
from naturalist.curation.reviewing.journal import Journal
journal = Journal(Path("collection/review/journal"))
for number in range(20):
    key = f"plant_id_{number}"
    journal.append(lambda history: history.decide(
        "anna", 1, str(number), {key: Change(("retire", ""))}, {key: 0}, {key: "accepted"}))
    Path(f"acknowledged-{number}").mkdir()
"""


def test_a_decision_that_was_acknowledged_is_there_after_a_power_cut(tmp_path: Path) -> None:
    need_strace()
    start, folder = tmp_path.resolve() / "start", tmp_path.resolve() / "folder"
    start.mkdir()
    (start / "tmp").mkdir()
    shutil.copytree(start, folder)
    ended, calls = record_program(DECIDING, folder, tmp_path / "trace")
    assert ended.code == 0, ended.err
    rng = random.Random(2)
    for number in range(DECISION_CUTS):
        at = rng.randint(1, len(calls))
        disk = Disk(start, folder)
        disk.replay(calls[:at])
        disk.after_a_cut(rng, list(Kept)[number % len(Kept)], folder)
        journal = Journal(folder / "collection/review/journal")
        done = sum(call.name == "mkdir" and b"acknow" in call.string(0) for call in calls[:at])
        assert len(journal.history()) in (done, done + 1), at
        assert journal.append(lambda _: None) is None


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_a_command_goes_on_after_many_power_cuts(
    recorded: Callable[[str], Recorded], name: str
) -> None:
    kept = [one for _ in range(LONG_CUTS // len(Kept)) for one in Kept]
    cut_and_compare(recorded(name), CASES[name], kept, seed=1)


def cut_and_compare(what: Recorded, case: Case, cuts: list[Kept], seed: int) -> None:
    """Cut the power once for each, run the command again, and compare what came out."""
    rng = random.Random(seed)
    changes = [k for k, call in enumerate(what.calls) if call.changes]
    for kept in cuts:
        at = 1 + rng.choice(changes)
        where = f"seed {seed}, {kept}, after call {at} of {len(what.calls)}"
        disk = Disk(what.start, what.folder)
        disk.replay(what.calls[:at])
        disk.after_a_cut(rng, kept, what.folder)
        artifacts.forget_folders()
        if case.arguments[0] == "run":
            tiny.make_all(config_of(what.folder))
        else:
            ended = run_here(case.arguments, what.folder)
            assert ended.code == 0, f"{where}: {ended.err}"
        assert case.outcome(what.folder) == what.outcome, where
