import datetime as dt
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from starlette.testclient import TestClient

import tiny
from dashboard.studied import HOSTILE, SCRIPT
from naturalist.config import Config
from naturalist.dashboard import health as health_of
from naturalist.dashboard import report
from naturalist.dashboard.context import DashboardContext
from naturalist.dashboard.trends import trends
from naturalist.stores.prices import load_prices
from report_shapes import assert_declared


def test_about_names_what_there_is(client: TestClient) -> None:
    about = client.get("/api/about").json()
    assert about["kind"] == "workspace"
    assert about["maps"] == ["tsne-2d", "tsne-3d"]
    assert [one["name"] for one in about["categories"]] == ["plant", "animal", "human"]
    assert about["clusterings"] == ["default"]
    assert_declared(report.About, about)


def test_health_counts_what_the_ledger_has(client: TestClient, studied: Config) -> None:
    health = client.get("/api/health").json()
    rows = tiny.ledger_rows(studied)
    assert sum(row["seen"] for row in health["totals"]) == len(rows)
    accepted = sum(row["outcome"] == "accepted" for row in rows)
    assert sum(row["accepted"] for row in health["totals"]) == accepted
    assert health["failures"][0]["examples"][0]["path_text"] == "script&lt;.png"
    assert health["verification"]["passed"] is True
    assert health["consistency"]["passed"] is True
    assert health["freshness"]["snapshot"]["id"] == "000001"
    assert health["freshness"]["next_run"]["at"]
    # The report on drift is a drawn one; drift's own tests compare real ones.
    assert_declared(report.HealthDoc, health | {"drift": []})


def test_trends_are_what_runs_recorded(client: TestClient) -> None:
    first, second = client.get("/api/health").json()["trends"]
    # 40 pictures are too few to time a run by.
    assert (first["number"], first["is_good"], first["pictures_per_s"]) == (1, True, None)
    assert (second["is_good"], second["published_bytes"]) == (False, None)


def test_trends_count_refused_files_and_what_the_store_costs() -> None:
    added = {"plant": {"seen": 10, "refused": {"truncated": 2, "bomb": 1}}, "animal": {"seen": 5}}
    run = {
        "number": 7,
        "stages": {
            "ingest": {"added": added},
            "extract": {"pictures": 300, "duration_s": 6.0},
            "publish": {"size_bytes": 10**9},
        },
        "free_bytes": 5,
    }
    prices = load_prices("aws")
    (found,) = trends([run], prices)
    assert (found["seen"], found["refused"], found["free_bytes"]) == (15, 3, 5)
    assert found["storage_month"] == prices.storage_gb_month
    assert found["pictures_per_s"] == 50
    assert_declared(report.RunTrend, found)


def test_a_schedule_that_begins_no_run_promises_none() -> None:
    begun = [{"started_at": "2026-11-21T07:03:00+00:00"}]
    assert health_of._scheduled(begun, "0 7 * * *", dt.UTC)
    assert not health_of._scheduled(begun, "0 19 * * *", dt.UTC)
    assert not health_of._scheduled([], "0 7 * * *", dt.UTC)


def test_health_raises_alerts_for_a_failed_run_and_drift(client: TestClient) -> None:
    names = [alert["name"] for alert in client.get("/api/health").json()["alerts"]]
    assert names[0] == "run_failed"
    assert "drift" in names
    assert "evaluation_gap" in names


def test_metrics_are_the_numbers_of_health(client: TestClient) -> None:
    health = client.get("/api/health").json()
    lines = client.get("/metrics").text.splitlines()
    row = health["totals"][0]
    labels = f'category="{row["category"]}",outcome="accepted",source="{row["source"]}"'
    assert f"naturalist_files{{{labels}}} {row['accepted']:.1f}" in lines
    assert "naturalist_last_run_succeeded 0.0" in lines
    assert 'naturalist_model_accuracy{on="new_sources"} 0.8' in lines
    assert 'naturalist_alert{level="bad",name="run_failed"} 1.0' in lines


@pytest.mark.parametrize("name", ["tsne-2d", "tsne-3d"])
def test_positions_are_those_of_the_map(client: TestClient, studied: Config, name: str) -> None:
    described = client.get(f"/api/maps/{name}").json()
    sent = client.get(f"/api/maps/{name}/positions").content
    points = pq.read_table(studied.layout.map(name) / "points.parquet")
    steps = np.frombuffer(sent, "<u2").reshape(-1, described["dims"])
    found = np.array(described["low"]) + steps * described["step"]
    wanted = np.stack([points[axis].to_numpy() for axis in "xyz"[: described["dims"]]], axis=1)
    assert np.abs(found - wanted).max() <= described["step"]


def test_a_map_costs_less_than_13_bytes_a_point_before_it_is_drawn(client: TestClient) -> None:
    described = client.get("/api/maps/tsne-2d").json()
    sent = client.get("/api/maps/tsne-2d/positions").content
    sent += client.get("/api/maps/tsne-2d/columns/category").content
    assert len(sent) == 5 * described["rows"]


