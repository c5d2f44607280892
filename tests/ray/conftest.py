"""Collections of real photos, and what a run without a cluster makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from tests.pipeline.collections_of_pictures import Collection, take, write_collection

import inline_work

SIZES = {
    "files_per_batch": 400,
    "files_per_task": 20,
    "shard_size": 8,
    "rows_per_table": 100,
    "workers": 2,
}
"""Fifty shards, so that there is something left to do when a node goes."""

Sources = Mapping[str, Mapping[str, Path]]


@dataclass(frozen=True)
class Wanted:
    """Photos, and the tables and ledger that worker processes of this machine make of them."""

    sources: Sources
    tables: dict[str, str]
    outcomes: list[tuple[object, ...]]

    def collection(self, folder: Path, more: str = "") -> Collection:
        """A new collection of the same photos."""
        return write_photos(folder, self.sources, more)

    def check(self, collection: Collection) -> None:
        """Nothing says who did the work."""
        assert collection.tables() == self.tables
        assert collection.outcomes() == self.outcomes
        assert collection.leftovers() == []


def write_photos(folder: Path, sources: Sources, more: str = "") -> Collection:
    return write_collection(
        folder, sources, sizes=SIZES, more=more, backbone="efficientnet_lite0_int8"
    )


@pytest.fixture(autouse=True)
def use_workers(with_workers: None) -> None:
    """Commands start workers, as they do for people."""


@pytest.fixture(scope="session")
def wanted(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Wanted:
    """Four hundred photos, and the result of an ordinary run."""
    folder = tmp_path_factory.mktemp("wanted")
    sources = {
        "plant": {"garden": take(photos, "plant", 200, folder / "garden")},
        "animal": {"zoo": take(photos, "animal", 200, folder / "zoo")},
    }
    collection = write_photos(folder / "collection", sources)
    with mock.patch.object(inline_work, "USES_WORKERS", True):
        collection.run()
    return Wanted(sources, collection.tables(), collection.outcomes())
