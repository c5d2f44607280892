"""One collection of about 600 photos with real features, for all tests that need some.

It is made once for all workers of a test run and only read; a test that writes takes a copy. Where
there are no real photos it is made of drawn ones.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tiny
from naturalist import backbones
from naturalist.config import load_config
from shared_data import made_once

LABELS = {"plant": 0, "animal": 1, "human": 2}
PER_SOURCE = 75


@pytest.fixture(scope="session")
def photo_workspace(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a collection (its `naturalist.toml` and workspace); read only, tables are made.

    It has eight sources in three categories and the default backbone.
    """
    return made_once(tmp_path_factory, "photo-collection", lambda path: _make(photos, path))


@pytest.fixture
def photo_copy(photo_workspace: Path, tmp_path: Path) -> Path:
    """The same collection, for a test to write to."""
    return shutil.copytree(photo_workspace, tmp_path / "photo-collection")


def _make(photos: Path, folder: Path) -> None:
    categories = [
        {"name": name, "label": label, "source": list(_take_sources(photos / name, folder))}
        for name, label in LABELS.items()
    ]
    tiny.config_file(
        folder,
        {},
        name="photos",
        workspace=".",
        category=categories,
        extract={"backbone": backbones.DEFAULT, "shard_size": 200, "workers": 1},
        tables={"rows_per_table": 150},
        verify={"sample_share": 0.0},
    )
    tiny.make_all(load_config(folder))


def _take_sources(category: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Copy some photos of each source of a category, evenly spaced in the order of paths."""
    for source in sorted(category.iterdir()):
        files = sorted(path for path in source.rglob("*") if path.is_file())
        # `sources` beside the workspace's own folders would not be apart from it.
        to = folder.with_name(f"{folder.name}-sources") / category.name / source.name
        for path in files[:: max(1, len(files) // PER_SOURCE)][:PER_SOURCE]:
            target = to / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        yield {"name": source.name, "path": str(to)}