def test_columns_have_a_value_for_each_point(client: TestClient, studied: Config) -> None:
    described = client.get("/api/maps/tsne-2d").json()
    assert_declared(report.MapInfo, described)
    columns = {one["name"]: one for one in described["columns"]}
    for name, one in columns.items():
        about = client.get(f"/api/maps/tsne-2d/columns/{name}/about").json()
        assert_declared(report.ColumnInfo, about)
        assert {key: about[key] for key in one} == one
        one["bytes"] = about["bytes"]
    assert set(columns) == {
        "category", "source", "batch", "number", "cluster", "prediction", "correctness",
        "confidence", "outlier", "blur", "brightness", "contrast", "sampled", "placement",
        "density",
    }  # fmt: skip
    for name, one in columns.items():
        sent = client.get(f"/api/maps/tsne-2d/columns/{name}").content
        assert len(sent) == one["bytes"] * described["rows"], name


def test_columns_belong_to_the_pictures_of_their_rows(client: TestClient, studied: Config) -> None:
    rows = {row["pic_id"]: row for row in tiny.ledger_rows(studied) if row["pic_id"]}
    pic_ids = pq.read_table(studied.layout.map("tsne-2d") / "points.parquet")["picID"].to_pylist()

    def texts(name: str) -> list[str]:
        sent = client.get(f"/api/maps/tsne-2d/columns/{name}").content
        names = client.get(f"/api/maps/tsne-2d/columns/{name}/about").json()["names"]
        return [names[code] for code in sent]

    assert texts("category") == [rows[pic]["category"] for pic in pic_ids]
    assert texts("source") == [rows[pic]["source"] for pic in pic_ids]
    assert texts("correctness").count("otherwise") <= 3
    members = pq.read_table(studied.layout.clustering("default") / "members.parquet")
    clusters = client.get("/api/maps/tsne-2d/columns/cluster").content
    assert list(clusters) == [255 if c < 0 else c for c in members["cluster"].to_pylist()]


def test_a_picture_is_found_on_the_map(client: TestClient, studied: Config) -> None:
    points = pq.read_table(studied.layout.map("tsne-2d") / "points.parquet")["picID"].to_pylist()
    answer = client.get(f"/api/maps/tsne-2d/row/{points[5]}")
    assert answer.json() == {"row": 5, "pic_id": points[5]}
    assert client.get("/api/maps/tsne-2d/row/plant_id_99999").status_code == 404


def test_thumbnails_are_jpegs_that_a_browser_may_keep(client: TestClient) -> None:
    answer = client.get("/api/pictures/plant_id_1/thumbnail")
    assert answer.content[:2] == b"\xff\xd8"
    assert "immutable" in answer.headers["cache-control"]


def test_many_thumbnails_come_as_one_strip_in_the_order_asked_for(client: TestClient) -> None:
    names = ["human_id_2", "plant_id_99999", "animal_id_1"]
    answer = client.get("/api/sprites", params={"ids": ",".join(names)})
    assert (answer.headers["content-type"], answer.headers["x-missing"]) == ("image/jpeg", "1")
    strip = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")).astype(int)
    assert strip.shape == (96, 288, 3)
    middle = strip[:, ::2].reshape(96, 3, 48, 3).mean(axis=(0, 2))
    # The pictures of a category have its colour, what is missing is grey.
    assert middle[0].argmax() == 2
    assert np.ptp(middle[1]) < 4
    assert middle[2].argmax() == 0


@pytest.mark.parametrize("ids", ["", "../x", "plant_id_1,", ",".join(["plant_id_1"] * 49)])
def test_a_strip_of_what_is_no_list_of_ids_is_refused(client: TestClient, ids: str) -> None:
    assert client.get("/api/sprites", params={"ids": ids}).status_code == 422


def test_every_accepted_picture_has_its_own_thumbnail(client: TestClient, studied: Config) -> None:
    kept = {}
    for path in studied.layout.previews("plant", 1, 0).parent.glob("*.parquet"):
        table = pq.read_table(path)
        kept |= dict(zip(table["pic_id"].to_pylist(), table["thumbnail"].to_pylist(), strict=True))
    assert len(kept) > studied.extract.shard_size
    for pic, thumbnail in kept.items():
        assert client.get(f"/api/pictures/{pic}/thumbnail").content == thumbnail


def test_unchanged_columns_are_not_sent_again(client: TestClient) -> None:
    first = client.get("/api/maps/tsne-2d/positions")
    again = client.get(
        "/api/maps/tsne-2d/positions", headers={"if-none-match": first.headers["etag"]}
    )
    assert again.status_code == 304
    assert not again.content


def test_pictures_are_filtered_by_all_that_is_asked(client: TestClient) -> None:
    found = client.get("/api/pictures?category=plant&source=near&outcome=duplicate").json()
    assert_declared(report.Files, found)
    assert [row["path_text"] for row in found["rows"]] == ["copy.png"]
    by_text = client.get("/api/pictures", params={"text": "onerror"}).json()
    assert by_text["of"] == 1
    assert by_text["rows"][0]["path_text"].startswith("<img")
    assert client.get("/api/pictures", params={"text": "' OR true --"}).json()["of"] == 0


