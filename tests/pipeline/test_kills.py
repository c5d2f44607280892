"""Killed at any moment and started again, the result is that of a run that was never stopped."""

import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from tests.pipeline.collections_of_pictures import (
    DEADLINE_S,
    STAGES,
    Collection,
    Ran,
    Sabotage,
    begin,
    digests,
    finish,
    identities,
    session_is_empty,
    take,
    write_collection,
)

MODES = ("hardlink", "copy", "move", "reference")
KILLS = {"hardlink": 3, "copy": 1, "move": 1, "reference": 1}
LONG_KILLS = 60
SIZES = {
    "files_per_batch": 36,
    "files_per_task": 9,
    "shard_size": 8,
    "rows_per_table": 15,
    "workers": 2,
}


def make_sources(photos: Path, mess: Path, folder: Path) -> dict[str, dict[str, Path]]:
    """Some of everything: folders, a zip, duplicates, a conflict, broken files, a link."""
    plants = take(photos, "plant", 22, folder / "garden")
    animals = take(photos, "animal", 18, folder / "zoo")
    first, second, third, *_ = sorted(p for p in plants.rglob("*") if p.is_file())
    shutil.copyfile(first, plants / "copy of the first.jpg")
    shutil.copyfile(second, animals / "also a plant.jpg")
    (plants / "link.jpg").symlink_to(third.relative_to(plants))
    for name in ("truncated.jpg", "truncated.png", "broken.png", "check.svg", "swiss.png"):
        shutil.copyfile(mess / "real" / name, animals / name)
    (plants / "notes.txt").write_text("no picture")
    packed = take(photos, "plant", 14, folder / "packed", skip=22)
    with zipfile.ZipFile(folder / "meadow.zip", "w") as archive:
        for path in sorted(p for p in packed.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(packed))
    shutil.rmtree(packed)
    return {
        "plant": {"garden": plants, "meadow": folder / "meadow.zip"},
        "animal": {"zoo": animals},
    }


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody stops makes, and how often it changes the file tree."""

    sources: Path
    tables: dict[str, str]
    outcomes: list[tuple[object, ...]]
    snapshot: dict[str, str]
    changes: dict[str, int]


@pytest.fixture(scope="session")
def undisturbed(
    photos: Path, mess: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Undisturbed]:
    """Runs a collection in a mode once, and remembers what came out."""
    folder = tmp_path_factory.mktemp("undisturbed")
    make_sources(photos, mess, folder / "sources")
    known: dict[str, Undisturbed] = {}

    def make(mode: str) -> Undisturbed:
        if mode not in known:
            collection = begin_collection(folder / "sources", folder / mode, mode)
            ran = collection.run(sabotage=Sabotage("nothing"))
            known[mode] = Undisturbed(
                folder / "sources",
                collection.tables(),
                collection.outcomes(),
                stable(collection.snapshot()),
                ran.changes,
            )
        return known[mode]

    return make


def begin_collection(sources: Path, folder: Path, mode: str) -> Collection:
    shutil.copytree(sources, folder / "sources", symlinks=True)
    # What the link points to is moved away in this mode, perhaps before the link is looked at.
    if mode == "move":
        (folder / "sources/garden/link.jpg").unlink()
    named = {
        "plant": {
            "garden": folder / "sources/garden",
            "meadow": folder / "sources/meadow.zip",
        },
        "animal": {"zoo": folder / "sources/zoo"},
    }
    return write_collection(
        folder / "collection", named, mode=mode, failure_budget=0.5, sizes=SIZES
    )


def stable(snapshot: dict[str, str]) -> dict[str, str]:
    """A snapshot without amendments: those say when something was learnt."""
    return {name: digest for name, digest in snapshot.items() if "/amendments/" not in name}


@pytest.mark.parametrize("mode", MODES)
def test_killed_again_and_again_it_ends_as_if_nothing_had_happened(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path, mode: str
) -> None:
    kill_and_compare(undisturbed(mode), tmp_path, mode, KILLS[mode])


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_killed_hundreds_of_times_it_ends_as_if_nothing_had_happened(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path, mode: str
) -> None:
    kill_and_compare(undisturbed(mode), tmp_path, mode, LONG_KILLS)


def kill_and_compare(wanted: Undisturbed, folder: Path, mode: str, kills: int) -> None:
    """Kill runs at random changes of their stages, `kills` times in all, each time going on."""
    for k in count():
        if kills <= 0:
            return
        collection = begin_collection(wanted.sources, folder / str(k), mode)
        kills -= kill_some(collection, wanted, min(kills, 5))
        assert_ends_as_if_undisturbed(collection, wanted)
        shutil.rmtree(folder / str(k))


def kill_some(collection: Collection, wanted: Undisturbed, most: int) -> int:
    """Kill one run after another, until one has less left to do than was to be waited for."""
    sources = collection.folder.parent / "sources"
    everything = set(digests(sources).values())
    stages = [stage for stage in STAGES if wanted.changes.get(stage)]
    for kills, stage in enumerate(sorted(random.sample(stages, most), key=STAGES.index)):
        latest = wanted.changes[stage] if kills == 0 else max(1, wanted.changes[stage] // 3)
        action = random.choice(("kill-group", "kill-parent"))
        sabotage = Sabotage(action, stage, random.randint(1, latest))
        print(sabotage)
        finished = finished_parts(collection)
        if not killed(collection, sabotage):
            return kills
        assert_every_artifact_is_whole(collection)
        now = finished_parts(collection)
        assert {name: now[name] for name in finished} == finished, "work was done again"
        there = {*digests(sources).values(), *held(collection).values()}
        assert everything <= there, "a picture is nowhere any more"
    return most


def assert_ends_as_if_undisturbed(collection: Collection, wanted: Undisturbed) -> None:
    finished = finished_parts(collection)
    collection.run()
    after = identities(collection.folder)
    assert {name: after[name] for name in finished} == finished, "work was done again"
    assert collection.tables() == wanted.tables
    assert collection.outcomes() == wanted.outcomes
    assert stable(collection.snapshot()) == wanted.snapshot
    assert collection.leftovers() == []
    assert collection.run().json["changed"] is False


def killed(collection: Collection, sabotage: Sabotage) -> bool:
    """Run with a sabotage; whether it struck (a run may have less to do than the first one)."""
    with tempfile.TemporaryDirectory() as name:
        notes = Path(name)
        arguments = ["run", "-c", str(collection.folder)]
        process, out, err = begin(arguments, notes, sabotage=sabotage)
        ran = finish(process, out, err, notes, DEADLINE_S)
        # After the parent alone was killed, its workers end by themselves.
        wait_for(lambda: session_is_empty(process.pid), "a worker outlives its parent")
    assert ran.code in (0, -signal.SIGKILL), ran.err
    return ran.code != 0


def wait_for(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def held(collection: Collection) -> dict[str, str]:
    """Pictures that the workspace has, placed or unpacked."""
    images = collection.folder / "images"
    return digests(images) if images.is_dir() else {}


def finished_parts(collection: Collection) -> dict[str, tuple[int, int, int]]:
    """Features that have their receipt: no later run may write them again."""
    found = identities(collection.folder / "features")
    return {
        f"features/{name}": one
        for name, one in found.items()
        if name.endswith(".parquet") and name.replace(".parquet", ".json") in found
    }


def assert_every_artifact_is_whole(collection: Collection) -> None:
    """What has its final name has all its bytes: JSON parses, and files are as receipts say."""
    for path in collection.folder.rglob("*.json"):
        value = json.loads(path.read_bytes())
        if isinstance(value, dict) and isinstance(value.get("sha256"), dict):
            for name, digest in value["sha256"].items():
                file = path.with_name(name)
                assert hashlib.sha256(file.read_bytes()).hexdigest() == digest, file
    for path in collection.folder.rglob("*.parquet"):
        data = path.read_bytes()
        assert data[:4] == data[-4:] == b"PAR1", path


@pytest.mark.parametrize(
    ("action", "stage"),
    [
        ("term-parent", "examine"),
        ("int-group", "extract"),
        pytest.param("term-parent", "extract", marks=pytest.mark.long),
        pytest.param("int-group", "examine", marks=pytest.mark.long),
    ],
)
def test_an_interrupt_ends_with_its_own_code_and_can_be_resumed(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path, action: str, stage: str
) -> None:
    wanted = undisturbed("hardlink")
    collection = begin_collection(wanted.sources, tmp_path, "hardlink")
    ran = collection.run(code=130, sabotage=Sabotage(action, stage, 4))
    assert ran.json["error"]["type"] == "Interrupted"
    assert "run the same command again to continue" in ran.err
    assert "Traceback" not in ran.err
    assert collection.call("status", "--json").json["last_run"]["outcome"] == "KeyboardInterrupt"
    collection.run()
    assert collection.tables() == wanted.tables
    assert collection.leftovers() == []


def stopped(collection: Collection, stage: str, notes: Path) -> "subprocess.Popen[bytes]":
    """A run that stands still, with its workspace locked, at the first change of a stage."""
    sabotage = Sabotage("stop-parent", stage, 1)
    process, _, _ = begin(["run", "-c", str(collection.folder)], notes, sabotage=sabotage)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    return process


def test_a_second_writer_is_turned_away_and_readers_are_not(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path
) -> None:
    wanted = undisturbed("hardlink")
    collection = begin_collection(wanted.sources, tmp_path / "one", "hardlink")
    notes = tmp_path / "notes"
    notes.mkdir()
    process = stopped(collection, "extract", notes)
    try:
        ran = collection.run(code=5)
        assert f"process {process.pid} on " in ran.err
        assert ran.json["error"]["type"] == "WorkspaceLocked"
        for command in ("ingest", "extract", "tables", "verify", "publish"):
            assert collection.call(command).code == 5
        status = collection.call("status", "--json")
        assert status.json["running"] is True
        assert collection.call("ledger", "--json").code == 0
    finally:
        os.killpg(process.pid, signal.SIGCONT)
    ran = finish(process, notes / "out", notes / "err", notes, DEADLINE_S)
    assert ran.code == 0, ran.err
    assert collection.tables() == wanted.tables


def test_a_lock_that_a_killed_run_left_behind_holds_nobody_up(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path
) -> None:
    wanted = undisturbed("hardlink")
    collection = begin_collection(wanted.sources, tmp_path, "hardlink")
    # It names a process that lives, and another machine: only the lock itself counts.
    lock = {"pid": os.getpid(), "host": "elsewhere"}
    (collection.folder / "lock").write_text(json.dumps(lock))
    collection.run()
    with (collection.folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.write("no JSON")
        handle.flush()
        assert "another process" in collection.run(code=5).err


def test_pictures_that_vanish_or_change_while_a_run_is_down_are_accounted_for(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path
) -> None:
    """Ids are given, nothing is placed yet; then files go, change, and come back."""
    wanted = undisturbed("copy")
    collection = begin_collection(wanted.sources, tmp_path, "copy")
    collection.set("files_per_batch = 36", "files_per_batch = 1000")
    assert killed(collection, Sabotage("kill-group", "place", 1))
    zoo = tmp_path / "sources/zoo"
    gone, changed = [p for p in sorted(zoo.rglob("*.jpg")) if "plant" not in p.name][:2]
    kept = gone.read_bytes()
    gone.unlink()
    changed.write_bytes(changed.read_bytes() + b"more")
    collection.run("--accept-failures")
    found = collection.outcome_of("animal")
    assert found[str(gone.relative_to(zoo))] == ("refused", "vanished")
    status = collection.status()["animal"]
    assert status["refused"]["vanished"] == 1
    assert status["refused"]["changed_after_ingest"] == 1
    assert_sums(collection)
    assert collection.call("verify").code == 0
    gone.write_bytes(kept)
    collection.run("--accept-failures")
    assert (hashlib.sha256(kept).hexdigest(), "accepted") in {
        (row["sha256"], row["outcome"]) for row in collection.ledger(category="animal")
    }
    assert_sums(collection)


def assert_sums(collection: Collection) -> None:
    for one in collection.status().values():
        for counts in (one, *one["sources"].values()):
            outcomes = sum(counts[k] for k in ("accepted", "duplicates", "conflicts"))
            assert outcomes + sum(counts["refused"].values()) == counts["seen"]
        assert one["features"] == one["table_rows"]


def test_a_twin_takes_the_place_of_a_picture_that_vanished(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path
) -> None:
    wanted = undisturbed("hardlink")
    collection = begin_collection(wanted.sources, tmp_path, "hardlink")
    collection.set("files_per_batch = 36", "files_per_batch = 1000")
    assert killed(collection, Sabotage("kill-group", "place", 1))
    garden = tmp_path / "sources/garden"
    twin = garden / "copy of the first.jpg"
    data = twin.read_bytes()
    both = [p for p in sorted(garden.rglob("*.jpg")) if p.is_file() and p.read_bytes() == data]
    assert len(both) == 2
    both[0].unlink()
    collection.run()
    assert collection.tables() == wanted.tables
    assert collection.outcomes() == wanted.outcomes


@pytest.mark.parametrize("mode", ["hardlink", "reference"])
def test_a_source_that_is_away_when_a_killed_run_goes_on_loses_nothing(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path, mode: str
) -> None:
    wanted = undisturbed(mode)
    collection = begin_collection(wanted.sources, tmp_path, mode)
    assert killed(collection, Sabotage("kill-group", "assign", wanted.changes["assign"] // 3))
    (tmp_path / "sources/zoo").rename(tmp_path / "away")
    collection.run(code=6)
    (tmp_path / "away").rename(tmp_path / "sources/zoo")
    collection.run()
    assert collection.tables() == wanted.tables
    assert collection.outcomes() == wanted.outcomes


def test_a_source_that_leaves_the_configuration_in_mid_batch_is_asked_for(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path
) -> None:
    wanted = undisturbed("hardlink")
    collection = begin_collection(wanted.sources, tmp_path, "hardlink")
    collection.set("files_per_batch = 36", "files_per_batch = 1000")
    assert killed(collection, Sabotage("kill-group", "place", 1))
    collection.set('name = "zoo"', 'name = "menagerie"')
    ran = collection.run(code=5)
    assert "'zoo'" in ran.err
    collection.set('name = "menagerie"', 'name = "zoo"')
    collection.run()
    assert collection.tables() == wanted.tables


def on_a_small_drive(folder: Path, script: str) -> Ran:
    """Run a shell script whose collection lies on a drive of its own, seen by nobody else."""
    whole = f"mount -t tmpfs -o size=1m tmpfs {folder}/drive && {script}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", whole], capture_output=True, text=True, timeout=DEADLINE_S
    )
    return Ran(done.returncode, done.stdout, done.stderr, 0)


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root may mount a small drive"
)
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param("300k 700k 1100k 1800k", id="few"),
        pytest.param("300k 500k 700k 900k 1100k 1400k 1800k 2500k", marks=pytest.mark.long),
    ],
)
def test_a_full_disk_stops_the_run_and_more_space_lets_it_go_on(
    undisturbed: Callable[[str], Undisturbed], tmp_path: Path, sizes: str
) -> None:
    """The drive grows step by step, so that it is full in many different places."""
    import sys

    wanted = undisturbed("copy")
    begin_collection(wanted.sources, tmp_path / "made", "copy")
    (tmp_path / "drive").mkdir()
    run = f"{sys.executable} -m naturalist run -c {tmp_path}/drive/collection"
    ran = on_a_small_drive(
        tmp_path,
        f"""
        cp -r {tmp_path}/made/collection {tmp_path}/drive &&
        for size in {sizes} 60m; do
            mount -o remount,size=$size {tmp_path}/drive || exit 77
            {run} > {tmp_path}/out 2>&1; code=$?
            echo $size $code; cat {tmp_path}/out >&2
            test $code -eq 10 -o $code -eq 0 || exit 78
        done
        {sys.executable} -m naturalist verify -c {tmp_path}/drive/collection || exit 79
        cp -r {tmp_path}/drive/collection {tmp_path}/drive/published {tmp_path}/ """,
    )
    assert ran.code == 0, f"{ran.out}\n{ran.err}"
    assert ran.out.count(" 10") == len(sizes.split()), ran.out
    assert "Traceback" not in ran.err
    collection = Collection(tmp_path / "collection")
    assert collection.tables() == wanted.tables
    assert stable(collection.snapshot()) == wanted.snapshot
    assert collection.leftovers() == []
