"""A category that is retired shows none of its pictures, in any study, page or export."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from cli.conftest import Naturalist, naturalist
from dashboard.studied import picture as drawn
from dashboard.studied import studied_collection
from dashboard.test_export import documents
from naturalist.config import Config, load_config
from naturalist.dashboard.app import make_app
from naturalist.dashboard.bundle import Bundle
from naturalist.dashboard.collection import open_workspace
from naturalist.dashboard.context import open_context
from naturalist.dashboard.export import export
from naturalist.dashboard.security import ListenOptions

__all__ = ["naturalist"]

BUNDLE = Bundle(b"script", b"style")
GONE = re.compile(r"human_id_\d|/human/")
"""Ids of pictures of the retired category, and folders that hold what is its own."""
MORE = {
    "drift": {"least_rows": 4},
    "map": {"perplexity": 5},
    "clusters": {"count": 2},
    "classifier": {"rows": 1000},
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """49 pictures in three categories, every study made of all of them."""
    studied_collection(tmp_path, drift={"least_rows": 4})
    return load_config(tmp_path)


def retire(naturalist: Naturalist, config: Config) -> tuple[str, str]:
    where = ("-c", str(config.layout.root.parent))
    ended = naturalist("category", "retire", "human", *where)
    assert ended.code == 0, ended.err
    return where


def client_of(config: Config) -> TestClient:
    app = make_app(open_context(open_workspace(config)), BUNDLE, ListenOptions())
    return TestClient(app, base_url="http://127.0.0.1:8642")


def every_answer(client: TestClient) -> Iterator[tuple[str, str]]:
    """Every document that the pages ask for, and what it says."""
    about = client.get("/api/about").json()
    paths = ["about", "health", "pictures", "facets", "models", "label-issues", "duplicates"]
    for kind in ("maps", "clusterings"):
        paths += [f"{kind}/{one}" for one in about[kind]]
    paths += [f"pictures/{name}/similar" for name in ("plant_id_1", "animal_id_1")]
    for path in paths:
        answer = client.get(f"/api/{path}")
        assert answer.status_code == 200, path
        yield path, answer.text


def assert_not_shown(config: Config) -> None:
    """The local dashboard names none of its pictures, and gives no byte of them."""
    client = client_of(config)
    for path, said in every_answer(client):
        assert not GONE.search(said), (path, GONE.findall(said)[:3])
    for path in ("", "/thumbnail", "/large"):
        assert client.get(f"/api/pictures/human_id_1{path}").status_code == 404, path


def assert_not_exported(config: Config, folder: Path) -> None:
    """No file of exported pages names one of its pictures."""
    context = open_context(open_workspace(config))
    export(context, BUNDLE, folder)
    context.close()
    for path, said in documents(folder).items():
        assert not GONE.search(said), (path, GONE.findall(said)[:3])


def names_in(folder: Path) -> str:
    """The text of every JSON and CSV file and every cell of the Parquet files below a folder."""
    said = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix == ".parquet":
            said.append(str(pq.read_table(io.BytesIO(path.read_bytes())).to_pylist()))
        elif path.suffix in (".json", ".csv"):
            said.append(path.read_text())
    return "\n".join(said)


def test_studies_made_before_show_it_neither_in_pages_nor_in_exports(
    naturalist: Naturalist, config: Config, tmp_path: Path
) -> None:
    assert client_of(config).get("/api/pictures/human_id_1").status_code == 200
    retire(naturalist, config)
    again = load_config(tmp_path)
    assert_not_shown(again)
    assert_not_exported(again, tmp_path / "pages")


def test_commands_study_and_name_none_of_its_pictures(
    naturalist: Naturalist, config: Config, tmp_path: Path
) -> None:
    where = retire(naturalist, config)
    ended = naturalist("run", *where, "-q", "--accept-failures")
    assert ended.code == 0, ended.err
    told: dict[str, Any] = {}
    for name, *arguments in COMMANDS:
        ended = naturalist(name, *arguments, *where, "--json", "-q")
        assert ended.code == 0, (name, ended.err)
        assert not GONE.search(ended.out), (name, GONE.findall(ended.out)[:3])
        told[name] = ended.json
    assert told["map"]["row_count"] == 33
    assert told["cluster"]["row_count"] == 33
    layout = load_config(tmp_path).layout
    for folder in (
        layout.near_duplicates.parent,
        layout.map(told["map"]["name"]),
        layout.clustering("default"),
    ):
        assert not GONE.search(names_in(folder)), folder
    again = load_config(tmp_path)
    assert_not_shown(again)
    assert_not_exported(again, tmp_path / "pages")


COMMANDS = (
    ("duplicates",),
    ("index",),
    ("similar", "plant_id_1", "-k", "40"),
    ("cluster", "--count", "2"),
    ("map",),
    ("evaluate",),
    ("drift", "--source", "animal/near"),
)


def test_the_dashboard_gives_no_byte_of_a_picture_that_was_taken_down(
    naturalist: Naturalist, config: Config
) -> None:
    paths = [f"/api/pictures/plant_id_2/{what}" for what in ("thumbnail", "large")]
    client = client_of(config)
    assert [client.get(path).status_code for path in paths] == [200, 200]
    where = ("-c", str(config.layout.root.parent))
    assert naturalist("takedown", "plant_id_2", "--why", "asked", *where).code == 0
    client = client_of(load_config(config.layout.root.parent))
    assert [client.get(path).status_code for path in paths] == [404, 404]
    assert "plant_id_2" not in client.get("/api/pictures/plant_id_1/similar?k=48").text


@pytest.mark.parametrize("name", ["similar", "drift"])
def test_asking_for_it_by_name_says_that_it_is_not_there(
    naturalist: Naturalist, config: Config, name: str
) -> None:
    where = retire(naturalist, config)
    arguments = {"similar": ("human_id_1",), "drift": ("--source", "human/near")}[name]
    ended = naturalist(name, *arguments, *where, "-q")
    assert ended.code == 2, ended.out
    assert arguments[-1] in ended.err


def test_it_comes_back_with_all_that_was_made_of_it(
    naturalist: Naturalist, config: Config, tmp_path: Path
) -> None:
    where = retire(naturalist, config)
    assert naturalist("category", "restore", "human", *where).code == 0
    client = client_of(load_config(tmp_path))
    assert client.get("/api/pictures/human_id_1").status_code == 200
    assert json.loads(client.get("/api/facets").text) is not None
    assert any(GONE.search(said) for _, said in every_answer(client))


def test_a_map_that_takes_a_category_out_counts_right_and_names_it_no_more(
    naturalist: Naturalist, config: Config
) -> None:
    where = ("-c", str(config.layout.root.parent))
    assert naturalist("map", *where, "--name", "all", "-q").code == 0
    retire(naturalist, config)
    assert naturalist("run", *where, "-q", "--accept-failures").code == 0
    ended = naturalist("map", *where, "--name", "all", "-q", "--json")
    assert ended.code == 0, ended.err
    layout = config.layout
    points = pq.read_table(layout.map("all") / "points.parquet")
    report = json.loads((layout.map("all") / "map.json").read_text())
    assert report["withdrawn"] == 16
    assert report["rows"] == points.num_rows == 33
    assert report["sampled"] == points["sampled"].to_pylist().count(True)
    assert set(report["integrity"]["sample"]["categories"]) == {"plant", "animal"}
    texts = "".join(p.read_text() for p in layout.map("all").iterdir() if p.suffix in TEXTS)
    assert "human" not in texts
    assert not re.search(r"-\d+ placed", texts)


TEXTS = (".json", ".svg", ".md")


def test_a_champion_that_knows_it_answers_nothing_until_it_is_replaced(
    naturalist: Naturalist, config: Config
) -> None:
    place = config.layout.root.parent
    where = ("-c", str(place))
    picture = shutil.copy(place / "sources" / "human" / "near" / "000.png", place / "asked.png")
    shutil.rmtree(config.layout.models)
    first = naturalist("train", *where, "--json", "-q").json
    assert "human" in naturalist("predict", str(picture), *where, "--json", "-q").out
    retire(naturalist, config)
    model = str(config.layout.model(first["id"]))
    for arguments in ((), ("--model", first["id"]), ("--model", model)):
        ended = naturalist("predict", str(picture), *where, *arguments, "-q")
        assert (ended.code, ended.out) == (2, ""), arguments
        assert "naturalist train" in ended.err
        assert "category human, which has been retired since" in ended.err
    assert naturalist("models", "export", str(place / "m.onnx"), *where).code == 2
    assert naturalist("run", *where, "-q", "--accept-failures").code == 0
    (warning,) = naturalist("status", *where, "--json").json["warnings"]
    assert "human, which has been retired since" in warning

    second = naturalist("train", *where, "--json", "-q").json
    assert second["champion"] is True
    assert second["replaces"] == (
        f"it replaces {first['id']}, which was trained with a category that is retired now"
    )
    assert naturalist("status", *where, "--json").json["warnings"] == []
    assert "human" not in json.dumps(rows_of(naturalist, picture, where))
    for command in (("promote", first["id"]), ("rollback",)):
        assert naturalist("models", *command, *where, "--reason", "old").code == 2, command

    assert naturalist("category", "restore", "human", *where).code == 0
    assert naturalist("models", "promote", first["id"], *where, "--reason", "back").code == 0
    assert "human" in json.dumps(rows_of(naturalist, picture, where))


def rows_of(naturalist: Naturalist, picture: Path, where: tuple[str, ...]) -> Any:
    ended = naturalist("predict", str(picture), *where, "--json", "-q")
    assert ended.code == 0, ended.err
    return ended.json


def test_refining_replaces_a_champion_that_knows_it(naturalist: Naturalist, config: Config) -> None:
    where = ("-c", str(config.layout.root.parent))
    shutil.rmtree(config.layout.models)
    assert naturalist("refine", *where, "--json", "-q").json["action"] == "promote"
    retire(naturalist, config)
    assert naturalist("run", *where, "-q", "--accept-failures").code == 0
    refined = naturalist("refine", *where, "--json", "-q").json
    assert refined["action"] == "promote"
    assert "a category that is retired now" in refined["reason"]


def test_a_champion_answers_with_the_new_name_of_a_category(
    naturalist: Naturalist, config: Config
) -> None:
    place = config.layout.root.parent
    where = ("-c", str(place))
    shutil.rmtree(config.layout.models)
    assert naturalist("evaluate", *where, "-q").code == 0
    assert naturalist("category", "rename", "human", "people", *where).code == 0
    picture = shutil.copy(place / "sources" / "human" / "near" / "000.png", place / "asked.png")
    said = json.dumps(rows_of(naturalist, picture, where))
    assert '"people"' in said
    assert '"human"' not in said
    for k in range(9_100, 9_104):
        (place / "sources" / "human" / "near" / f"{k}.png").write_bytes(drawn(k, 2))
    assert naturalist("run", *where, "-q", "--accept-failures").code == 0
    refined = naturalist("refine", *where, "--json", "-q")
    assert refined.code == 0, refined.err
    assert "no longer knows" not in refined.json["reason"]
    assert refined.json["comparison"]["pictures"] > 0
