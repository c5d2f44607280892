"""Which pictures collections share: workspaces, pulled and published ones, and sketches."""

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import tiny
from curation.test_proposals import save, scene
from naturalist import consume
from naturalist.cli.app import app
from naturalist.config import Config
from naturalist.curation.shared_pictures import compare
from naturalist.curation.sketches import SKETCH, open_sketch, write_sketch
from naturalist.errors import ConfigError
from naturalist.pipeline import publishing, steps
from naturalist.stores import open_store
from s3_server import S3Server
from stores.conftest import aws_chain, bucket

__all__ = ["aws_chain", "bucket"]


def _collection(folder: Path, sources: dict[str, dict[str, Path]], licence: str) -> Config:
    settings = tiny.settings(sources, publish={"url": str(folder / "published")})
    for category in settings["category"]:
        for source in category["source"]:
            source["licence"] = licence
    more = {name: settings[name] for name in ("publish", "category")}
    tiny.config_file(folder, sources, **more)
    made = Config.model_validate(settings).in_folder(folder)
    tiny.make_all(made)
    return made


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two collections: one file is in both, one nearly; one is an animal here and a plant there."""
    folder = tmp_path_factory.mktemp("shared")
    for seed in range(1, 5):
        save(folder / "zoo" / f"{seed}.jpg", scene(seed))
    save(folder / "wood" / "p.jpg", scene(20))
    save(folder / "farm" / "near.jpg", scene(2).resize((130, 130)))
    save(folder / "farm" / "other.jpg", scene(30))
    shutil.copyfile(folder / "zoo" / "1.jpg", folder / "farm" / "same.jpg")
    (folder / "moor").mkdir()
    shutil.copyfile(folder / "zoo" / "3.jpg", folder / "moor" / "3.jpg")
    here = {"animal": {"zoo": folder / "zoo"}, "plant": {"wood": folder / "wood"}}
    there = {"animal": {"farm": folder / "farm"}, "plant": {"moor": folder / "moor"}}
    _collection(folder / "here", here, "CC0-1.0")
    _collection(folder / "there", there, "CC-BY-NC-4.0")
    return folder / "here", folder / "there"


def _forms(place: Path, folder: Path) -> dict[str, str]:
    """The same collection as everything that can be compared."""
    pulled = folder / "pulled"
    store = open_store(str(place / "published"))
    parts = ("tables", "ledger", "previews")
    consume.pull(store, pulled, consume.Selection(parts=parts))
    write_sketch(folder / "it.sketch", open_sketch(str(place)))
    return {
        "configuration": str(place),
        "workspace": str(place / "work"),
        "pulled": str(pulled),
        "published": str(place / "published"),
        "sketch": str(folder / "it.sketch"),
    }


@pytest.mark.parametrize("form", ["configuration", "workspace", "pulled", "published", "sketch"])
def test_collections_of_every_form_are_compared(
    places: tuple[Path, Path], tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    other = _forms(places[1], tmp_path)[form]
    (common,) = compare([open_sketch(str(places[0])), open_sketch(other)])
    assert (len(common.exact), len(common.near), common.compares_features) == (2, 1, True)
    by_source = {(row["first_source"], row["second_source"]): row for row in common.summary()}
    both = by_source["zoo", "farm"]
    assert (both["exact"], both["near"], both["other_label"]) == (1, 1, False)
    assert by_source["zoo", "moor"]["other_label"] is True
    licence = "" if form == "workspace" else "CC-BY-NC-4.0"
    assert (both["first_licence"], both["second_licence"]) == ("CC0-1.0", licence)


def test_a_sketch_has_no_picture_and_few_bytes(places: tuple[Path, Path], tmp_path: Path) -> None:
    made = open_sketch(str(places[0]))
    assert made.rows.schema == SKETCH
    assert made.rows["feature_bits"].null_count == 0
    assert made.rows["perceptual_hash"].null_count == 0
    path = tmp_path / "here.sketch"
    write_sketch(path, made)
    read = open_sketch(str(path))
    assert read.rows.equals(made.rows)
    assert read.backbone == made.backbone != ""
    with pytest.raises(ConfigError, match="already exists"):
        write_sketch(path, made)
    pq.write_table(made.rows.drop_columns(["licence"]), tmp_path / "x.sketch")
    with pytest.raises(ConfigError, match="is not a sketch"):
        open_sketch(str(tmp_path / "x.sketch"))


def test_the_command_writes_rows_with_licences_and_a_sheet(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    rows, sheet = tmp_path / "rows.csv", tmp_path / "sheet.png"
    words = ["overlap", *map(str, places), "--rows", str(rows), "--sheet", str(sheet)]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    (said,) = json.loads(done.stdout)["rows"]
    assert (said["exact"], said["near"]) == (2, 1)
    found = list(csv.DictReader(rows.read_text().splitlines()))
    assert [row["kind"] for row in found] == ["exact", "exact", "near"]
    assert {row["second_licence"] for row in found} == {"CC-BY-NC-4.0"}
    assert sheet.read_bytes().startswith(b"\x89PNG")
    shown = CliRunner().invoke(app, ["overlap", *map(str, places)])
    assert "2 pictures with the same bytes, 1 pair of near duplicates" in shown.output
    sketch = tmp_path / "there.sketch"
    made = CliRunner().invoke(app, ["overlap", str(places[1]), "--sketch", str(sketch)])
    assert made.exit_code == 0, made.output
    own = CliRunner().invoke(app, ["overlap", str(sketch), "-c", str(places[0]), "--json"])
    assert json.loads(own.stdout)["rows"][0]["exact"] == 2


@pytest.mark.parametrize(
    "words", [["overlap", "animal/zoo", "HERE"], ["overlap", "HERE", "THERE", "--sketch", "x"]]
)
def test_mistakes_are_said(places: tuple[Path, Path], words: list[str], tmp_path: Path) -> None:
    named = {"HERE": str(places[0]), "THERE": str(places[1]), "x": str(tmp_path / "x")}
    done = CliRunner().invoke(app, [named.get(word, word) for word in words])
    assert isinstance(done.exception, ConfigError)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["HERE"], "is one collection: name another one too"),
        (["HERE", "-c", "HERE"], "are the same collection"),
        (["HERE", "THERE", "HERE/naturalist.toml"], "are the same collection"),
    ],
)
def test_one_collection_alone_is_not_compared_with_itself(
    places: tuple[Path, Path],
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    named = [word.replace("HERE", str(places[0])) for word in words if word != "THERE"]
    named += [str(places[1])] if "THERE" in words else []
    done = CliRunner().invoke(app, ["overlap", *named])
    assert message in str(done.exception)


@pytest.fixture
def split_on_s3(
    tmp_path: Path, s3_server: S3Server, aws_chain: pytest.MonkeyPatch, bucket: str
) -> tuple[str, str]:
    """Two published collections: two pictures of the first's train are in the second's test."""
    aws_chain.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    raw = tmp_path / "raw"
    for seed in (1, 2, 3):
        save(raw / "first" / "train" / f"{seed}.jpg", scene(seed))
    save(raw / "second" / "test" / "near.jpg", scene(2).resize((130, 130)))
    save(raw / "second" / "train" / "own.jpg", scene(40))
    for part, seed in (("test", 1), ("train", 3)):
        shutil.copyfile(
            raw / "first" / "train" / f"{seed}.jpg", raw / "second" / part / f"{seed}.jpg"
        )
    urls = []
    for name in ("first", "second"):
        url = f"s3://{bucket}/{name}"
        publish = {"url": url, "endpoint_url": s3_server.endpoint_url, "region": "us-east-1"}
        settings = tiny.settings({"animal": {"zoo": raw / name}}, publish=publish)
        settings["category"][0]["source"][0]["folders"] = "{split}"
        config = Config.model_validate(settings).in_folder(tmp_path / name)
        tiny.make_all(config)
        with tiny.job(config) as held:
            steps.collect_metadata(held)
            publishing.publish_snapshot(held)
        urls.append(url)
    return urls[0], urls[1]


def test_train_of_one_collection_and_test_of_another_are_compared_in_buckets(
    split_on_s3: tuple[str, str], s3_server: S3Server, tmp_path: Path
) -> None:
    words = ["overlap", *split_on_s3, "--by", "split", "--endpoint-url", s3_server.endpoint_url]
    words += ["--region", "us-east-1"]
    done = CliRunner().invoke(app, [*words, "--rows", str(tmp_path / "rows.csv"), "--json"])
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["rows"]
    leak, other = found["values"]
    assert leak == {
        "first_value": "train", "second_value": "test", "exact": 1, "near": 1, "leak": True,
    }  # fmt: skip
    assert (other["first_value"], other["second_value"], other["exact"]) == ("train", "train", 1)
    rows = csv.DictReader((tmp_path / "rows.csv").read_text().splitlines())
    assert {(row["first_value"], row["second_value"]) for row in rows} == {
        ("train", "test"), ("train", "train"),
    }  # fmt: skip
    shown = CliRunner().invoke(app, words)
    assert f"split: train of {split_on_s3[0]} and test of {split_on_s3[1]} share 1" in shown.output


def test_a_column_that_a_collection_has_not_is_said(places: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(app, ["overlap", *map(str, places), "--by", "split"])
    assert isinstance(done.exception, ConfigError)
    assert "split" in str(done.exception)
