"""Groups of near duplicates in collections of made pictures, over batches, and of real photos."""

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

import tiny
from naturalist import artifacts
from naturalist.config import Config, load_config
from naturalist.curation import takedown
from naturalist.images import THUMBNAIL_SIDE
from naturalist.layout import Layout
from naturalist.pipeline import studies
from naturalist.pipeline.analyse import analyse
from naturalist.progress import Silent
from naturalist.schemas import NEAR_DUPLICATES
from naturalist.studies.duplicates import searching, steps
from naturalist.studies.duplicates.options import INVARIANCES, Invariance, NearDuplicateOptions
from naturalist.studies.duplicates.report import DuplicateReport
from naturalist.studies.study import WholeStudy
from report_shapes import assert_declared


def scene(seed: int) -> Image.Image:
    """Smooth noise: like a photo, its low frequencies tell it from others."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((200, 150), Image.Resampling.BICUBIC)


def save(path: Path, image: Image.Image, quality: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    path.write_bytes(buffer.getvalue())


def smaller(seed: int) -> Image.Image:
    return scene(seed).resize((150, 112), Image.Resampling.LANCZOS)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Plants 1 to 5 of scenes 0 to 4, plant 6 a smaller scene 1; animals 1 to 3, of which 2 is
    scene 3."""
    garden, meadow, zoo = (tmp_path / name for name in ("garden", "meadow", "zoo"))
    for seed in range(5):
        save(garden / f"{seed}.jpg", scene(seed))
    save(meadow / "1.jpg", smaller(1))
    for k, seed in enumerate((20, 3, 22)):
        save(zoo / f"{k}.jpg", scene(seed), quality=60)
    sources = {"plant": {"garden": garden, "meadow": meadow}, "animal": {"zoo": zoo}}
    made = tiny.collection(tmp_path, sources)
    tiny.make_all(made)
    return made


def find(config: Config) -> dict[str, object]:
    report = studies.study(config, Silent(), studies.duplicates).report
    assert_declared(DuplicateReport, report)
    return report


def groups(config: Config) -> dict[str, str]:
    table = pq.read_table(config.layout.near_duplicates)
    assert table.schema.equals(NEAR_DUPLICATES)
    return dict(zip(table["picID"].to_pylist(), table["group"].to_pylist(), strict=True))


EXPECTED = {
    "animal_id_2": "animal_id_2", "plant_id_4": "animal_id_2",
    "plant_id_2": "plant_id_2", "plant_id_6": "plant_id_2",
}  # fmt: skip


def test_copies_are_found_across_sizes_categories_and_sources(config):
    report = find(config)
    assert groups(config) == EXPECTED
    assert (report["pictures"], report["groups"], report["grouped"]) == (9, 2, 4)
    assert (report["across_categories"], report["across_sources"]) == (1, 2)
    assert report["listed"][0]["group"] == "animal_id_2", "what spans categories comes first"


def test_mirrored_copies_are_found_where_they_are_asked_for(tmp_path):
    garden, zoo = tmp_path / "garden", tmp_path / "zoo"
    for seed in range(8):
        save(garden / f"{seed}.jpg", scene(seed))
    # The network of this test sees colours only, so that the hashes decide.
    save(zoo / "0.jpg", ImageOps.mirror(scene(3)), quality=70)
    config = tiny.collection(tmp_path, {"plant": {"garden": garden}, "animal": {"zoo": zoo}})
    tiny.make_all(config)
    assert find(config)["groups"] == 0
    mirror = replace(config.duplicates, invariant=("mirror",))
    study = partial(studies.duplicates, options=mirror)
    assert studies.study(config, Silent(), study).report["groups"] == 1
    expected = {"animal_id_1": "animal_id_1", "plant_id_4": "animal_id_1"}
    assert groups(config) == expected
    # A mirrored copy of an old picture that comes later is found too, in a step of its own.
    save(zoo / "1.jpg", ImageOps.mirror(scene(5)))
    tiny.make_all(config)
    assert studies.study(config, Silent(), study).report["groups"] == 2
    assert groups(config) == expected | {"animal_id_2": "animal_id_2", "plant_id_6": "animal_id_2"}


def cropped(image: Image.Image, share: float) -> Image.Image:
    wide, high = image.size
    return image.crop((round(share * wide / 3), round(share * high), wide, high))


def framed(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, 10, (0, 0, 0))


CHANGES: dict[Invariance, Callable[[Image.Image], Image.Image]] = {
    "mirror": ImageOps.mirror,
    "rotate": lambda image: image.rotate(90, expand=True),
    "border": framed,
    "crop": lambda image: cropped(image, 0.1),
    "colour": lambda image: image.convert("L"),
}


def study_of(*invariant: Invariance) -> Callable[..., WholeStudy]:
    return partial(studies.duplicates, options=NearDuplicateOptions(10, invariant=invariant))


