"""Work on blocks of rows that do not need each other: in this process, or by an executor.

A study gives one picklable function for one block, and what all blocks share (a model, axes). That
is written once, into a folder that every worker can read, and read once by each worker: a task
carries only its block. Results come in the order of the blocks, and are the same whoever made them:
a matrix product stays on one thread everywhere.
"""

import functools
import hashlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from naturalist import artifacts
from naturalist.numeric.threads import products_on_one_thread

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
FEWEST = 64
"""Fewer blocks are done in this process: starting a worker takes as long as some ten tables."""


class Executor(Protocol):
    """Maps a picklable function over picklable tasks; results come as they are ready."""

    def map(self, run: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Yield each task with its result."""
        ...


@dataclass(frozen=True)
class BlockMapper:
    """Who works on the blocks of a study.

    Attributes:
        executor: does the work; None for this process.
        scratch: a folder that every worker can read; emptied when the workspace is let go.
    """

    executor: Executor | None = None
    scratch: Path = Path()

    def map(
        self,
        work: Callable[[S, T], R],
        shared: S,
        blocks: Sequence[T],
        *,
        fewest: int | None = None,
    ) -> Iterator[R]:
        """Yield `work(shared, block)` for each block, in their order.

        Args:
            work: a function of a module.
            shared: what it needs for every block; can be pickled.
            blocks: what it is called for; can be pickled.
            fewest: fewer blocks are done in this process; None for `FEWEST`.
        """
        if self.executor is None or len(blocks) < (FEWEST if fewest is None else fewest):
            for block in blocks:
                yield _on_one_thread(work, shared, block)
            return
        path = _written(self.scratch, shared)
        tasks = (_Task(number, work, path, block) for number, block in enumerate(blocks))
        yield from _in_order(self.executor.map(_run, tasks))


IN_THIS_PROCESS = BlockMapper()


@dataclass(frozen=True, eq=False)
class _Task:
    """One block, and what to do with it."""

    number: int
    work: Callable[[Any, Any], Any]
    shared: Path
    block: Any


def _run(task: _Task) -> Any:
    return _on_one_thread(task.work, _read(task.shared), task.block)


def _on_one_thread(work: Callable[[S, T], R], shared: S, block: T) -> R:
    with products_on_one_thread():
        return work(shared, block)


def _written(folder: Path, shared: Any) -> Path:
    data = pickle.dumps(shared, protocol=pickle.HIGHEST_PROTOCOL)
    path = folder / f"shared-{hashlib.sha256(data).hexdigest()[:32]}.pickle"
    artifacts.make_folder(folder)
    artifacts.write_bytes(path, data)
    return path


@functools.lru_cache(maxsize=1)
def _read(path: Path) -> Any:
    # Written by the process that gives the tasks, into the workspace that it holds.
    return pickle.loads(path.read_bytes())  # noqa: S301


def _in_order(answers: Iterable[tuple[_Task, R]]) -> Iterator[R]:
    early: dict[int, R] = {}
    following = 0
    for task, result in answers:
        early[task.number] = result
        while following in early:
            yield early.pop(following)
            following += 1
