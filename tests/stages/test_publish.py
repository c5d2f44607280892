import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from naturalist import artifacts
from naturalist.errors import Conflict, StoreError
from naturalist.schemas import PRIVATE_LEDGER_COLUMNS
from naturalist.stages import publish
from naturalist.stages.publish import LATEST, Item, Published
from naturalist.stores import ObjectInfo, OnDone, Store, Upload
from naturalist.stores.local import LocalStore
from tiny import collection, in_memory, make_all, make_sources, write_picture

NOW = dt.datetime(2026, 3, 1, 7, 0, 0, tzinfo=dt.UTC)


class Broken(StoreError):
    """The store that a test broke."""


class FailingStore:
    """A real store that lets some calls through and fails at the next, before or after doing it."""

    def __init__(self, store: Store, calls: int, *, too_late: bool = False) -> None:
        self.url = store.url
        self._store = store
        self._left = calls
        self._too_late = too_late

    def _do(self, call: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left < 0 and not self._too_late:
            raise Broken("the store is gone")
        try:
            return call()
        finally:
            if self._left < 0:
                raise Broken("the answer got lost")

    def put_file(self, key: str, path: Path, sha256: str) -> ObjectInfo:
        info: ObjectInfo = self._do(lambda: self._store.put_file(key, path, sha256))
        return info

    def put_files(self, uploads: Iterable[Upload], on_done: OnDone | None = None) -> None:
        for upload in uploads:
            self._do(lambda one=upload: self._store.put_files([one], on_done))

    def put_bytes(
        self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None
    ) -> ObjectInfo:
        info: ObjectInfo = self._do(
            lambda: self._store.put_bytes(key, data, if_absent=if_absent, if_match=if_match)
        )
        return info

    def get_bytes(self, key: str, max_bytes: int | None = None) -> tuple[bytes, ObjectInfo]:
        found: tuple[bytes, ObjectInfo] = self._do(lambda: self._store.get_bytes(key, max_bytes))
        return found

    def fetch(
        self, key: str, path: Path, sha256: str | None = None, size_bytes: int | None = None
    ) -> None:
        self._do(lambda: self._store.fetch(key, path, sha256, size_bytes))

    def head(self, key: str) -> ObjectInfo | None:
        info: ObjectInfo | None = self._do(lambda: self._store.head(key))
        return info

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        found: Iterator[ObjectInfo] = self._do(lambda: iter([*self._store.list(prefix)]))
        return found

    def delete(self, keys: Iterable[str]) -> None:
        self._do(lambda: self._store.delete(keys))


@pytest.fixture
def folder() -> Iterator[Path]:
    with in_memory() as root:
        yield root


def items_of(folder: Path, files: dict[str, str]) -> list[Item]:
    """Files to publish, by name and content."""
    made = []
    for name, text in files.items():
        path = folder / "out" / name
        artifacts.write_bytes(path, text.encode())
        made.append(Item(name, path, artifacts.sha256_file(path), path.stat().st_size))
    return made


DAY_1 = {"tables/plant/image_df_1.csv": "full", "tables/plant/image_df_2.csv": "tail", "d.md": "d"}
DAY_2 = DAY_1 | {"tables/plant/image_df_2.csv": "tail, longer", "tables/plant/image_df_3.csv": "x"}


def send(store: Store, items: list[Item]) -> Published:
    return publish.publish(store, items, {"collection": "tiny"}, NOW, lambda _: None)


def read(store: Store, pointer: dict[str, Any] | None = None) -> dict[str, str]:
    """What a reader of `latest` (or of a snapshot that was kept) sees, every byte checked."""
    if pointer is None:
        if store.head(LATEST) is None:
            return {}
        pointer = json.loads(store.get_bytes(LATEST)[0])
    files = {}
    for entry in publish.read_snapshot(store, pointer)["files"]:
        data, info = store.get_bytes(entry["key"])
        assert len(data) == entry["size_bytes"] == info.size_bytes
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        files[entry["name"]] = data.decode()
    return files


def pointer_of(store: Store) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(store.get_bytes(LATEST)[0])
    return value


def test_a_reader_sees_exactly_what_was_published(folder: Path) -> None:
    store = LocalStore(folder / "store")
    sent = send(store, items_of(folder, DAY_1))
    assert read(store) == DAY_1
    assert (sent.snapshot, sent.files, sent.sent_files, sent.changed) == ("000001", 3, 3, True)
    assert sent.size_bytes == sent.sent_bytes == sum(len(text) for text in DAY_1.values())


def test_publishing_the_same_again_sends_nothing_and_makes_no_snapshot(folder: Path) -> None:
    store = LocalStore(folder / "store")
    send(store, items_of(folder, DAY_1))
    before = {info.key: info.version for info in store.list()}
    again = send(store, items_of(folder, DAY_1))
    assert (again.snapshot, again.sent_files, again.sent_bytes) == ("000001", 0, 0)
    assert not again.changed
    assert {info.key: info.version for info in store.list()} == before


def test_a_table_that_grew_has_a_new_key_and_old_snapshots_still_read(folder: Path) -> None:
    store = LocalStore(folder / "store")
    send(store, items_of(folder, DAY_1))
    old = pointer_of(store)
    sent = send(store, items_of(folder, DAY_2))
    assert (sent.snapshot, sent.sent_files) == ("000002", 2)
    assert read(store) == DAY_2
    assert read(store, old) == DAY_1


def test_a_snapshot_names_the_one_before_it(folder: Path) -> None:
    store = LocalStore(folder / "store")
    for files in (DAY_1, DAY_2, DAY_1):
        send(store, items_of(folder, files))
    snapshots = [json.loads(store.get_bytes(i.key)[0]) for i in store.list("snapshots/")]
    assert [(s["snapshot"], s["parent"]) for s in snapshots] == [
        ("000001", None),
        ("000002", "000001"),
        ("000003", "000002"),
    ]
    assert {s["created_at"] for s in snapshots} == {"2026-03-01T07:00:00+00:00"}
    assert read(store) == DAY_1


def test_equal_bytes_under_two_names_are_two_objects(folder: Path) -> None:
    store = LocalStore(folder / "store")
    files = {"a/x.csv": "same", "b/x.csv": "same"}
    send(store, items_of(folder, files))
    assert read(store) == files


def test_every_file_that_is_safe_is_told(folder: Path) -> None:
    heard: list[int] = []
    store = LocalStore(folder / "store")
    for _ in range(2):
        publish.publish(store, items_of(folder, DAY_1), {}, NOW, heard.append)
    assert heard == [1] * 6


def count_calls(folder: Path, first: dict[str, str] | None, second: dict[str, str]) -> int:
    """How many calls of the store publishing `second` takes, after `first`."""
    store = LocalStore(folder / "counted")
    if first:
        send(store, items_of(folder, first))
    counting = FailingStore(store, 10**9)
    send(counting, items_of(folder, second))
    return 10**9 - counting._left


@pytest.mark.parametrize("too_late", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("first", [{}, DAY_1], ids=["first", "next"])
def test_a_store_that_fails_anywhere_shows_readers_the_old_or_the_new_and_is_mended(
    folder: Path, first: dict[str, str], too_late: bool
) -> None:
    calls = count_calls(folder, first, DAY_2)
    assert calls > len(DAY_2)
    for failing_at in range(calls):
        store = LocalStore(folder / f"store-{failing_at}")
        if first:
            send(store, items_of(folder, first))
        with pytest.raises(Broken):
            send(FailingStore(store, failing_at, too_late=too_late), items_of(folder, DAY_2))
        # The last call, after `latest` has moved, looks for a Delta log.
        assert read(store) == (DAY_2 if failing_at + too_late >= calls - 1 else first)
        send(store, items_of(folder, DAY_2))
        assert read(store) == DAY_2
        keys = [info.key for info in store.list() if info.key.startswith(("tables", "d."))]
        assert len(keys) == len(set(keys)) == len({**first, **DAY_2}) + bool(first)


class Rival(FailingStore):
    """A store where somebody else publishes in the middle, just before the n-th call."""

    def __init__(self, store: Store, calls: int, rival: Callable[[], Published]) -> None:
        super().__init__(store, calls)
        self._rival: Callable[[], Published] | None = rival

    def _do(self, call: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left < 0 and self._rival is not None:
            rival, self._rival = self._rival, None
            rival()
        return call()


@pytest.mark.parametrize("first", [{}, {"old": "old"}], ids=["first", "next"])
def test_of_two_publishers_at_the_same_time_one_wins_and_the_other_is_told(
    folder: Path, first: dict[str, str]
) -> None:
    mine, theirs = items_of(folder, DAY_1), items_of(folder / "theirs", DAY_2)
    calls = count_calls(folder, first, DAY_1)
    told = 0
    for at in range(calls - 1):  # at the last one, `latest` has moved
        store = LocalStore(folder / f"store-{at}")
        if first:
            send(store, items_of(folder, first))
        try:
            send(Rival(store, at, lambda store=store: send(store, theirs)), mine)
        except Conflict:
            told += 1
            assert read(store) == DAY_2
            newest = max(info.key for info in store.list("snapshots/"))
            assert pointer_of(store)["key"] == newest
        else:
            assert read(store) == DAY_1
            assert pointer_of(store)["snapshot"] == f"{2 + bool(first):06d}"
        snapshots = [json.loads(store.get_bytes(i.key)[0]) for i in store.list("snapshots/")]
        assert all(read(store, pointer_to(store, s["snapshot"])) for s in snapshots)
        send(store, mine)
        assert read(store) == DAY_1
    assert told >= 2


def pointer_to(store: Store, snapshot: str) -> dict[str, Any]:
    key = f"snapshots/{snapshot}.json"
    digest = hashlib.sha256(store.get_bytes(key)[0]).hexdigest()
    return {"snapshot": snapshot, "key": key, "sha256": digest}


def test_a_snapshot_that_was_changed_afterwards_is_not_believed(folder: Path) -> None:
    store = LocalStore(folder / "store")
    send(store, items_of(folder, DAY_1))
    store.put_bytes("snapshots/000001.json", b'{"files": []}')
    with pytest.raises(StoreError, match=r"snapshots/000001\.json .*changed after publishing"):
        read(store)
    with pytest.raises(StoreError, match="changed after publishing"):
        send(store, items_of(folder, DAY_2))


def test_a_file_that_changed_since_it_was_listed_is_not_published(folder: Path) -> None:
    store = LocalStore(folder / "store")
    items = items_of(folder, DAY_1)
    items[1].path.write_bytes(b"other")
    with pytest.raises(StoreError):
        send(store, items)
    assert read(store) == {}


def test_objects_that_got_lost_in_the_store_are_sent_again(folder: Path) -> None:
    store = LocalStore(folder / "store")
    items = items_of(folder, DAY_1)
    send(store, items)
    store.delete([items[0].key])
    assert send(store, items).sent_files == 1
    assert read(store) == DAY_1


# the items of a whole collection


def test_a_collection_is_published_with_all_that_explains_it(folder: Path) -> None:
    sources = make_sources(folder, {"animal": range(3), "plant": range(10, 17)})
    config = collection(folder, sources, publish={"url": "published"})
    make_all(config)
    store = LocalStore(folder / "published")
    names = set(read_names(store))
    assert {
        "data_dictionary.md",
        "reports/verification.json",
        "reports/verification.md",
        "ledger/plant/000001.parquet",
        "tables/animal/image_df_1.csv",
        "tables/plant/image_df_2.parquet",
    } <= names
    snapshot = publish.read_snapshot(store, pointer_of(store))
    assert [(c["name"], c["table_rows"]) for c in snapshot["categories"]] == [
        ("plant", 7),
        ("animal", 3),
    ]
    assert snapshot["backbone"]["name"] == "colour_histogram"


def read_names(store: Store) -> dict[str, str]:
    snapshot = publish.read_snapshot(store, pointer_of(store))
    return {entry["name"]: entry["key"] for entry in snapshot["files"]}


def test_what_is_known_of_this_machine_is_not_published(folder: Path) -> None:
    sources = make_sources(folder, {"animal": [1, 1], "plant": [2, 3]})
    write_picture(sources["animal"]["photos"] / "again.png", 1)
    config = collection(folder, sources, publish={"url": "published"})
    make_all(config)
    store = LocalStore(folder / "published")
    for name, key in read_names(store).items():
        data = store.get_bytes(key)[0]
        assert str(folder).encode() not in data, name
        if name.startswith("ledger"):
            store.fetch(key, folder / "fetched.parquet")
            columns = pq.read_schema(folder / "fetched.parquet").names
            assert not set(columns) & set(PRIVATE_LEDGER_COLUMNS)
            assert {"source", "path", "sha256", "pic_id"} <= set(columns)


def test_publishing_a_second_day_sends_only_what_is_new(folder: Path) -> None:
    sources = make_sources(folder, {"animal": range(3), "plant": range(10, 17)})
    config = collection(folder, sources, publish={"url": "published"})
    make_all(config)
    store = LocalStore(folder / "published")
    before = read_names(store)
    write_picture(sources["plant"]["photos"] / "new.png", 99)
    make_all(config)
    after = read_names(store)
    assert {name for name in before if after[name] != before[name]} == {
        "README.md",
        "croissant.json",
        "tables/plant/image_df_2.csv",
        "tables/plant/image_df_2.parquet",
        "reports/verification.json",
        "reports/verification.md",
    }
    new = after.keys() - before.keys()
    assert "ledger/plant/000002.parquet" in new
    assert all("plant/000002" in name for name in new)
