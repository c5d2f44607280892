"""Searching by words while another process brings the index up to date."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tiny
from curation.test_proposals import save, scene
from naturalist import artifacts, backbones, cluster_titles
from naturalist.config import Config
from naturalist.curation import searching
from naturalist.curation.naming import name_all
from naturalist.curation.searching import Request, search_words
from naturalist.curation.takedown import take_down
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.pipeline import runner, steps, studies
from naturalist.pipeline.studies import STEPS
from naturalist.progress import Silent
from naturalist.schemas import CLUSTER_MEMBERS
from naturalist.studies.publishing import study_items


@pytest.fixture
def config(tmp_path: Path) -> Config:
    for k in range(3):
        tiny.write_picture(tmp_path / "raw" / "heron" / f"{k}.png", k)
    config = tiny.collection(tmp_path, {"animal": {"pond": tmp_path / "raw"}})
    tiny.make_all(config)
    search_words(config, Request("heron"), Silent())
    return config


def _with_columns(folder: Path, rows: str, **more: Any) -> Config:
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "birds.csv").write_text(rows)
    for k in range(3):
        tiny.write_picture(folder / "raw" / f"{k}.png", k)
    settings = tiny.settings({"animal": {"pond": folder / "raw"}}, **more)
    source = settings["category"][0]["source"][0]
    source["metadata"] = [{"file": "birds.csv", "key": "file_name"}]
    config = Config.model_validate(settings).in_folder(folder)
    tiny.make_all(config)
    with tiny.job(config) as held:
        steps.collect_metadata(held)
    return config


def _found(config: Config, word: str) -> list[tuple[str, str, str]]:
    hits = search_words(config, Request(word), Silent())["rows"]
    return sorted((hit["path"], why["by"], why["what"]) for hit in hits for why in hit["why"])


def test_values_of_columns_are_words_and_follow_their_file(tmp_path: Path) -> None:
    rows = "file_name,species,wild\n0.png,Bubo bubo,true\n1.png,Strix aluco,true\n"
    config = _with_columns(tmp_path, rows)
    assert _found(config, "bubo") == [("0.png", "column", "bubo")]
    assert ("1.png", "column", "strix aluco") in _found(config, '"strix aluco"')
    assert _found(config, "true") == []
    config = _with_columns(tmp_path, rows.replace("Strix aluco", "Bubo scandiacus"))
    assert [path for path, _, _ in _found(config, "bubo")] == ["0.png", "1.png"]
    assert _found(config, "strix") == []
    assert len(list(config.layout.root.rglob("*.columns.parquet"))) == 1


def test_columns_that_are_not_published_give_no_words_that_a_name_could_tell(
    tmp_path: Path,
) -> None:
    rows = "file_name,species,keeper\n0.png,bubo,Adalovelace\n1.png,strix,Adalovelace\n"
    config = _with_columns(tmp_path, rows, publish={"columns": ["species"]})
    assert _found(config, "adalovelace") == []
    assert _found(config, "strix") == [("1.png", "column", "strix")]
    folder = config.layout.words(backbones.describe(config.extract.backbone).id)
    words = [pq.read_table(path)["token"].to_pylist() for path in folder.glob("*.columns.parquet")]
    assert words == [["bubo", "strix"]]


def test_nothing_is_done_for_columns_that_are_as_they_were(tmp_path: Path) -> None:
    config = _with_columns(tmp_path, "file_name,species\n0.png,bubo\n")
    folder = config.layout.words(backbones.describe(config.extract.backbone).id)
    _found(config, "bubo")
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert before
    _found(config, "bubo")
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_search_goes_on_where_another_process_brought_the_index_up_to_date(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, calls = searching.search, 0

    def after_an_update(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            tiny.write_picture(tmp_path / "raw" / "heron" / "new.png", 9)
            tiny.make_all(config)
            with tiny.job(config):
                searching.keeping.update(config, Silent())
        return search(*given, **more)

    monkeypatch.setattr(searching, "search", after_an_update)
    found = search_words(config, Request("heron"), Silent(), update=False)
    assert (calls, len(found["rows"])) == (2, 4)


def test_a_search_says_when_it_is_the_filters_that_leave_no_picture(config: Config) -> None:
    said = "no picture matches"
    found = search_words(config, Request("heron", where="false"), Silent())
    assert not found["rows"]
    assert found["messages"] == ["no picture matches --where 'false'"]
    for request in (
        Request("heron", where="true"),
        Request("xyzzyq"),
        Request("xyzzyq", where="true"),
    ):
        messages = search_words(config, request, Silent())["messages"]
        assert not any(one.startswith(said) for one in messages)


@pytest.mark.parametrize("query", ["heron -heron", "heron not herons", "Heron without heron"])
def test_a_query_that_asks_for_what_it_leaves_out_is_refused(config: Config, query: str) -> None:
    with pytest.raises(ConfigError, match="take one of them away"):
        search_words(config, Request(query), Silent())


def test_a_word_that_is_known_in_its_other_number_only_is_hinted_at(tmp_path: Path) -> None:
    tiny.write_picture(tmp_path / "raw" / "pokewug" / "1.png", 1)
    tiny.write_picture(tmp_path / "raw" / "blickets" / "2.png", 2)
    config = tiny.collection(tmp_path, {"animal": {"pond": tmp_path / "raw"}})
    tiny.make_all(config)
    found = search_words(config, Request("pokewugs blicket"), Silent())
    assert found["rows"] == []
    assert "1 picture has 'pokewug' in a path or column: search for that" in found["messages"]
    assert "1 picture has 'blickets' in a path or column: search for that" in found["messages"]
    (known,) = search_words(config, Request("pokewug"), Silent())["words"]
    assert known["hints"] == []


def test_likeness_is_told_as_a_cosine(config: Config) -> None:
    first, *others = search_words(config, Request("", like="animal_id_1"), Silent())["rows"]
    (why,) = first["why"]
    assert (first["picID"], why["by"], why["score"]) == ("animal_id_1", "like", 1.0)
    cosines = [hit["why"][0]["score"] for hit in others]
    assert cosines == sorted(cosines, reverse=True)
    assert all(0 < hit["score"] < 1 for hit in others)


def test_a_run_says_what_it_did_where_only_columns_and_studies_changed(tmp_path: Path) -> None:
    rows = "file_name,species\n0.png,crane\n1.png,heron\n"
    config = _with_columns(tmp_path, rows)
    study = config.model_dump() | {"analyse": {"steps": ["words"]}}
    config = Config.model_validate(study).in_folder(tmp_path)

    def run() -> runner.RunReport:
        return runner.run(config, Silent(), runner.RunOptions())

    first = run()
    assert (first.changed, first.studied) == (True, ["index", "words"])
    second = run()
    assert (second.changed, second.studied) == (False, [])
    (tmp_path / "birds.csv").write_text(rows.replace("heron", "gull"))
    third = run()
    assert (third.changed, third.studied) == (True, ["words"])
    assert third.stages["metadata"]["changed"]


def test_an_index_that_is_damaged_is_not_asked_for_ever(config: Config) -> None:
    for path in config.layout.root.rglob("*.tokens.parquet"):
        path.unlink()
    with pytest.raises(WorkspaceError):
        search_words(config, Request("heron"), Silent(), update=False)


def test_groups_of_near_duplicates_have_names_from_their_paths_or_none(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for k, side in enumerate((120, 130, 140)):
        save(raw / "heron" / f"{k}.jpg", scene(1).resize((side, side)))
        save(raw / f"{'abc'[k]}" / "0.jpg", scene(2).resize((side, side)))
    for seed in range(10, 20):
        save(raw / "other" / f"{seed}.jpg", scene(seed))
    # Words of one or two pictures of a table are no evidence: all are in one table.
    config = tiny.collection(tmp_path, {"animal": {"pond": raw}}, tables={"rows_per_table": 50})
    tiny.make_all(config)
    studies.study(config, Silent(), studies.duplicates)
    found = name_all(config, "duplicates", "", 0, Silent())
    names = {entry["pictures"]: entry["names"] for entry in found["entries"]}
    assert (found["of"], found["groups"], names.keys()) == ("duplicates", 2, {3})
    told = [one["name"] for entry in found["entries"] for one in entry["names"]]
    assert (told, found["named"]) == (["heron"], 1)


def _studies(config: Config, *columns: str) -> dict[str, bytes]:
    backbone = backbones.describe(config.extract.backbone).id
    items = study_items(config.layout, backbone, columns, thumbnails=False)
    return {item.name: item.path.read_bytes() for item in items}


def test_names_of_clusters_from_a_column_that_is_published_no_more_are_left_out(
    tmp_path: Path,
) -> None:
    rows = [f"{k}.png,Adalovelace,crane" if k < 5 else f"{k}.png,," for k in range(10)]
    for k in range(3, 10):
        tiny.write_picture(tmp_path / "raw" / f"{k}.png", k)
    table = "\n".join(["file_name,keeper,species", *rows])
    config = _with_columns(tmp_path, table, publish={"columns": ["keeper", "species"]})
    ids = [f"animal_id_{k}" for k in range(1, 11)]
    numbers = [int(hit not in _keepers(config)) for hit in ids]
    columns = {"picID": ids, "cluster": numbers, "strength": [1.0] * 10, "distance": [0.5] * 10}
    members = pa.table(columns, CLUSTER_MEMBERS)
    artifacts.write_parquet(config.layout.clustering("default") / "members.parquet", members)
    name_all(config, "clusters", "", 0, Silent())
    name = "clusters/default/names.json"
    assert b"adalovelace" in _studies(config, "keeper", "species")[name]
    left = _studies(config, "species")
    assert "clusters/default/members.parquet" in left
    assert not any(b"adalovelace" in data.lower() for data in left.values())
    fewer = config.model_dump() | {"publish": {"columns": ["species"]}}
    config = Config.model_validate(fewer).in_folder(tmp_path)
    _found(config, "crane")
    assert name not in _studies(config, "species")
    name_all(config, "clusters", "", 0, Silent())
    again = _studies(config, "species")[name]
    assert b"crane" in again
    assert b"adalovelace" not in again


def test_names_of_clusters_come_back_once_a_run_found_them_without_what_was_taken_down(
    tmp_path: Path,
) -> None:
    rows = [f"{k}.png,{'crane' if k < 5 else 'heron'}" for k in range(10)]
    for k in range(3, 10):
        tiny.write_picture(tmp_path / "raw" / f"{k}.png", k)
    table = "\n".join(["file_name,species", *rows])
    config = _with_columns(tmp_path, table, publish={"columns": ["species"]})
    hits = search_words(config, Request("crane"), Silent())["rows"]
    cranes = {hit["picID"] for hit in hits if hit["why"]}
    ids = [f"animal_id_{k}" for k in range(1, 11)]
    numbers = [int(hit not in cranes) for hit in ids]
    columns = {"picID": ids, "cluster": numbers, "strength": [1.0] * 10, "distance": [0.5] * 10}
    folder = config.layout.clustering("default")
    artifacts.write_parquet(folder / "members.parquet", pa.table(columns, CLUSTER_MEMBERS))
    name_all(config, "clusters", "", 0, Silent())
    take_down(config, [min(cranes)], "asked for", "me")
    assert "clusters/default/names.json" not in _studies(config, "species")
    with tiny.job(config) as job:
        assert STEPS["words"](job)["names"]["changed"]
        assert not STEPS["words"](job)["names"]["changed"]
    found = _studies(config, "species")
    members = hashlib.sha256(found["clusters/default/members.parquet"]).hexdigest()
    told = cluster_titles.names(json.loads(found["clusters/default/names.json"]), members)
    assert told == {0: "crane", 1: "heron"}


def _keepers(config: Config) -> set[str]:
    hits = search_words(config, Request("adalovelace"), Silent())["rows"]
    return {hit["picID"] for hit in hits if hit["why"]}
