"""Keeping Pillow and libtiff from warning and from writing to standard error.

What they say about a broken picture is in its PictureError. Both means are of the whole process,
so another thread is silenced for the same moment; the lock keeps two threads from saving each
other's silence as the state to return to. The fast path for JPEG needs neither.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_STDERR = 2
_ONE_AT_A_TIME = RLock()


@contextmanager
def silent_warnings() -> Iterator[None]:
    """Ignore Python's warnings, even where the host program made them errors."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere.

    Pillow silences libtiff's warnings and leaves its error messages, of which one forged file
    gives hundreds; they go past Python straight to the descriptor.
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
