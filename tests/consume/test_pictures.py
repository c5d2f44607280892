"""Published pictures, packed in tars or one by one: pulled, verified, kept and removed."""

import io
from pathlib import Path

import pytest
from PIL import Image

from naturalist import consume, snapshots
from naturalist.errors import StoreError
from naturalist.snapshots import PruneOptions
from naturalist.stores import open_store
from published import PublishedCollection

NOW = PruneOptions(keep=1, grace_s=-60)


@pytest.fixture(params=["objects", "tars"])
def with_pictures(
    request: pytest.FixtureRequest, local: PublishedCollection
) -> PublishedCollection:
    """The collection, published together with its pictures."""
    local.pictures = request.param
    local.publish()
    return local


@pytest.fixture
def one_by_one(local: PublishedCollection) -> PublishedCollection:
    """The collection, published together with its pictures as single objects."""
    local.pictures = "objects"
    local.publish()
    return local


def pictures(collection: PublishedCollection) -> dict[str, Path]:
    """Single pictures in the store, by id."""
    found = Path(collection.url, "pictures").rglob("*.png")
    return {path.name.split(".")[0]: path for path in found}


def test_pictures_come_only_when_they_are_asked_for(
    with_pictures: PublishedCollection, here: Path
) -> None:
    with_pictures.pull(here)
    assert not any(name.startswith("picture") for name in names_in(here))
    with_pictures.pull(here, parts=("tables", "pictures"))
    assert consume.check_pulled(here).passed
    held = names_in(here)
    if with_pictures.pictures == "tars":
        assert "pictures/plant/000001-00000.tar" in held
    else:
        Image.open(io.BytesIO((here / "pictures/plant/000001-00000/plant_id_1.png").read_bytes()))
        assert sum(name.endswith(".png") for name in held) == 16
    assert "picture_index/plant/000001-00000.parquet" in held


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_pictures_of_one_category_can_be_pulled(
    one_by_one: PublishedCollection, here: Path
) -> None:
    one_by_one.pull(here, parts=("pictures",), categories=("plant",))
    held = {name for name in names_in(here) if name.endswith(".png")}
    assert len(held) == 7
    assert all(name.startswith("pictures/plant/") for name in held)


def test_single_pictures_are_verified(one_by_one: PublishedCollection) -> None:
    begun: list[int | None] = []
    checked = consume.check_published(one_by_one.store, on_begin=begun.append)
    assert checked.passed
    assert checked.files == len(snapshots.read(one_by_one.store).files) + 16
    assert begun == [None]
    found = pictures(one_by_one)
    found["plant_id_1"].unlink()
    found["plant_id_2"].write_bytes(b"x" * found["plant_id_2"].stat().st_size)
    faults = {f.name: f.fault for f in consume.check_published(one_by_one.store).findings}
    assert faults == {
        "pictures/plant/000001-00000/plant_id_1.png": "missing",
        "pictures/plant/000001-00000/plant_id_2.png": "sha256",
    }


def test_a_damaged_index_of_pictures_is_named(one_by_one: PublishedCollection) -> None:
    index = next(f for f in snapshots.read(one_by_one.store).files if f.objects_below)
    one_by_one.store.put_bytes(index.key, b"x" * index.size_bytes)
    findings = consume.check_published(one_by_one.store).findings
    assert {(f.key, f.fault) for f in findings} == {
        (index.key, "unreadable"),
        (index.key, "sha256"),
    }


def test_a_picture_that_was_taken_down_leaves_with_the_snapshots_that_had_it(
    one_by_one: PublishedCollection,
) -> None:
    one_by_one.take_down("plant_id_3")
    assert "plant_id_3" in pictures(one_by_one)
    before = set(pictures(one_by_one))
    snapshots.prune(one_by_one.store, NOW)
    assert before - set(pictures(one_by_one)) == {"plant_id_3"}
    assert consume.check_published(one_by_one.store).passed
    everything = b"".join(p.read_bytes() for p in Path(one_by_one.url).rglob("*.csv"))
    assert b"plant_id_3;" not in everything


def test_no_picture_that_a_kept_snapshot_has_is_pruned(with_pictures: PublishedCollection) -> None:
    with_pictures.add("plant", range(20, 25))
    snapshots.prune(with_pictures.store, NOW)
    assert consume.check_published(with_pictures.store).passed


def test_one_does_not_roll_back_to_a_snapshot_whose_pictures_are_gone(
    one_by_one: PublishedCollection,
) -> None:
    store = open_store(one_by_one.url)
    before = snapshots.read(store).id
    one_by_one.add("plant", range(20, 22))
    pictures(one_by_one)["plant_id_3"].unlink()
    with pytest.raises(StoreError, match="plant_id_3"):
        snapshots.roll_back(store, before)
