"""The same pages over an empty, a broken, a pulled and a published collection."""

import datetime as dt
import json
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

import tiny
from dashboard.conftest import BUNDLE, client_of_place
from dashboard.studied import studied_collection
from naturalist import artifacts, consume, ledger
from naturalist.config import Config
from naturalist.dashboard.app import make_app
from naturalist.dashboard.collection import open_published, open_workspace
from naturalist.dashboard.context import open_context
from naturalist.dashboard.security import ListenOptions
from naturalist.errors import ConfigError, NotFound
from naturalist.pipeline.describing import describe
from naturalist.stages import publish
from naturalist.stores import S3Options, open_store
from naturalist.studies.maps.published_pictures import write_pictures
from naturalist.studies.withheld_rows import StudyFiles
from s3_server import SECRET_KEY
from stores.conftest import aws_chain, s3_options, shared_bucket

__all__ = ["aws_chain", "s3_options", "shared_bucket"]

READ = ("/api/about", "/api/health", "/api/models", "/api/label-issues", "/api/duplicates")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_an_empty_workspace_has_all_pages(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path, {"plant": [], "animal": []})
    # Nothing is published yet: that nothing is there is no alarm.
    more = {"publish": {"url": str(tmp_path / "published")}}
    client = client_of_place(open_workspace(tiny.collection(tmp_path, sources, **more)))
    for path in (*READ, "/api/pictures", "/api/facets", "/metrics"):
        assert client.get(path).status_code == 200, path
    health = client.get("/api/health").json()
    assert [alert["name"] for alert in health["alerts"]] == ["no_run"]
    assert health["consistency"] is None
    assert client.get("/api/about").json()["maps"] == []
    assert not (tmp_path / "work" / "ledger").exists()


def test_a_workspace_that_is_gone_is_an_alert_and_no_new_one(spoilt: Config) -> None:
    client = client_of_place(open_workspace(spoilt))
    root = spoilt.layout.root.absolute()
    away = root.rename(root.with_name("unmounted"))
    health = client.get("/api/health").json()
    assert health["missing"] == [str(root)]
    assert next(alert["name"] for alert in health["alerts"]) == "workspace_gone"
    assert "no_run" not in [alert["name"] for alert in health["alerts"]]
    # A server that is started only now knows it by what is published.
    late = client_of_place(open_workspace(spoilt)).get("/api/health").json()
    assert [alert["name"] for alert in late["alerts"]] == ["workspace_gone"]
    away.rename(root)
    assert client.get("/api/health").json()["missing"] == []


def test_folders_of_pictures_that_are_gone_are_named(spoilt: Config) -> None:
    client = client_of_place(open_workspace(spoilt))
    spoilt.layout.image_root_marker("images").unlink()
    alerts = client.get("/api/health").json()["alerts"]
    assert alerts[0]["name"] == "workspace_gone"
    assert str(spoilt.layout.image_root("images").absolute()) in alerts[0]["text"]


@pytest.fixture
def spoilt(tmp_path: Path) -> Config:
    """A studied collection of its own, to damage."""
    return studied_collection(tmp_path / "spoilt", each=2)


def test_one_damaged_report_hides_no_other(spoilt: Config) -> None:
    layout = spoilt.layout
    (layout.runs / "000001.json").write_text("{")
    (layout.reports / "verification.json").write_text("[]")
    layout.drift("000001").write_text("nonsense")
    (layout.model("m1") / "evaluation.json").write_text("{")
    client = client_of_place(open_workspace(spoilt))
    health = client.get("/api/health").json()
    assert [run["number"] for run in health["runs"]] == [2]
    assert health["verification"] is None
    assert health["drift"] == []
    alerts = [one for one in health["alerts"] if one["name"] == "damaged_report"]
    assert [Path(one["text"].split(" is damaged")[0]).name for one in alerts] == [
        "000001.json", "000001.json", "evaluation.json",
    ]  # fmt: skip
    assert "evaluation.json is damaged" in client.get("/api/models").json()["models"][0]["error"]


@pytest.mark.parametrize(
    ("damaged", "path"),
    [
        ("maps/tsne-2d/points.parquet", "/api/maps/tsne-2d"),
        ("clusters/default/clusters.json", "/api/clusterings/default"),
        ("models/champion.json", "/api/models"),
        ("reports/label_issues.parquet", "/api/label-issues"),
        ("duplicates/groups.parquet", "/api/duplicates"),
        ("ledger/plant/000001.parquet", "/api/pictures"),
    ],
)
def test_a_damaged_file_is_named_and_other_pages_stay(
    spoilt: Config, damaged: str, path: str
) -> None:
    (spoilt.layout.root / damaged).write_bytes(b"damaged")
    client = client_of_place(open_workspace(spoilt))
    answer = client.get(path)
    assert answer.status_code == 503
    assert Path(damaged).name in answer.json()["error"]
    other = "/api/models" if path != "/api/models" else "/api/label-issues"
    assert client.get(other).status_code == 200


