import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from naturalist import artifacts, backbones, images, ledger
from naturalist.backbones import Backbone, BackboneSpec
from naturalist.backbones.preprocessing import RULES
from naturalist.config import Config
from naturalist.errors import WorkspaceError
from naturalist.images import PictureLimits
from naturalist.layout import pic_number
from naturalist.reasons import Reason
from naturalist.schemas import PREVIEWS, features_schema
from naturalist.stages import extract
from naturalist.stages.extract import ExtractTask
from tiny import (
    Row,
    Vectors,
    collection,
    in_memory,
    ingest,
    job,
    ledger_rows,
    make_sources,
    picture,
    write_picture,
)

SPEC = backbones.describe("colour_histogram")


@pytest.fixture
def folder() -> Iterator[Path]:
    with in_memory() as root:
        yield root


def ingested(folder: Path, **more: Any) -> Config:
    """Ten plants in shards of four, and one animal."""
    sources = make_sources(folder / "sources", {"animal": [99], "plant": range(10)})
    config = collection(folder, sources, **more)
    ingest(config)
    return config


def plan(config: Config) -> list[ExtractTask]:
    return extract.plan(config.layout, config.source_paths, config.extract_options)


def run_all(config: Config) -> list[extract.Extracted]:
    with job(config):
        return [extract.run(task) for task in plan(config)]


def vectors_of(config: Config, category: str = "plant") -> Mapping[str, Vectors]:
    """Every vector that was stored, by the id of its picture."""
    found = {}
    for part in extract.parts(config.layout, category, SPEC):
        table = pq.read_table(part.path, partitioning=None)
        assert table.schema.equals(features_schema(SPEC.dim))
        assert table.num_rows == part.rows
        rows = table["features"].combine_chunks().flatten().to_numpy().reshape(-1, SPEC.dim)
        found |= dict(zip(table["pic_id"].to_pylist(), rows, strict=True))
    return found


def test_every_accepted_picture_has_the_vector_of_its_own_bytes(folder: Path) -> None:
    config = ingested(folder)
    run_all(config)
    found = vectors_of(config)
    backbone = backbones.load("colour_histogram")
    assert list(found) == [f"plant_id_{n}" for n in range(1, 11)]
    for n, vector in enumerate(found.values()):
        pixels = np.asarray(Image.open(io.BytesIO(picture(n))))
        expected = backbone.features(backbone.prepare(pixels)[None])[0]
        np.testing.assert_array_equal(vector, expected)


def test_work_is_cut_into_shards_and_done_once(folder: Path) -> None:
    config = ingested(folder)
    assert [(t.category, t.number, t.shard.rows) for t in plan(config)] == [
        ("animal", 0, 1),
        ("plant", 0, 4),
        ("plant", 1, 4),
        ("plant", 2, 2),
    ]
    assert sum(done.pictures for done in run_all(config)) == 11
    assert plan(config) == []


@pytest.mark.parametrize("network_batch", [1, 2, 3, 16])
def test_how_many_pictures_go_through_the_network_at_once_changes_nothing(
    folder: Path, network_batch: int
) -> None:
    one, other = ingested(folder / "1"), ingested(folder / "2")
    run_all(one)
    with job(other):
        for task in plan(other):
            extract.run(replace(task, network_batch=network_batch))
    both = [vectors_of(config) for config in (one, other)]
    assert both[0].keys() == both[1].keys()
    assert all(np.array_equal(both[0][name], both[1][name]) for name in both[0])


class Watched:
    """A backbone that keeps what it was asked, in order."""

    def __init__(self, backbone: Backbone) -> None:
        self.spec, self._backbone = backbone.spec, backbone
        self.asked: list[int] = []
        """0 for a picture that was prepared, else the pictures of a run of the network."""

    def prepare(self, pixels: images.Pixels) -> images.Pixels:
        self.asked.append(0)
        return self._backbone.prepare(pixels)

    def features(self, batch: images.Pixels) -> Vectors:
        self.asked.append(len(batch))
        return self._backbone.features(batch)


