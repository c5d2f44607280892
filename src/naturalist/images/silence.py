"""Keeping libtiff from writing to standard error.

Pillow silences libtiff's warnings and leaves its error messages, of which one forged file gives
hundreds. They go past Python straight to file descriptor 2, so that is where they are stopped.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_STDERR = 2
_ONE_AT_A_TIME = Lock()


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere for a moment, also for other threads of the process.

    The lock keeps two threads from saving each other's redirection as the original.
    """
    with _ONE_AT_A_TIME:
        try:
            saved = os.dup(_STDERR)
        except OSError:  # closed by the host program: nothing can be written to it anyway
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _STDERR)
            os.close(nowhere)
            yield
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)
