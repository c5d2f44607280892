"""Metadata columns in the dashboard: what they hold, filters over them, colours of maps."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

import tiny
from dashboard.conftest import BUNDLE, client_of
from dashboard.studied import add_studies, picture
from naturalist.config import Config
from naturalist.dashboard import attached, attached_values
from naturalist.dashboard.collection import open_published, open_workspace
from naturalist.dashboard.context import DashboardContext, open_context
from naturalist.dashboard.export import export
from naturalist.pipeline import steps

HOSTILE = "a\"b'; DROP TABLE files; --/é"
SPECIES = ("owl", "kite", "wren")


def _zoo(folder: Path) -> Path:
    """Nine animals of three species; the last has no row."""
    rows = []
    for k in range(9):
        path = folder / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(k, k % 3))
        rows.append(
            {
                "file_name": path.name,
                "species": SPECIES[k % 3],
                "year": 2011 + k,
                "day": f"2020-01-0{k + 1}",
                "wild": "true" if k % 2 else "false",
                HOSTILE: "" if k == 0 else f"v{k}",
            }
        )
    with (folder / "birds.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[:-1])
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A published collection with metadata and maps; `year` is not published."""
    folder = tmp_path_factory.mktemp("attached")
    (folder / "wood").mkdir()
    for k in range(3):
        (folder / "wood" / f"{k}.png").write_bytes(picture(100 + k, 1))
    columns = ["species", "day", "wild", HOSTILE]
    sources = {"animal": {"zoo": _zoo(folder / "zoo")}, "plant": {"wood": folder / "wood"}}
    settings = tiny.settings(
        sources, publish={"url": str(folder / "published"), "columns": columns}
    )
    settings["category"][0]["source"][0] |= {"metadata": [{"file": "birds.csv"}]}
    settings["category"].append({"name": "human", "label": 2})
    found = Config.model_validate(settings).in_folder(folder)
    tiny.make_all(found)
    add_studies(found)
    return found


@pytest.fixture(scope="module")
def context(config: Config) -> Iterator[DashboardContext]:
    """What answers about it."""
    found = open_context(open_workspace(config))
    yield found
    found.close()


@pytest.fixture
def client(context: DashboardContext) -> TestClient:
    return client_of(context)


def _ids(client: TestClient) -> dict[str, str]:
    return {one["name"]: one["id"] for one in client.get("/api/columns").json()["columns"]}


def _found(client: TestClient, **wanted: str) -> list[str]:
    answer = client.get("/api/pictures", params=wanted).json()
    assert answer["of"] == len(answer["rows"])
    return [row["path_text"] for row in answer["rows"]]


def test_columns_are_named_with_their_types(client: TestClient) -> None:
    held = client.get("/api/columns").json()["columns"]
    assert [(one["name"], one["type"], one["kind"]) for one in held] == [
        ("species", "text", "code"), ("year", "integer", "scale"), ("day", "date", "scale"),
        ("wild", "boolean", "code"), (HOSTILE, "text", "code"),
    ]  # fmt: skip
    assert [one["id"] for one in held][:2] == ["column.species", "column.year"]


def test_values_come_with_their_counts(client: TestClient) -> None:
    found = client.get("/api/columns/column.species/values").json()
    assert found["values"] == [
        {"value": "kite", "pictures": 3}, {"value": "owl", "pictures": 3},
        {"value": "wren", "pictures": 2},
    ]  # fmt: skip
    assert (found["of"], found["missing"]) == (3, 4)
    some = client.get("/api/columns/column.species/values", params={"text": "W", "limit": 1}).json()
    assert [one["value"] for one in some["values"]] == ["owl"]
    assert some["of"] == 2
    year = client.get("/api/columns/column.year/values").json()
    assert (year["low"], year["high"]) == ("2011", "2018")
    assert client.get("/api/columns/column.none/values").status_code == 404


def test_pictures_are_filtered_by_values_of_columns(client: TestClient) -> None:
    assert _found(client, **{"column.species": "owl"}) == ["0.png", "3.png", "6.png"]
    both = {"column.species": "owl", "column.wild": "true"}
    assert _found(client, **both) == ["3.png"]
    assert _found(client, **{"column.year": "2013"}) == ["2.png"]
    assert _found(client, **{"column.year": "2016.."}) == ["5.png", "6.png", "7.png"]
    assert _found(client, **{"column.day": "2020-01-02..2020-01-03"}) == ["1.png", "2.png"]
    for nonsense in ("abc", "..", "1..abc", "' OR 1=1 --"):
        assert _found(client, **{"column.year": nonsense}) == []
    ids = client.get("/api/picture-ids", params={"column.species": "kite"}).json()["ids"]
    assert len(ids) == 3


def test_pictures_without_a_value_are_found(client: TestClient) -> None:
    assert _found(client, without="column.species", category="animal") == ["8.png"]
    assert len(_found(client, without="column.species")) == 4


