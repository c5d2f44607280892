"""Work shared by threads in fixed pieces, and matrix products that stay on one thread.

The result does not depend on how many threads there are. Products of many threads wait for each
other as soon as something else works on the same cores, so that several pieces, each multiplied on
a thread of its own, are faster there. It imports no compiler: that takes a second.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any


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


def products_in_pieces(rows: int, size: int, work: Callable[[int, int], Any]) -> None:
    """Like `in_pieces`, for work that multiplies matrices: each product stays on its thread."""
    with products_on_one_thread():
        in_pieces(rows, size, work)


def products_on_one_thread() -> AbstractContextManager[Any]:
    """A context in which a matrix product stays on the thread that asks for it.

    Without the extra `analysis` products use all threads: slower beside other work, and the last
    digits may differ.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limited: AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return limited


def _all(done: Iterable[Any]) -> None:
    for _ in done:
        pass
