"""Categories that are removed, renamed, relabelled, retired and restored: never a ghost."""

import gzip
import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tiny
from naturalist import artifacts, categories, consume, ledger, snapshots
from naturalist.config import Config, load_config
from naturalist.curation import categories as curation
from naturalist.curation.ledger_query import Filter, check_names, count, rows
from naturalist.curation.takedown import gone, take_down
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.features import open_features
from naturalist.layout import Layout
from naturalist.running import workspace
from naturalist.stores import open_store
from naturalist.studies.classifier.evidence import nearest

SEEDS = {"plant": range(6), "animal": range(10, 16), "human": range(20, 26)}
MODES = ("hardlink", "copy", "move", "reference")


def make(folder: Path, mode: str = "copy") -> Path:
    """A published collection of three categories; the path of its configuration."""
    sources = tiny.make_sources(folder / "in", SEEDS)
    published = {"url": str(folder / "published"), "pictures": "objects"}
    path = tiny.config_file(folder, sources, images={"mode": mode}, publish=published)
    tiny.make_all(load_config(path))
    return path


def edit(path: Path, old: str, new: str) -> Config:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return load_config(path)


def without(path: Path, name: str) -> Config:
    """The configuration after a person removed a category from it."""
    config = load_config(path)
    kept = {
        section.name: {source.name: source.path for source in section.source}
        for section in config.category
        if section.name != name
    }
    labels = {section.name: section.label for section in config.category}
    content = tiny.settings(kept)
    for section in content["category"]:
        section["label"] = labels[section["name"]]
    line = f"category = {tiny._toml(content['category'])}"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line if one.startswith("category") else one for one in lines) + "\n")
    return load_config(path)


def counts(place: Path) -> dict[str, int]:
    collection = consume.load(place)
    sizes = {name: len(consume.load(place, categories=[name])) for name in collection.labels}
    return {name: rows for name, rows in sizes.items() if rows}


def labels_on_disk(folder: Path) -> dict[int, int]:
    tables = folder / "work" / "tables" / "*" / "*.parquet"
    query = f"SELECT category_label, count(*) FROM '{tables}' GROUP BY ALL"
    return dict(duckdb.sql(query).fetchall())


def mentions(folder: Path, words: list[str]) -> list[str]:
    """Files of the newest snapshot whose bytes, decompressed where Parquet, hold a word."""
    store = open_store(str(folder))
    files = snapshots.with_pictures(store, snapshots.read(store).files)
    hits = []
    for file in files:
        text = legible(file.key, store.get_bytes(file.key)[0]) + file.name.encode()
        hits += [file.name for word in words if word.encode() in text]
    return hits


def legible(name: str, data: bytes) -> bytes:
    """The bytes of a file, and what is in them where they are compressed."""
    if name.endswith(".parquet"):
        return data + str(pq.read_table(io.BytesIO(data)).to_pylist()).encode()
    return data + gzip.decompress(data) if name.endswith(".gz") else data


def test_a_removed_category_stops_every_writer_before_it_changes_anything(tmp_path: Path) -> None:
    path = make(tmp_path)
    before = counts(tmp_path / "work")
    config = without(path, "human")
    with pytest.raises(ConfigError, match="human: 6 accepted pictures, 2 tables"):
        tiny.make_all(config)
    with pytest.raises(ConfigError), workspace.writing(config):
        pass
    assert counts(tmp_path / "work") == before


def test_what_a_killed_rename_was_writing_is_removed_by_the_next_one(tmp_path: Path) -> None:
    path = make(tmp_path)
    with artifacts.atomic(path) as temporary:
        temporary.write_text(path.read_text())
    temporary.write_text("half of a configuration")
    curation.rename(path, "plant", "flora")
    assert not temporary.exists()
    assert "flora" in load_config(path).names.values()


@pytest.mark.parametrize("change", ["rename", "relabel", "retire"])
def test_what_waited_for_a_change_of_categories_changes_nothing_and_says_to_run_it_again(
    tmp_path: Path, change: str
) -> None:
    path = make(tmp_path)
    config = load_config(path)
    if change == "rename":
        curation.rename(path, "human", "person")
    elif change == "relabel":
        curation.relabel(path, {"human": 9})
    else:
        curation.retire(path, "human")
    before = tree(config)
    with pytest.raises(WorkspaceError, match=r"another command changed human .* run it"):
        tiny.make_all(config)
    assert tree(config) == before
    tiny.make_all(load_config(path))


