"""Equal bytes within a category are one picture; under two categories they enter no table."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.pipeline.collections_of_pictures import Collection, identities, take, write_collection
from tests.pipeline.conftest import Done

Copy = Callable[[Done], Done]


def first_files(folder: Path, count: int) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())[:count]


def table_ids(collection: Collection, category: str) -> list[list[str]]:
    """pic_ids of each table of a category."""
    folder = collection.folder / "tables" / category
    count = len(list(folder.glob("*.parquet")))
    paths = [folder / f"image_df_{k}.parquet" for k in range(1, count + 1)]
    return [pq.read_table(p, partitioning=None)["picID"].to_pylist() for p in paths]


def test_the_same_bytes_under_two_categories_in_one_run_enter_no_table(
    photos: Path, tmp_path: Path
) -> None:
    plants = take(photos, "plant", 6, tmp_path / "plants")
    animals = take(photos, "animal", 6, tmp_path / "animals")
    both = first_files(plants, 2)
    shutil.copyfile(both[0], animals / "a plant.jpg")
    # Twice on one side: a conflict all the same, and no duplicate.
    shutil.copyfile(both[0], plants / "again.jpg")
    sources = {"plant": {"garden": plants}, "animal": {"zoo": animals}}
    collection = write_collection(tmp_path / "collection", sources)
    collection.run()
    status = collection.status()
    assert (status["plant"]["accepted"], status["plant"]["conflicts"]) == (5, 2)
    assert (status["animal"]["accepted"], status["animal"]["conflicts"]) == (6, 1)
    assert [one["table_rows"] for one in status.values()] == [5, 6]
    rows = collection.ledger(outcome="conflict")
    assert {row["pic_id"] for row in rows} == {None}
    name = str(both[0].relative_to(plants))
    assert {row["same_as"] for row in rows} == {
        "animal/zoo/a plant.jpg",
        min("plant/garden/again.jpg", f"plant/garden/{name}"),
    }
    assert collection.run().json["changed"] is False


@pytest.mark.parametrize("at", [0, 24, 49])
def test_a_conflict_found_later_withdraws_the_earlier_picture_and_moves_no_other_row(
    small: Done, copy_of: Copy, at: int
) -> None:
    """The first and the last row of a full table, and the last one of all."""
    done = copy_of(small)
    number = at + 1
    (row,) = done.collection.ledger(pic_id=f"plant_id_{number}")
    path = done.sources["plant"][row["source"]] / row["path_text"]
    shutil.copyfile(path, done.sources["animal"]["zoo"] / "also.jpg")
    before, files = table_ids(done.collection, "plant"), identities(done.collection.folder)
    old_snapshot = done.collection.snapshot()
    done.collection.run()
    after = table_ids(done.collection, "plant")
    assert after == [[name for name in one if name != row["pic_id"]] for one in before]
    assert sum(map(len, after)) == 49
    (withdrawn,) = done.collection.ledger(pic_id=row["pic_id"])
    assert (withdrawn["outcome"], withdrawn["same_as"]) == ("conflict", "animal/zoo/also.jpg")
    status = done.collection.status()
    assert (status["plant"]["accepted"], status["plant"]["conflicts"]) == (49, 1)
    assert (status["animal"]["accepted"], status["animal"]["conflicts"]) == (50, 1)
    tables = done.collection.tables()
    changed = {n for n, d in small.collection.tables().items() if tables[n] != d}
    k = 1 + at // 25
    assert changed == {f"plant/image_df_{k}.csv", f"plant/image_df_{k}.parquet"}
    now = identities(done.collection.folder)
    parts = {n: one for n, one in files.items() if n.startswith(("features", "tables/animal"))}
    assert parts.items() <= now.items()
    # What was published before is still there, byte for byte.
    assert done.collection.snapshot() != old_snapshot
    assert done.collection.call("verify").code == 0
    assert done.collection.run().json["changed"] is False


def test_a_third_copy_of_a_conflict_is_a_conflict_too(small: Done, copy_of: Copy) -> None:
    done = copy_of(small)
    picture = first_files(done.sources["plant"]["garden"], 1)[0]
    shutil.copyfile(picture, done.sources["animal"]["zoo"] / "also.jpg")
    done.collection.run()
    shutil.copyfile(picture, done.sources["plant"]["meadow"] / "third.jpg")
    shutil.copyfile(picture, done.sources["animal"]["zoo"] / "fourth.jpg")
    done.collection.run()
    status = done.collection.status()
    assert (status["plant"]["accepted"], status["plant"]["conflicts"]) == (49, 2)
    assert (status["animal"]["accepted"], status["animal"]["conflicts"]) == (50, 2)
    assert done.collection.run().json["changed"] is False


def test_duplicates_in_later_runs_and_other_sources_name_the_first_picture(
    small: Done, copy_of: Copy
) -> None:
    done = copy_of(small)
    picture = first_files(done.sources["plant"]["garden"], 1)[0]
    shutil.copyfile(picture, done.sources["plant"]["meadow"] / "twin.jpg")
    done.collection.run()
    found = done.collection.outcome_of("plant")
    name = str(picture.relative_to(done.sources["plant"]["garden"]))
    assert found["twin.jpg"] == ("duplicate", found[name][1])
    assert done.collection.tables() == small.collection.tables()
