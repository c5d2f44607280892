"""Pointing `latest` back to an older snapshot, and holding it there until that is lifted."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from naturalist.errors import ConfigError, Conflict, NotFound, StoreError
from naturalist.snapshots import delta, maintenance
from naturalist.snapshots.pictures import with_pictures
from naturalist.snapshots.reading import Snapshot, ids, newest, read
from naturalist.snapshots.schema import (
    LATEST,
    MAX_DOCUMENT_BYTES,
    PointerDocument,
    check,
    decode,
)
from naturalist.stores import Store


@dataclass(frozen=True)
class RolledBack:
    """What a rollback did.

    Attributes:
        before: id of the snapshot that `latest` pointed to.
        after: id of the one that it points to now.
        changed: whether `latest` was written; False if it was held there already.
        held_since: since when publishing leaves `latest` there, ISO 8601 in UTC.
    """

    before: str
    after: str
    changed: bool
    held_since: str


@dataclass(frozen=True)
class Hold:
    """A rollback that publishing respects.

    Attributes:
        snapshot: id of the snapshot that was gone back to.
        since: when, ISO 8601 in UTC.
        why: the reason that was given.
    """

    snapshot: str
    since: str
    why: str


@dataclass(frozen=True)
class Gone:
    """What a publisher has taken out, whatever its published snapshots say.

    Attributes:
        takedowns: names of the files that list pictures that were taken down.
        retired: keys of categories that are retired.
        active: keys of those that are not, whether they were retired before or not.
    """

    takedowns: frozenset[str] = frozenset()
    retired: frozenset[str] = frozenset()
    active: frozenset[str] = frozenset()


def roll_back(store: Store, snapshot_id: str, why: str = "", gone: Gone = Gone()) -> RolledBack:
    """Point `latest` to another snapshot, note it in the store's log, and hold publishing.

    While it is held, publishing leaves `latest` alone; see `release`. The snapshot may be the one
    that `latest` points to already.

    Args:
        store: where it is published.
        snapshot_id: the snapshot to go back to.
        why: the reason, for the log.
        gone: what the workspace has taken out, published already or not.

    Raises:
        NotFound: there is no such snapshot.
        ConfigError: it shows pictures that were taken down, or a category that was retired.
        StoreError: objects that it names are gone.
        Conflict: somebody published, pruned or rolled back at the same time.
    """
    newest(store)  # where nothing is published, nothing is written either
    with maintenance.held(store, "rollback") as lease:
        held = hold_of(store)
        current, version = newest(store)
        expected = read(store, snapshot_id)
        if expected.id == current.id and held is not None:
            _complete(store, lease, expected, held)
            return RolledBack(current.id, expected.id, changed=False, held_since=held.since)
        _check_nothing_gone(expected, read(store, ids(store)[-1]), gone)
        _check_complete(store, expected)
        hold = _hold(why)
        _point_to(store, pointer_to(expected, hold), version)
        delta.follow(store, expected.id, expected.files)
        lease.record("rollback", before=current.id, after=expected.id, why=why)
    return RolledBack(current.id, expected.id, changed=True, held_since=hold["since"])


def _complete(store: Store, lease: maintenance.Held, snapshot: Snapshot, hold: Hold) -> None:
    """Do what a rollback that was killed after it had moved `latest` still had to do."""
    delta.follow(store, snapshot.id, snapshot.files)
    since = (entry for entry in lease.log if str(entry.get("at", "")) >= hold.since)
    if not any(entry.get("did") == "rollback" for entry in since):
        lease.record("rollback", before=None, after=snapshot.id, why=hold.why)


def _point_to(store: Store, pointer: bytes, version: str | None) -> None:
    """Replace `latest` if it is still what it was.

    Raises:
        Conflict: somebody else was faster.
    """
    try:
        store.put_bytes(LATEST, pointer, if_match=version)
    except Conflict as error:
        raise Conflict(
            f"someone published to {store.url} at the same time, and `latest` points to their "
            "snapshot: see `naturalist snapshots list`, and run the same command again if you "
            "still want to"
        ) from error


def _hold(why: str) -> dict[str, str]:
    return {"since": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "why": why}


def release(store: Store) -> Hold | None:
    """Lift the hold of a rollback, so that the next publish moves `latest` again.

    Returns:
        The hold that was lifted; None if there was none.

    Raises:
        NotFound: nothing is published there.
        Conflict: somebody published, pruned or rolled back at the same time.
    """
    newest(store)
    with maintenance.held(store, "release") as lease:
        hold = hold_of(store)
        if hold is not None:
            current, version = newest(store)
            _point_to(store, pointer_to(current), version)
            lease.record("release", before=current.id, after=current.id, why=hold.why)
    return hold


def hold_of(store: Store) -> Hold | None:
    """The rollback that holds `latest`; None if publishing may move it."""
    try:
        value = decode(LATEST, store.get_bytes(LATEST, MAX_DOCUMENT_BYTES)[0])
    except NotFound:
        return None
    pointer = check(PointerDocument, LATEST, value)
    if pointer.hold is None:
        return None
    return Hold(pointer.snapshot, pointer.hold.since, pointer.hold.why)


def _check_nothing_gone(snapshot: Snapshot, newest_one: Snapshot, gone: Gone) -> None:
    later = (takedowns(newest_one) | gone.takedowns) - takedowns(snapshot)
    # Only a category that is retired leaves; no snapshot names one that is.
    left = _with_rows(snapshot).keys() - {key for key, _ in _keyed(newest_one)}
    shown = [
        name
        for key, name in _with_rows(snapshot).items()
        if key in (left - gone.active) | gone.retired
    ]
    what = [f"category {name!r}, which was retired" for name in sorted(shown)]
    what += ["pictures that were taken down after it was published"] if later else []
    if what:
        raise ConfigError(
            f"snapshot {snapshot.id} shows {' and '.join(what)}: going back to it would publish "
            "them again. `latest` is unchanged; choose a later snapshot, or publish again"
        )


def _keyed(snapshot: Snapshot) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in snapshot.about.get("categories", ()):
        yield one.get("key", one["name"]), one


def _with_rows(snapshot: Snapshot) -> dict[str, str]:
    """The name of each category with rows, by its key."""
    return {key: one["name"] for key, one in _keyed(snapshot) if one.get("table_rows")}


def takedowns(snapshot: Snapshot) -> frozenset[str]:
    """Names of the files of takedowns that a snapshot has; each has one of its own."""
    split = (file.name.rpartition("/") for file in snapshot.files)
    return frozenset(
        name
        for folder, _, name in split
        if folder.endswith("/amendments") and name.startswith("takedown-")
    )


def pointer_to(snapshot: Snapshot, hold: Mapping[str, str] | None = None) -> bytes:
    """The bytes of `latest` that point to a snapshot, with the hold of a rollback, if any."""
    value: dict[str, Any] = {
        "snapshot": snapshot.id,
        "key": snapshot.key,
        "sha256": snapshot.sha256,
    }
    if hold is not None:
        value["hold"] = dict(hold)
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _check_complete(store: Store, snapshot: Snapshot) -> None:
    there = {info.key: info.size_bytes for info in store.list()}
    for file in with_pictures(store, snapshot.files):
        if there.get(file.key) != file.size_bytes:
            raise StoreError(
                f"snapshot {snapshot.id} is not complete: {file.key} is missing or has another "
                "size; `latest` is unchanged"
            )
