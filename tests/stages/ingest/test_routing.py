"""A source whose labels give the category feeds several categories, whatever happens on the way."""

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import tiny
from naturalist import artifacts
from naturalist.config import Config, load_config
from naturalist.curation import categories as category_commands
from naturalist.curation.decisions import read_decisions
from naturalist.curation.label_moves import moves
from naturalist.curation.measured import write_decisions
from naturalist.curation.review import review
from naturalist.errors import ConfigError
from naturalist.pipeline import steps
from naturalist.pipeline.describing import describe
from naturalist.progress import Silent
from naturalist.stages.ingest import batches

MAPPING = {"owl": "animal", "Red Fox": "animal", "oak": "plant"}
FILES = ("owl/1.png", "owl/2.png", "red fox/3.png", "oak/4.png", "dragon/5.png", "6.png")


def _source(folder: Path, files: tuple[str, ...] = FILES) -> Path:
    for seed, name in enumerate(files):
        tiny.write_picture(folder / name, seed)
    return folder


def _zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder).as_posix())
    return path


def _settings(source: Path, mapping: dict[str, str], **rules: Any) -> dict[str, Any]:
    rules = rules or {"folders": "{species}/..."}
    shared = {
        "name": "world", "path": str(source), "category_from": "species", "categories": mapping,
        "origin": "here", "licence": "CC0",
    }  # fmt: skip
    basic = tiny.settings({"animal": {}, "plant": {}})
    return basic | {"source": [shared | rules]}


def _config(folder: Path, source: Path, mapping: dict[str, str] = MAPPING, **rules: Any) -> Config:
    return Config.model_validate(_settings(source, mapping, **rules)).in_folder(folder)


def _file(folder: Path, source: Path) -> Path:
    more = _settings(source, MAPPING)["source"]
    return tiny.config_file(folder, {"animal": {}, "plant": {}}, source=more)


def _outcomes(config: Config) -> dict[str, tuple[str, str, str | None]]:
    """Category, outcome and reason of each file; each file has one row that counts."""
    found: dict[str, tuple[str, str, str | None]] = {}
    for row in tiny.ledger_rows(config):
        if row["outcome"] in ("unpacked", "relabelled"):
            continue
        name = row["path_text"].rpartition("!/")[2]
        assert name not in found, f"{name} has two rows"
        found[name] = (row["category"], row["outcome"], row["reason"])
    return found


EXPECTED = {
    "owl/1.png": ("animal", "accepted", None),
    "owl/2.png": ("animal", "accepted", None),
    "red fox/3.png": ("animal", "accepted", None),
    "oak/4.png": ("plant", "accepted", None),
    # Plants have the lowest label, so theirs is the ledger of what has no category.
    "dragon/5.png": ("plant", "refused", "no_category"),
    "6.png": ("plant", "refused", "no_category"),
}


@pytest.mark.parametrize("is_archive", [False, True])
def test_each_picture_goes_to_the_category_of_its_label(tmp_path: Path, is_archive: bool) -> None:
    source = _source(tmp_path / "world")
    config = _config(tmp_path, _zipped(source) if is_archive else source)
    tiny.make_all(config)
    assert _outcomes(config) == EXPECTED
    tables = {p.parent.name: artifacts.read_parquet(p).num_rows
              for p in config.layout.root.glob("tables/*/*.parquet")}  # fmt: skip
    assert tables == {"animal": 3, "plant": 1}
    batch = tiny.ingest(config)
    assert batch.batches == []
    assert tiny.ingest(config, rescan=True).batches == []
    assert _outcomes(config) == EXPECTED


