"""Which item each worker is at, so that a crash or a hang can be laid at one picture's door.

A worker overwrites 24 bytes in a small file as it goes from item to item. When its process dies or
stands still, whoever watches reads the file and knows the item.
"""

import contextlib
import math
import os
import platform
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_RECORD = struct.Struct("<qqd")


@dataclass(frozen=True)
class Position:
    """Where a worker is: its process id, the item's index, and since when (monotonic seconds).

    Infinity while the item's bytes are read.
    """

    pid: int
    index: int
    since_s: float


class Trail:
    """Writes the position of one task."""

    def __init__(self, handle: int) -> None:
        self._handle, self._pid, self._index = handle, os.getpid(), -1

    def at(self, index: int) -> None:
        """Note that item `index` is being worked on; -1 for work that is no item's fault."""
        self._index = index
        self.restart_clock()

    def restart_clock(self) -> None:
        """Restart the time limit, for the same item or for work that no item causes."""
        self._write(self._index, time.monotonic())

    def reading(self, index: int) -> None:
        """Note that the bytes of item `index` are waited for, as long as a drive or network takes.

        A crash is the item's fault, but no time is too long for it.
        """
        self._write(index, math.inf)

    def _write(self, index: int, since_s: float) -> None:
        os.pwrite(self._handle, _RECORD.pack(self._pid, index, since_s), 0)


def place(folder: Path, task_key: str) -> Path:
    """Where the trail of a task on this machine lies; process ids of others mean nothing here."""
    return folder / platform.node() / task_key


@contextlib.contextmanager
def trail(folder: Path, task_key: str) -> Iterator[Trail]:
    """Open the trail of a task; it is removed when the task ends in any way but a crash."""
    path = place(folder, task_key)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        yield Trail(handle)
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)


def read(folder: Path, task_key: str) -> Position | None:
    """Read where a task is or was; None if it left no trail."""
    try:
        data = place(folder, task_key).read_bytes()
    except FileNotFoundError:
        return None
    return Position(*_RECORD.unpack(data)) if len(data) == _RECORD.size else None


def forget(folder: Path, task_key: str) -> None:
    """Remove the trail of a task, if there is one."""
    place(folder, task_key).unlink(missing_ok=True)
