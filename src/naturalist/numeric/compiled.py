"""Loops that numpy has no words for, compiled to machine code and free of the interpreter's lock.

What is compiled is kept on the disk (beside the module, or below NUMBA_CACHE_DIR), so that only
the first run ever waits for the compiler. Threads share the work (`numeric.threads`).

What is compiled must not call `np.sort` or `np.argsort`: their compiled parts have names that are
unique in one process only, and code that two processes have kept is linked wrongly when a third one
loads both (seen with numba 0.68: wild reads).
"""

from collections.abc import Callable
from typing import Any

from naturalist.errors import MissingExtra

Kernel = Callable[..., Any]


def compiled(function: Kernel) -> Kernel:
    """Have a function compiled when it is first called; without numba it says what is missing."""
    try:
        import numba
    except ImportError:
        return _missing
    # The order of sums may change, not the meaning of NaN and infinity.
    flags = {"reassoc", "contract", "arcp", "nsz"}
    ready: Kernel = numba.njit(cache=True, nogil=True, fastmath=flags)(function)
    return ready


def _missing(*_: Any, **__: Any) -> Any:
    raise MissingExtra("numba", "analysis")
