"""Removing old snapshots, and the objects that no kept snapshot names.

Only objects whose key holds the hash of their bytes, as naturalist makes them, are ever removed;
what else is in the store is left alone. How publishers at the same time stay safe is told in
`maintenance`.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from naturalist.snapshots import delta, maintenance
from naturalist.snapshots.pictures import with_pictures
from naturalist.snapshots.reading import FOLDER, ids, newest, read
from naturalist.snapshots.schema import LATEST
from naturalist.stores import ObjectInfo, Store

_HASH_IN_NAME = re.compile(r".+\.[0-9a-f]{16}(\.[^.]+)?")
_OURS = (LATEST, maintenance.KEY)
_DELETED_AT_ONCE = 500
_INDEXES = "picture_index/"


@dataclass(frozen=True)
class PruneOptions:
    """What to keep.

    Attributes:
        keep: how many of the newest snapshots stay, whatever their age.
        grace_s: snapshots and objects younger than this stay.
    """

    keep: int = 30
    grace_s: float = 7 * 24 * 3600


@dataclass(frozen=True)
class PrunePlan:
    """What a prune removes.

    Attributes:
        kept: ids of the snapshots that stay.
        snapshots: ids of those that go.
        objects: objects that only those name, or none.
        in_grace: objects that no kept snapshot names, and that are too young to go.
        foreign: objects that naturalist did not make.
    """

    kept: tuple[str, ...]
    snapshots: tuple[str, ...]
    objects: tuple[ObjectInfo, ...]
    in_grace: int
    foreign: int

    @property
    def size_bytes(self) -> int:
        """Bytes that become free."""
        return sum(info.size_bytes for info in self.objects)


def plan(store: Store, options: PruneOptions) -> PrunePlan:
    """Find what can go; changes nothing.

    What `latest` points to and the snapshot with the highest number stay in any case (a number is
    never given twice).

    Raises:
        NotFound: nothing is published there.
        StoreError: a snapshot that is to be kept cannot be read, so what it names is not known.
    """
    oldest_s = time.time() - options.grace_s
    latest = newest(store)[0]
    ages = {info.key: info.modified_s or 0.0 for info in store.list(FOLDER)}
    every = ids(store)
    kept = {latest.id, *every[-max(options.keep, 1) :]}
    kept |= {one for one in every if ages.get(f"{FOLDER}{one}.json", oldest_s) > oldest_s}
    named = _named(store, kept)
    garbage: list[ObjectInfo] = []
    in_grace = foreign = 0
    for info in store.list():
        if info.key in named or info.key in _OURS or info.key.startswith((FOLDER, delta.LOG)):
            continue
        if not _HASH_IN_NAME.fullmatch(PurePosixPath(info.key).name):
            foreign += 1
        elif (info.modified_s or 0.0) > oldest_s:
            in_grace += 1
        else:
            garbage.append(info)
    gone = tuple(one for one in every if one not in kept)
    stay = tuple(one for one in every if one in kept)
    return PrunePlan(stay, gone, tuple(garbage), in_grace, foreign)


def _named(store: Store, snapshots: set[str]) -> set[str]:
    """Keys that snapshots name, themselves or through their indexes of pictures."""
    files = {file for one in snapshots for file in read(store, one).files}
    return {file.key for file in with_pictures(store, files)}


def prune(
    store: Store,
    options: PruneOptions,
    *,
    on_begin: Callable[[int], None] = lambda _: None,
    on_removed: Callable[[int], None] = lambda _: None,
) -> PrunePlan:
    """Remove what `plan` finds, snapshots before the objects that they name.

    A killed prune leaves nothing wrong; the next one goes on.

    Args:
        store: where.
        options: what to keep.
        on_begin: hears how many objects will be removed.
        on_removed: hears how many more are removed.

    Returns:
        What was removed.

    Raises:
        Conflict: another prune or a rollback is under way.
        StoreError: as `plan`, or the store refused.
    """
    newest(store)  # where nothing is published, nothing is written either
    with maintenance.held(store, "prune", prunes=True) as lease:
        latest = newest(store)[0]
        # A killed publisher may have left the log at a snapshot whose tables go now.
        delta.follow(store, latest.id, latest.files)
        result = plan(store, options)
        keys = [f"{FOLDER}{one}.json" for one in result.snapshots]
        on_begin(len(keys) + len(result.objects))
        for window in [*_windows(keys), *_windows(_ordered(result.objects))]:
            lease.renew()
            store.delete(window)
            on_removed(len(window))
        if keys or result.objects:
            lease.record(
                "prune",
                snapshots=list(result.snapshots),
                objects=len(result.objects),
                size_bytes=result.size_bytes,
            )
    return result


def _ordered(objects: Sequence[ObjectInfo]) -> list[str]:
    # An index of pictures says that its pictures are there: it goes before they do.
    keys = sorted(info.key for info in objects)
    return sorted(keys, key=lambda key: not key.startswith(_INDEXES))


def _windows(keys: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _DELETED_AT_ONCE):
        yield list(keys[start : start + _DELETED_AT_ONCE])
