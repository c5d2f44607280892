"""Removing old snapshots: what stays, what goes, and what a publisher at the same time sees."""

import datetime as dt
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tiny
from naturalist import artifacts, consume, snapshots
from naturalist.errors import Conflict, StoreError
from naturalist.snapshots import PruneOptions, delta, maintenance
from naturalist.stages import publish
from naturalist.stores import Store, open_store
from published import SEEDS, PublishedCollection

NOW = PruneOptions(keep=1, grace_s=-60)
"""A store's clock may be a little ahead: what was just written is old enough."""


def keys(store: Store) -> set[str]:
    return {info.key for info in store.list()}


def named(store: Store, *wanted: str) -> set[str]:
    return {file.key for one in wanted for file in snapshots.read(store, one).files}


def test_what_only_old_snapshots_name_goes_and_the_rest_stays(
    grown: PublishedCollection,
) -> None:
    before, last = keys(grown.store), named(grown.store, "000003")
    planned = snapshots.plan(grown.store, NOW)
    done = snapshots.prune(grown.store, NOW)
    assert done == planned
    assert (done.kept, done.snapshots) == (("000003",), ("000001", "000002"))
    assert {info.key for info in done.objects} == {
        key for key in before - last if not key.startswith(("snapshots/", "latest", delta.LOG))
    }
    assert {key for key in keys(grown.store) if not key.startswith(delta.LOG)} == last | {
        "latest.json",
        "maintenance.json",
        "snapshots/000003.json",
    }
    assert done.size_bytes == sum(info.size_bytes for info in done.objects) > 0
    assert consume.check_published(grown.store).passed


def test_a_plan_changes_nothing(grown: PublishedCollection) -> None:
    before = {info.key: info for info in grown.store.list()}
    snapshots.plan(grown.store, NOW)
    assert {info.key: info for info in grown.store.list()} == before


def test_kept_snapshots_stay_whole(grown: PublishedCollection, tmp_path: Path) -> None:
    snapshots.prune(grown.store, replace(NOW, keep=2))
    assert snapshots.ids(grown.store) == ["000002", "000003"]
    for one in ("000002", "000003"):
        assert consume.check_published(grown.store, one).passed


def test_what_latest_points_to_stays_however_old(grown: PublishedCollection) -> None:
    snapshots.roll_back(grown.store, "000001")
    done = snapshots.prune(grown.store, NOW)
    assert (done.kept, done.snapshots) == (("000001", "000003"), ("000002",))
    assert consume.check_published(grown.store).passed
    snapshots.release(grown.store)
    grown.publish()
    assert snapshots.ids(grown.store) == ["000001", "000003", "000004"]


def test_young_snapshots_and_objects_are_in_their_grace(grown: PublishedCollection) -> None:
    before = keys(grown.store)
    done = snapshots.prune(grown.store, PruneOptions(keep=1))
    assert (done.snapshots, done.objects) == ((), ())
    assert keys(grown.store) == before | {"maintenance.json"}
    lost = grown.folder / "lost"
    lost.write_bytes(b"of a publisher that was killed")
    grown.store.put_file(
        "tables/plant/image_df_9.0123456789abcdef.csv", lost, artifacts.sha256_file(lost)
    )
    assert snapshots.plan(grown.store, PruneOptions()).in_grace == 1
    assert snapshots.plan(grown.store, NOW).in_grace == 0


def test_the_age_of_an_object_is_that_of_its_bytes(local: PublishedCollection) -> None:
    local.add("plant", range(20, 25))
    store = local.store
    old = next(iter(named(store, "000001") - named(store, "000002")))
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(Path(local.url) / old, (week_ago, week_ago))
    os.utime(Path(local.url) / "snapshots/000001.json", (week_ago, week_ago))
    done = snapshots.prune(store, PruneOptions(keep=1))
    assert [info.key for info in done.objects] == [old]
    assert done.in_grace > 0


