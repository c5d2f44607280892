"""Collections that several tests look at; whoever changes one takes a copy."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from tests.pipeline.collections_of_pictures import Collection, take, write_collection

import inline_work

SIZES = {
    "files_per_batch": 150,
    "files_per_task": 50,
    "shard_size": 100,
    "rows_per_table": 150,
    "workers": 2,
}
"""Several batches, tasks, shards and tables of every category, of drawn photos too."""


@dataclass(frozen=True)
class Done:
    """A collection on which `naturalist run` has ended well, and the report of that run."""

    collection: Collection
    report: dict[str, Any]
    sources: dict[str, dict[str, Path]]


@pytest.fixture(scope="session")
def all_photos(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All photos, copied (so that hard links do not touch the originals), run once by workers."""
    folder = tmp_path_factory.mktemp("all-photos")
    shutil.copytree(photos, folder / "sources")
    sources = {
        category: {path.name: path for path in sorted((folder / "sources" / category).iterdir())}
        for category in ("plant", "animal", "human")
    }
    collection = write_collection(folder / "collection", sources, sizes=SIZES)
    with mock.patch.object(inline_work, "USES_WORKERS", True):
        return Done(collection, collection.run().json, sources)


@pytest.fixture(scope="session")
def small(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A hundred different photos in two categories and three sources, run once."""
    folder = tmp_path_factory.mktemp("small")
    plants, animals = folder / "sources/plants", folder / "sources/animals"
    sources = {
        "plant": {
            "garden": take(photos, "plant", 35, plants / "garden"),
            "meadow": take(photos, "plant", 15, plants / "meadow", skip=35),
        },
        "animal": {"zoo": take(photos, "animal", 50, animals / "zoo")},
    }
    collection = write_collection(folder / "collection", sources)
    return Done(collection, collection.run().json, sources)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Done], Done]:
    """Copies a collection that has been run, with its sources, to be changed by one test."""

    def make(done: Done) -> Done:
        here = done.collection.folder.parent
        there = tmp_path / "copy"
        # A run's lock holds its process id; times are kept, files are known by them.
        shutil.copytree(here, there, symlinks=True)
        text = (there / "collection/naturalist.toml").read_text()
        (there / "collection/naturalist.toml").write_text(text.replace(str(here), str(there)))
        sources = {
            category: {name: there / path.relative_to(here) for name, path in one.items()}
            for category, one in done.sources.items()
        }
        return Done(Collection(there / "collection"), done.report, sources)

    return make


@pytest.fixture
def unprivileged() -> list[str]:
    """What to put before a command so that file permissions hold for it, as for most people."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may read everything, and there is no setpriv to give that up")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