def tree(config: Config) -> dict[str, bytes]:
    """Every file of a workspace but the lock and what runs remember of reading."""
    layout, root = config.layout, config.layout.root
    files = (
        path
        for path in root.rglob("*")
        if path.is_file() and path != layout.lock and not path.is_relative_to(layout.read_before)
    )
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_a_rename_while_the_configuration_is_read_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    read, calls = categories.read, []

    def rename_first(layout: Layout) -> categories.Categories:
        calls.append(layout)
        if len(calls) == 1:
            curation.rename(path, "human", "person")
        return read(layout)

    monkeypatch.setattr(categories, "read", rename_first)
    config = load_config(path)
    assert "person" in config.names.values()
    assert "human" not in {section.name for section in config.category}
    tiny.make_all(config)


def test_a_category_renamed_in_the_file_alone_stops_the_run(tmp_path: Path) -> None:
    path = make(tmp_path)
    config = edit(path, '"plant", "label"', '"flora", "label"')
    with pytest.raises(ConfigError, match="category rename plant flora"):
        tiny.make_all(config)
    assert not (tmp_path / "work" / "tables" / "flora").exists()


def test_labels_exchanged_in_the_file_stop_the_run_and_rewrite_nothing(tmp_path: Path) -> None:
    path = make(tmp_path)
    before = labels_on_disk(tmp_path)
    text = (
        path.read_text().replace('"label" = 0', '"label" = 9').replace('"label" = 1', '"label" = 0')
    )
    path.write_text(text.replace('"label" = 9', '"label" = 1'))
    with pytest.raises(ConfigError, match="category relabel plant 1 animal 0"):
        tiny.make_all(load_config(path))
    assert labels_on_disk(tmp_path) == before

    curation.relabel(path, {"plant": 1, "animal": 0})
    tiny.make_all(load_config(path))
    assert consume.load(tmp_path / "work").labels == {"plant": 1, "animal": 0, "human": 4}
    assert consume.load(tmp_path / "published").labels == {"plant": 1, "animal": 0, "human": 4}


@pytest.mark.parametrize("mode", MODES)
def test_a_renamed_category_keeps_its_pictures_once_with_their_ids(
    tmp_path: Path, mode: str
) -> None:
    path = make(tmp_path, mode)
    ids = set(consume.load(tmp_path / "work", categories=["plant"]).numpy().pic_ids)
    curation.rename(path, "plant", "flora")
    config = load_config(path)
    assert "flora" in {section.name for section in config.category}
    tiny.make_all(config)
    for place in ("work", "published"):
        assert counts(tmp_path / place) == {"flora": 6, "animal": 6, "human": 6}
        assert set(consume.load(tmp_path / place, categories=["flora"]).numpy().pic_ids) == ids
    assert labels_on_disk(tmp_path) == {0: 6, 1: 6, 4: 6}
    assert {row["outcome"] for row in tiny.ledger_rows(config)} == {"accepted"}

    tiny.write_picture(tmp_path / "in" / "plant" / "new.png", 99)
    tiny.make_all(load_config(path))
    arrived = set(consume.load(tmp_path / "work", categories=["flora"]).numpy().pic_ids) - ids
    assert arrived == {"plant_id_7"}


@pytest.mark.parametrize("mode", MODES)
def test_a_retired_category_is_in_nothing_and_comes_back_as_it_was(
    tmp_path: Path, mode: str
) -> None:
    path = make(tmp_path, mode)
    whole = consume.load(tmp_path / "work").numpy()
    curation.retire(path, "human")
    tiny.make_all(load_config(path))
    for place in ("work", "published"):
        assert counts(tmp_path / place) == {"plant": 6, "animal": 6}
    assert labels_on_disk(tmp_path) == {0: 6, 1: 6}
    assert mentions(tmp_path / "published", ["human_id_", "/human/"]) == []

    curation.restore(path, "human")
    tiny.make_all(load_config(path))
    again = consume.load(tmp_path / "work").numpy()
    assert list(again.pic_ids) == list(whole.pic_ids)
    assert (again.features == whole.features).all()


SECRET = 77
"""Seed of a picture whose file name, copy and caption are published before it is taken down."""


