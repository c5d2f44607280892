"""What is proposed for the layouts that people have, and how the command asks."""

import zipfile
from pathlib import Path

import pytest

import tiny
from cli.conftest import Naturalist, naturalist
from naturalist.config import load_config
from naturalist.config.looking import layout_of, look, propose
from naturalist.errors import ConfigError
from naturalist.stores.remote import RemoteFolder

__all__ = ["naturalist"]


def make(root: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        tiny.write_picture(root / name, seed)
    return root


def proposed(*roots: Path) -> dict[str, list[tuple[str, int]]]:
    """Sources, relative to the first root, and their pictures by category."""
    base = roots[0].parent
    return {
        one.name: [
            (Path(str(s.location)).relative_to(base).as_posix(), s.pictures) for s in one.sources
        ]
        for one in propose([look(root) for root in roots])
    }


def test_a_folder_of_data_sets_becomes_a_source_for_each(tmp_path: Path) -> None:
    root = make(
        tmp_path / "all",
        "animal/zoo/a/1.jpg", "animal/zoo/b/2.jpg", "animal/farm/3.png", "plant/wood/4.webp",
    )  # fmt: skip
    assert layout_of(look(root)) == "category/source"
    assert proposed(root) == {
        "animal": [("all/animal/farm", 1), ("all/animal/zoo", 2)],
        "plant": [("all/plant/wood", 1)],
    }


def test_splits_with_the_same_categories_are_put_together(tmp_path: Path) -> None:
    root = make(tmp_path / "set", "train/owl/1.jpg", "Valid/owl/2.jpg", "test/red fox/3.jpg")
    assert layout_of(look(root)) == "split/category"
    assert proposed(root) == {"owl": [("set", 2)], "red-fox": [("set", 1)]}
    owl, fox = propose([look(root)])
    assert (owl.sources[0].include, fox.sources[0].include) == (("/*/owl/",), ("/*/red fox/",))


def test_a_folder_of_species_is_a_category_each(tmp_path: Path) -> None:
    root = make(tmp_path / "birds", "001.Owl/1.jpg", "002.Kite/2.jpg", "002.Kite/3.jpg")
    assert layout_of(look(root)) == "category"
    assert proposed(root) == {
        "c-001-Owl": [("birds/001.Owl", 1)],
        "c-002-Kite": [("birds/002.Kite", 2)],
    }


@pytest.mark.parametrize("names", [["1.jpg", "2.jpg"], ["data/1.jpg"], ["train/1.jpg", "test/2"]])
def test_pictures_without_folders_are_one_category(tmp_path: Path, names: list[str]) -> None:
    root = make(tmp_path / "garden birds", *names)
    assert layout_of(look(root)) == "pictures"
    assert list(proposed(root)) == ["garden-birds"]


def test_folders_that_say_nothing_are_passed_through(tmp_path: Path) -> None:
    root = make(tmp_path / "set", "data/images/rust/1.jpg", "data/images/blight/2.jpg")
    assert sorted(proposed(root)) == ["blight", "rust"]


def test_archives_are_sources_and_pictures_in_zips_are_counted(tmp_path: Path) -> None:
    root = make(tmp_path / "all", "plant/wood/1.jpg")
    (root / "animal").mkdir()
    with zipfile.ZipFile(root / "animal" / "zoo.zip", "w") as packed:
        packed.writestr("a/1.jpg", b"x")
        packed.writestr("__MACOSX/a/._1.jpg", b"x")
        packed.writestr("readme.txt", b"x")
    assert proposed(root)["animal"] == [("all/animal/zoo.zip", 1)]


def test_categories_of_one_name_are_put_together(tmp_path: Path) -> None:
    one = make(tmp_path / "one", "animal/zoo/1.jpg", "plant/wood/2.jpg")
    two = make(tmp_path / "two", "animal/farm/3.jpg", "plant/field/2.jpg")
    assert proposed(one, two)["animal"] == [("one/animal/zoo", 1), ("two/animal/farm", 1)]


def test_names_of_folders_and_files_that_may_be_columns_are_told(tmp_path: Path) -> None:
    root = make(tmp_path / "x", "animal/zoo/train/owl/1.jpg", "animal/zoo/test/owl/2.jpg")
    make(root, "plant/wood/rose/1.jpg", "plant/wood/lily/2.jpg")
    (root / "animal/zoo/labels.csv").write_text("a,b\n")
    animal, plant = propose([look(root)])
    assert animal.sources[0].folders == "{split}/{class}/..."
    assert animal.sources[0].tables == ("labels.csv",)
    assert plant.sources[0].folders == "{class}/..."


def test_what_holds_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no pictures found"):
        propose([look(tmp_path / "empty")])
    with pytest.raises(ConfigError, match="does not exist"):
        look(tmp_path / "missing")


# the command


def test_init_shows_what_it_would_write_and_writes_it_when_told(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    root = make(tmp_path / "all", "animal/zoo/1.jpg", "animal/farm/2.jpg", "plant/wood/3.jpg")
    asked = naturalist("init", str(tmp_path / "c"), str(root))
    assert asked.code == 2
    assert "category animal, label 0: 2 files named like pictures" in asked.out
    assert "--yes" in asked.err
    shown = naturalist("init", str(tmp_path / "c"), str(root), "--dry-run")
    assert (shown.code, shown.out) == (0, asked.out)
    assert not (tmp_path / "c").exists()
    done = naturalist("init", str(tmp_path / "c"), str(root), "--yes")
    assert (done.code, done.err) == (0, "")
    config = load_config(tmp_path / "c")
    assert config.labels == {"animal": 0, "plant": 1}
    assert [source.name for source in config.sources] == ["farm", "zoo", "wood"]


def test_init_promises_an_evaluation_on_left_out_sources_only_where_there_are_several(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    sets = make(tmp_path / "sets", "plant/fern/1.jpg", "plant/tree/2.jpg", "owl/night/3.jpg")
    single = make(tmp_path / "single", "fern/1.jpg", "owl/2.jpg")
    for root, said in (
        (sets, "evaluated on sources that it did not see, but not for owl, with one source."),
        (single, "the classifier can only be evaluated on a random split"),
    ):
        shown = naturalist("init", str(tmp_path / "c"), str(root), "--dry-run").out
        assert said in " ".join(shown.split())


def test_init_in_json_proposes_and_writes_with_yes(naturalist: Naturalist, tmp_path: Path) -> None:
    root = make(tmp_path / "all", "animal/zoo/1.jpg", "plant/wood/3.jpg")
    shown = naturalist("init", str(tmp_path / "c"), str(root), "--json").json
    assert shown["config"] is None
    assert [one["name"] for one in shown["categories"]] == ["animal", "plant"]
    done = naturalist("init", str(tmp_path / "c"), str(root), "--json", "--yes").json
    assert Path(done["config"]).exists()


def test_each_category_takes_its_folders_of_all_splits_of_one_source(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    root = make(tmp_path / "set", "train/owl/1.jpg", "test/owl/2.jpg", "train/kite [1]/3.jpg")
    naturalist("init", str(tmp_path / "c"), str(root), "--yes", "--backbone", "colour_histogram")
    config = load_config(tmp_path / "c")
    assert [(s.category, s.name) for s in config.sources] == [("kite-1", "set"), ("owl", "set")]
    tiny.ingest(config)
    rows = [(r["category"], r["path_text"]) for r in tiny.ledger_rows(config) if r["pic_id"]]
    assert rows == [
        ("kite-1", "train/kite [1]/3.jpg"), ("owl", "test/owl/2.jpg"), ("owl", "train/owl/1.jpg"),
    ]  # fmt: skip


def test_an_address_and_a_wildcard_are_written_as_they_are(
    naturalist: Naturalist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "in/one/1.jpg", "in/two/2.jpg")
    monkeypatch.chdir(tmp_path)
    done = naturalist(
        "init", "c", "--category", "animal=1:in/*", "--category", "plant=0:s3://bucket/pre/fix/",
        "--endpoint-url", "http://127.0.0.1:1",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    config = load_config(tmp_path / "c")
    plant = next(s for s in config.sources if s.category == "plant")
    assert str(plant.path) == "s3://bucket/pre/fix"
    assert config.s3.endpoint_url == "http://127.0.0.1:1"
    assert [s.name for s in config.sources if s.category == "animal"] == ["in-one", "in-two"]


def test_each_folder_becomes_a_source_when_asked_and_a_hint_says_so(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    make(tmp_path, "animal/zoo/1.jpg", "animal/farm/2.jpg", "plant/3.jpg")
    named = ("--category", f"animal=1:{tmp_path}/animal", "--category", f"plant=0:{tmp_path}/plant")
    hinted = naturalist("init", str(tmp_path / "one"), *named)
    assert "holds 2 folders and is one source" in hinted.out
    naturalist("init", str(tmp_path / "two"), *named, "--each-folder")
    sources = load_config(tmp_path / "two").sources
    assert [s.name for s in sources] == ["farm", "zoo", "plant"]


@pytest.mark.parametrize("address", ["s3://", "gs://", "az://", "s3:///", "S3://b/x", "file:///x"])
def test_an_address_without_a_bucket_is_refused(
    naturalist: Naturalist, tmp_path: Path, address: str
) -> None:
    ended = naturalist("init", str(tmp_path / "c"), address)
    assert ended.code == 2
    assert f"'{address}' is not the URL of a bucket" in " ".join(ended.err.split())
    with pytest.raises(ConfigError, match="not the URL of a bucket"):
        look(RemoteFolder(address.rstrip("/")))


def test_a_web_address_is_to_be_fetched_first(naturalist: Naturalist, tmp_path: Path) -> None:
    ended = naturalist("init", str(tmp_path / "c"), "http://example.org/y.zip")
    assert ended.code == 2
    assert "naturalist sources fetch" in " ".join(ended.err.split())