@pytest.fixture
def changed(tmp_path: Path) -> Config:
    """Plants 1 to 8 of scenes 0 to 7; animals 1 to 5 are changed copies of scenes 1 to 5."""
    garden, zoo = tmp_path / "garden", tmp_path / "zoo"
    for seed in range(8):
        save(garden / f"{seed}.jpg", scene(seed))
    for k, name in enumerate(INVARIANCES):
        save(zoo / f"{k}.jpg", CHANGES[name](scene(k + 1)), quality=80)
    made = tiny.collection(tmp_path, {"plant": {"garden": garden}, "animal": {"zoo": zoo}})
    tiny.make_all(made)
    return made


def copies_found(config: Config, *invariant: Invariance) -> set[Invariance]:
    """Which of the changed copies are in the group of their original, and no other is."""
    studies.study(config, Silent(), study_of(*invariant))
    found = groups(config)
    names = [name for k, name in enumerate(INVARIANCES) if f"animal_id_{k + 1}" in found]
    ids = [(f"animal_id_{k + 1}", f"plant_id_{k + 2}") for k in map(INVARIANCES.index, names)]
    assert found == {one: pair[0] for pair in ids for one in pair}
    return set(names)


def test_changed_copies_are_found_where_their_change_is_asked_for(changed):
    # The network of these tests sees colours only: it tells no turned or cropped picture from its
    # original, and none that lost its colours is one to it.
    assert copies_found(changed) == set()
    for name in INVARIANCES:
        assert name in copies_found(changed, name)
    assert copies_found(changed, *INVARIANCES) == set(INVARIANCES)


def test_changed_copies_that_come_later_are_found_in_a_step_of_their_own(changed, monkeypatch):
    studies.study(changed, Silent(), study_of(*INVARIANCES))
    zoo = changed.source_paths["animal"]["zoo"]
    for k, name in enumerate(INVARIANCES):
        save(zoo / f"later-{k}.jpg", CHANGES[name](scene(k + 3)), quality=75)
    tiny.make_all(changed)
    read = []
    hashed = steps.trimmed_hashes
    monkeypatch.setattr(
        steps, "trimmed_hashes", lambda some: read.append(len(some)) or hashed(some)
    )
    report = studies.study(changed, Silent(), study_of(*INVARIANCES)).report
    assert sum(read) == 5, "old thumbnails are not read for their borders again"
    assert report["grouped"] == 7 + 10, "scenes 1 to 7, five copies and then five more"
    grown = artifacts.read_parquet(changed.layout.near_duplicates)
    shutil.rmtree(changed.layout.root / "duplicates")
    studies.study(changed, Silent(), study_of(*INVARIANCES))
    assert artifacts.read_parquet(changed.layout.near_duplicates)["group"].equals(grown["group"])


def test_the_order_of_invariants_says_nothing(changed):
    first = studies.study(changed, Silent(), study_of("rotate", "border"))
    second = studies.study(changed, Silent(), study_of("border", "rotate"))
    assert (first.changed, second.changed) == (True, False)


def test_steps_of_an_older_version_hold(config):
    """Their pictures had no column for what is in a border."""
    find(config)
    step = config.layout.near_duplicate_step(1)
    receipt = artifacts.read_receipt(step)
    artifacts.write_parquet(step, artifacts.read_parquet(step).drop_columns(["trimmed_hash"]))
    digests = {**receipt.sha256, step.name: artifacts.sha256_file(step)}
    artifacts.write_receipt(step, replace(receipt, sha256=digests))
    add_batch(config)
    find(config)
    assert groups(config)["plant_id_7"] == "animal_id_1"
    border = studies.study(config, Silent(), study_of("border")).report
    assert border["groups"] == 3


def test_each_picture_tells_how_near_its_nearest_is(config):
    find(config)
    for row in pq.read_table(config.layout.near_duplicates).to_pylist():
        assert 0 <= row["distance"] <= config.duplicates.max_distance
        assert config.duplicates.min_cosine <= row["cosine"] <= 1.0001


class Watching(Silent):
    """Remembers what it was told."""

    def __init__(self):
        self.begun, self.done = [], 0

    def begin(self, stage, total, unit):
        self.begun.append((stage, total, unit))

    def advance(self, amount):
        self.done += amount


def test_progress_goes_from_nothing_to_all_new_pictures(config):
    first, second = Watching(), Watching()
    studies.study(config, first, studies.duplicates)
    assert (first.begun, first.done) == ([("duplicates", 9, "pictures")], 9)
    studies.study(config, second, studies.duplicates)
    assert second.begun == []


def test_a_second_call_does_nothing(config):
    first = find(config)
    files = sorted((config.layout.root / "duplicates").rglob("*"))
    before = [path.stat().st_mtime_ns for path in files]
    assert find(config) == first
    assert [path.stat().st_mtime_ns for path in files] == before