def test_what_naturalist_did_not_make_is_left_alone(local: PublishedCollection) -> None:
    local.add("plant", range(20, 25))
    mine = {"index.html", "notes/readme.md", "tables/plant/hand-made.csv", "CNAME"}
    for key in mine:
        local.store.put_bytes(key, b"mine")
    assert snapshots.prune(local.store, NOW).foreign == len(mine)
    assert mine <= keys(local.store)


def test_a_kept_snapshot_that_cannot_be_read_stops_the_prune(grown: PublishedCollection) -> None:
    grown.store.put_bytes("snapshots/000002.json", b"{")
    before = keys(grown.store)
    with pytest.raises(StoreError, match="is not valid"):
        snapshots.prune(grown.store, replace(NOW, keep=2))
    assert keys(grown.store) == before | {"maintenance.json"}


def test_a_prune_is_noted_in_the_store(local: PublishedCollection) -> None:
    local.add("plant", range(20, 25))
    done = snapshots.prune(local.store, NOW)
    state = maintenance.read(local.store)
    assert state.lease is None
    assert state.prunes == 1
    entry = state.log[-1]
    assert (entry["did"], entry["snapshots"], entry["objects"]) == (
        "prune",
        ["000001"],
        len(done.objects),
    )


def test_what_was_pruned_is_sent_again_when_it_comes_back(local: PublishedCollection) -> None:
    extra = local.folder / "sources/plant/0020.png"
    local.add("plant", [20])
    snapshots.roll_back(local.store, "000001")
    snapshots.prune(local.store, NOW)
    snapshots.release(local.store)
    local.publish()
    assert extra.exists()
    assert consume.check_published(local.store).passed