def test_the_alert_of_drift_is_a_whole_sentence_on_what_was_flagged(spoilt: Config) -> None:
    def said(name: str, what: str) -> str:
        return (
            f"new source animal/{name}, 25 pictures: {what} (0.29 from its category, earlier "
            "sources 0.20; with 9 earlier distances 0.31 would stand out); look at 21 pictures"
        )

    ordinary, strange = said("a", "no further away"), said("b", "unlike anything before")
    rows = [
        {"source": "animal/a", "kind": "new", "flagged": False},
        {"source": "animal/b", "kind": "new", "flagged": True},
    ]
    report = {"verdict": "drift", "words": [ordinary, strange], "by_source": rows}
    artifacts.write_json(spoilt.layout.drift("000001"), report)
    health = client_of_place(open_workspace(spoilt)).get("/api/health").json()
    assert health["drift"][-1]["words"] == [strange, ordinary]
    (alert,) = [one["text"] for one in health["alerts"] if one["name"] == "drift"]
    assert alert == f"Drift: {strange.partition('; look')[0]}."


def test_health_names_each_damaged_file_of_the_pages_with_what_to_do(spoilt: Config) -> None:
    layout = spoilt.layout
    paths = [
        layout.clustering("default") / "clusters.json",
        layout.clustering("default") / "members.parquet",
        layout.map("tsne-2d") / "map.json",
        layout.map("tsne-2d") / "points.parquet",
        layout.champion,
        layout.label_issues,
        layout.near_duplicates,
        layout.review_journal,
        layout.review_views,
    ]
    client = client_of_place(open_workspace(spoilt))
    assert client.get("/api/health").json()["damaged"] == []
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"damaged\n")
    health = client.get("/api/health").json()
    named = {one.split(" is damaged")[0].split(" cannot be read")[0] for one in health["damaged"]}
    assert named == {str(path.absolute()) for path in paths}
    assert all("restore" in one or "delete" in one for one in health["damaged"])
    alerts = [one["text"] for one in health["alerts"] if one["name"] == "damaged_report"]
    assert alerts == health["damaged"]


def test_a_fault_that_nobody_foresaw_says_how_to_look_for_it(spoilt: Config) -> None:
    path = spoilt.layout.near_duplicates
    table = artifacts.read_parquet(path)
    names = table["picID"].cast(pa.binary())
    artifacts.write_parquet(path, table.set_column(0, "picID", names))
    app = make_app(open_context(open_workspace(spoilt)), BUNDLE, ListenOptions())
    client = TestClient(app, base_url="http://127.0.0.1:8642", raise_server_exceptions=False)
    answer = client.get("/api/duplicates")
    assert answer.status_code == 500
    assert "`naturalist verify`" in answer.json()["error"]


def _check_published(client: TestClient, kind: str) -> None:
    about = client.get("/api/about").json()
    assert about["kind"] == kind
    assert about["snapshot"] == "000001"
    health = client.get("/api/health").json()
    assert sum(row["accepted"] for row in health["totals"]) > 10
    assert health["runs"] == []
    assert health["verification"]["at"] is None
    rows = client.get("/api/pictures?outcome=accepted").json()["rows"]
    for row in rows:
        answer = client.get(f"/api/pictures/{row['pic_id']}/thumbnail")
        assert answer.content[:2] == b"\xff\xd8", row["pic_id"]
    assert client.get(f"/api/pictures/{rows[0]['pic_id']}/large").status_code == 404


def test_a_published_folder_is_shown(studied: Config) -> None:
    place = open_published(studied.publish_url)
    client = client_of_place(place)
    _check_published(client, "published")
    assert client.get("/api/about").json()["similar"] is False


