"""What a person sees of inputs that gave less than was meant."""

from pathlib import Path

from tests import tiny
from tests.cli.conftest import Naturalist


def _config(folder: Path) -> tuple[Path, Path]:
    """A configuration, and the folder of its plants."""
    sources = tiny.make_sources(folder / "in", {"plant": range(2), "animal": range(10, 12)})
    return tiny.config_file(folder / "c", sources), sources["plant"]["photos"]


def test_error_pages_named_like_pictures_use_up_the_failure_budget(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    path, plants = _config(tmp_path)
    for k in range(90):
        (plants / f"p{k}.jpg").write_bytes(b"<!DOCTYPE html><html>429</html>")
    ended = naturalist("ingest", "-c", str(path))
    assert ended.code == 3
    assert "90 misnamed" in ended.err


def test_a_warning_is_said_once_and_is_the_last_thing_on_stdout(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    path, plants = _config(tmp_path)
    (plants.parent / "more").mkdir()
    (plants / "more").symlink_to(plants.parent / "more")
    ended = naturalist("ingest", "-c", str(path))
    quiet = naturalist("ingest", "-c", str(path), "-q")
    shown = naturalist("status", "-c", str(path))
    for text in (quiet.out, shown.out):
        assert text.rstrip().splitlines()[-1].startswith("warning: source 'photos' of category")
    for text in (ended.err, quiet.out, shown.out):
        assert text.count("warning: source 'photos' of category") == 1
    assert "warning:" not in ended.out + quiet.err
    [warning] = naturalist("status", "-c", str(path), "--json").json["warnings"]
    assert "1 link_leaves_source" in warning


def test_an_unread_archive_says_how_to_unpack_it(naturalist: Naturalist, tmp_path: Path) -> None:
    path, plants = _config(tmp_path)
    (plants / "photos.rar").write_bytes(b"Rar!\x1a\x07\x00" + bytes(50))
    assert naturalist("ingest", "-c", str(path)).code == 3
    rows = naturalist("ledger", "-c", str(path), "--refused", "--json").json["rows"]
    assert [(row["path_text"], row["reason"]) for row in rows] == [
        ("photos.rar", "unsupported_archive")
    ]
    assert "unpack it" in rows[0]["detail"]


def test_retry_names_the_reasons_that_there_are(naturalist: Naturalist, tmp_path: Path) -> None:
    path, plants = _config(tmp_path)
    (plants / "page.jpg").write_bytes(b"<html>")
    assert naturalist("ingest", "-c", str(path)).code == 3
    ended = naturalist("ingest", "-c", str(path), "--retry", "sunday")
    assert ended.code == 2
    assert "misnamed" in ended.err
    (plants / "page.jpg").write_bytes(tiny.picture(5))
    naturalist("ingest", "-c", str(path), "--retry", "misnamed", "--retry", "truncated")
    assert naturalist("status", "-c", str(path), "--json").json["categories"]["plant"]["seen"] == 3


def test_a_pattern_that_cannot_be_used_is_named_by_its_setting(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    path, plants = _config(tmp_path)
    source = {"name": "photos", "path": str(plants), "exclude": ["[z-a]"]}
    category = [
        {"name": "plant", "label": 0, "source": [source]},
        {"name": "animal", "label": 1, "source": []},
    ]
    tiny.config_file(tmp_path / "c", {}, category=category)
    ended = naturalist("status", "-c", str(path))
    assert ended.code == 2
    assert "category.plant.source.photos.exclude" in ended.err
