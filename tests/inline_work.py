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

    if USES_WORKERS:
        yield
        return
    with mock.patch.object(runner, "ProcessExecutor", side_effect=lambda *_: InlineExecutor()):
        yield
