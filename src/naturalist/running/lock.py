"""Who may write to a workspace: one process, or the processes of one run.

A run that is one process (the command line) holds an exclusive lock on the file `lock`; the
system releases it when the process ends, however it ends.

A run that is many processes (Airflow's tasks) has a name. Each of its processes holds the lock
while it works: shared with the others of the same run, or exclusive. So that nobody slips in
between two of them, `lease.json` names the run and says until when the workspace stays with it;
every process renews it while it works and when it ends. The last one gives the lease back. If all
were killed it runs out by itself. The lease changes hands only under the exclusive lock.
"""

import contextlib
import datetime as dt
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from naturalist import artifacts
from naturalist.errors import WorkspaceLocked
from naturalist.layout import Layout

_POLL_S = 0.5
_MOMENT_S = 0.5
_LONGEST_S = 7 * 24 * 3600.0
"""A lease that ends later was written by a clock that was wrong."""


@dataclass(frozen=True)
class Claim:
    """How a process asks for the workspace.

    Attributes:
        run: name of the run that the process is part of; empty if it is a run by itself.
        shared: whether other processes of the same run may work at the same time.
        keep_s: how long the workspace stays with the run after its last sign of life.
        wait_s: how long to wait for somebody else.
    """

    run: str = ""
    shared: bool = False
    keep_s: float = 900.0
    wait_s: float = 0.0


@dataclass(frozen=True)
class Lease:
    """Which run the workspace belongs to, and until when (seconds since 1970)."""

    run: str
    until_s: float

    @property
    def is_over(self) -> bool:
        """Whether the run has given no sign of life for too long."""
        return not 0 < self.until_s - time.time() <= _LONGEST_S


@contextlib.contextmanager
def held(layout: Layout, claim: Claim) -> Iterator[None]:
    """Hold the lock, and the lease if the process is part of a named run.

    Raises:
        WorkspaceLocked: it belongs to another process or run, for longer than `wait_s`.
    """
    with artifacts.storage_errors(str(layout.lock)):
        handle = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait_for(layout, handle, claim)
        with _renewed(layout, claim):
            yield
    finally:
        os.close(handle)


def release(layout: Layout, run: str) -> None:
    """Give the workspace back at the end of a run; nothing happens if it is not the run's."""
    lease = read_lease(layout)
    if lease is not None and lease.run == run:
        layout.lease.unlink(missing_ok=True)


def read_lease(layout: Layout) -> Lease | None:
    """The lease as it was written last, over or not."""
    value = artifacts.read_json(layout.lease)
    return Lease(**value) if value else None


def is_locked(layout: Layout) -> bool:
    """Whether somebody is writing to the workspace now."""
    lease = read_lease(layout)
    if lease is not None and not lease.is_over:
        return True
    try:
        handle = os.open(layout.lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _flock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _wait_for(layout: Layout, handle: int, claim: Claim) -> None:
    # Whoever asks whether the workspace is locked holds the lock himself for a moment.
    deadline = time.monotonic() + max(claim.wait_s, _MOMENT_S)
    while (obstacle := _try(layout, handle, claim)) is not None:
        if time.monotonic() >= deadline:
            raise WorkspaceLocked(f"{layout.root} {obstacle}")
        time.sleep(_POLL_S if claim.wait_s else _MOMENT_S / 10)


def _try(layout: Layout, handle: int, claim: Claim) -> str | None:
    """Take the lock if it can be had; else say what stands in the way."""
    if _flock(handle, fcntl.LOCK_EX):
        lease = read_lease(layout)
        if lease is not None and lease.run != claim.run and not lease.is_over:
            fcntl.flock(handle, fcntl.LOCK_UN)
            return _belongs_to(layout, lease)
        _begin(layout, handle, claim)
        if not claim.shared:
            return None
    elif not claim.shared:
        return _is_written_by(layout)
    return _join(layout, handle, claim)


def _begin(layout: Layout, handle: int, claim: Claim) -> None:
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "run": claim.run}
    os.truncate(handle, 0)
    os.pwrite(handle, json.dumps(holder).encode(), 0)
    if claim.run:
        _renew(layout, claim)
    else:
        layout.lease.unlink(missing_ok=True)


def _join(layout: Layout, handle: int, claim: Claim) -> str | None:
    # The shared lock first: only under the exclusive one can the lease go to somebody else.
    if not _flock(handle, fcntl.LOCK_SH):
        return _is_written_by(layout)
    lease = read_lease(layout)
    if lease is not None and lease.run == claim.run:
        return None
    fcntl.flock(handle, fcntl.LOCK_UN)
    return _belongs_to(layout, lease) if lease else _is_written_by(layout)


def _flock(handle: int, mode: int) -> bool:
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _renew(layout: Layout, claim: Claim) -> None:
    artifacts.write_json(layout.lease, asdict(Lease(claim.run, time.time() + claim.keep_s)))


@contextlib.contextmanager
def _renewed(layout: Layout, claim: Claim) -> Iterator[None]:
    if not claim.run:
        yield
        return
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(max(claim.keep_s / 3, _POLL_S / 10)):
            _renew(layout, claim)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        _renew(layout, claim)


def _is_written_by(layout: Layout) -> str:
    try:
        value = json.loads(layout.lock.read_text())
        who, run = f"process {value['pid']} on {value['host']}", value["run"]
    except (ValueError, KeyError, TypeError):
        who, run = "another process", ""
    run = f" ({run})" if run else ""
    return (
        f"is locked by {who}{run}: wait until it ends, or stop it (finished work is kept) and "
        "run again"
    )


def _belongs_to(layout: Layout, lease: Lease) -> str:
    until = dt.datetime.fromtimestamp(lease.until_s, dt.UTC).astimezone()
    return (
        f"is locked by a run of several processes, {lease.run}, which is between two of its tasks: "
        f"wait until it ends. If it was killed, the lock expires at {until:%H:%M:%S}; if you are "
        f"sure that it is dead, delete {layout.lease} and run again"
    )
