"""What keeps prunes, rollbacks and publishers of one store out of each other's way, and its log.

One object, ``maintenance.json``, is replaced only on the condition that nobody else replaced it in
between. A prune or a rollback holds the *lease* in it. A publisher takes no lease, so that a killed
one blocks nobody; instead it looks twice:

- before it asks which objects are there already, and
- after its snapshot is in the store, before `latest` points to it.

If a prune is under way at one of these moments, or the number of prunes grew between them, objects
that the publisher found there may be gone, and it ends with `Conflict`; `latest` has not changed,
and running again sends what is missing. If neither is so, any prune that begins later sees the
publisher's snapshot, because a prune lists the snapshots only after its lease is in the store.
"""

import contextlib
import datetime as dt
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from naturalist.errors import Conflict, NotFound
from naturalist.snapshots.schema import MAX_DOCUMENT_BYTES, MaintenanceDocument, check, decode
from naturalist.stores import Store

KEY = "maintenance.json"
FORMAT = 1
LEASE_S = 900.0
"""A lease that was not renewed for so long is that of a killed process."""
CLOCKS_DIFFER_S = 24 * 3600.0
"""A lease that ends later than this after its time was written by a clock that was wrong."""
_LOG_ENTRIES = 1000


@dataclass(frozen=True)
class Lease:
    """Who changes the store now."""

    by: str
    token: str
    until_s: float
    """Seconds since 1970."""

    @property
    def is_over(self) -> bool:
        """Whether its holder must have been killed."""
        return not 0 < self.until_s - time.time() <= LEASE_S + CLOCKS_DIFFER_S


@dataclass(frozen=True)
class Maintenance:
    """What `maintenance.json` says; empty if it is not there."""

    prunes: int = 0
    """Prunes that were ever begun."""
    lease: Lease | None = None
    log: tuple[Mapping[str, Any], ...] = ()
    version: str | None = field(default=None, compare=False)

    def as_bytes(self) -> bytes:
        """The object's bytes."""
        value = {
            "format": FORMAT,
            "prunes": self.prunes,
            "lease": vars(self.lease) if self.lease else None,
            "log": list(self.log[-_LOG_ENTRIES:]),
        }
        return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def read(store: Store) -> Maintenance:
    """Read the state of maintenance.

    Raises:
        StoreError: it cannot be understood.
    """
    try:
        data, info = store.get_bytes(KEY, MAX_DOCUMENT_BYTES)
    except NotFound:
        return Maintenance()
    state = check(MaintenanceDocument, KEY, decode(KEY, data))
    held = state.lease
    lease = Lease(held.by, held.token, held.until_s) if held else None
    return Maintenance(state.prunes, lease, tuple(state.log), info.version)


def prunes_so_far(store: Store) -> int:
    """The number of prunes, for a publisher to compare before and after.

    Raises:
        Conflict: a prune or rollback is under way.
    """
    state = read(store)
    if state.lease is not None and not state.lease.is_over:
        raise _busy(store, state.lease)
    return state.prunes


def check_unpruned(store: Store, before: int) -> None:
    """Raise unless the number of prunes is still `before`.

    Raises:
        Conflict: objects may have been removed meanwhile.
    """
    if prunes_so_far(store) != before:
        raise Conflict(
            f"old snapshots were pruned from {store.url} during publishing: run again to upload "
            "the deleted objects again"
        )


class Held:
    """The lease, in our hands."""

    def __init__(self, store: Store, state: Maintenance) -> None:
        self._store = store
        self._state = state

    @property
    def log(self) -> tuple[Mapping[str, Any], ...]:
        """What was done so far, the oldest first."""
        return self._state.log

    def renew(self) -> None:
        """Hold it for `LEASE_S` from now on; to be called before each bounded piece of work.

        Raises:
            Conflict: it was over already, or somebody else has it: do nothing more.
        """
        lease = self._state.lease
        if lease is None or lease.is_over:
            raise Conflict(f"this took too long, and others may be writing to {self._store.url}")
        self._write(replace(self._state, lease=replace(lease, until_s=time.time() + LEASE_S)))

    def record(self, did: str, **facts: Any) -> None:
        """Add an entry to the log."""
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        entry = {"at": at, "did": did} | facts
        self._write(replace(self._state, log=(*self._state.log, entry)))

    def release(self) -> None:
        """Let it go."""
        self._write(replace(self._state, lease=None))

    def _write(self, state: Maintenance) -> None:
        info = self._store.put_bytes(KEY, state.as_bytes(), if_match=self._state.version)
        self._state = replace(state, version=info.version)


@contextlib.contextmanager
def held(store: Store, by: str, *, prunes: bool = False) -> Iterator[Held]:
    """Hold the store's lease.

    Args:
        store: the store.
        by: what is done, for others' messages.
        prunes: whether objects may be removed.

    Raises:
        Conflict: somebody else holds it.
    """
    state = read(store)
    if state.lease is not None and not state.lease.is_over:
        raise _busy(store, state.lease)
    lease = Lease(by, secrets.token_hex(8), time.time() + LEASE_S)
    expected = replace(state, lease=lease, prunes=state.prunes + prunes)
    condition: dict[str, Any] = (
        {"if_match": state.version} if state.version else {"if_absent": True}
    )
    info = store.put_bytes(KEY, expected.as_bytes(), **condition)
    mine = Held(store, replace(expected, version=info.version))
    try:
        yield mine
    finally:
        # Whoever took over a lease that was over keeps it.
        with contextlib.suppress(Conflict):
            mine.release()


def _busy(store: Store, lease: Lease) -> Conflict:
    until = dt.datetime.fromtimestamp(lease.until_s, dt.UTC).isoformat(timespec="seconds")
    return Conflict(
        f"a {lease.by} is running in {store.url}: run again when it has ended (if it was killed, "
        f"after {until})"
    )
