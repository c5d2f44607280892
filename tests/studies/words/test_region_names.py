"""Names of a map's regions, found by a run, kept with the map, published with it, withdrawn."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import tiny
from naturalist import artifacts, backbones
from naturalist.config import Config
from naturalist.curation.naming import name_all
from naturalist.curation.takedown import take_down
from naturalist.pipeline.studies import STEPS
from naturalist.progress import Silent
from naturalist.schemas import map_schema
from naturalist.studies.maps import region_names
from naturalist.studies.publishing import study_items

NAME = "maps/tsne-2d/regions.json"


BIRDS = ("heron", "owl", "crane", "finch")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A map with a kind of bird in each corner."""
    for corner, bird in enumerate(BIRDS):
        for k in range(6):
            tiny.write_picture(tmp_path / "raw" / bird / f"{k}.png", 100 * corner + k)
    settings = tiny.settings({"animal": {"pond": tmp_path / "raw"}})
    settings["analyse"] = {"steps": ["words"]}
    config = Config.model_validate(settings).in_folder(tmp_path)
    tiny.make_all(config)
    write_map(config)
    return config


def write_map(config: Config, turned: int = 0) -> None:
    """Each picture in the corner of its bird; what a bird is, the paths say."""
    birds = birds_of(config)
    corners = np.array([(BIRDS.index(bird) + turned) % 4 for bird in birds.values()])
    at = np.stack([corners % 2, corners // 2], axis=1) * 3 + np.random.default_rng(0).random(
        (len(birds), 2)
    )
    columns = dict(zip("xy", at.T.astype(np.float32), strict=True))
    zeros = np.zeros(len(birds), np.float32)
    columns |= {"picID": list(birds), "sampled": zeros == 0, "confidence": zeros, "density": zeros}
    artifacts.write_parquet(
        config.layout.map("tsne-2d") / "points.parquet", pa.table(columns, map_schema(2))
    )


def birds_of(config: Config) -> dict[str, str]:
    path = next((config.layout.ledger / "animal").glob("*.parquet"))
    rows = artifacts.read_parquet(path, ["pic_id", "path_text"]).to_pylist()
    return {one["pic_id"]: one["path_text"].split("/")[0] for one in rows}


def step(config: Config) -> bool:
    """Whether a run found names of the map's regions."""
    with tiny.job(config) as job:
        return bool(STEPS["words"](job)["names of map tsne-2d"]["changed"])


def published(config: Config) -> dict[str, bytes]:
    backbone = backbones.describe(config.extract.backbone).id
    items = study_items(config.layout, backbone, ["*"], thumbnails=False)
    return {item.name: item.path.read_bytes() for item in items}


def named(folder: Path) -> set[str]:
    return {place.name for level in region_names.read_levels(folder, 2) for place in level.places}


def test_a_run_names_regions_once_and_again_for_another_map(config: Config) -> None:
    folder = config.layout.map("tsne-2d")
    assert (step(config), step(config)) == (True, False)
    places = region_names.read_levels(folder, 2)[0].places
    assert {one.name: one.cells for one in places} == {
        "heron": ((0, 0),),
        "owl": ((3, 0),),
        "crane": ((0, 3),),
        "finch": ((3, 3),),
    }
    write_map(config, turned=1)
    assert region_names.read_levels(folder, 2) == []
    assert step(config)
    places = region_names.read_levels(folder, 2)[0].places
    assert {one.name: one.cells for one in places}["heron"] == ((3, 0),)


def test_names_that_a_person_asks_for_are_kept_with_the_map(config: Config) -> None:
    told = name_all(config, "map", "", 0, Silent())
    best = {one["names"][0]["name"] for one in told["entries"] if one["names"]}
    assert best == named(config.layout.map("tsne-2d")) == set(BIRDS)
    assert not step(config)


def test_names_of_regions_are_published_until_a_takedown_and_again_when_found_without_it(
    config: Config,
) -> None:
    step(config)
    assert b"heron" in published(config)[NAME]
    take_down(config, [min(birds_of(config))], "asked for", "me")
    assert NAME not in published(config)
    assert step(config)
    found = published(config)
    points = hashlib.sha256(found["maps/tsne-2d/points.parquet"]).hexdigest()
    kept = json.loads(found[NAME])
    assert kept["points_sha256"] == points
    assert sum(one["pictures"] for one in kept["entries"] if one["level"] == 0) == 23


def test_names_of_regions_after_a_concept_that_was_dropped_are_not_published(
    config: Config,
) -> None:
    step(config)
    path = config.layout.map("tsne-2d") / "regions.json"
    kept = artifacts.read_json(path)
    kept["entries"][0]["names"] = [{"name": "secret garden", "by": "concept"}]
    artifacts.write_json(path, kept)
    assert NAME not in published(config)