class Recorded:
    """A store that notes what is deleted, in order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.deleted: list[str] = []

    def delete(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        self.deleted += keys
        self._store.delete(keys)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_an_index_goes_before_the_pictures_that_it_says_are_there(tmp_path: Path) -> None:
    published = PublishedCollection(tmp_path, str(tmp_path / "published"), pictures="objects")
    tiny.make_sources(tmp_path / "sources", SEEDS)
    published.publish()
    published.take_down("plant_id_3")
    indexes = {key for key in keys(published.store) if key.startswith("picture_index/")}
    assert len(indexes) > 1
    store = Recorded(published.store)
    snapshots.prune(store, NOW)
    order = {key: k for k, key in enumerate(store.deleted)}
    gone = [order[key] for key in indexes & order.keys()]
    pictures = [k for key, k in order.items() if key.startswith("pictures/")]
    assert gone
    assert pictures
    assert max(gone) < min(pictures)


# a prune and a publisher at the same time


class Killed(BaseException):
    """The process ends here; nothing after it reaches the store."""


class Meddled:
    """A store in which something else happens once, just before the n-th call.

    If that raises, so does every later call: the process that uses the store was killed.
    """

    def __init__(self, store: Store, calls: int, meddle: Callable[[], Any]) -> None:
        self.url = store.url
        self._store = store
        self._left = calls
        self._meddle: Callable[[], Any] | None = meddle

    @property
    def meddled(self) -> bool:
        return self._meddle is None

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0 and self._meddle is not None:
            self._meddle()
            self._meddle = None

    def list(self, prefix: str = "") -> Iterator[Any]:
        self._step()
        return iter([*self._store.list(prefix)])

    def put_files(self, uploads: Iterable[Any], on_done: Any = None) -> None:
        for upload in uploads:
            self._step()
            self._store.put_files([upload], on_done)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        def stepped(*arguments: Any, **options: Any) -> Any:
            self._step()
            return call(*arguments, **options)

        return stepped


def items(folder: Path, names: str) -> list[publish.Item]:
    """A file to publish for each letter."""
    made = []
    for name in names:
        path = folder / "out" / name
        artifacts.write_bytes(path, name.encode())
        digest = artifacts.sha256_file(path)
        made.append(publish.Item(f"tables/{name}.csv", path, digest, 1))
    return made


def send(store: Any, files: list[publish.Item]) -> publish.Published:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return publish.publish(store, files, {"collection": "tiny"}, now, lambda _: None)


def with_garbage(folder: Path) -> Store:
    """A store whose `b` only an old snapshot names; the next publish will want it again."""
    store = open_store(str(folder / "store"))
    send(store, items(folder, "ab"))
    send(store, items(folder, "a"))
    return store


def assert_latest_is_whole(store: Store) -> None:
    assert consume.check_published(store).passed


def steps(folder: Path) -> Iterator[tuple[int, Store]]:
    """A fresh store for each number, until the caller has seen enough."""
    for n in itertools.count():
        yield n, with_garbage(folder / str(n))


def test_a_prune_at_any_moment_of_a_publish_takes_nothing_that_readers_need(
    tmp_path: Path,
) -> None:
    conflicts = 0
    for n, store in steps(tmp_path):
        meddled = Meddled(store, n, lambda store=store: snapshots.prune(store, NOW))
        try:
            send(meddled, items(tmp_path, "abc"))
        except Conflict:
            conflicts += 1
            assert [f.name for f in snapshots.read(store).files] == ["tables/a.csv"]
        assert_latest_is_whole(store)
        if not meddled.meddled:
            break
        send(store, items(tmp_path, "abc"))
        assert_latest_is_whole(store)
    assert conflicts >= 3


def test_a_publish_at_any_moment_of_a_prune_ends_whole_or_is_told_to_run_again(
    tmp_path: Path,
) -> None:
    won = told = 0
    for n, store in steps(tmp_path):

        def publisher(store: Store = store) -> None:
            nonlocal won, told
            try:
                send(store, items(tmp_path, "abc"))
                won += 1
            except Conflict:
                told += 1

        meddled = Meddled(store, n, publisher)
        snapshots.prune(meddled, NOW)
        assert_latest_is_whole(store)
        if not meddled.meddled:
            break
        send(store, items(tmp_path, "abc"))
        assert_latest_is_whole(store)
    assert won >= 1
    assert told >= 3


def test_a_prune_that_was_killed_anywhere_leaves_readers_alone_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill() -> None:
        raise Killed

    for n, store in steps(tmp_path):
        monkeypatch.setattr(maintenance, "time", time)
        meddled = Meddled(store, n, kill)
        try:
            snapshots.prune(meddled, NOW)
        except Killed:
            assert_latest_is_whole(store)
        else:
            break
        later = SimpleNamespace(time=lambda: time.time() + maintenance.LEASE_S)
        monkeypatch.setattr(maintenance, "time", later)
        snapshots.prune(store, NOW)
        assert snapshots.ids(store) == ["000002"]
        assert len(keys(store)) == 4
        send(store, items(tmp_path, "abc"))
        assert_latest_is_whole(store)
    assert n > 6


def test_a_publisher_waits_for_the_lease_of_a_killed_prune_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = with_garbage(tmp_path)
    lease = maintenance.held(store, "prune", prunes=True)
    lease.__enter__()
    with pytest.raises(Conflict, match="a prune is running"):
        send(store, items(tmp_path, "abc"))
    later = SimpleNamespace(time=lambda: time.time() + maintenance.LEASE_S)
    monkeypatch.setattr(maintenance, "time", later)
    assert send(store, items(tmp_path, "abc")).changed


def test_a_prune_that_slept_through_its_lease_removes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = with_garbage(tmp_path)
    with maintenance.held(store, "prune", prunes=True) as lease:
        lease.renew()
        later = SimpleNamespace(time=lambda: time.time() + maintenance.LEASE_S)
        monkeypatch.setattr(maintenance, "time", later)
        with pytest.raises(Conflict, match="took too long"):
            lease.renew()


def test_of_two_prunes_one_is_told_to_wait(tmp_path: Path) -> None:
    store = with_garbage(tmp_path)
    with maintenance.held(store, "prune"), pytest.raises(Conflict, match="a prune is running"):
        snapshots.prune(store, NOW)
