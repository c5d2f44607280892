"""What later runs do: changed, touched, removed and renamed files and sources; missing drives."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.pipeline.collections_of_pictures import (
    Collection,
    command,
    identities,
    take,
    tree,
    write_collection,
)
from tests.pipeline.conftest import Done

Copy = Callable[[Done], Done]


def first_file(folder: Path) -> Path:
    return min(p for p in folder.rglob("*") if p.is_file())


def unchanged(collection: Collection) -> dict[str, tuple[int, int, int]]:
    """Everything in the workspace that a failed or an empty run must leave alone."""
    mine = identities(collection.folder)
    return {name: one for name, one in mine.items() if name != "lock" and "/runs/" not in name}


def test_a_touched_file_keeps_its_id_and_is_read_only_once_more(small: Done, copy_of: Copy) -> None:
    done = copy_of(small)
    path = first_file(done.sources["plant"]["garden"])
    os.utime(path, ns=(1, 1))
    report = done.collection.run().json
    assert report["changed"] is False
    assert done.collection.outcomes() == small.collection.outcomes()
    before = unchanged(done.collection)
    assert done.collection.run().json["changed"] is False
    assert unchanged(done.collection) == before


def test_a_changed_file_is_a_new_picture_and_the_old_one_stays(small: Done, copy_of: Copy) -> None:
    done = copy_of(small)
    path = first_file(done.sources["plant"]["garden"])
    data = path.read_bytes()
    # As editors save: a new file under the old name. The old picture has its own hard link.
    path.unlink()
    path.write_bytes(data + b"more")
    done.collection.run()
    rows = done.collection.ledger(category="plant")
    name = str(path.relative_to(done.sources["plant"]["garden"]))
    mine = [r for r in rows if (r["source"], r["path_text"]) == ("garden", name)]
    assert [r["outcome"] for r in mine] == ["accepted", "accepted"]
    assert mine[1]["pic_id"] == "plant_id_51"
    status = done.collection.status()["plant"]
    assert (status["accepted"], status["table_rows"]) == (51, 51)
    assert set(small.collection.outcomes()) < set(done.collection.outcomes())


def test_a_removed_file_changes_nothing(small: Done, copy_of: Copy) -> None:
    done = copy_of(small)
    first_file(done.sources["plant"]["garden"]).unlink()
    before = unchanged(done.collection)
    assert done.collection.run().json["changed"] is False
    assert unchanged(done.collection) == before
    assert done.collection.call("verify", "--json").code == 0


def test_a_renamed_source_gives_duplicates_and_no_new_picture(small: Done, copy_of: Copy) -> None:
    done = copy_of(small)
    done.collection.set('"garden"', '"park"')
    done.collection.run()
    status = done.collection.status()["plant"]
    assert (status["seen"], status["accepted"], status["duplicates"]) == (85, 50, 35)
    assert done.collection.tables() == small.collection.tables()


def test_the_order_of_sources_and_categories_in_the_configuration_does_not_matter(
    small: Done, tmp_path: Path
) -> None:
    turned = {
        category: dict(reversed(sources.items())) for category, sources in small.sources.items()
    }
    other = write_collection(tmp_path / "collection", turned)
    config = other.folder / "naturalist.toml"
    head, plant, rest = config.read_text().partition('[[category]]\nname = "plant"')
    first, animal, tail = rest.partition('[[category]]\nname = "animal"')
    second, images, end = tail.partition("[images]")
    config.write_text(head + animal + second + plant + first + images + end)
    other.run()
    assert other.outcomes() == small.collection.outcomes()
    assert other.tables() == small.collection.tables()


def test_a_source_added_later_gets_the_next_ids(
    small: Done, copy_of: Copy, photos: Path, tmp_path: Path
) -> None:
    done = copy_of(small)
    more = take(photos, "animal", 9, tmp_path / "more", skip=50)
    # Its name sorts before the one that is there: old ids stay all the same.
    done.sources["animal"]["aviary"] = more
    text = (done.collection.folder / "naturalist.toml").read_text()
    config = write_collection(done.collection.folder, done.sources)
    assert (config.folder / "naturalist.toml").read_text() != text
    config.run()
    before, after = set(small.collection.outcomes()), set(config.outcomes())
    assert before < after
    assert sorted(row[7] for row in after - before) == sorted(
        f"animal_id_{n}" for n in range(51, 60)
    )


def test_a_missing_source_stops_the_run_before_anything_is_changed(
    small: Done, tmp_path: Path
) -> None:
    sources = {c: dict(one) for c, one in small.sources.items()}
    # The last one in order of work, after batches of other sources could have been taken in.
    sources["plant"]["zz-drive"] = tmp_path / "not-mounted"
    collection = write_collection(tmp_path / "collection", sources)
    ran = collection.run(code=6)
    assert "not-mounted" in ran.err
    assert ran.json["error"]["exit_code"] == 6
    assert not collection.pictures()
    assert not list(collection.folder.rglob("*.parquet"))
    (tmp_path / "not-mounted").mkdir()
    collection.run()
    assert collection.tables() == small.collection.tables()


def test_a_source_that_goes_missing_later_changes_nothing(small: Done, copy_of: Copy) -> None:
    done = copy_of(small)
    before = unchanged(done.collection)
    done.sources["animal"]["zoo"].rename(done.sources["animal"]["zoo"].with_name("away"))
    done.collection.run(code=6)
    assert unchanged(done.collection) == before
    assert done.collection.call("status", "--json").code == 0


@pytest.mark.parametrize("stage", ["extract", "run"])
def test_pictures_of_an_unmounted_source_are_not_refused(
    small: Done, tmp_path: Path, stage: str
) -> None:
    """In mode `reference` the pictures are on the source's drive, which may be away."""
    sources = tmp_path / "sources"
    shutil.copytree(small.sources["animal"]["zoo"], sources)
    both = {"animal": {"zoo": sources}, "plant": small.sources["plant"]}
    collection = write_collection(tmp_path / "collection", both, mode="reference")
    assert collection.call("ingest").code == 0
    sources.rename(tmp_path / "away")
    ran = collection.call(stage, "--json")
    assert ran.code == 6, ran.err
    (tmp_path / "away").rename(sources)
    collection.run()
    assert collection.status()["animal"]["refused"] == {}
    assert collection.status()["animal"]["features"] == 50


