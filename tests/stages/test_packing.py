"""Published pictures: tars that WebDataset reads, an index that finds each, no metadata."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests import tiny

from naturalist.config import Config
from naturalist.curation.takedown import take_down
from naturalist.errors import ConfigError

SECRET = "taken at home"
DESCRIPTION = 270


def _sources(folder: Path) -> dict[str, dict[str, Path]]:
    sources = tiny.make_sources(folder / "in", {"plant": range(6), "animal": range(10, 15)})
    exif = Image.Exif()
    exif[DESCRIPTION] = SECRET
    image = Image.new("RGB", (30, 20), (200, 30, 90))
    image.save(sources["plant"]["photos"] / "with-exif.jpg", exif=exif)
    image.save(sources["plant"]["photos"] / "scan.tif", exif=exif)
    return sources


def _collection(folder: Path, form: str, **more: Any) -> Config:
    publish = {"url": str(folder / "out"), "pictures": form} | more
    return tiny.collection(folder, _sources(folder), publish=publish)


def _snapshot(folder: Path) -> dict[str, dict[str, Any]]:
    pointer = json.loads((folder / "out" / "latest.json").read_bytes())
    snapshot = json.loads((folder / "out" / pointer["key"]).read_bytes())
    return {entry["name"]: entry for entry in snapshot["files"]}


def _published_pictures(folder: Path) -> dict[str, bytes]:
    """Every picture that the newest snapshot holds, found by its index and checked by its hash."""
    found = {}
    files = _snapshot(folder)
    for name, entry in files.items():
        if not name.startswith("picture_index/"):
            continue
        tar = files.get(name.replace("picture_index", "pictures").replace(".parquet", ".tar"))
        for row in pq.read_table(folder / "out" / entry["key"]).to_pylist():
            if tar is None:
                data = (folder / "out" / entry["objects_below"] / row["name"]).read_bytes()
            else:
                whole = (folder / "out" / tar["key"]).read_bytes()
                data = whole[row["offset"] : row["offset"] + row["size_bytes"]]
            assert hashlib.sha256(data).digest() == row["sha256"]
            found[row["pic_id"]] = data
    return found


@pytest.mark.parametrize("form", ["tars", "objects"])
def test_every_picture_is_found_by_its_index_and_has_no_metadata(form: str, tmp_path: Path) -> None:
    config = _collection(tmp_path, form)
    tiny.make_all(config)
    pictures = _published_pictures(tmp_path)
    # The TIFF is left out: there is no way here of taking its metadata out.
    assert len(pictures) == 6 + 5 + 1
    assert not any(SECRET.encode() in data for data in pictures.values())
    assert not list(config.layout.outbox.rglob("*.tar"))
    assert not list(config.layout.outbox.rglob("*.pictures"))


def test_metadata_is_kept_when_asked_for(tmp_path: Path) -> None:
    tiny.make_all(_collection(tmp_path, "tars", keep_metadata=True))
    pictures = _published_pictures(tmp_path)
    assert len(pictures) == 6 + 5 + 2
    assert sum(SECRET.encode() in data for data in pictures.values()) == 2


def test_a_tar_is_a_webdataset_shard_with_labels(tmp_path: Path) -> None:
    tiny.make_all(_collection(tmp_path, "tars"))
    for name, entry in _snapshot(tmp_path).items():
        if not name.startswith("pictures/"):
            continue
        with tarfile.open(tmp_path / "out" / entry["key"]) as tar:
            members = tar.getnames()
            label = tar.extractfile(members[1])
            assert label is not None
            assert int(label.read()) == tiny.LABELS[name.split("/")[1]]
            Image.open(io.BytesIO(tar.extractfile(members[0]).read())).load()  # type: ignore[union-attr]
        stems = [member.split(".")[0] for member in members]
        assert stems[::2] == stems[1::2]


@pytest.mark.parametrize("form", ["tars", "objects"])
def test_nothing_is_packed_or_sent_twice(form: str, tmp_path: Path) -> None:
    config = _collection(tmp_path, form)
    tiny.make_all(config)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}
    tiny.make_all(config)
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {p: t for p, t in after.items() if p.name != "lock"} == {
        p: t for p, t in before.items() if p.name != "lock"
    }


@pytest.mark.parametrize("form", ["tars", "objects"])
def test_a_picture_taken_down_is_in_nothing_that_is_published_next(
    form: str, tmp_path: Path
) -> None:
    config = _collection(tmp_path, form)
    tiny.make_all(config)
    assert take_down(config, ["plant_id_2", "animal_id_1"], "asked", "me") == [
        "plant_id_2",
        "animal_id_1",
    ]
    tiny.make_all(config)
    assert not {"plant_id_2", "animal_id_1"} & set(_published_pictures(tmp_path))
    for name, entry in _snapshot(tmp_path).items():
        path = tmp_path / "out" / entry["key"]
        if name.startswith(("tables/", "previews/")) and name.endswith(".parquet"):
            ids = pq.read_table(path).column(0).to_pylist()
            assert not {"plant_id_2", "animal_id_1"} & set(ids)
        if name.endswith(".csv"):
            assert "plant_id_2;" not in path.read_text()
    rows = {row["pic_id"]: row for row in tiny.ledger_rows(config) if row["pic_id"]}
    assert (rows["plant_id_2"]["reason"], rows["plant_id_2"]["detail"]) == ("taken_down", "asked")


def test_a_picture_taken_down_does_not_come_back_with_the_same_bytes(tmp_path: Path) -> None:
    config = _collection(tmp_path, "none")
    tiny.make_all(config)
    take_down(config, ["plant_id_1"], "asked", "me")
    tiny.write_picture(tmp_path / "in" / "plant" / "again.png", 0)
    tiny.make_all(config)
    again = [row for row in tiny.ledger_rows(config) if row["path_text"] == "again.png"]
    assert [row["outcome"] for row in again] == ["duplicate"]


def test_an_unknown_picture_changes_nothing(tmp_path: Path) -> None:
    config = _collection(tmp_path, "none")
    tiny.make_all(config)
    with pytest.raises(ConfigError, match="plant_id_999"):
        take_down(config, ["plant_id_1", "plant_id_999"], "asked", "me")
    rows = {row["pic_id"]: row["outcome"] for row in tiny.ledger_rows(config)}
    assert rows["plant_id_1"] == "accepted"