def make_with_secrets(folder: Path) -> Path:
    """A published collection with columns, a copy, and a conflict with a category to be retired."""
    sources = tiny.make_sources(folder / "in", SEEDS)
    for name in ("secret-name.png", "secret-other.png"):
        tiny.write_picture(folder / "in" / "plant" / name, SECRET)
    tiny.write_picture(folder / "in" / "plant" / "like-another.png", SEEDS["human"][0])
    (folder / "captions.csv").write_text("file,caption\nsecret-name.png,secret-caption\n")
    published = {"url": str(folder / "published"), "pictures": "objects", "columns": ["*"]}
    path = tiny.config_file(folder, sources, publish=published)
    rule = {"file": "captions.csv", "key": "file"}
    content = tiny.settings(sources)
    content["category"][0]["source"][0]["metadata"] = [rule]
    text = path.read_text().splitlines()
    text[2] = f"category = {tiny._toml(content['category'])}"
    path.write_text("\n".join(text) + "\n")
    tiny.make_all(load_config(path))
    return path


def everything(place: Path) -> dict[str, bytes]:
    """Every file of a published folder by its key: name, bytes, and what is compressed in them."""
    files = {str(f.relative_to(place)): f for f in place.rglob("*") if f.is_file()}
    return {key: key.encode() + legible(f.name, f.read_bytes()) for key, f in files.items()}


def naming(place: Path, words: list[bytes]) -> dict[str, set[str]]:
    """The words that each file of a published folder has, where it has any."""
    result = {
        key: {word.decode("latin-1") for word in words if word in text}
        for key, text in everything(place).items()
    }
    return {key: words for key, words in result.items() if words}


def test_after_a_prune_no_byte_that_is_published_names_what_was_withheld(tmp_path: Path) -> None:
    path = make_with_secrets(tmp_path)
    place = tmp_path / "published"
    (row,) = (r for r in tiny.ledger_rows(load_config(path)) if r["path"] == b"secret-name.png")
    digest = row["sha256"]
    secrets = [b"secret-name", b"secret-other", b"secret-caption", digest.hex().encode()]
    secrets += [str(digest).encode(), tiny.picture(SECRET), row["pic_id"].encode()]
    words = [*secrets, b"human"]
    named = naming(place, words)
    assert {one for some in named.values() for one in some} >= {
        w.decode("latin-1") for w in words[:3]
    }

    take_down(load_config(path), [row["pic_id"]], "asked", "me")
    curation.retire(path, "human")
    tiny.make_all(load_config(path))
    store = open_store(str(place))
    snapshots.prune(store, snapshots.PruneOptions(keep=1, grace_s=-60))
    left = naming(place, words)
    # The ledger keeps the id, so that no rollback brings the picture back.
    ids = {key: some for key, some in left.items() if some == {row["pic_id"]}}
    assert ids
    assert all(key.startswith("ledger/plant/") for key in ids)
    # The Delta log keeps the names of tables that it removed, and no name of a picture.
    others = {key: some for key, some in left.items() if key not in ids}
    assert all(key.startswith("tables/_delta_log/") for key in others), others
    assert {one for some in others.values() for one in some} == {"human"}

    shutil.rmtree(place / "tables" / "_delta_log")
    tiny.make_all(load_config(path))
    assert naming(place, words).keys() == ids.keys()
    assert consume.check_published(store).passed


def test_the_published_row_of_a_picture_that_was_taken_down_says_that_and_no_more(
    tmp_path: Path,
) -> None:
    path = make_with_secrets(tmp_path)
    rows = tiny.ledger_rows(load_config(path))
    (pic,) = (r["pic_id"] for r in rows if r["path"] == b"secret-name.png" and r["pic_id"])
    take_down(load_config(path), [pic], "asked", "me")
    tiny.make_all(load_config(path))
    place = tmp_path / "published"
    held = snapshots.read(open_store(str(place))).files
    every = [file for file in held if file.name.startswith("ledger/plant/")]
    amended = [place / file.key for file in every if "/amendments/" in file.name]
    files = [place / file.key for file in every if "/amendments/" not in file.name]
    with duckdb.connect() as connection:
        ledger.add_views(connection, files, amended)
        public = ledger.query(connection, "SELECT * FROM ledger").to_pylist()
    private = [one for one in rows if one["category"] == "plant"]
    assert len(public) == len(private)
    (shown,) = (one for one in public if one["pic_id"] == pic)
    assert (shown["outcome"], shown["reason"]) == ("refused", "taken_down")
    blank = [one for one in public if one["path"] == b""]
    assert sorted(one["outcome"] for one in blank) == ["duplicate", "refused"]
    for one in blank:
        assert (one["path_text"], one["sha256"], one["size_bytes"]) == ("", None, 0)
    known = {one["path"]: one for one in private}
    for one in public:
        if one["path"]:
            assert one["sha256"] == known[one["path"]]["sha256"]


