"""What benchmarks/million.py writes into a configuration is what a run then reads."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from naturalist.config import NewCategory, load_config, write_config

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def million(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import million

    yield million
    for name in ("million", "million_pictures", "dashboard_load", "processes", "machine"):
        sys.modules.pop(name, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose `workspace` is as `init` writes it."""
    for name in ("plant", "animal", "new"):
        (tmp_path / name).mkdir()
    categories = [
        NewCategory(name, label, (tmp_path / name,))
        for label, name in enumerate(("plant", "animal"))
    ]
    write_config(tmp_path / "workspace", categories, "", "a-million", "colour_histogram")
    return tmp_path


def test_a_new_source_is_one_of_its_category_once(million: ModuleType, folder: Path) -> None:
    place = million.Place(folder, [], 0.01)
    for _ in range(2):
        million.add_source(place, "animal", "animals-51-day-1", folder / "new")
    paths = load_config(place.workspace).source_paths
    assert paths["animal"]["animals-51-day-1"] == folder / "new"
    assert "animals-51-day-1" not in paths["plant"]
    assert len(paths["animal"]) == 2


def test_publishing_is_set_up_with_the_pictures_as_tars(million: ModuleType, folder: Path) -> None:
    place = million.Place(folder, [], 0.01, port=18_499)
    million.publish_to(place)
    million.publish_pictures(place)
    publish = load_config(place.workspace).publish
    assert (publish.url, publish.pictures) == ("s3://million/all", "tars")
    assert publish.endpoint_url == "http://127.0.0.1:18499"


def test_a_configuration_of_another_form_ends_the_benchmark(
    million: ModuleType, folder: Path
) -> None:
    with pytest.raises(SystemExit, match="has no"):
        million.add_source(million.Place(folder, [], 0.01), "fungus", "fungi", folder / "new")
