"""Threads of matrix products, apart from compiled loops: importing a compiler takes a second."""

from contextlib import AbstractContextManager
from typing import Any

from naturalist.errors import MissingExtra


def single_threaded_blas() -> AbstractContextManager[Any]:
    """A context in which a matrix product stays on the thread that asks for it."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtra("threadpoolctl", "analysis") from error
    limited: AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return limited