def test_who_reads_tables_sees_no_picture_that_was_taken_down_though_no_run_came_since(
    tmp_path: Path,
) -> None:
    path = make(tmp_path)
    config = load_config(path)
    whole = consume.load(tmp_path / "work")
    fingerprint = whole.fingerprint
    kept = [name for name in whole.numpy().pic_ids.tolist() if name != "plant_id_3"]
    take_down(config, ["plant_id_3"], "asked", "me")
    held = consume.load(tmp_path / "work")
    assert len(held) == len(kept) == 17
    assert held.numpy().pic_ids.tolist() == kept
    assert held.arrow()["picID"].to_pylist() == kept
    assert sorted(n for b in held.batches(5, seed=1) for n in b.pic_ids.tolist()) == sorted(kept)
    assert held.fingerprint != fingerprint
    table = open_features(tmp_path / "work")
    assert table.names().pic_ids.tolist() == table.read().pic_ids.tolist() == kept
    gone = whole.numpy()
    (row,) = (k for k, name in enumerate(gone.pic_ids.tolist()) if name == "plant_id_3")
    ((first, *_),) = nearest(table, gone.features[row : row + 1], 3)
    assert first["picID"] != "plant_id_3"
    tiny.make_all(config)
    assert consume.load(tmp_path / "work").numpy().pic_ids.tolist() == kept


def test_a_retired_category_may_be_removed_from_the_file(tmp_path: Path) -> None:
    path = make(tmp_path)
    curation.retire(path, "human")
    tiny.make_all(without(path, "human"))
    assert counts(tmp_path / "published") == {"plant": 6, "animal": 6}


@pytest.mark.parametrize("mode", MODES)
def test_a_relabelled_category_has_its_rows_under_the_new_label(tmp_path: Path, mode: str) -> None:
    path = make(tmp_path, mode)
    before = consume.load(tmp_path / "work").numpy()
    curation.relabel(path, {"plant": 7})
    tiny.make_all(load_config(path))
    assert labels_on_disk(tmp_path) == {7: 6, 1: 6, 4: 6}
    for place in ("work", "published"):
        assert consume.load(tmp_path / place).labels == {"plant": 7, "animal": 1, "human": 4}
        after = consume.load(tmp_path / place).numpy()
        assert set(after.pic_ids) == set(before.pic_ids)


@pytest.mark.parametrize("mode", MODES)
def test_commands_killed_before_they_are_remembered_are_finished_by_repeating_them(
    tmp_path: Path, mode: str
) -> None:
    path = make(tmp_path, mode)
    ids = set(consume.load(tmp_path / "work").numpy().pic_ids)
    steps = (
        ("rename", ("plant", "flora"), "category rename plant flora"),
        ("relabel", ({"flora": 7},), "category relabel flora 7"),
        ("retire", ("human",), ""),
        ("restore", ("human",), ""),
    )
    for command, arguments, hint in steps:
        _killed(path, f"curation.{command}(path, *{arguments!r})")
        if hint:
            # The configuration says something that the workspace does not remember.
            with pytest.raises(ConfigError, match=hint), workspace.writing(load_config(path)):
                pass
        getattr(curation, command)(path, *arguments)
        with workspace.writing(load_config(path)):
            pass
    tiny.make_all(load_config(path))
    for place in ("work", "published"):
        assert counts(tmp_path / place) == {"flora": 6, "animal": 6, "human": 6}
        assert consume.load(tmp_path / place).labels == {"flora": 7, "animal": 1, "human": 4}
        assert set(consume.load(tmp_path / place).numpy().pic_ids) == ids


def _killed(path: Path, call: str) -> None:
    """Make a change, killed when the workspace is to remember it."""
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from naturalist import categories\n"
        "from naturalist.curation import categories as curation\n"
        "path = Path(sys.argv[1])\n"
        "categories.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{call}\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL


def test_a_workspace_made_before_categories_were_remembered_opens(tmp_path: Path) -> None:
    path = make(tmp_path)
    layout = load_config(path).layout
    marker = artifacts.read_json(layout.marker)
    del marker["categories"]
    artifacts.write_json(layout.marker, marker)
    with pytest.raises(ConfigError, match="human"), workspace.writing(without(path, "human")):
        pass
    curation.retire(path, "human")
    tiny.make_all(load_config(path))
    assert counts(tmp_path / "work") == {"plant": 6, "animal": 6}


