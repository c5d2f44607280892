"""Inputs that give nothing are named where nobody overlooks it, though the run goes on."""

import shutil
from pathlib import Path

import pytest
from tests.tiny import collection, ingest, make_sources, write_picture

from naturalist.config import Config
from naturalist.pipeline.input_warnings import MOST, input_warnings
from naturalist.pipeline.status import collection_status


def warned(config: Config) -> list[str]:
    ingest(config)
    found = input_warnings(config)
    assert collection_status(config)["warnings"] == found
    return found


def sources_of(folder: Path) -> dict[str, dict[str, Path]]:
    return make_sources(folder / "sources", {"plant": [1, 2, 3], "animal": [9]})


def test_a_sound_collection_has_no_warnings(tmp_path: Path) -> None:
    assert warned(collection(tmp_path, sources_of(tmp_path))) == []


def test_a_category_of_web_pages_is_named_with_its_reasons(tmp_path: Path) -> None:
    sources = sources_of(tmp_path)
    shutil.rmtree(sources["animal"]["photos"])
    for k in range(3):
        path = write_picture(sources["animal"]["photos"] / f"{k}.jpg", k)
        path.write_bytes(b"<html>404</html>")
    category, source = warned(collection(tmp_path, sources))
    assert category.startswith("category 'animal' has no accepted picture")
    assert category.endswith("3 misnamed")
    assert "source 'photos' of category 'animal' has no accepted picture" in source


def test_a_copy_of_another_category_is_named(tmp_path: Path) -> None:
    sources = sources_of(tmp_path)
    shutil.rmtree(sources["animal"]["photos"])
    shutil.copytree(sources["plant"]["photos"], sources["animal"]["photos"])
    found = warned(collection(tmp_path, sources))
    assert [line.partition(" has no accepted")[0] for line in found] == [
        "category 'plant'",
        "category 'animal'",
        "source 'photos' of category 'plant'",
        "source 'photos' of category 'animal'",
    ]
    assert "3 conflict" in found[0]


def test_a_source_that_repeats_another_is_named(tmp_path: Path) -> None:
    sources = sources_of(tmp_path)
    shutil.copytree(sources["plant"]["photos"], tmp_path / "copy")
    sources["plant"]["zz-copy"] = tmp_path / "copy"
    [found] = warned(collection(tmp_path, sources))
    assert "source 'zz-copy'" in found
    assert "3 duplicate" in found


def test_an_empty_source_is_named(tmp_path: Path) -> None:
    sources = sources_of(tmp_path)
    (tmp_path / "empty").mkdir()
    sources["plant"]["more"] = tmp_path / "empty"
    [found] = warned(collection(tmp_path, sources))
    assert "has no files" in found


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("more.rar", b"Rar!\x1a\x07\x00" + bytes(90), "1 unsupported_archive"),
        ("more.z01", b"middle of a zip", "1 unsupported_archive"),
        ("more.7z", b"7z\xbc\xaf\x27\x1c" + bytes(90), "1 archive_broken"),
    ],
)
def test_an_archive_that_was_not_opened_is_named_beside_good_pictures(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    sources = sources_of(tmp_path)
    (sources["plant"]["photos"] / name).write_bytes(data)
    [found] = warned(collection(tmp_path, sources))
    assert "may hold more pictures" in found
    assert reason in found
    assert "naturalist ledger --category plant --source photos --refused" in found


def test_a_link_to_a_folder_outside_is_named_and_one_inside_is_not(tmp_path: Path) -> None:
    sources = sources_of(tmp_path)
    write_picture(tmp_path / "elsewhere/5.png", 5)
    plants = sources["plant"]["photos"]
    write_picture(plants / "day/6.png", 6)
    (plants / "latest").symlink_to("day")
    assert warned(collection(tmp_path, sources)) == []
    (plants / "more").symlink_to(tmp_path / "elsewhere")
    [found] = warned(collection(tmp_path, sources))
    assert "1 link_leaves_source" in found


def test_a_source_that_is_a_link_to_a_folder_is_read(tmp_path: Path) -> None:
    sources = sources_of(tmp_path)
    (tmp_path / "link").symlink_to(sources["plant"]["photos"])
    sources["plant"]["photos"] = tmp_path / "link"
    assert warned(collection(tmp_path, sources)) == []


def test_many_warnings_are_counted(tmp_path: Path) -> None:
    sources = sources_of(tmp_path)
    for k in range(MOST + 5):
        (tmp_path / f"empty/{k}").mkdir(parents=True)
        sources["plant"][f"s{k:02}"] = tmp_path / f"empty/{k}"
    found = warned(collection(tmp_path, sources))
    assert len(found) == MOST + 1
    assert found[-1] == "and 5 more warnings of this kind"
