"""Pictures on several drives, moved and linked between them; folders that may not be written."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pipeline.collections_of_pictures import (
    Sabotage,
    begin,
    digests,
    finish,
    take,
    write_collection,
)
from tests.pipeline.conftest import Done

MEMORY = Path("/dev/shm")


@pytest.fixture
def other_drive(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than that of the tests."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


def sources_on(photos: Path, drive: Path, here: Path) -> dict[str, dict[str, Path]]:
    return {
        "plant": {"garden": take(photos, "plant", 20, drive / "garden")},
        "animal": {"zoo": take(photos, "animal", 20, here / "zoo")},
    }


@pytest.mark.parametrize("mode", ["hardlink", "move"])
def test_pictures_of_another_drive_are_copied_where_they_cannot_be_linked(
    photos: Path, tmp_path: Path, other_drive: Path, mode: str
) -> None:
    sources = sources_on(photos, other_drive, tmp_path)
    wanted = {
        d for one in sources.values() for path in one.values() for d in digests(path).values()
    }
    collection = write_collection(tmp_path / "collection", sources, mode=mode)
    collection.run()
    placed = collection.pictures()
    assert set(digests(collection.folder / "images").values()) >= wanted
    assert len(placed) == 40
    left = [p for one in sources.values() for path in one.values() for p in path.rglob("*.*")]
    assert len(left) == (0 if mode == "move" else 40)
    assert collection.leftovers() == []


def test_a_move_between_drives_loses_nothing_wherever_it_is_killed(
    photos: Path, tmp_path: Path, other_drive: Path
) -> None:
    sources = sources_on(photos, other_drive, tmp_path)
    everything = {
        digest
        for one in sources.values()
        for path in one.values()
        for digest in digests(path).values()
    }
    assert len(everything) == 40
    collection = write_collection(tmp_path / "collection", sources, mode="move")
    for k in range(3):
        notes = tmp_path / f"notes-{k}"
        notes.mkdir()
        sabotage = Sabotage("kill-group", "place", random.randint(1, 25))
        print(sabotage)
        arguments = ["run", "-c", str(collection.folder)]
        process, out, err = begin(arguments, notes, sabotage=sabotage)
        finish(process, out, err, notes, 240)
        there = set(digests(collection.folder / "images").values())
        for one in sources.values():
            for path in one.values():
                there |= set(digests(path).values())
        assert everything <= there
    collection.run()
    assert set(digests(collection.folder / "images").values()) >= everything
    assert [p for one in sources.values() for path in one.values() for p in path.rglob("*.*")] == []
    assert collection.leftovers() == []
    status = collection.status()
    assert [one["accepted"] for one in status.values()] == [20, 20]


def test_several_image_roots_share_the_pictures_and_all_stages_find_them(
    photos: Path, tmp_path: Path, other_drive: Path
) -> None:
    sources = sources_on(photos, other_drive, tmp_path)
    roots = f'[images]\nroots = ["images", "{other_drive}/images"]\n'
    collection = write_collection(tmp_path / "collection", sources)
    collection.set("[images]\n", roots)
    collection.run()
    here = [p.name for p in collection.pictures()]
    there = [p.name for p in (other_drive / "images").rglob("*_id_*")]
    assert len(here) + len(there) == 40
    assert not set(here) & set(there)
    # Each lies on the drive of its source, where a hard link costs nothing.
    assert {p.stat().st_nlink for p in (other_drive / "images").rglob("plant_id_*")} == {2}
    assert collection.call("verify").code == 0
    # A root that is named no longer still has its pictures.
    collection.set(roots, "[images]\n")
    assert collection.run().json["changed"] is False
    (collection.folder / "features").rename(collection.folder / "old-features")
    collection.run()
    assert collection.status()["plant"]["features"] == 20


@pytest.mark.parametrize("name", ["[x] *?", 'it\'s "quoted"; $(id)', "\u82b1 \u00e9"])
def test_a_workspace_may_have_any_name(small: Done, tmp_path: Path, name: str) -> None:
    collection = write_collection(tmp_path / name / "collection", small.sources)
    collection.run()
    assert collection.tables() == small.collection.tables()
    assert collection.call("verify").code == 0
    assert collection.run().json["changed"] is False
    assert len(collection.ledger()) == 100


def test_a_workspace_that_may_not_be_written_is_refused_with_a_sentence(
    small: Done, tmp_path: Path, unprivileged: list[str]
) -> None:
    collection = write_collection(tmp_path / "collection", small.sources)
    collection.folder.chmod(0o555)
    try:
        ran = collection.run(code=5, wrapper=unprivileged)
    finally:
        collection.folder.chmod(0o755)
    assert str(collection.folder) in ran.err
    assert "Traceback" not in ran.err


def test_moving_out_of_a_folder_that_may_not_be_written_says_so_and_loses_nothing(
    small: Done, tmp_path: Path, unprivileged: list[str]
) -> None:
    source = tmp_path / "garden"
    shutil.copytree(small.sources["plant"]["garden"], source)
    sources = {"plant": {"garden": source}, "animal": small.sources["animal"]}
    sources["animal"] = {"zoo": tmp_path / "zoo"}
    shutil.copytree(small.sources["animal"]["zoo"], tmp_path / "zoo")
    collection = write_collection(tmp_path / "collection", sources, mode="move")
    locked = [p for p in source.rglob("*") if p.is_dir()]
    before = digests(source)
    for folder in locked:
        folder.chmod(0o555)
    try:
        ran = collection.run(code=5, wrapper=unprivileged)
        assert "Traceback" not in ran.err
        assert "Permission denied" in ran.err
        assert digests(source) == before
    finally:
        for folder in locked:
            folder.chmod(0o755)
    collection.run(wrapper=unprivileged)
    assert collection.status()["plant"]["accepted"] == 35
    assert not [p for p in source.rglob("*") if p.is_file()]


def test_a_store_that_may_not_be_written_ends_with_its_own_code_before_anything_is_done(
    small: Done, tmp_path: Path, unprivileged: list[str]
) -> None:
    collection = write_collection(tmp_path / "collection", small.sources)
    collection.published.mkdir()
    collection.published.chmod(0o555)
    try:
        ran = collection.run(code=7, wrapper=unprivileged)
    finally:
        collection.published.chmod(0o755)
    assert "Traceback" not in ran.err
    assert collection.tables() == {}
    collection.run()
    assert collection.tables() == small.collection.tables()
    assert collection.snapshot()
