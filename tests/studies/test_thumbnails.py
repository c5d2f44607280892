import io
from pathlib import Path

from PIL import Image
from tests import tiny

from naturalist.studies.contact_sheet import Tile, contact_sheet
from naturalist.studies.thumbnails import read_thumbnails


def test_each_picture_that_has_a_preview_has_its_thumbnail(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(9), "animal": range(10, 13)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    names = ["plant_id_9", "plant_id_1", "animal_id_2", "plant_id_77"]
    found = read_thumbnails(config.layout, names)
    assert sorted(found) == ["animal_id_2", "plant_id_1", "plant_id_9"]
    assert all(Image.open(io.BytesIO(data)).format == "JPEG" for data in found.values())
    assert len(set(found.values())) == 3


def test_a_sheet_shows_every_tile_even_one_without_a_thumbnail() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (100, 60), (200, 0, 0)).save(buffer, "JPEG")
    tiles = [Tile(buffer.getvalue(), "red"), Tile(None, "gone"), Tile(buffer.getvalue(), "é\x1b[")]
    sheet = Image.open(io.BytesIO(contact_sheet(tiles, "three", columns=2)))
    whole = Image.open(io.BytesIO(contact_sheet(tiles[:2], "three", columns=2)))
    assert sheet.height > whole.height
    reds = sum(1 for r, g, b in sheet.get_flattened_data() if r > 180 and g < 40 and b < 40)
    assert reds > 1.9 * 100 * 60