def test_names_of_columns_cannot_change_a_query(client: TestClient) -> None:
    name = _ids(client)[HOSTILE]
    assert _found(client, **{name: "v4"}) == ["4.png"]
    assert client.get(f"/api/columns/{name}/values").json()["of"] == 7


def test_a_picture_says_its_values(client: TestClient, config: Config) -> None:
    ids = {row["path_text"]: row["pic_id"] for row in tiny.ledger_rows(config)}
    held = client.get(f"/api/pictures/{ids['3.png']}").json()["columns"]
    assert held == {
        "species": "owl", "year": "2014", "day": "2020-01-04", "wild": "true", HOSTILE: "v3",
    }  # fmt: skip
    assert client.get(f"/api/pictures/{ids['8.png']}").json()["columns"]["species"] is None


def _on_map(client: TestClient, name: str) -> tuple[dict[str, Any], list[int]]:
    about = client.get(f"/api/maps/tsne-2d/columns/{name}/about").json()
    return about, list(client.get(f"/api/maps/tsne-2d/columns/{name}").content)


def test_maps_are_coloured_by_columns(client: TestClient, config: Config) -> None:
    offered = client.get("/api/maps/tsne-2d").json()["columns"]
    assert {"name": "column.species", "title": "species", "kind": "code"} in offered
    ids = {row["pic_id"]: row["path_text"] for row in tiny.ledger_rows(config)}
    points = pq.read_table(config.layout.map("tsne-2d") / "points.parquet")["picID"].to_pylist()
    about, codes = _on_map(client, "column.species")
    names = dict(enumerate(about["names"])) | {255: None}
    for pic, code in zip(points, codes, strict=True):
        number = int(ids[pic].partition(".")[0]) if pic.startswith("animal") else 8
        assert names[code] == (SPECIES[number % 3] if number < 8 else None)
    about, steps = _on_map(client, "column.day")
    assert about["kind"] == "scale"
    assert 2019.9 < about["low"] < about["high"] < 2020.1
    assert np.count_nonzero(np.array(steps) == 255) == 4


def test_columns_that_are_not_published_leave_in_no_export(
    context: DashboardContext, config: Config, tmp_path: Path
) -> None:
    export(context, BUNDLE, tmp_path / "site", thumbnails=0)
    written = "".join(p.read_text() for p in (tmp_path / "site" / "data").glob("*.js"))
    assert "column.species" in written
    assert "column.year" not in written
    place = open_published(str(config.publish_url))
    published = open_context(place)
    try:
        held = _ids(client_of(published))
        assert "species" in held
        assert "year" not in held
        assert _found(client_of(published), **{"column.wild": "true", "column.species": "owl"})
    finally:
        published.close()


def test_only_the_most_frequent_values_have_colours(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached_values, "MAX_NAMES", 2)
    held = open_context(open_workspace(config))
    try:
        about, codes = _on_map(client_of(held), "column.species")
        assert about["names"] == ["kite", "owl", "other values"]
        assert [codes.count(code) for code in (0, 1, 2)] == [3, 3, 2]
    finally:
        held.close()


def test_an_index_that_is_made_again_between_two_questions_mixes_up_no_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {"animal": {"zoo": _zoo(tmp_path / "zoo")}}
    settings = tiny.settings(sources)

    def collect(columns: list[str]) -> Config:
        settings["category"][0]["source"][0]["metadata"] = [
            {"file": "birds.csv", "columns": columns}
        ]
        config = Config.model_validate(settings).in_folder(tmp_path)
        with tiny.job(config) as held:
            steps.collect_metadata(held)
        return config

    tiny.make_all(Config.model_validate(settings).in_folder(tmp_path))
    found = open_context(open_workspace(collect(["species", "year", "day"])))
    catalogue = found.catalogue
    wanted = {"column.year": "2012..2013"}
    assert len(catalogue.ids(wanted, "", 10)) == 2
    conditions = attached.conditions

    def changed_meanwhile(*given: Any) -> Any:
        result = conditions(*given)
        collect(["year", "day", "wild"])
        catalogue.look_again()
        return result

    monkeypatch.setattr(attached, "conditions", changed_meanwhile)
    assert len(catalogue.ids(wanted, "", 10)) == 2
    monkeypatch.undo()
    assert [one.name for one in catalogue.attached] == ["year", "day", "wild"]
    with catalogue.steady():
        collect(["species", "year"])
        catalogue.look_again()
        year = next(one for one in catalogue.attached if one.name == "year")
        years = attached_values.values_of(catalogue, year, "", 10)["values"]
        assert {row["value"] for row in years} == {str(2011 + k) for k in range(8)}
    assert [one.name for one in catalogue.attached] == ["species", "year"]
    found.close()
