"""Verifying what is published, and what was pulled."""

import os
from pathlib import Path
from typing import Any

import pytest

from naturalist import consume, snapshots
from naturalist.errors import ConfigError, NotFound, StoreError
from naturalist.snapshots import File
from naturalist.stores import Store, open_store
from published import PublishedCollection


def victim(collection: PublishedCollection) -> File:
    """One published file."""
    files = snapshots.read(collection.store).files
    return next(file for file in files if file.name == "tables/plant/image_df_1.parquet")


def test_a_published_collection_is_what_its_snapshot_says(
    collection: PublishedCollection,
) -> None:
    files = snapshots.read(collection.store).files
    for quick in (False, True):
        checked = consume.check_published(collection.store, quick=quick)
        assert checked.passed
        assert checked.files == len(files)
        assert checked.size_bytes == sum(file.size_bytes for file in files)


def test_progress_hears_of_every_file(local: PublishedCollection) -> None:
    begun: list[int] = []
    heard: list[int] = []
    checked = consume.check_published(local.store, on_begin=begun.append, on_file=heard.append)
    assert begun == [checked.files] == [sum(heard)]


def test_an_object_that_is_gone_is_named(collection: PublishedCollection) -> None:
    file = victim(collection)
    collection.store.delete([file.key])
    for quick in (False, True):
        found = consume.check_published(collection.store, quick=quick).findings
        assert [(f.name, f.key, f.fault) for f in found] == [(file.name, file.key, "missing")]


def test_an_object_with_other_bytes_is_named(collection: PublishedCollection) -> None:
    file = victim(collection)
    collection.store.put_bytes(file.key, b"x" * file.size_bytes)
    found = consume.check_published(collection.store).findings
    assert [(f.key, f.fault) for f in found] == [(file.key, "sha256")]


def test_an_object_of_another_size_is_named(collection: PublishedCollection) -> None:
    file = victim(collection)
    collection.store.put_bytes(file.key, b"short")
    found = consume.check_published(collection.store, quick=True).findings
    assert [(f.key, f.fault) for f in found] == [(file.key, "size")]
    assert f"5 bytes, not {file.size_bytes}" in found[0].detail


def test_damage_that_leaves_the_recorded_checksum_is_found_by_reading_back_only(
    local: PublishedCollection,
) -> None:
    file = victim(local)
    path = Path(local.url) / file.key
    stamp = path.stat()
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    with path.open("r+b") as handle:
        handle.write(data)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert not consume.check_published(local.store).passed
    if os.listxattr(path):
        assert consume.check_published(local.store, quick=True).passed


def test_an_older_snapshot_can_be_verified(local: PublishedCollection) -> None:
    local.add("plant", range(20, 25))
    assert consume.check_published(local.store, "000001").snapshot == "000001"
    with pytest.raises(NotFound):
        consume.check_published(local.store, "000003")


def test_a_snapshot_that_was_changed_is_not_believed(local: PublishedCollection) -> None:
    path = Path(local.url) / "snapshots/000001.json"
    path.write_text(path.read_text().replace("tiny", "tony"))
    with pytest.raises(StoreError, match="changed after publishing"):
        consume.check_published(local.store)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"format": 7, "made_by": "naturalist 9"}', "naturalist 9"),
        ('{"format": 1}', "Field required"),
    ],
)
def test_a_snapshot_that_cannot_be_read_says_why(text: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        snapshots.parse("snapshots/000001.json", text.encode())


def test_a_pulled_folder_is_verified_by_reading_everything(
    local: PublishedCollection, here: Path
) -> None:
    local.pull(here)
    assert consume.check_pulled(here).passed
    table = here / "tables/plant/image_df_1.parquet"
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    (here / "data_dictionary.md").unlink()
    found = {f.name: f.fault for f in consume.check_pulled(here).findings}
    assert found == {"tables/plant/image_df_1.parquet": "sha256", "data_dictionary.md": "missing"}


def test_a_folder_that_nothing_was_pulled_into_cannot_be_verified(here: Path) -> None:
    with pytest.raises(ConfigError, match="naturalist pull"):
        consume.check_pulled(here)


class Failing:
    """A store whose objects, or which as a whole, cannot be read from some moment on."""

    def __init__(self, store: Store, *, wholly: bool) -> None:
        self._store = store
        self._wholly = wholly
        self._reading = False

    def read_back(self, key: str) -> None:
        self._reading = True
        raise StoreError(f"{key} is on a bad sector")

    def __getattr__(self, name: str) -> Any:
        if self._reading and self._wholly:
            raise StoreError("the server does not answer")
        return getattr(self._store, name)


def test_objects_that_cannot_be_read_are_findings(local: PublishedCollection) -> None:
    checked = consume.check_published(Failing(local.store, wholly=False))
    assert len(checked.findings) == checked.files
    assert {finding.fault for finding in checked.findings} == {"unreadable"}


def test_a_store_that_goes_away_is_an_error_and_not_a_finding(local: PublishedCollection) -> None:
    with pytest.raises(StoreError, match="does not answer"):
        consume.check_published(Failing(local.store, wholly=True))


def test_an_address_without_a_collection_is_an_error(here: Path) -> None:
    with pytest.raises(NotFound, match="no collection is published"):
        consume.check_published(open_store(str(here)))
