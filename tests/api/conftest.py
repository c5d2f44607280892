"""A small collection of drawn pictures, run and published; and copies to write to."""

import shutil
from pathlib import Path

import pytest

import naturalist
import tiny
from drawn_photos import LOOKS, draw_all
from naturalist.api import Opened
from shared_data import made_once

LABELS = {"plant": 0, "animal": 1, "human": 2}


def make(folder: Path) -> None:
    """Draw pictures, and run the whole job on them."""
    photos = draw_all(folder / "photos", per_source=8)
    categories = [
        {"name": name, "label": label, "source": list(_sources(photos, name))}
        for name, label in LABELS.items()
    ]
    tiny.config_file(
        folder / "garden",
        {},
        name="garden",
        workspace=".",
        category=categories,
        extract={"backbone": "colour_histogram", "shard_size": 16, "workers": 1},
        publish={"url": "../published"},
        analyse={"steps": ["clusters", "map", "classifier"]},
    )
    naturalist.open(folder / "garden").run()


def _sources(photos: Path, category: str) -> list[dict[str, str]]:
    names = [look.partition("/")[2] for look in LOOKS if look.startswith(f"{category}/")]
    return [{"name": name, "path": f"../photos/{category}/{name}"} for name in names]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `photos`, the workspace `garden` and `published`; never changed."""
    return made_once(tmp_path_factory, "api-collection", make)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """A copy that one test may change."""
    return shutil.copytree(made, tmp_path / "copied")


@pytest.fixture
def garden(copied: Path) -> Opened:
    """The opened workspace of a copy."""
    return naturalist.open(copied / "garden")


@pytest.fixture
def published(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Opened:
    """The opened publication, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return naturalist.open(made / "published")
