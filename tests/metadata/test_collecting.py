"""Metadata files and folder names become typed columns beside the tables."""

import datetime as dt
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import naturalist
import tiny
from naturalist import artifacts
from naturalist.config import Config
from naturalist.curation.decisions import Decision
from naturalist.curation.review import review
from naturalist.curation.takedown import take_down
from naturalist.errors import ConfigError, SourceError
from naturalist.metadata import Summary
from naturalist.pipeline import steps
from naturalist.progress import Silent
from naturalist.stages.ingest.resolve import Kind


def _config(folder: Path, source: Path, **rules: Any) -> Config:
    """A collection whose category `animal` has one source with metadata."""
    plants = folder / "plants"
    tiny.write_picture(plants / "p.png", 999)
    settings = tiny.settings({"animal": {"zoo": source}, "plant": {"wood": plants}})
    settings["category"][0]["source"][0] |= rules
    return Config.model_validate(settings).in_folder(folder)


def _pictures(folder: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        tiny.write_picture(folder / name, seed)
    return folder


def _collect(config: Config) -> Summary:
    with tiny.job(config) as held:
        steps.ingest(held)
        steps.extract_features(held)
        steps.write_tables(held)
        found = steps.collect_metadata(held)
    assert found is not None
    return found


def _rows(config: Config, category: str = "animal") -> dict[str, dict[str, Any]]:
    """The metadata of each picture, by the path of its file."""
    paths = {r["pic_id"]: r["path_text"] for r in tiny.ledger_rows(config) if r["pic_id"]}
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((config.layout.metadata / category).glob("*.parquet")):
        for row in artifacts.read_parquet(path).to_pylist():
            found[paths[row.pop("pic_id")]] = row
    return found


def _problems(config: Config) -> list[tuple[str, Any]]:
    rows = artifacts.read_parquet(config.layout.metadata_problems).to_pylist()
    return [(row["problem"], row["key"] or row["path"]) for row in rows]


def test_rows_of_an_image_folder_find_their_pictures_beside_them(tmp_path: Path) -> None:
    source = _pictures(tmp_path / "zoo", "train/a.png", "train/b.png", "test/c.png")
    (source / "train" / "metadata.csv").write_text("file_name,legs\na.png,4\nb.png,2\n")
    (source / "test" / "metadata.csv").write_text("file_name,legs\nc.png,6\n")
    config = _config(tmp_path, source, metadata=[{"file": "**/metadata.csv"}])
    summary = _collect(config)
    assert {path: row["legs"] for path, row in _rows(config).items()} == {
        "train/a.png": 4, "train/b.png": 2, "test/c.png": 6,
    }  # fmt: skip
    assert [(one.match, one.matched) for one in summary.files] == [("path", 1), ("path", 2)]
    assert summary.files[-1].pictures_without_row == 0


@pytest.mark.parametrize(
    ("match", "keys"),
    [
        ("path", ["x/a.png", "./x/b.png", "y\\c.png"]),
        ("name", ["elsewhere/a.png", "b.png", "c.png"]),
        ("stem", ["a", "b.jpeg", "c"]),
    ],
)
@pytest.mark.parametrize("is_told", [True, False])
def test_rows_match_by_path_by_name_or_by_stem(
    tmp_path: Path, match: str, keys: list[str], is_told: bool
) -> None:
    source = _pictures(tmp_path / "zoo", "x/a.png", "x/b.png", "y/c.png")
    lines = [f"{key};{number}" for number, key in enumerate(keys)]
    (source / "m.csv").write_text("\n".join(["image;number", *lines]))
    rule = {"file": "m.csv"} | ({"match": match} if is_told else {})
    config = _config(tmp_path, source, metadata=[rule])
    summary = _collect(config)
    assert [row["number"] for _, row in sorted(_rows(config).items())] == [0, 1, 2]
    assert summary.files[0].match == match


def test_rows_and_pictures_without_each_other_are_counted_and_listed(tmp_path: Path) -> None:
    source = _pictures(tmp_path / "zoo", "1/a.png", "2/a.png", "b.png", "c.png")
    (source / "broken.png").write_bytes(tiny.picture(77)[:20])
    (source / "m.csv").write_text(
        "file_name,note\nb.png,first\nb.png,second\na.png,which\ngone.png,x\nbroken.png,y\n,z\n"
    )
    rules = [{"file": "m.csv", "match": "name"}]
    config = _config(tmp_path, source, metadata=rules)
    (one,) = _collect(config).files
    assert (one.rows, one.matched, one.without_picture, one.ambiguous, one.repeated) == (
        6, 2, 3, 1, 1,
    )  # fmt: skip
    assert one.pictures_without_row == 3
    assert _rows(config)["b.png"] == {"note": "first"}
    assert sorted(_problems(config), key=str) == [
        ("ambiguous", "a.png"),
        ("picture_without_row", "1/a.png"),
        ("picture_without_row", "2/a.png"),
        ("picture_without_row", "c.png"),
        ("repeated", "b.png"),
        ("row_without_picture", "broken.png"),
        ("row_without_picture", "gone.png"),
        ("row_without_picture", None),
    ]
    details = artifacts.read_parquet(config.layout.metadata_problems)["detail"].to_pylist()
    assert any("refused" in detail for detail in details)


def test_columns_have_the_type_that_all_their_values_have(tmp_path: Path) -> None:
    source = _pictures(tmp_path / "zoo", "a.png", "b.png", "c.png")
    (source / "m.csv").write_text(
        "file,whole,real,yes,day,at,code,mixed\n"
        "a.png,1,1.5,true,2024-02-29,2024-02-29 10:11:12,007,1\n"
        "b.png,NA,2,FALSE,,2024-03-01T00:00:00Z,010,x\n"
        "c.png,-3,1e3,,2023-01-01,,11,2024-01-01\n"
    )
    config = _config(tmp_path, source, metadata=[{"file": "m.csv"}])
    _collect(config)
    first, second, third = (row for _, row in sorted(_rows(config).items()))
    assert first == {
        "whole": 1, "real": 1.5, "yes": True, "day": dt.date(2024, 2, 29),
        "at": dt.datetime(2024, 2, 29, 10, 11, 12), "code": "007", "mixed": "1",  # noqa: DTZ001
    }  # fmt: skip
    assert (second["whole"], second["yes"], second["day"]) == (None, False, None)
    assert (third["whole"], third["real"], third["code"]) == (-3, 1000.0, "11")


def test_a_type_that_the_configuration_names_holds_or_is_refused(tmp_path: Path) -> None:
    source = _pictures(tmp_path / "zoo", "a.png", "b.png")
    (source / "m.csv").write_text("file,n\na.png,1\nb.png,2\n")
    config = _config(tmp_path, source, metadata=[{"file": "m.csv", "types": {"n": "text"}}])
    _collect(config)
    assert _rows(config)["a.png"] == {"n": "1"}
    wrong = _config(tmp_path, source, metadata=[{"file": "m.csv", "types": {"n": "date"}}])
    message = "'n' has the configured type date"
    with tiny.job(wrong) as held, pytest.raises(ConfigError, match=message):
        steps.collect_metadata(held)


def _csv(path: Path) -> None:
    path.write_text("file_name,name of it\na.png,Ä\nb.png,\n", "cp1252")


def _utf16(path: Path) -> None:
    path.write_text("file_name\tname of it\na.png\tÄ\nb.png\t\n", "utf-16")


def _json(path: Path) -> None:
    rows = [{"file_name": "a.png", "name of it": "Ä"}, {"file_name": "b.png"}]
    path.write_text(json.dumps(rows), "utf-8")


def _json_lines(path: Path) -> None:
    path.write_text('{"file_name": "a.png", "name of it": "Ä"}\n{"file_name": "b.png"}\n', "utf-8")


def _parquet(path: Path) -> None:
    pq.write_table(pa.table({"file_name": ["a.png", "b.png"], "name of it": ["Ä", None]}), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("m.csv", _csv),
        ("m.tsv", _utf16),
        ("m.json", _json),
        ("m.jsonl", _json_lines),
        ("m.parquet", _parquet),
    ],
)
@pytest.mark.parametrize("where", ["inside", "zipped", "below", "beside"])
def test_every_format_is_read_in_a_source_in_an_archive_and_beside(
    tmp_path: Path, name: str, write: Any, where: str
) -> None:
    source = _pictures(tmp_path / "zoo", "a.png", "b.png")
    write((tmp_path if where == "beside" else source) / name)
    rule = {"file": name}
    if where in ("zipped", "below"):
        pack = tmp_path / "zoo.zip"
        with zipfile.ZipFile(pack, "w") as packed:
            for path in sorted(source.iterdir()):
                packed.write(path, path.name)
        shutil.rmtree(source)
        source = pack
    if where == "below":
        source = tmp_path / "packs"
        source.mkdir()
        pack.rename(source / "zoo.zip")
        rule = {"file": f"zoo.zip!/{name}"}
    config = _config(tmp_path, source, metadata=[rule])
    summary = _collect(config)
    assert [row["name of it"] for _, row in sorted(_rows(config).items())] == ["Ä", None]
    assert summary.files[0].matched == 2


