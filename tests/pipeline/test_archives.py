"""Archives as sources, over time: grown, replaced, renamed, cut short, and beside folders."""

import shutil
import tarfile
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.pipeline.collections_of_pictures import Collection, take, write_collection


def pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def pack(path: Path, files: Sequence[Path]) -> None:
    """A zip or a tar of files, named by their own names."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about names that come twice
            for file in files:
                archive.write(file, file.name)
    else:
        with tarfile.open(path, "w") as tar:
            for file in files:
                tar.add(file, file.name)


def begin(tmp_path: Path, photos: Path, plants: Path) -> Collection:
    zoo = take(photos, "animal", 4, tmp_path / "zoo")
    sources = {"plant": {"packed": plants}, "animal": {"zoo": zoo}}
    return write_collection(tmp_path / "collection", sources, failure_budget=0.5)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_grows_gives_new_pictures_and_keeps_the_old_ids(
    photos: Path, tmp_path: Path, kind: str
) -> None:
    files = pictures(take(photos, "plant", 12, tmp_path / "files"))
    archive = tmp_path / f"plants.{kind}"
    pack(archive, files[:8])
    collection = begin(tmp_path, photos, archive)
    collection.run()
    before = set(collection.outcomes())
    assert collection.status()["plant"]["accepted"] == 8
    # The new ones come first, and one of the old ones comes twice.
    pack(archive, [*files[8:], *files[:8], files[0]])
    collection.run()
    assert before < set(collection.outcomes())
    status = collection.status()["plant"]
    assert (status["seen"], status["accepted"], status["duplicates"]) == (13, 12, 1)
    assert status["table_rows"] == 12
    assert collection.run().json["changed"] is False


def test_an_archive_that_lost_members_changes_nothing(photos: Path, tmp_path: Path) -> None:
    files = pictures(take(photos, "plant", 8, tmp_path / "files"))
    archive = tmp_path / "plants.zip"
    pack(archive, files)
    collection = begin(tmp_path, photos, archive)
    collection.run()
    tables, outcomes = collection.tables(), collection.outcomes()
    pack(archive, files[:3])
    assert collection.run().json["changed"] is False
    assert (collection.tables(), collection.outcomes()) == (tables, outcomes)


def test_an_archive_that_was_cut_short_gives_what_could_be_read_and_the_rest_later(
    photos: Path, tmp_path: Path
) -> None:
    files = pictures(take(photos, "plant", 8, tmp_path / "files"))
    archive = tmp_path / "plants.tar"
    pack(archive, files)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    collection = begin(tmp_path, photos, archive)
    collection.run()
    status = collection.status()["plant"]
    assert 0 < status["accepted"] < 8
    assert sum(status["refused"].values()) >= 1
    assert set(status["refused"]) == {"archive_broken"}
    archive.write_bytes(whole)
    collection.run()
    status = collection.status()["plant"]
    assert (status["accepted"], status["table_rows"], status["refused"]) == (8, 8, {})
    assert status["seen"] == 8


def test_pictures_in_an_archive_and_beside_it_are_one(photos: Path, tmp_path: Path) -> None:
    files = pictures(take(photos, "plant", 6, tmp_path / "files"))
    mixed = tmp_path / "mixed"
    shutil.copytree(tmp_path / "files", mixed / "z-folder")
    pack(mixed / "a.zip", files)
    pack(mixed / "b.tar", files)
    collection = begin(tmp_path, photos, mixed)
    collection.run()
    status = collection.status()["plant"]
    assert (status["seen"], status["accepted"], status["duplicates"]) == (18, 6, 12)
    assert (status["unpacked"], status["table_rows"]) == (2, 6)
    assert len(collection.pictures()) == 10
    assert collection.leftovers() == []


def test_a_member_that_is_in_another_category_too_is_a_conflict(
    photos: Path, tmp_path: Path
) -> None:
    files = pictures(take(photos, "plant", 6, tmp_path / "files"))
    archive = tmp_path / "plants.zip"
    pack(archive, files)
    collection = begin(tmp_path, photos, archive)
    shutil.copyfile(files[2], tmp_path / "zoo/also.jpg")
    collection.run()
    status = collection.status()
    assert (status["plant"]["conflicts"], status["animal"]["conflicts"]) == (1, 1)
    assert (status["plant"]["table_rows"], status["animal"]["table_rows"]) == (5, 4)
    assert collection.leftovers() == []


def test_moving_leaves_archives_where_they_are(photos: Path, tmp_path: Path) -> None:
    files = pictures(take(photos, "plant", 5, tmp_path / "files"))
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    pack(mixed / "plants.zip", files[:3])
    shutil.copyfile(files[4], mixed / "loose.jpg")
    collection = begin(tmp_path, photos, mixed)
    collection.set('mode = "hardlink"', 'mode = "move"')
    collection.run()
    assert [p.name for p in pictures(mixed)] == ["plants.zip"]
    assert collection.status()["plant"]["table_rows"] == 4
    assert collection.run().json["changed"] is False


def test_reading_everything_again_changes_nothing(photos: Path, tmp_path: Path) -> None:
    files = pictures(take(photos, "plant", 5, tmp_path / "files"))
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    pack(mixed / "plants.zip", files[:3])
    for file in files:
        shutil.copyfile(file, mixed / file.name)
    (mixed / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    (mixed / "notes.txt").write_text("notes")
    collection = begin(tmp_path, photos, mixed)
    collection.run()
    outcomes = collection.outcomes()
    assert collection.run("--rescan").json["changed"] is False
    assert collection.outcomes() == outcomes