def test_pictures_that_were_taken_down_come_back_by_no_rollback(tmp_path: Path) -> None:
    path = make(tmp_path)
    config = load_config(path)
    store = open_store(config.publish_url)
    tiny.write_picture(tmp_path / "in" / "plant" / "new.png", 99)
    tiny.make_all(config)
    take_down(config, ["plant_id_3"], "asked", "me")
    with pytest.raises(ConfigError, match="taken down"):
        snapshots.roll_back(store, "000001", gone=gone(config))
    tiny.make_all(config)
    with pytest.raises(ConfigError, match="taken down"):
        snapshots.roll_back(store, "000001")  # by what is published alone
    assert snapshots.read(store).id == "000003"


def test_a_retired_category_comes_back_by_no_rollback(tmp_path: Path) -> None:
    path = make(tmp_path)
    curation.retire(path, "human")
    tiny.make_all(load_config(path))
    with pytest.raises(ConfigError, match="'human', which was retired"):
        snapshots.roll_back(open_store(load_config(path).publish_url), "000001")


def test_a_category_that_was_restored_hinders_no_rollback(tmp_path: Path) -> None:
    path = make(tmp_path)
    curation.retire(path, "human")
    tiny.make_all(load_config(path))
    curation.restore(path, "human")
    config = load_config(path)
    snapshots.roll_back(open_store(config.publish_url), "000001", gone=gone(config))
    assert counts(tmp_path / "published") == {"plant": 6, "animal": 6, "human": 6}


def test_the_ledger_is_asked_by_present_names(tmp_path: Path) -> None:
    path = make(tmp_path)
    curation.rename(path, "plant", "flora")
    config = load_config(path)
    for name in ("flora", "plant"):  # nothing else has the earlier name
        asked = Filter(category=name)
        check_names(config, asked)
        assert count(config, asked) == 6
        assert {row["category"] for row in rows(config, asked, 0)} == {"flora"}
    with pytest.raises(ConfigError, match="choose one of animal, flora, human"):
        check_names(config, Filter(category="mineral"))


def test_the_ledger_knows_a_name_that_another_category_has_now(tmp_path: Path) -> None:
    path = make(tmp_path)
    curation.rename(path, "plant", "flora")
    tiny.write_picture(tmp_path / "in" / "other" / "one.png", 500)
    other = {"name": "wild", "path": str(tmp_path / "in" / "other")}
    one = {"name": "plant", "label": 7, "source": [other]}
    edit(path, "category = [", f"category = [{tiny._toml(one)}, ")
    config = load_config(path)
    tiny.make_all(config)
    assert [row["pic_id"] for row in rows(config, Filter(category="plant"), 0)] == ["plant-2_id_1"]
    assert count(config, Filter(category="flora")) == 6


def test_a_rollback_holds_until_it_is_released(tmp_path: Path) -> None:
    path = make(tmp_path)
    config = load_config(path)
    store = open_store(config.publish_url)
    tiny.write_picture(tmp_path / "in" / "plant" / "new.png", 99)
    tiny.make_all(config)
    snapshots.roll_back(store, "000001", "wrong pictures")
    tiny.write_picture(tmp_path / "in" / "plant" / "newer.png", 98)
    tiny.make_all(config)
    assert snapshots.read(store).id == "000001"
    assert snapshots.hold_of(store).why == "wrong pictures"
    assert snapshots.release(store).snapshot == "000001"
    assert snapshots.release(store) is None
    tiny.make_all(config)
    assert snapshots.read(store).id == "000003"
    assert counts(tmp_path / "published")["plant"] == 8


def test_what_is_withheld_is_known_by_id(tmp_path: Path) -> None:
    path = make(tmp_path)
    take_down(load_config(path), ["plant_id_3"], "asked", "me")
    curation.retire(path, "human")
    held = ledger.withheld(load_config(path).layout)
    assert "plant_id_3" in held
    assert "human_id_1" in held
    assert "plant_id_1" not in held
    assert categories.read(load_config(path).layout).retired_names == {"human"}


def test_a_category_whose_key_begins_like_ids_of_another_is_not_withheld_with_it() -> None:
    held = ledger.Withheld(retired=frozenset({"cat"}))
    ids = pa.chunked_array([["cat_id_1", "cat_id_new_id_1", "concat_id_1"]])
    assert held.among(ids).to_pylist() == [one in held for one in ids.to_pylist()]
    assert held.among(ids).to_pylist() == [True, False, False]
