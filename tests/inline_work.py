"""Commands that tests run in their own process do all of their work in it, without workers.

To start a worker and import the program in it takes longer than all that it does for the small
collections of tests. Tests that are about workers ask for the fixture `with_workers`, or run the
program in a process of its own.
"""

import contextlib
from collections.abc import Iterator
from unittest import mock

USES_WORKERS = False


@contextlib.contextmanager
def in_this_process() -> Iterator[None]:
    """What commands would give to worker processes is done here."""
    from naturalist.pipeline import runner
    from naturalist.running.executors import InlineExecutor
    from naturalist.stores.keeping import forget_stores

    if USES_WORKERS:
        yield
        return
    # A worker keeps one connection to a store as long as it lives: here, as long as a command.
    forget_stores()
    with mock.patch.object(runner, "ProcessExecutor", side_effect=lambda *_: InlineExecutor()):
        yield