def watch(config: Config, network_batch: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the network was asked for a shard of four."""
    watched = Watched(extract.opened(SPEC.name))
    monkeypatch.setattr(extract, "opened", lambda _: watched)
    with job(config):
        extract.run(replace(plan(config)[1], network_batch=network_batch))
    return watched.asked


def test_the_network_runs_on_its_batches_after_many_pictures_are_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watch(ingested(folder), 3, monkeypatch) == [0, 0, 0, 0, 3, 1]


def test_pictures_wait_for_the_network_only_as_far_as_memory_is_meant_for_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "_WAITING_BYTES", 2 * 3 * SPEC.side**2)
    assert watch(ingested(folder), 1, monkeypatch) == [0, 0, 1, 1, 0, 0, 1, 1]


def files(config: Config, folder: str) -> dict[str, bytes]:
    root = config.layout.root / folder
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.parquet"))}


def test_the_same_pictures_give_the_same_bytes(folder: Path) -> None:
    one, other = ingested(folder / "1"), ingested(folder / "2")
    for config in (one, other):
        run_all(config)
    for name in ("features", "previews"):
        assert files(one, name) == files(other, name)
        assert files(one, name)


@pytest.mark.parametrize("name", ["features", "previews"])
@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_what_was_removed_is_made_again_with_the_same_bytes(
    folder: Path, name: str, suffix: str
) -> None:
    config = ingested(folder)
    run_all(config)
    before = files(config, name)
    victim = sorted((config.layout.root / name).rglob(f"*{suffix}"))[1]
    victim.unlink()
    assert len(plan(config)) == 1
    run_all(config)
    assert files(config, name) == before


def test_another_backbone_is_other_work(folder: Path) -> None:
    config = ingested(folder)
    run_all(config)
    spec = backbones.describe("efficientnet_lite0")
    options = replace(config.extract_options, backbone="efficientnet_lite0")
    tasks = extract.plan(config.layout, config.source_paths, options)
    assert len(tasks) == 4
    assert extract.parts(config.layout, "plant", spec) == []


changed_specs = [
    {"weights_sha256": "0" * 64},
    {"side": 65},
    {"dim": 511},
    {"graph": "colour_histogram-v2"},
    {"preprocessing": "letterbox-v3"},
]


@pytest.mark.parametrize("change", changed_specs)
def test_features_are_those_of_exactly_their_backbone(folder: Path, change: dict[str, Any]) -> None:
    config = ingested(folder)
    (summary,) = ledger.batches(config.layout, "plant")
    shard = summary.shards[0]
    other: BackboneSpec = replace(SPEC, **change)
    assert extract.fingerprint(shard, SPEC) != extract.fingerprint(shard, other)


def test_the_receipt_names_the_backbone_and_what_is_in_the_part(folder: Path) -> None:
    config = ingested(folder)
    run_all(config)
    part = extract.parts(config.layout, "plant", SPEC)[1]
    receipt = artifacts.read_receipt(part.path)
    assert receipt is not None
    assert receipt.facts["backbone"] == SPEC.as_dict()
    assert receipt.sha256 == {part.path.name: artifacts.sha256_file(part.path)}
    assert (part.rows, part.expected_rows, part.numbers) == (4, 4, (5, 8))


def refusals(config: Config) -> dict[str, str]:
    rows: list[Row] = [r for r in ledger_rows(config) if r["outcome"] == "refused" and r["pic_id"]]
    return {row["pic_id"]: row["reason"] for row in rows}


def flat(seed: int) -> bytes:
    """A picture whose header is whole and whose pixels are not."""
    return picture(seed)[:60] + b"\0" * 100


def test_a_picture_that_cannot_be_decoded_has_a_reason_and_stops_no_other(folder: Path) -> None:
    sources = make_sources(folder / "sources", {"animal": [99], "plant": range(10)})
    for n in (2, 5):
        (sources["plant"]["photos"] / f"{n:04d}.png").write_bytes(flat(n))
    config = collection(folder, sources)
    ingest(config)
    done = run_all(config)
    assert sum(one.refused for one in done) == 2
    assert set(refusals(config)) == {"plant_id_3", "plant_id_6"}
    assert all(Reason(word).is_failure for word in refusals(config).values())
    found = [pic_number(name) for name in vectors_of(config)]
    assert found == [1, 2, 4, 5, 7, 8, 9, 10]
    parts = extract.parts(config.layout, "plant", SPEC)
    assert [(p.rows, p.expected_rows) for p in parts] == [(3, 3), (3, 3), (2, 2)]
    counts = ledger.counts(config.layout, "plant")["photos"]
    assert (counts.accepted, counts.seen) == (8, 10)


def test_a_shard_of_nothing_but_broken_pictures_is_done(folder: Path) -> None:
    sources = make_sources(folder / "sources", {"animal": [99], "plant": []})
    for n in range(5):
        (sources["plant"]["photos"] / f"{n}.png").write_bytes(flat(n))
    config = collection(folder, sources)
    ingest(config)
    run_all(config)
    assert plan(config) == []
    parts = extract.parts(config.layout, "plant", SPEC)
    assert [(part.rows, part.numbers) for part in parts] == [(0, (0, -1)), (0, (0, -1))]


def meddled(config: Config, change: Any) -> None:
    (path,) = config.layout.root.glob("images/plant/*/plant_id_3.png")
    path.unlink()
    change(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: None, "vanished"),
        (lambda path: path.write_bytes(picture(500)), "changed_after_ingest"),
        (lambda path: path.mkdir(), "read_error"),
    ],
)
def test_a_stored_picture_that_somebody_meddled_with_is_refused(
    folder: Path, change: Any, reason: str
) -> None:
    config = ingested(folder, images={"mode": "copy"})
    meddled(config, change)
    run_all(config)
    assert refusals(config) == {"plant_id_3": reason}


def test_a_refusal_is_taken_back_when_the_picture_is_whole_again(folder: Path) -> None:
    config = ingested(folder, images={"mode": "copy"})
    meddled(config, lambda path: None)
    run_all(config)
    assert refusals(config) == {"plant_id_3": "vanished"}
    place = config.layout.picture("images", "plant", 3, "png")
    write_picture(place, 2)
    extract.parts(config.layout, "plant", SPEC)[0].path.unlink()
    run_all(config)
    assert refusals(config) == {}
    assert len(vectors_of(config)) == 10


def test_a_blamed_picture_is_refused_unopened(folder: Path) -> None:
    config = ingested(folder)
    with job(config):
        for task in plan(config):
            blamed = task.suspect(1, Reason.DECODER_CRASHED) if task.category == "plant" else task
            extract.run(blamed)
    assert refusals(config) == {
        "plant_id_2": "decoder_crashed",
        "plant_id_6": "decoder_crashed",
        "plant_id_10": "decoder_crashed",
    }


def test_limits_hold_when_pictures_are_decoded(folder: Path) -> None:
    config = ingested(folder)
    with job(config):
        for task in plan(config):
            extract.run(replace(task, limits=PictureLimits(max_pixels=10)))
    assert set(refusals(config).values()) == {"too_many_pixels"}


def test_previews_are_small_pictures_without_metadata(folder: Path) -> None:
    config = ingested(folder)
    run_all(config)
    table = pq.read_table(config.layout.previews("plant", 1, 0), partitioning=None)
    assert table.schema.equals(PREVIEWS)
    assert table["pic_id"].to_pylist() == [f"plant_id_{n}" for n in range(1, 5)]
    for row in table.to_pylist():
        thumbnail = Image.open(io.BytesIO(row["thumbnail"]))
        assert thumbnail.format == "JPEG"
        assert max(thumbnail.size) <= 128
        assert not thumbnail.getexif()
        assert 0 <= row["brightness"] <= 1
        assert 0 <= row["contrast"] <= 0.5
    assert len(set(table["perceptual_hash"].to_pylist())) == 4


def test_pictures_are_read_in_their_source_by_reference(folder: Path) -> None:
    config = ingested(folder, images={"mode": "reference"})
    run_all(config)
    assert len(vectors_of(config)) == 10


def test_a_source_that_was_taken_out_is_asked_for_when_it_is_read_by_reference(
    folder: Path,
) -> None:
    config = ingested(folder, images={"mode": "reference"})
    paths = {"animal": config.source_paths["animal"], "plant": {}}
    tasks = extract.plan(config.layout, paths, config.extract_options)
    (plant, *_) = (task for task in tasks if task.category == "plant")
    with job(config), pytest.raises(WorkspaceError, match=r"'photos'.*add the source again"):
        extract.run(plant)


def test_new_pictures_cost_only_their_own_shards(folder: Path) -> None:
    config = ingested(folder)
    run_all(config)
    before = files(config, "features")
    write_picture(config.source_paths["plant"]["photos"] / "new.png", 50)
    ingest(config)
    assert [(task.batch, task.shard.rows) for task in plan(config)] == [(2, 1)]
    run_all(config)
    after = files(config, "features")
    assert before.items() < after.items()
    assert len(vectors_of(config)) == 11


@pytest.mark.parametrize("name", sorted(RULES))
@given(width=st.integers(1, 400), height=st.integers(1, 400), side=st.integers(8, 160))
def test_network_and_previews_can_share_one_resizing(
    name: str, width: int, height: int, side: int
) -> None:
    rule = RULES[name]
    spec = replace(SPEC, preprocessing=name, fit=rule.fit, full_decode=rule.full_decode, side=side)
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    if extract.shrinks_first(spec):
        shared = images.shrink(pixels, side)
        assert (rule.prepare(shared, side) == rule.prepare(pixels, side)).all()