def test_an_image_root_that_is_away_stops_the_run_and_loses_nothing(
    small: Done, tmp_path: Path
) -> None:
    root = tmp_path / "drive"
    collection = write_collection(tmp_path / "collection", small.sources)
    collection.set("[images]\n", f'[images]\nroots = ["{root}"]\n')
    assert collection.call("ingest").code == 0
    root.rename(tmp_path / "away")
    for stage in ("extract", "run"):
        assert collection.call(stage).code == 6
    (tmp_path / "away").rename(root)
    collection.run()
    assert collection.tables() == small.collection.tables()


def test_the_workspace_may_not_lie_in_one_of_its_own_sources(photos: Path, tmp_path: Path) -> None:
    """Or it would take in the pictures that it has placed, again and again."""
    take(photos, "plant", 3, tmp_path / "everything/plants")
    take(photos, "animal", 3, tmp_path / "animals")
    sources = {"plant": {"all": tmp_path / "everything"}, "animal": {"zoo": tmp_path / "animals"}}
    collection = write_collection(tmp_path / "everything/collection", sources, publish=False)
    before = tree(tmp_path)
    ran = collection.run(code=2)
    assert "everything" in ran.err
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["a b,c'd\"e$(id)\\", "na\u00efve \u82b1", "new\nline\ttab"])
def test_sources_may_have_any_name(photos: Path, tmp_path: Path, name: str) -> None:
    plants = take(photos, "plant", 3, tmp_path / name)
    animals = take(photos, "animal", 3, tmp_path / "animals")
    folder = Collection(tmp_path / "collection")
    arguments = ["init", str(folder.folder), "--backbone=colour_histogram"]
    arguments += [f"--category=plant=0:{plants}", f"--category=animal=1:{animals}"]
    ran = command(arguments)
    assert ran.code == 0, ran.err
    folder.run()
    assert folder.status()["plant"]["accepted"] == 3


