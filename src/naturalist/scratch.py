"""Folders for a while, and removing those that a killed program left behind.

Each is locked for as long as its process lives, whatever ends that; one that is not belongs to
nobody. One that nobody closed is removed when its process ends in order.
"""

import atexit
import contextlib
import fcntl
import glob
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

_SUFFIX = ".tmp"
_YOUNG_S = 5.0
"""A folder that has just been made is not locked for a moment."""


@dataclass(frozen=True)
class ScratchFolder:
    """A new folder; close it to have it removed."""

    path: Path
    _handle: int

    def keep_as(self, target: Path) -> None:
        """Give the folder a final name in the same parent; closing removes nothing then."""
        self.path.rename(target)

    def close(self) -> None:
        """Remove the folder."""
        atexit.unregister(self.close)
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._handle)


def make_scratch(parent: Path, prefix: str) -> ScratchFolder:
    """Make the folder `<parent>/<prefix><random>.tmp`, and remove abandoned ones of that prefix."""
    remove_abandoned(parent, prefix)
    path = parent / f"{prefix}{secrets.token_hex(4)}{_SUFFIX}"
    path.mkdir(mode=0o700, parents=True)
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(handle, fcntl.LOCK_EX)
    made = ScratchFolder(path, handle)
    # For owners that fail, or end, without closing it.
    atexit.register(made.close)
    return made


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove this user's folders of a prefix whose processes are gone."""
    for path in list(parent.glob(f"{glob.escape(prefix)}*{_SUFFIX}")) if parent.is_dir() else ():
        with contextlib.suppress(OSError):
            status = path.lstat()
            is_young = time.time() - status.st_mtime < _YOUNG_S
            if status.st_uid == os.geteuid() and not is_young:
                _remove_unlocked(path)


def _remove_unlocked(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    finally:
        os.close(handle)