@pytest.mark.parametrize("match", ["auto", "path", "name", "stem"])
@pytest.mark.parametrize("is_archive", [False, True])
def test_labels_come_from_a_file_as_well(tmp_path: Path, match: str, is_archive: bool) -> None:
    source = _source(tmp_path / "world", ("train/a.png", "train/b.png", "test/c.png"))
    keys = {"path": "{0}/{1}.png", "name": "{1}.png", "stem": "{1}"}.get(match, "./{0}/{1}.png")
    rows = [("train", "a", "OWL"), ("train", "b", "oak"), ("test", "c", "unicorn")]
    lines = [f"{keys.format(folder, name)},{label}\n" for folder, name, label in rows]
    (source / "labels.csv").write_text("file,Kind\n" + "".join(lines))
    rules = {"metadata": [{"file": "labels.csv", "rename": {"kind": "species"}, "match": match}]}
    config = _config(tmp_path, _zipped(source) if is_archive else source, **rules)
    with tiny.job(config) as held:
        steps.ingest(held)
        steps.extract_features(held)
        steps.write_tables(held)
        summary = steps.collect_metadata(held)
    found = _outcomes(config)
    assert found["train/a.png"] == ("animal", "accepted", None)
    assert found["train/b.png"] == ("plant", "accepted", None)
    assert found["test/c.png"] == ("plant", "refused", "no_category")
    # Its rows are one file's, though its pictures are in two categories.
    assert summary is not None
    (file,) = summary.files
    assert (file.rows, file.matched, file.without_picture) == (3, 2, 1)


def test_names_that_say_two_things_say_nothing(tmp_path: Path) -> None:
    source = _source(tmp_path / "world", ("x/a.png", "b.png"))
    (source / "labels.csv").write_text("file,species\nm/a.png,owl\nn/a.png,oak\nb.png,oak\n")
    config = _config(tmp_path, source, metadata=[{"file": "labels.csv"}])
    tiny.ingest(config)
    assert _outcomes(config)["x/a.png"][1:] == ("refused", "no_category")
    assert _outcomes(config)["b.png"][:2] == ("plant", "accepted")


class _Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_what_has_no_category_is_counted_and_listed(tmp_path: Path) -> None:
    source = _source(tmp_path / "world", (*FILES, "dragon/7.png"))
    config = _config(tmp_path, source)
    notes = _Notes()
    with tiny.job(config) as held:
        steps.ingest(steps.Job(held.config, held.executor, notes))
    (note,) = [text for text in notes.notes if "without a category" in text]
    assert "3 files" in note
    assert "species 'dragon' has no category (2), no species (1)" in note


@pytest.mark.parametrize("is_archive", [False, True])
def test_a_wider_mapping_takes_in_what_had_no_category(tmp_path: Path, is_archive: bool) -> None:
    source = _source(tmp_path / "world")
    path = _zipped(source) if is_archive else source
    tiny.ingest(_config(tmp_path, path))
    ids = {r["path_text"]: r["pic_id"] for r in tiny.ledger_rows(_config(tmp_path, path))}
    wider = _config(tmp_path, path, MAPPING | {"dragon": "animal", "*": "plant"})
    tiny.make_all(wider)
    assert _outcomes(wider) == EXPECTED | {
        "dragon/5.png": ("animal", "accepted", None),
        "6.png": ("plant", "refused", "no_category"),
    }
    for row in tiny.ledger_rows(wider):
        if ids.get(row["path_text"]) is not None:
            assert row["pic_id"] == ids[row["path_text"]]
    assert tiny.ingest(wider).batches == []