def test_a_source_whose_name_is_no_text_is_refused_with_a_sentence(
    photos: Path, tmp_path: Path
) -> None:
    bad = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    take(photos, "plant", 1, bad)
    ran = command(
        ["init", str(tmp_path / "collection"), f"--category=plant=0:{bad}", "--category=b=1:/"]
    )
    assert ran.code == 2, ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "collection").exists()


def test_moving_works_through_a_source_path_with_links_in_it(small: Done, tmp_path: Path) -> None:
    shutil.copytree(small.sources["plant"]["garden"], tmp_path / "real/garden")
    shutil.copytree(small.sources["animal"]["zoo"], tmp_path / "real/zoo")
    (tmp_path / "link").symlink_to("real")
    sources = {
        "plant": {"garden": tmp_path / "link/garden"},
        "animal": {"zoo": tmp_path / "collection/../real/zoo"},
    }
    collection = write_collection(tmp_path / "collection", sources, mode="move")
    collection.run()
    assert not [p for p in (tmp_path / "real").rglob("*") if p.is_file()]
    assert collection.status()["plant"]["accepted"] == 35


def test_the_failure_budget_stops_publishing_until_a_person_accepts(
    small: Done, copy_of: Copy
) -> None:
    done = copy_of(small)
    (done.sources["plant"]["garden"] / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much")
    published = done.collection.snapshot()
    ran = done.collection.run(code=3)
    assert "1 of 1 new picture failed" in ran.err
    assert "broken_header" in ran.err
    assert done.collection.snapshot() == published
    # Nothing is new in the second run, and the failure is still nobody's word.
    done.collection.run(code=3)
    assert done.collection.call("publish").code == 3
    report = done.collection.run("--accept-failures").json
    assert report["stages"]["publish"]["changed"] is True
    assert done.collection.run().json["changed"] is False


def test_a_refused_file_that_is_mended_is_accepted_and_counted_once(
    small: Done, copy_of: Copy, photos: Path, tmp_path: Path
) -> None:
    done = copy_of(small)
    path = done.sources["plant"]["garden"] / "later.jpg"
    path.write_bytes(b"")
    done.collection.run("--accept-failures")
    whole = first_file(take(photos, "plant", 1, tmp_path / "whole", skip=50))
    path.write_bytes(whole.read_bytes())
    done.collection.run()
    status = done.collection.status()["plant"]
    assert (status["seen"], status["accepted"], status["refused"]) == (51, 51, {})
    assert done.collection.outcome_of("plant")["later.jpg"] == ("accepted", "plant_id_51")


def test_a_picture_that_could_not_be_read_is_taken_in_when_it_can(
    small: Done, copy_of: Copy, photos: Path, tmp_path: Path, unprivileged: list[str]
) -> None:
    done = copy_of(small)
    path = done.sources["plant"]["garden"] / "locked.jpg"
    whole = first_file(take(photos, "plant", 1, tmp_path / "whole", skip=50))
    shutil.copyfile(whole, path)
    path.chmod(0)
    done.collection.run("--accept-failures", wrapper=unprivileged)
    assert done.collection.outcome_of("plant")["locked.jpg"] == ("refused", "permission_denied")
    path.chmod(0o644)
    done.collection.run(wrapper=unprivileged)
    status = done.collection.status()["plant"]
    assert (status["seen"], status["accepted"], status["refused"]) == (51, 51, {})
