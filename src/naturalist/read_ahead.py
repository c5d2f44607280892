"""Requesting the files that are read next, where reading waits for the drive.

A worker reads one file after the other, so that it waits for each, though a drive answers dozens of
requests at once. Files that are in memory already come at once, and nothing is requested.
"""

import contextlib
import os
import time
from collections.abc import Callable

WAITED_S = 1e-4
"""Opening and reading took longer than from memory, which takes 20 to 60 microseconds."""
FILES = 32
"""How many files are requested together."""
BYTES = 1 << 18
"""How much of each: small files whole, of archives no more than their start."""


class ReadAhead:
    """The files of one task in the order in which they are read."""

    def __init__(self, count: int, path_of: Callable[[int], bytes | None]) -> None:
        """Request nothing yet.

        Args:
            count: number of files.
            path_of: gives the path of one by its position; None for one that is not to be opened.
        """
        self._count = count
        self._path_of = path_of
        self._requested = 0
        self._since_s = 0.0

    def reading(self) -> None:
        """A file is going to be opened."""
        self._since_s = time.perf_counter()

    def has_come(self, position: int) -> None:
        """The first bytes of the file are here; if they took long, the next files are requested."""
        if time.perf_counter() - self._since_s < WAITED_S:
            return
        end = min(self._count, position + 1 + FILES)
        for coming in range(max(self._requested, position + 1), end):
            path = self._path_of(coming)
            if path is not None:
                _request(path)
        self._requested = max(self._requested, end)


def _request(path: bytes) -> None:
    if not hasattr(os, "posix_fadvise"):  # macOS
        return
    # Whatever is wrong with a file is reported when it is read.
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.posix_fadvise(handle, 0, BYTES, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(handle)
