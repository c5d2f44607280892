"""Holding a file for oneself, against other processes and threads, from reading it to writing."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_CREATED_MODE = 0o600


@contextlib.contextmanager
def locked(path: Path, flags: int, lock: int) -> Iterator[int]:
    """Open a file and wait until its lock is ours; gives the handle, closed at the end.

    Args:
        path: the file; one that is replaced as a whole needs another one that stays, for the lock.
        flags: as of `os.open`.
        lock: `fcntl.LOCK_EX`, or `fcntl.LOCK_SH` to read beside others who read.
    """
    handle = os.open(path, flags | os.O_CLOEXEC, _CREATED_MODE)
    try:
        fcntl.flock(handle, lock)
        yield handle
    finally:
        os.close(handle)
