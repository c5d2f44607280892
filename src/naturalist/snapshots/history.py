"""Listing snapshots, comparing two of them, and pointing `latest` back to an older one."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from naturalist.errors import StoreError
from naturalist.snapshots import maintenance
from naturalist.snapshots.pictures import with_pictures
from naturalist.snapshots.reading import File, Snapshot, ids, newest, read
from naturalist.snapshots.schema import LATEST
from naturalist.stores import Store

_READ_AT_ONCE = 8
_OF_ONE_SNAPSHOT = ("snapshot", "parent", "created_at", "made_by", "format")


@dataclass(frozen=True)
class Summary:
    """One snapshot in a list."""

    id: str
    is_latest: bool
    created_at: str = ""
    made_by: str = ""
    files: int = 0
    size_bytes: int = 0
    table_rows: int = 0
    fault: str | None = None
    """Why it cannot be read; None if it can."""


@dataclass(frozen=True)
class Diff:
    """What differs between two snapshots."""

    before: str
    after: str
    added: tuple[File, ...]
    removed: tuple[File, ...]
    changed: tuple[tuple[File, File], ...]
    """Files of the same name with other bytes: as they were, as they are."""
    about: Mapping[str, tuple[Any, Any]]
    """What else the snapshots say differently, such as the categories with their rows."""

    @property
    def fetched_bytes(self) -> int:
        """Bytes that somebody who has the first needs for the second."""
        new = [*self.added, *(after for _, after in self.changed)]
        return sum(file.size_bytes for file in new)


@dataclass(frozen=True)
class RolledBack:
    """What a rollback did."""

    before: str
    after: str
    changed: bool


def summaries(store: Store) -> list[Summary]:
    """All snapshots, oldest first.

    Raises:
        NotFound: nothing is published there.
    """
    latest = newest(store)[0].id
    with ThreadPoolExecutor(_READ_AT_ONCE, "naturalist-snapshots") as threads:
        return list(threads.map(partial(_summary, store, latest), ids(store)))


def _summary(store: Store, latest: str, snapshot_id: str) -> Summary:
    try:
        found = read(store, snapshot_id)
    except StoreError as error:
        return Summary(snapshot_id, snapshot_id == latest, fault=str(error))
    return Summary(
        id=snapshot_id,
        is_latest=snapshot_id == latest,
        created_at=str(found.about.get("created_at", "")),
        made_by=str(found.about.get("made_by", "")),
        files=len(found.files),
        size_bytes=found.size_bytes,
        table_rows=sum(one.get("table_rows", 0) for one in found.about.get("categories", ())),
    )


def diff(before: Snapshot, after: Snapshot) -> Diff:
    """Compare two snapshots by name and SHA-256 of their files."""
    old = {file.name: file for file in before.files}
    new = {file.name: file for file in after.files}
    both = sorted(old.keys() & new.keys())
    said = sorted((before.about.keys() | after.about.keys()) - set(_OF_ONE_SNAPSHOT))
    pairs = {key: (before.about.get(key), after.about.get(key)) for key in said}
    return Diff(
        before=before.id,
        after=after.id,
        added=tuple(new[name] for name in sorted(new.keys() - old.keys())),
        removed=tuple(old[name] for name in sorted(old.keys() - new.keys())),
        changed=tuple((old[n], new[n]) for n in both if old[n].sha256 != new[n].sha256),
        about={key: pair for key, pair in pairs.items() if pair[0] != pair[1]},
    )


def roll_back(store: Store, snapshot_id: str, why: str = "") -> RolledBack:
    """Point `latest` to another snapshot, and note it in the store's log.

    The next publish compares the workspace with that snapshot and makes a new one if they differ.

    Raises:
        NotFound: there is no such snapshot.
        StoreError: objects that it names are gone.
        Conflict: somebody published, pruned or rolled back at the same time.
    """
    newest(store)  # where nothing is published, nothing is written either
    with maintenance.held(store, "rollback") as lease:
        current, version = newest(store)
        wanted = read(store, snapshot_id)
        if wanted.id == current.id:
            return RolledBack(current.id, wanted.id, changed=False)
        _check_complete(store, wanted)
        store.put_bytes(LATEST, pointer_to(wanted), if_match=version)
        lease.record("rollback", before=current.id, after=wanted.id, why=why)
    return RolledBack(current.id, wanted.id, changed=True)


def pointer_to(snapshot: Snapshot) -> bytes:
    """The bytes of `latest` that point to a snapshot."""
    value = {"snapshot": snapshot.id, "key": snapshot.key, "sha256": snapshot.sha256}
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _check_complete(store: Store, snapshot: Snapshot) -> None:
    there = {info.key: info.size_bytes for info in store.list()}
    for file in with_pictures(store, snapshot.files):
        if there.get(file.key) != file.size_bytes:
            raise StoreError(
                f"snapshot {snapshot.id} is not complete: {file.key} is gone or has another size; "
                "`latest` was left as it is"
            )