def test_a_file_without_a_line_of_names_gets_them_from_the_configuration(tmp_path: Path) -> None:
    source = _pictures(tmp_path / "zoo", "valid/OWL/1.png")
    (source / "birds.csv").write_text("0.0,../in/valid/OWL/1.png,OWL,valid\n")
    rule = {
        "file": "birds.csv",
        "header": ["id", "filepaths", "labels", "data set"],
        "key": "filepaths",
        "strip": "../in/",
        "columns": ["labels", "data set"],
        "rename": {"labels": "species", "data set": "source"},
    }
    config = _config(tmp_path, source, metadata=[rule])
    _collect(config)
    # `source` is a column of the tables already.
    assert _rows(config)["valid/OWL/1.png"] == {"species": "OWL", "metadata_source": "valid"}


def test_folder_names_become_columns(tmp_path: Path) -> None:
    source = _pictures(tmp_path / "zoo", "train/red fox/1.png", "test/owl/x/2.png", "3.png")
    config = _config(tmp_path, source, folders="{split}/{species}/...")
    summary = _collect(config)
    rows = _rows(config)
    assert rows["train/red fox/1.png"] == {"split": "train", "species": "red fox"}
    assert rows["test/owl/x/2.png"] == {"split": "test", "species": "owl"}
    assert rows["3.png"] == {"split": None, "species": None}
    assert (summary.files[0].matched, summary.files[0].pictures_without_row) == (2, 1)


