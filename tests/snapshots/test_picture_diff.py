"""Which pictures two snapshots differ in, and the page that shows them."""

from pathlib import Path

import pyarrow as pa
import pytest

import tiny
from cli.conftest import Naturalist, naturalist
from naturalist import artifacts, snapshots
from naturalist.config import Config
from naturalist.curation import takedown
from naturalist.curation.decisions import Decision, Kind
from naturalist.curation.review import review
from naturalist.progress import SILENT
from naturalist.schemas import CLUSTER_MEMBERS
from naturalist.snapshots import PictureDiff, diff_page
from naturalist.stores import open_store
from naturalist.studies.clusters import names

__all__ = ["naturalist"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Three snapshots: as it was, after decisions and new pictures, after a takedown."""
    folder = tmp_path_factory.mktemp("diffed")
    sources = tiny.make_sources(folder / "sources", {"animal": range(8), "plant": range(50, 58)})
    more = {"publish": {"url": str(folder / "published")}, "withdrawal_budget": 1.0}
    config = tiny.collection(folder, sources, **more)
    tiny.config_file(folder, sources, **more)
    add_clusters(config)
    tiny.make_all(config)
    decisions = [
        Decision(2, "animal_id_1", Kind.RETIRE),
        Decision(3, "animal_id_2", Kind.RELABEL, "plant"),
    ]
    review(config, SILENT, decisions, "ada")
    new = next(iter(sources["plant"].values()))
    for seed in (70, 71):
        tiny.write_picture(new / f"new-{seed}.png", seed)
    tiny.make_all(config)
    takedown.take_down(config, ["plant_id_3"], "asked for", "ada")
    tiny.make_all(config)
    return config


def add_clusters(config: Config) -> None:
    """Two clusters, one of them with a name."""
    folder = config.layout.clustering("default")
    clusters = {"animal": 0, "plant": 1}
    table = {
        "picID": [f"{category}_id_{k}" for category in clusters for k in range(1, 9)],
        "cluster": [number for number in clusters.values() for _ in range(8)],
        "strength": [1.0] * 16,
        "distance": [0.0] * 16,
    }
    artifacts.write_parquet(folder / "members.parquet", pa.table(table, schema=CLUSTER_MEMBERS))
    entries = [{"group": "0", "names": [{"name": "hedgehog", "by": "class"}]}]
    names.write(folder, {"groups": 2, "entries": entries}, "words")


def compared(config: Config, before: str, after: str) -> PictureDiff:
    store = open_store(config.publish_url)
    return snapshots.diff_pictures(
        store, snapshots.read(store, before), snapshots.read(store, after)
    )


def test_each_picture_that_came_left_or_was_relabelled_has_a_reason(config: Config) -> None:
    found = compared(config, "000001", "000002")
    assert found.counts() == {"came": 2, "left": 1, "relabelled": 1}
    by_what = {what: [one for one in found.changes if one.what == what] for what in found.counts()}
    assert {one.reason for one in by_what["came"]} == {"new in batch 3"}
    (left,) = by_what["left"]
    assert (left.pic_id, left.category) == ("animal_id_1", "animal")
    assert left.reason.startswith("retired: ")
    assert left.region == "hedgehog (cluster 0)"
    assert {one.region for one in by_what["came"]} == {"in no cluster: plant · photos"}
    (moved,) = by_what["relabelled"]
    assert (moved.was, moved.category) == ("animal_id_2", "plant")
    assert moved.reason == "from animal to plant"
    assert moved.region == "hedgehog (cluster 0)"
    assert compared(config, "000002", "000002").changes == ()


def test_a_picture_that_was_taken_down_is_named_and_never_shown(config: Config) -> None:
    store = open_store(config.publish_url)
    before, after = snapshots.read(store, "000002"), snapshots.read(store, "000003")
    found = snapshots.diff_pictures(store, before, after)
    (change,) = found.changes
    assert (change.pic_id, change.what, change.is_hidden) == ("plant_id_3", "left", True)
    assert change.region == "cluster 1"
    assert list(snapshots.thumbnails(store, before, after, found.changes)) == []
    text = diff_page.page(found, "garden", {})
    assert "plant_id_3" in text
    assert "no longer shown" in text
    # The other way round it came, and was taken down since.
    (back,) = snapshots.diff_pictures(store, after, before).changes
    assert (back.what, back.is_hidden) == ("came", True)


def test_the_page_loads_nothing_and_runs_nothing(
    naturalist: Naturalist, config: Config, tmp_path: Path
) -> None:
    page = tmp_path / "changes.html"
    folder = str(config.layout.root.parent)
    words = ["snapshots", "diff", "000001", "000002", "--pictures", str(page), "-c", folder]
    ended = naturalist(*words)
    assert ended.code == 0
    assert "2 pictures came, 1 left, 1 relabelled" in ended.out
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 4
    assert "default-src 'none'" in text
    assert "<script" not in text
    ended = naturalist(*words, "--json")
    assert ended.json["relabelled"] == 1
    assert {one["what"] for one in ended.json["rows"]} == {"came", "left", "relabelled"}