def test_a_bucket_is_shown_without_being_pulled_by_hand(
    tmp_path: Path, shared_bucket: str, s3_options: S3Options, aws_chain: pytest.MonkeyPatch
) -> None:
    url = f"s3://{shared_bucket}/{tmp_path.name}"
    addressed = {
        "endpoint_url": s3_options.endpoint_url,
        "region": s3_options.region,
        "addressing": s3_options.addressing,
    }
    config = studied_collection(tmp_path, each=4, publish={"url": url, **addressed})
    workspace = client_of_place(open_workspace(config)).get("/api/health").json()
    assert workspace["consistency"]["passed"] is True
    client = client_of_place(open_published(url, options=s3_options))
    _check_published(client, "published")
    # A second opening takes everything but the snapshot from the cache.
    place = open_published(url, options=s3_options)
    _check_published(client_of_place(place), "published")
    # A dashboard that goes on when its credentials are replaced asks with the new ones.
    for path in place.layout.root.glob("previews/*/*.parquet"):
        path.unlink()
    for secret, status in (("withdrawn", 503), (SECRET_KEY, 200)):
        aws_chain.setenv("AWS_SECRET_ACCESS_KEY", secret)
        answer = client_of_place(place).get("/api/pictures/plant_id_1/thumbnail")
        assert answer.status_code == status


def test_a_pulled_folder_is_shown(studied: Config, tmp_path: Path) -> None:
    parts = ("ledger", "previews", "reports", "tables")
    store = open_store(studied.publish_url)
    consume.pull(store, tmp_path / "pulled", consume.Selection(parts=parts))
    client = client_of_place(open_published(str(tmp_path / "pulled")))
    _check_published(client, "pulled")
    assert client.get("/api/pictures/plant_id_1/similar").json()["pictures"]


def test_previews_of_a_published_collection_are_fetched_one_shard_at_a_time(
    studied: Config,
) -> None:
    place = open_published(studied.publish_url)
    client = client_of_place(place)
    client.get("/api/pictures/plant_id_1/thumbnail")
    folder = place.layout.previews("plant", 1, 0).parent
    assert len(list(folder.glob("*.parquet"))) == 1


def test_shards_of_pictures_on_a_map_are_fetched_beside_each_other(
    studied: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = open_published(studied.publish_url)
    assert place.store is not None
    for name in ("previews/*/*.parquet", "maps/*/pictures.parquet"):
        for path in place.layout.root.glob(name):
            path.unlink()
    fetch, both = place.store.fetch, threading.Barrier(2)

    def fetch_with_another(key: str, path: Path, sha256: str, size_bytes: int) -> None:
        both.wait(20)
        fetch(key, path, sha256, size_bytes)

    monkeypatch.setattr(place.store, "fetch", fetch_with_another)
    answer = client_of_place(place).get("/api/sprites?ids=plant_id_2,animal_id_2,plant_id_3")
    assert (answer.status_code, answer.headers["x-missing"]) == (200, "")


def test_maps_of_a_published_collection_are_shown(studied: Config, tmp_path: Path) -> None:

    layout = studied.layout
    items = [
        publish.Item(str(p.relative_to(layout.root)), p, artifacts.sha256_file(p), p.stat().st_size)
        for folder in ("maps", "clusters", "models", "ledger")
        for p in sorted((layout.root / folder).rglob("*"))
        if p.is_file() and p != layout.champion
    ]
    pictures = write_pictures(StudyFiles.of(layout), "tsne-3d", ledger.withheld(layout))
    assert pictures is not None
    items.append(publish.item("maps/tsne-3d/pictures.parquet", pictures))
    store = open_store(str(tmp_path / "bucket"))
    publish.publish(store, items, describe(studied), dt.datetime.now(dt.UTC), lambda _: None)
    client = client_of_place(open_published(str(tmp_path / "bucket")))
    described = client.get("/api/maps/tsne-3d").json()
    sent = client.get("/api/maps/tsne-3d/positions").content
    assert len(sent) == 6 * described["rows"]
    assert "prediction" in {one["name"] for one in described["columns"]}
    # Pictures that stand for parts of the map need no files of previews, of which none is here.
    names = pq.read_table(pictures)["picID"].to_pylist()
    assert len(described["pictured"]) == len(names) > 3
    answer = client.get(f"/api/sprites?ids={','.join(names[:40])}")
    assert (answer.status_code, answer.headers["x-missing"]) == (200, "")
    far, near = client.get("/api/maps/tsne-2d").json()["regions"]
    assert (far["names"], far["across"], near["across"]) == (["birds", "trees"], 4, 8)
    assert client.get("/api/models").json()["champion"] == "m1"


def test_what_is_no_collection_says_so(tmp_path: Path, studied: Config) -> None:
    with pytest.raises(NotFound):
        open_published(str(tmp_path))
    with pytest.raises(ConfigError, match="--config"):
        open_published(str(studied.layout.root))
    (tmp_path / "pulled.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ConfigError):
        open_published(str(tmp_path))