def test_a_row_of_a_duplicate_fills_what_the_picture_has_not(tmp_path: Path) -> None:
    source = _pictures(tmp_path / "zoo", "a.png")
    shutil.copyfile(source / "a.png", source / "b.png")
    (source / "m.csv").write_text("file,one,two\na.png,mine,\nb.png,other,yes\n")
    config = _config(tmp_path, source, metadata=[{"file": "m.csv"}])
    _collect(config)
    assert _rows(config)["a.png"] == {"one": "mine", "two": "yes"}


def test_columns_of_all_sources_are_in_every_file_with_one_type(tmp_path: Path) -> None:
    animals = _pictures(tmp_path / "zoo", "a.png")
    (animals / "m.csv").write_text("file,Age\na.png,3\n")
    plants = tmp_path / "wood"
    tiny.write_picture(plants / "p.png", 50)
    (plants / "m.csv").write_text("file,age,height\np.png,1.5,20\n")
    settings = tiny.settings({"animal": {"zoo": animals}, "plant": {"wood": plants}})
    for category in settings["category"]:
        category["source"][0]["metadata"] = [{"file": "m.csv"}]
    config = Config.model_validate(settings).in_folder(tmp_path)
    summary = _collect(config)
    assert [(c.name, c.type, c.pictures, c.sources) for c in summary.columns] == [
        ("Age", "number", 2, ("wood", "zoo")),
        ("height", "integer", 1, ("wood",)),
    ]
    assert _rows(config)["a.png"] == {"Age": 3.0, "height": None}
    assert _rows(config, "plant")["p.png"] == {"Age": 1.5, "height": 20}


