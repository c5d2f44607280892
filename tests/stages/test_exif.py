"""What pictures say in EXIF becomes columns where it is asked for, and leaves only by name."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import naturalist
import tiny
from naturalist.config import Config
from naturalist.dashboard.attached import columns_of
from naturalist.dashboard.collection import open_workspace
from naturalist.stages import exif

TIME, CAMERA = "2021:03:04 05:06:07", "Pentax K-1"


def _photo(path: Path, seed: int, *, place: bool = True, time: str = TIME) -> None:
    picture = Image.open(io.BytesIO(tiny.picture(seed))).convert("RGB")
    said = picture.getexif()
    said[0x010F], said[0x0110] = "Pentax", CAMERA
    said.get_ifd(0x8769)[0x9003] = time
    if place:
        where = said.get_ifd(0x8825)
        where[1], where[2] = "S", (12.0, 30.0, 36.0)
        where[3], where[4] = "W", (77.0, 0.0, 0.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "JPEG", exif=said.tobytes())


def _config(folder: Path, columns: list[str], asked: list[str]) -> Config:
    _photo(folder / "zoo" / "a.jpg", 1)
    _photo(folder / "zoo" / "b.jpg", 2, place=False, time="yesterday")
    tiny.write_picture(folder / "zoo" / "c.png", 3)
    tiny.write_picture(folder / "wood" / "d.png", 4)
    sources = {"animal": {"zoo": folder / "zoo"}, "plant": {"wood": folder / "wood"}}
    publish = {"url": str(folder / "published"), "columns": columns}
    settings = tiny.settings(sources, publish=publish)
    settings["category"][0]["source"][0] |= {"exif": asked, "folders": "{nothing}/{at_all}"}
    return Config.model_validate(settings).in_folder(folder)


def _loaded(place: Path) -> tuple[list[str], list[dict[str, Any]]]:
    table = naturalist.load(place).arrow()
    extra = [name for name in table.column_names if name.startswith("exif_")]
    return extra, table.select(["picID", *extra]).to_pylist()


def test_time_camera_and_place_are_columns_of_the_workspace_alone(tmp_path: Path) -> None:
    config = _config(tmp_path, ["*"], ["time", "camera", "place"])
    tiny.make_all(config)
    names, rows = _loaded(tmp_path / "work")
    assert names == list(exif.EXIF_COLUMNS)
    by_id = {row["picID"]: row for row in rows}
    first = by_id["animal_id_1"]
    assert first["exif_time"].isoformat() == "2021-03-04T05:06:07"
    assert first["exif_camera"] == CAMERA
    assert (first["exif_latitude"], first["exif_longitude"]) == (-12.51, -77.0)
    assert by_id["animal_id_2"]["exif_latitude"] is None
    assert by_id["animal_id_2"]["exif_time"] is None
    assert by_id["animal_id_2"]["exif_camera"] == CAMERA
    assert by_id["animal_id_3"]["exif_camera"] is None
    # A star does not stand for them, and neither file nor card of what is published has them.
    assert _loaded(tmp_path / "published")[0] == []
    published = [path for path in (tmp_path / "published").rglob("*") if path.is_file()]
    assert not any(b"exif_" in path.read_bytes() for path in published)
    private = {one.name for one in columns_of(open_workspace(config)) if not one.is_published}
    assert private == set(exif.EXIF_COLUMNS)


def test_only_what_is_asked_for_and_named_is_published(tmp_path: Path) -> None:
    config = _config(tmp_path, ["*", "exif_time"], ["time", "place"])
    tiny.make_all(config)
    assert _loaded(tmp_path / "work")[0] == ["exif_time", "exif_latitude", "exif_longitude"]
    assert _loaded(tmp_path / "published")[0] == ["exif_time"]


def test_each_picture_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _config(tmp_path, ["*"], ["camera"])
    tiny.make_all(config)
    read: list[Path] = []
    real = exif.read_exif
    monkeypatch.setattr(exif, "read_exif", lambda file: read.append(file) or real(file))
    tiny.make_all(config)
    assert read == []
    _photo(tmp_path / "zoo" / "new.jpg", 9)
    tiny.make_all(config)
    assert len(read) == 1
    assert sum(row["exif_camera"] is not None for row in _loaded(tmp_path / "work")[1]) == 3


def test_without_being_asked_nothing_is_read(tmp_path: Path) -> None:
    config = _config(tmp_path, ["*"], [])
    tiny.make_all(config)
    assert not (config.layout.root / "exif").exists()


@pytest.mark.parametrize("cut", range(20, 400, 23))
def test_damaged_profiles_say_nothing_or_something_and_never_fail(tmp_path: Path, cut: int) -> None:
    _photo(tmp_path / "a.jpg", 1)
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    data[cut] ^= 0xFF
    found = exif.read_exif(io.BytesIO(bytes(data)))
    assert found.keys() <= set(exif.EXIF_COLUMNS)
    assert exif.read_exif(io.BytesIO(bytes(data[:cut]))).keys() <= set(exif.EXIF_COLUMNS)
