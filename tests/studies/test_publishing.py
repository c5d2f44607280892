import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests import tiny

from naturalist import artifacts, backbones
from naturalist.config import Config
from naturalist.curation import takedown
from naturalist.schemas import CLUSTER_MEMBERS, NEAR_DUPLICATES, map_schema
from naturalist.studies.publishing import study_items

NAMES = [f"plant_id_{n}" for n in range(1, 7)]


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A collection with a map and clusters that name its plants."""
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(6), "animal": range(10, 13)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    layout = config.layout
    points = {"picID": NAMES, "sampled": [True] * 6}
    points |= {name: np.zeros(6, np.float32) for name in ("x", "y", "confidence", "density")}
    table = pa.table({name: points[name] for name in map_schema(2).names}, map_schema(2))
    artifacts.write_parquet(layout.map("tsne-2d") / "points.parquet", table)
    artifacts.write_json(layout.map("tsne-2d") / "points.json", {"a": "receipt"})
    artifacts.write_json(layout.map("tsne-2d") / "map.json", {"rows": 6})
    artifacts.write_bytes(layout.map("tsne-2d") / "map.png", _png())
    members = {"picID": NAMES, "cluster": [0] * 6, "strength": [1.0] * 6, "distance": [0.5] * 6}
    folder = layout.clustering("default")
    artifacts.write_parquet(folder / "members.parquet", pa.table(members, CLUSTER_MEMBERS))
    artifacts.write_json(folder / "clusters.json", {"clusters": [{"medoids": NAMES[:1]}]})
    artifacts.write_bytes(folder / "sheets/0.png", _png())
    return config


def _backbone(config: Config) -> str:
    return backbones.describe(config.extract.backbone).id


def _published(config: Config, *, thumbnails: bool = True) -> dict[str, Path]:
    items = study_items(
        config.layout, _backbone(config), config.publish.columns, thumbnails=thumbnails
    )
    return {item.name: item.path for item in items}


def test_studies_are_published_whole_but_for_what_is_of_no_use_to_others(config: Config) -> None:
    assert sorted(_published(config)) == [
        "clusters/default/clusters.json",
        "clusters/default/members.parquet",
        "clusters/default/sheets/0.png",
        "maps/tsne-2d/map.json",
        "maps/tsne-2d/map.png",
        "maps/tsne-2d/pictures.parquet",
        "maps/tsne-2d/points.parquet",
    ]


def test_contact_sheets_are_thumbnails_too(config: Config) -> None:
    found = _published(config, thumbnails=False)
    assert not {"clusters/default/sheets/0.png", "maps/tsne-2d/pictures.parquet"} & set(found)


def test_a_picture_that_was_taken_down_is_in_nothing_that_is_published(config: Config) -> None:
    takedown.take_down(config, ["plant_id_1"], "asked for", "me")
    found = _published(config)
    assert sorted(found) == [
        "clusters/default/members.parquet",
        "maps/tsne-2d/map.json",
        "maps/tsne-2d/map.png",
        "maps/tsne-2d/pictures.parquet",
        "maps/tsne-2d/points.parquet",
    ]
    assert (
        pq.read_table(found["maps/tsne-2d/pictures.parquet"])["picID"].to_pylist()[:1] != NAMES[:1]
    )
    for name in ("clusters/default/members.parquet", "maps/tsne-2d/points.parquet"):
        assert pq.read_table(found[name])["picID"].to_pylist() == NAMES[1:]
    # What the workspace has stays as it is.
    path = config.layout.map("tsne-2d") / "points.parquet"
    assert pq.read_table(path).num_rows == 6


def test_names_of_clusters_that_may_come_from_what_was_taken_down_wait_to_be_found_again(
    config: Config,
) -> None:
    folder = config.layout.clustering("default")
    entries = [{"group": "0", "names": [{"name": "secret garden", "by": "path"}]}]
    artifacts.write_json(folder / "names.json", {"entries": entries})
    name = "clusters/default/names.json"
    assert name in _published(config)
    takedown.take_down(config, ["plant_id_1"], "asked for", "me")
    assert name not in _published(config)


@pytest.mark.parametrize("by", ["concept", "path"])
def test_names_of_clusters_after_a_concept_that_was_dropped_are_not_published(
    config: Config, by: str
) -> None:
    entries = [{"group": "0", "names": [{"name": "secret garden", "by": by}]}]
    path = config.layout.clustering("default") / "names.json"
    artifacts.write_json(path, {"entries": entries})
    assert ("clusters/default/names.json" in _published(config)) == (by == "path")


def test_near_duplicates_of_a_picture_that_was_taken_down_wait_for_their_next_study(
    config: Config,
) -> None:
    groups = {"picID": NAMES[:2], "group": NAMES[:1] * 2, "distance": [0, 0], "cosine": [1.0, 1.0]}
    artifacts.write_parquet(config.layout.near_duplicates, pa.table(groups, NEAR_DUPLICATES))
    assert "duplicates/groups.parquet" in _published(config)
    takedown.take_down(config, ["plant_id_6"], "asked for", "me")
    assert "duplicates/groups.parquet" in _published(config)
    takedown.take_down(config, ["plant_id_1"], "asked for", "me")
    assert "duplicates/groups.parquet" not in _published(config)


def test_a_text_is_published_if_it_names_other_pictures(config: Config) -> None:
    takedown.take_down(config, ["plant_id_2"], "asked for", "me")
    text = json.loads(_published(config)["clusters/default/clusters.json"].read_text())
    assert text["clusters"][0]["medoids"] == ["plant_id_1"]


def test_a_snapshot_lists_the_studies(config: Config, tmp_path: Path) -> None:
    again = Config.model_validate(
        config.model_dump() | {"publish": {"url": str(tmp_path / "published")}}
    ).in_folder(tmp_path)
    tiny.make_all(again)
    latest = json.loads((tmp_path / "published/latest.json").read_text())
    snapshot = json.loads((tmp_path / "published" / latest["key"]).read_text())
    names = {file["name"] for file in snapshot["files"]}
    assert {"maps/tsne-2d/points.parquet", "clusters/default/members.parquet"} <= names