def test_an_ingest_that_was_killed_goes_on_to_the_same_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _source(tmp_path / "world")
    expected = _config(tmp_path / "whole", source)
    tiny.ingest(expected)
    rows = [(r["path_text"], r["category"], r["pic_id"]) for r in tiny.ledger_rows(expected)]
    for number, step in enumerate(("write_pending", "place_tasks", "commit")):
        config = _config(tmp_path / f"killed{number}", source)

        def die(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(batches, step, die)
            with pytest.raises(KeyboardInterrupt):
                tiny.ingest(config)
        tiny.ingest(config)
        found = [(r["path_text"], r["category"], r["pic_id"]) for r in tiny.ledger_rows(config)]
        assert found == rows


def test_a_changed_mapping_stops_and_says_how_to_move_pictures(tmp_path: Path) -> None:
    source = _source(tmp_path / "world")
    tiny.make_all(_config(tmp_path, source))
    changed = _config(tmp_path, source, {"owl": "plant", "oak": "plant"})
    before = tiny.ledger_rows(changed)
    with pytest.raises(ConfigError) as caught:
        tiny.ingest(changed)
    said = str(caught.value)
    assert "source world, 'owl': animal -> plant, 2 pictures" in said
    assert "'red fox': animal -> no category, 1 picture\n" in said
    assert "naturalist metadata --decisions moves.csv" in said
    assert tiny.ledger_rows(changed) == before

    file = tmp_path / "moves.csv"
    assert write_decisions(file, moves(changed)) == 3
    decisions = read_decisions(file, changed.keys_by_any_name)
    review(changed, Silent(), decisions, by="anna")
    tiny.make_all(changed)
    counted = Counter(
        (row["category"], row["outcome"])
        for row in tiny.ledger_rows(changed)
        if row["outcome"] != "relabelled"
    )
    assert counted == {("plant", "accepted"): 3, ("animal", "refused"): 1, ("plant", "refused"): 2}
    assert list(moves(changed)) == []
    assert tiny.ingest(changed, rescan=True).batches == []


def test_corrected_metadata_stop_as_well(tmp_path: Path) -> None:
    source = _source(tmp_path / "world", ("a.png", "b.png"))
    labels = source / "labels.csv"
    labels.write_text("file,species\na.png,owl\nb.png,oak\n")
    config = _config(tmp_path, source, metadata=[{"file": "labels.csv"}])
    tiny.ingest(config)
    labels.write_text("file,species\na.png,oak\nb.png,oak\n")
    with pytest.raises(ConfigError, match=r"'oak': animal -> plant, 1 picture"):
        tiny.ingest(config)
    labels.write_text("file,species\na.png,Red  fox\nb.png,oak\n")
    tiny.ingest(config)


def test_a_retired_category_gets_nothing_until_it_is_restored(tmp_path: Path) -> None:
    source = _source(tmp_path / "world", FILES[:4])
    path = _file(tmp_path, source)
    tiny.make_all(load_config(path))
    category_commands.retire(path, "animal")
    tiny.write_picture(source / "owl" / "new.png", 77)
    tiny.ingest(load_config(path))
    assert _outcomes(load_config(path))["owl/new.png"][1:] == ("refused", "no_category")
    category_commands.restore(path, "animal")
    tiny.ingest(load_config(path))
    assert _outcomes(load_config(path))["owl/new.png"] == ("animal", "accepted", None)


def test_a_category_that_is_renamed_keeps_its_labels(tmp_path: Path) -> None:
    source = _source(tmp_path / "world", FILES[:4])
    path = _file(tmp_path, source)
    tiny.make_all(load_config(path))
    category_commands.rename(path, "animal", "fauna")
    config = load_config(path)
    assert config.source[0].categories["owl"] == "fauna"
    tiny.write_picture(source / "owl" / "new.png", 77)
    tiny.make_all(config)
    assert _outcomes(config)["owl/new.png"] == ("animal", "accepted", None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"categories": {"owl": "bird"}}, "is not a category"),
        ({"categories": {}}, "at least 1"),
        ({"folders": ""}, "needs metadata"),
        ({"category_from": "genus"}, "genus"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    settings = _settings(_source(tmp_path / "world"), MAPPING)
    settings["source"][0] |= changes
    with pytest.raises((ConfigError, ValueError), match=said):
        tiny.ingest(Config.model_validate(settings).in_folder(tmp_path))


def test_the_data_card_names_the_source_with_its_licence(tmp_path: Path) -> None:
    config = _config(tmp_path, _source(tmp_path / "world"))
    tiny.make_all(config)
    held = {(one["category"], one["name"]): one for one in describe(config)["sources"]}
    assert held["animal", "world"]["licence"] == "CC0"
    assert held["plant", "world"]["pictures"] == 1