def test_nothing_is_written_again_until_something_changes(tmp_path: Path) -> None:
    source = _pictures(tmp_path / "zoo", "a.png", "b.png")
    (source / "m.csv").write_text("file,n\na.png,1\nb.png,2\n")
    config = _config(tmp_path, source, metadata=[{"file": "m.csv"}])
    before = _collect(config)
    path = config.layout.metadata_of("animal", "image_df_1.parquet")
    inode = path.stat().st_ino
    assert _collect(config) == before
    assert path.stat().st_ino == inode
    (source / "m.csv").write_text("file,n\na.png,10\nb.png,2\n")
    _collect(config)
    assert _rows(config)["a.png"] == {"n": 10}
    tiny.write_picture(source / "c.png", 60)
    summary = _collect(config)
    assert _rows(config)["c.png"] == {"n": None}
    assert summary.files[0].pictures_without_row == 1


def test_metadata_leave_with_the_configuration(tmp_path: Path) -> None:
    source = _pictures(tmp_path / "zoo", "a.png")
    config = _config(tmp_path, source, folders="...".replace("...", "{name}"))
    _collect(config)
    assert config.layout.metadata.exists()
    bare = _config(tmp_path, source)
    with tiny.job(bare) as held:
        assert steps.collect_metadata(held) is None
    assert not config.layout.metadata.exists()


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        ({"file": "no.csv"}, SourceError, "metadata file 'no.csv' was not found"),
        ({"file": "m.csv", "key": "nope"}, ConfigError, "no column 'nope'"),
        ({"file": "m.csv", "columns": ["nope"]}, ConfigError, "no column 'nope'"),
        ({"file": "plain.csv"}, ConfigError, "no column that looks like names"),
    ],
)
def test_a_rule_that_fits_no_file_says_so(
    tmp_path: Path, rule: dict[str, Any], error: type[Exception], message: str
) -> None:
    source = _pictures(tmp_path / "zoo", "a.png")
    (source / "m.csv").write_text("file,n\na.png,1\n")
    (source / "plain.csv").write_text("class;labels\n0;ADONIS\n")
    config = _config(tmp_path, source, metadata=[rule])
    tiny.ingest(config)
    with tiny.job(config) as held, pytest.raises(error, match=message):
        steps.collect_metadata(held)


def test_a_file_whose_rows_match_nothing_says_so(tmp_path: Path) -> None:
    source = _pictures(tmp_path / "zoo", "a.png")
    (source / "m.csv").write_text("file,n\nother.png,1\n")
    config = _config(tmp_path, source, metadata=[{"file": "m.csv"}])
    assert "no row matches" in _collect(config).files[0].note


def test_a_picture_that_was_taken_down_or_relabelled_has_its_metadata_nowhere_or_elsewhere(
    tmp_path: Path,
) -> None:
    source = _pictures(tmp_path / "zoo", "a.png", "b.png", "c.png")
    (source / "m.csv").write_text("file,n\na.png,1\nb.png,2\nc.png,3\n")
    config = _config(tmp_path, source, metadata=[{"file": "m.csv"}])
    config = config.model_copy(update={"publish": config.publish.model_copy(update={"url": "out"})})
    config = config.in_folder(tmp_path)
    tiny.make_all(config)
    take_down(config, ["animal_id_1"], "asked for", "me")
    decisions = [Decision(1, "animal_id_2", Kind.RELABEL, "plant")]
    review(config, Silent(), decisions, "me", path="-", dry_run=False)
    tiny.make_all(config)
    assert set(_rows(config)) == {"c.png"}
    # The picture came to plant with what its file in zoo says.
    assert {"n": 2} in _rows(config, "plant").values()
    published = naturalist.load(tmp_path / "out").arrow()
    assert "animal_id_1" not in published["picID"].to_pylist()
    assert sorted(filter(None, published["n"].to_pylist())) == [2, 3]
