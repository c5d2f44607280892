"""Loops that numpy has no words for, compiled to machine code and free of the interpreter's lock.

What is compiled is kept on the disk (beside the module, or below NUMBA_CACHE_DIR), so that only
the first run ever waits for the compiler. Threads share the work in fixed pieces: the result does
not depend on how many there are.

What is compiled must not call `np.sort` or `np.argsort`: their compiled parts have names that are
unique in one process only, and code that two processes have kept is linked wrongly when a third one
loads both (seen with numba 0.68: wild reads).
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
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


def threads() -> int:
    """How many threads may work at once: the cores that this process may use, or fewer if limited.

    OMP_NUM_THREADS limits a worker beside others, as it limits what multiplies its matrices.
    """
    cores = len(os.sched_getaffinity(0))
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(limit)) if limit.isdigit() and int(limit) else cores


def in_pieces(rows: int, size: int, work: Callable[[int, int], Any]) -> None:
    """Call `work(start, end)` for each piece of `size` rows, several at once.

    The pieces are the same on every machine, whatever its number of cores.
    """
    pieces = [(start, min(start + size, rows)) for start in range(0, rows, size)]
    if len(pieces) < 2:
        _all(work(*piece) for piece in pieces)
        return
    with ThreadPoolExecutor(threads(), "naturalist-analysis") as pool:
        _all(pool.map(lambda piece: work(*piece), pieces))


def _all(done: Iterable[Any]) -> None:
    for _ in done:
        pass