def test_pages_of_pictures_hold_each_file_once(client: TestClient, studied: Config) -> None:
    seen: list[tuple[str, str, str]] = []
    while True:
        rows = client.get(f"/api/pictures?limit=20&offset={len(seen)}").json()["rows"]
        if not rows:
            break
        seen += [(row["category"], row["source"], row["path_text"]) for row in rows]
    assert len(seen) == len(set(seen)) == len(tiny.ledger_rows(studied))


def test_a_picture_names_its_origin_and_its_copies(client: TestClient) -> None:
    rows = client.get("/api/pictures?text=000.png&category=plant&source=near").json()["rows"]
    row = client.get(f"/api/pictures/{rows[0]['pic_id']}").json()
    assert_declared(report.PictureRow, row)
    assert row["source"] == "near"
    assert row["path_text"] == "000.png"
    assert [copy["path_text"] for copy in row["copies"]] == ["copy.png"]


def test_the_most_similar_picture_to_a_stored_ones_bytes_is_itself(
    client: TestClient, studied: Config
) -> None:
    path = studied.category[0].source[0].path / "003.png"
    found = client.post("/api/similar?k=5", content=path.read_bytes()).json()["pictures"]
    row = client.get(f"/api/pictures/{found[0]['pic_id']}").json()
    assert row["path_text"] == "003.png"
    assert found[0]["cosine"] > 0.9999
    near = client.get(f"/api/pictures/{found[0]['pic_id']}/similar?k=4").json()["pictures"]
    assert_declared(report.Similar, {"pictures": near})
    assert [one["pic_id"] for one in near] == [one["pic_id"] for one in found[1:]]


def test_what_is_no_picture_is_refused_with_a_reason(client: TestClient) -> None:
    answer = client.post("/api/similar", content=SCRIPT.encode())
    assert answer.status_code == 422
    assert answer.json()["error"] == (
        "The picture cannot be read: not a picture. The first bytes are not those of any picture "
        "or archive format."
    )


def test_a_picture_that_is_too_large_is_refused_unread(client: TestClient) -> None:
    answer = client.post("/api/similar", content=bytes(21_000_000))
    assert answer.status_code == 413


def test_the_large_picture_is_a_jpeg_without_metadata(client: TestClient) -> None:
    data = client.get("/api/pictures/plant_id_1/large").content
    assert data[:2] == b"\xff\xd8"
    assert b"Exif" not in data


def test_clusters_come_mixed_first_and_no_sheet_lies_elsewhere(client: TestClient) -> None:
    found = client.get("/api/clusterings/default").json()
    assert [one["mixed"] for one in found["clusters"]] == [True, False, False, False]
    assert client.get("/api/clusterings/default/sheets/1").status_code == 404


def test_models_tell_champion_history_and_evaluation(client: TestClient) -> None:
    found = client.get("/api/models").json()
    assert found["champion"] == "m1"
    assert found["history"][0]["reason"] == SCRIPT
    assert found["models"][0]["evaluation"]["gap"] == 0.19
    assert client.get("/api/label-issues").json()["issues"][0]["suggested"] == HOSTILE


def test_duplicates_come_in_groups(client: TestClient) -> None:
    found = client.get("/api/duplicates").json()
    assert_declared(report.DuplicateGroups, found)
    assert found["of"] == 1
    assert len(found["groups"][0]["members"]) == 2


def test_numbers_that_json_does_not_have_become_null(client: TestClient) -> None:
    assert client.get("/api/maps/tsne-2d").json()["meta"]["metrics"]["broken"] is None


def test_the_index_follows_the_ledger(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from dashboard.conftest import client_of_place
    from naturalist.dashboard import catalogue
    from naturalist.dashboard.collection import open_workspace

    monkeypatch.setattr(catalogue, "_LOOKED_AT_S", 0.0)
    sources = tiny.make_sources(tmp_path, {"plant": [1, 2], "animal": [3]})
    config = tiny.collection(tmp_path, sources)
    tiny.ingest(config)
    client = client_of_place(open_workspace(config))
    assert client.get("/api/pictures").json()["of"] == 3
    tiny.write_picture(tmp_path / "plant" / "new.png", 77)
    tiny.ingest(config)
    assert client.get("/api/pictures").json()["of"] == 4


def test_points_that_the_map_lacks_are_no_trouble(context: DashboardContext) -> None:
    points = context.maps.get("tsne-2d")
    assert points is not None
    ids = pa.array(["plant_id_1", "plant_id_12345678", "mineral_id_1", "no id"])
    from naturalist.dashboard.columns import keys_of

    rows = points.finder.find(keys_of(ids, context.maps.categories))
    assert rows[0] >= 0
    assert rows[1:].tolist() == [-1, -1, -1]
