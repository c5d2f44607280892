"""A new version of a data set is unpacked over the old one, and runs are killed meanwhile."""

import hashlib
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.pipeline.collections_of_pictures import (
    Collection,
    Sabotage,
    begin,
    finish,
    take,
    write_collection,
)

Vectors = dict[str, bytes]


@pytest.fixture(scope="session")
def versions(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a source as archives: of twelve names, the second has other pictures in five,
    one more, and the rest as they were."""
    folder = tmp_path_factory.mktemp("versions")
    pictures = sorted(p for p in take(photos, "plant", 18, folder / "p").rglob("*") if p.is_file())
    old = dict(enumerate(pictures[:12]))
    new = old | dict(zip((1, 3, 5, 7, 9, 12), pictures[12:], strict=True))
    for name, contents in (("old", old), ("new", new)):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for number, path in contents.items():
                archive.write(path, f"{number:02d}.jpg")
    shutil.rmtree(folder / "p")
    return folder


def unpack(versions: Path, name: str, collection: Collection) -> None:
    with zipfile.ZipFile(versions / f"{name}.zip") as archive:
        archive.extractall(collection.folder.parent / "plants")


def begin_with_old(versions: Path, photos: Path, folder: Path, mode: str) -> Collection:
    sources = {
        "plant": {"garden": folder / "plants"},
        "animal": {"zoo": take(photos, "animal", 5, folder / "animals")},
    }
    collection = write_collection(folder / "collection", sources, mode=mode)
    unpack(versions, "old", collection)
    collection.run()
    return collection


def vectors(collection: Collection) -> Vectors:
    found: Vectors = {}
    for path in sorted((collection.folder / "tables/plant").glob("*.parquet")):
        table = pq.read_table(path, partitioning=None)
        rows = np.stack(table["features"].to_numpy())
        found |= {n: v.tobytes() for n, v in zip(table["picID"].to_pylist(), rows, strict=True)}
    return found


def check_stored(collection: Collection) -> None:
    """Every stored file has the bytes of its row; what is gone is named by its row."""
    rows = {row["pic_id"]: row for row in collection.ledger() if row["pic_id"]}
    stored = {path.stem: path for path in collection.pictures()}
    for pic, path in stored.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == rows[pic]["sha256"], pic
    gone = {pic for pic, row in rows.items() if row["reason"] == "changed_after_ingest"}
    assert rows.keys() - stored.keys() <= gone or not stored


@pytest.mark.parametrize("mode", ["auto", "hardlink", "copy", "move", "reference"])
def test_runs_go_on_after_a_new_version_and_back(
    versions: Path, photos: Path, tmp_path: Path, mode: str
) -> None:
    collection = begin_with_old(versions, photos, tmp_path, mode)
    before = vectors(collection)
    unpack(versions, "new", collection)
    ran = collection.run()
    after = vectors(collection)
    assert {pic: after[pic] for pic in before} == before
    assert len(after) == 18
    assert collection.snapshot()
    if mode != "reference":
        check_stored(collection)
    assert collection.run().json["changed"] is False
    verified = collection.call("verify")
    assert verified.code == 0, verified.err
    if mode == "hardlink":
        assert ran.json["stages"]["ingest"]["overwritten"] == 5
        assert "5 stored pictures were overwritten in their sources" in ran.err
    unpack(versions, "old", collection)
    collection.run()
    assert vectors(collection) == after
    verified = collection.call("verify")
    assert verified.code == 0, verified.err


@pytest.fixture(scope="module")
def undisturbed(
    versions: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Collection:
    """A new version over the old one, noticed by a run that nobody killed."""
    wanted = begin_with_old(versions, photos, tmp_path_factory.mktemp("wanted"), "hardlink")
    unpack(versions, "new", wanted)
    wanted.run()
    return wanted


@pytest.mark.parametrize(
    "stage",
    [
        "assign",
        pytest.param("extract", marks=pytest.mark.long),
        pytest.param("place", marks=pytest.mark.long),
        "commit",
    ],
)
def test_a_run_that_is_killed_while_it_notices_ends_as_if_it_had_not_been(
    versions: Path, photos: Path, tmp_path: Path, stage: str, undisturbed: Collection
) -> None:
    collection = begin_with_old(versions, photos, tmp_path / "killed", "hardlink")
    unpack(versions, "new", collection)
    for at in (1, 3):
        notes = tmp_path / f"notes-{at}"
        notes.mkdir()
        sabotage = Sabotage("kill-group", stage, at)
        process, out, err = begin(["run", "-c", str(collection.folder)], notes, sabotage=sabotage)
        finish(process, out, err, notes, 240.0)
    collection.run()
    check_stored(collection)
    assert collection.outcomes() == undisturbed.outcomes()
    assert vectors(collection) == vectors(undisturbed)
    assert collection.leftovers() == []
