"""Sources that change, grow, shrink or vanish while they are read, in each mode and in archives.

A hook of Python's own tells of every file that is about to be opened, linked or moved. At one such
moment, which is drawn, something happens to the sources; then the run goes on. It ends, or says in
words why not; and the next run, with nothing happening, has every picture that is there. More draws
by `pytest tests/faults/test_changing_sources.py --long`.
"""

import contextlib
import hashlib
import os
import random
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tiny
from faults.outcomes import digest
from faults.starts import config_of, make_sources
from naturalist import artifacts
from naturalist.errors import NaturalistError, SourceError
from naturalist.stages.ingest.options import Mode
from naturalist.stages.verify.rolling_pictures import check_pictures

EVENTS = ("open", "os.link", "os.rename", "os.scandir", "os.listdir")
LATEST = 240
"""Of the events of a run: listing, examining, placing, and some of extracting."""
LONG_DRAWS = 25
_happens: list[Callable[[], None]] = []


@pytest.fixture(scope="module", autouse=True)
def watched() -> None:
    """Hear of what is opened; a hook can never be taken away again."""
    sys.addaudithook(lambda event, _: _happens[-1]() if event in EVENTS and _happens else None)


@contextlib.contextmanager
def happening(what: Callable[[], None], at: int) -> Iterator[list[int]]:
    """Do it once, before the next event number `at`; gives how many events there were."""
    count = [0]

    def count_and_do() -> None:
        count[0] += 1
        if count[0] == at:
            what()

    _happens.append(count_and_do)
    try:
        yield count
    finally:
        _happens.remove(count_and_do)


def append(path: Path) -> None:
    """It grows."""
    with path.open("ab") as file:
        file.write(b"more" * 50)


def cut(path: Path) -> None:
    """It shrinks."""
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    """Another picture, or archive, is written into it."""
    other = path.parent / ".other"
    _make_other(other, path.suffix)
    data = other.read_bytes()
    other.unlink()
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


def replace(path: Path) -> None:
    """Another one is moved over it."""
    other = path.parent / ".other"
    _make_other(other, path.suffix)
    other.replace(path)


def _make_other(path: Path, suffix: str) -> None:
    if suffix != ".zip":
        tiny.write_picture(path, 900)
        return
    with zipfile.ZipFile(path, "w") as archive:
        for seed in (22, 901):
            archive.writestr(f"{seed}.png", tiny.picture(seed))


CHANGES: tuple[Callable[[Path], None], ...] = (append, cut, overwrite, replace, Path.unlink)


def files_of(folder: Path) -> list[Path]:
    """Every file of the sources, archives too."""
    return sorted(path for path in (folder / "sources").rglob("*") if path.is_file())


def pictures_there(folder: Path) -> set[bytes]:
    """SHA-256 of every whole picture that is in the sources now."""
    whole = {hashlib.sha256(tiny.picture(seed)).digest() for seed in (*range(1000),)}
    found = set()
    for path in files_of(folder):
        found.add(bytes.fromhex(digest(path)))
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            found |= {hashlib.sha256(archive.read(name)).digest() for name in archive.namelist()}
    return found & whole


def make(folder: Path) -> None:
    """Run all stages."""
    artifacts.forget_folders()
    tiny.make_all(config_of(folder))


def put_back(archive: Path, folder: Path) -> None:
    """A source that is gone as a whole is asked for."""
    if not archive.exists():
        with pytest.raises(SourceError, match="do not count as deleted"):
            make(folder)
        _make_other(archive, ".zip")


def change_and_compare(folder: Path, mode: str, rng: random.Random) -> None:
    """Run while the sources change, and again."""
    make_sources(folder, mode)
    written = folder / "collection/naturalist.toml"
    more = "failure_budget = 1.0\nwithdrawal_budget = 1.0\n"
    if mode == Mode.REFERENCE:
        # The source has the only bytes: a run names a picture without any until it is retired.
        more += 'ingest = {removed = "retire"}\n'
    written.write_text(more + written.read_text())
    path, change = rng.choice(files_of(folder)), rng.choice(CHANGES)

    def happen() -> None:
        # In this mode it may have been moved already.
        with contextlib.suppress(FileNotFoundError):
            change(path)

    with happening(happen, at=rng.randint(1, LATEST)), contextlib.suppress(NaturalistError):
        make(folder)
    put_back(folder / "sources/meadow.zip", folder)
    there = pictures_there(folder)
    make(folder)
    rows = tiny.ledger_rows(config_of(folder))
    known = {row["sha256"] for row in rows if row["outcome"] in ("accepted", "conflict")}
    where = f"{mode}: {change.__name__} {path.name}"
    assert there <= known, where
    for row in rows:
        if row["outcome"] == "accepted" and row["image_root"] and not row["reason"]:
            stored = tiny.picture_path(config_of(folder).layout, folder, row)
            assert digest(stored) == row["sha256"].hex(), where
    make(folder)
    config = config_of(folder)
    assert tiny.ledger_rows(config) == rows, where
    assert check_pictures(config.layout, config.labels, most_bytes=1 << 30).verdicts == (), where


@pytest.mark.parametrize("mode", [Mode.HARDLINK, Mode.MOVE])
def test_a_source_that_changes_while_it_is_read_costs_no_other_picture(
    tmp_path: Path, mode: Mode
) -> None:
    rng = random.Random(f"{mode.value} 0")
    change_and_compare(tmp_path, mode.value, rng)


@pytest.mark.long
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("seed", range(LONG_DRAWS))
def test_sources_that_change_at_many_moments_cost_no_other_picture(
    tmp_path: Path, mode: Mode, seed: int
) -> None:
    change_and_compare(tmp_path, mode.value, random.Random(f"{mode.value} {seed}"))
