"""Listing snapshots and comparing two of them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from naturalist.errors import StoreError
from naturalist.snapshots.reading import File, Snapshot, ids, newest, read
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
        result = read(store, snapshot_id)
    except StoreError as error:
        return Summary(snapshot_id, snapshot_id == latest, fault=str(error))
    return Summary(
        id=snapshot_id,
        is_latest=snapshot_id == latest,
        created_at=str(result.about.get("created_at", "")),
        made_by=str(result.about.get("made_by", "")),
        files=len(result.files),
        size_bytes=result.size_bytes,
        table_rows=sum(one.get("table_rows", 0) for one in result.about.get("categories", ())),
    )


def diff(before: Snapshot, after: Snapshot) -> Diff:
    """Compare two snapshots by name and SHA-256 of their files."""
    old = {file.name: file for file in before.files}
    new = {file.name: file for file in after.files}
    both = sorted(old.keys() & new.keys())
    changed = sorted((before.about.keys() | after.about.keys()) - set(_OF_ONE_SNAPSHOT))
    pairs = {key: (before.about.get(key), after.about.get(key)) for key in changed}
    return Diff(
        before=before.id,
        after=after.id,
        added=tuple(new[name] for name in sorted(new.keys() - old.keys())),
        removed=tuple(old[name] for name in sorted(old.keys() - new.keys())),
        changed=tuple((old[n], new[n]) for n in both if old[n].sha256 != new[n].sha256),
        about={key: pair for key, pair in pairs.items() if pair[0] != pair[1]},
    )