def add_batch(config: Config) -> None:
    save(config.source_paths["plant"]["garden"] / "9.jpg", smaller(20), quality=50)
    save(config.source_paths["animal"]["zoo"] / "9.jpg", smaller(1), quality=50)
    save(config.source_paths["animal"]["zoo"] / "8.jpg", scene(30))
    tiny.make_all(config)


def test_a_batch_is_compared_with_what_was_there_and_old_pairs_are_not_looked_for(
    config, monkeypatch
):
    find(config)
    add_batch(config)
    asked = []
    searched = searching.near_pairs

    def noting(hashes, distance, old, on_share):
        asked.append(old)
        return searched(hashes, distance, old, on_share)

    monkeypatch.setattr(searching, "near_pairs", noting)
    find(config)
    assert asked == [9]
    assert groups(config) == {
        "animal_id_1": "animal_id_1", "plant_id_7": "animal_id_1",
        "animal_id_2": "animal_id_2", "plant_id_4": "animal_id_2",
        "animal_id_5": "animal_id_5", "plant_id_2": "animal_id_5", "plant_id_6": "animal_id_5",
    }  # fmt: skip


def test_groups_that_grew_by_steps_are_those_of_one_look_at_everything(config, tmp_path):
    find(config)
    add_batch(config)
    find(config)
    grown = artifacts.read_parquet(config.layout.near_duplicates)
    shutil.rmtree(config.layout.root / "duplicates")
    find(config)
    assert artifacts.read_parquet(config.layout.near_duplicates).equals(grown)


def test_a_step_that_was_not_finished_is_made_again(config):
    find(config)
    step = config.layout.near_duplicate_step(1)
    step.with_suffix(".json").unlink()
    config.layout.near_duplicates.unlink()
    find(config)
    assert groups(config) == EXPECTED


def test_other_options_compare_everything_again(config):
    find(config)
    stricter = replace(config.duplicates, min_cosine=1.0, max_distance=0)
    find(config.model_copy(update={"duplicates": stricter}))
    assert groups(config) == {}
    find(config)
    assert groups(config) == EXPECTED


def test_a_picture_that_was_taken_down_is_in_no_group(config):
    find(config)
    takedown.take_down(config, ["plant_id_2"], "asked for", "tester")
    report = find(config)
    assert groups(config) == {key: EXPECTED[key] for key in ("animal_id_2", "plant_id_4")}
    assert report["groups"] == 1


def test_the_sheet_shows_a_row_of_pictures_for_each_group(config):
    find(config)
    with Image.open(config.layout.near_duplicate_sheet) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 6 * THUMBNAIL_SIDE
        assert 2 * THUMBNAIL_SIDE < sheet.height < 4 * THUMBNAIL_SIDE


def test_a_collection_without_near_duplicates_has_a_report_and_an_empty_table(tmp_path):
    sources = tiny.make_sources(tmp_path / "raw", {"plant": [1], "animal": [2]})
    made = tiny.collection(tmp_path, sources)
    tiny.make_all(made)
    assert find(made)["groups"] == 0
    assert groups(made) == {}


def test_it_is_a_step_of_a_run_if_asked_for(config):
    asked = config.model_copy(
        update={"analyse": config.analyse.model_copy(update={"steps": ("duplicates",)})}
    )
    with tiny.job(asked) as held:
        assert analyse(held)["duplicates"]["groups"] == 2


@pytest.mark.usefixtures("real_photos")
def test_changed_photos_are_grouped_with_the_real_photos_they_come_from(photo_copy, tmp_path):
    config = load_config(photo_copy)
    names = {}
    source = next(iter(config.source_paths["plant"].values()))
    for k, path in enumerate(sorted(p for p in source.rglob("*") if p.is_file())[:20]):
        with Image.open(path) as image:
            half = image.convert("RGB").resize((image.width // 2 + 1, image.height // 2 + 1))
            save(source / f"copy-{k:02}.jpg", half, quality=80)
            names[f"copy-{k:02}.jpg"] = path.relative_to(source).as_posix()
    before = find(config)
    tiny.make_all(config)
    find(config)
    found = groups(config)
    ids = {row["path_text"]: row["pic_id"] for row in tiny.ledger_rows(config) if row["pic_id"]}
    together = [
        found.get(ids[copy]) is not None and found.get(ids[copy]) == found.get(ids[original])
        for copy, original in names.items()
        if copy in ids and original in ids
    ]
    assert len(together) >= 18
    assert sum(together) >= len(together) - 2
    assert before["groups"] < 20, "photos that have nothing in common are not grouped"


def test_the_layout_keeps_steps_beside_the_groups():
    layout = Layout(Path("w"))
    assert layout.near_duplicate_step(3).parent.parent == layout.near_duplicates.parent
