"""Mapping a stage's function over its tasks: in this process, or in several.

Worker processes load a backbone once and keep it. A picture that takes its worker down, or holds
it for longer than allowed, is found by running the suspected tasks alone; it is then refused, and
the rest of its task is done. Want of memory is not a picture's fault: the task is repeated alone,
and if the memory is not enough then, the run ends.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_sentinels
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from naturalist import artifacts, breadcrumbs
from naturalist.errors import MemoryShort, NaturalistError
from naturalist.reasons import Reason
from naturalist.without_pandas import refuse_pandas

_POLL_S = 1.0
_REAPED_S = 5.0
_TASKS_PER_WORKER = 2
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CRASHES_ELSEWHERE = 3
"""Crashes in a row, each at another picture, after which no picture is at fault."""
_KEEPS_CRASHING = (
    "worker processes keep crashing, and no single picture is the cause: each was killed (out "
    "of memory?) or crashed. Finished work is kept: run again, with fewer workers if memory is "
    "short"
)

T = TypeVar("T")
R = TypeVar("R")


@runtime_checkable
class Blamable(Protocol):
    """A task that leaves breadcrumbs and can be told to leave one of its items out."""

    @property
    def key(self) -> str:
        """Name of the task's trail."""

    def suspect(self, index: int, reason: Reason) -> Self:
        """The same task with item `index` refused unopened."""


@runtime_checkable
class Named(Protocol):
    """A task that names its items for people."""

    def item_name(self, index: int) -> str:
        """Name of item `index`."""


class Executor(Protocol):
    """Maps a picklable function over picklable tasks; results come as they are ready."""

    latest_node: str
    """Name of the machine that gave the latest result; empty for this one."""

    def map(self, run: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Yield each task with its result; the first error of a task ends the map."""
        ...

    def close(self) -> None:
        """End the workers."""


class InlineExecutor:
    """Runs everything in this process, one task after another."""

    latest_node = ""

    def map(self, run: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        """See `Executor.map`."""
        for task in tasks:
            yield task, run(task)

    def close(self) -> None:
        """Nothing to end."""


class ProcessExecutor:
    """Runs tasks in worker processes on this machine.

    Args:
        workers: number of processes.
        breadcrumb_folder: where tasks leave their trails.
        timeout_s: longest time for one picture.
    """

    latest_node = ""

    def __init__(self, workers: int, breadcrumb_folder: Path, timeout_s: float) -> None:
        self._workers = workers
        self._breadcrumbs = breadcrumb_folder
        self._timeout_s = timeout_s
        self._pool: ProcessPoolExecutor | None = None

    def map(self, run: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        """See `Executor.map`."""
        waiting = iter(tasks)
        running: dict[Future[R], T] = {}
        while True:
            suspects = self._fill(run, waiting, running)
            if not running and not suspects:
                return
            done, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
            self._end_hung(running.values())
            for future in done:
                task = running.pop(future)
                try:
                    yield task, future.result()
                except (BrokenProcessPool, MemoryError, MemoryShort):
                    suspects.append(task)
            if suspects:
                suspects += running.values()
                running.clear()
                self._drop_pool()
                for task in suspects:
                    yield task, self._run_alone(run, task)

    def _fill(
        self, run: Callable[[T], R], waiting: Iterator[T], running: dict[Future[R], T]
    ) -> list[T]:
        while len(running) < self._workers * _TASKS_PER_WORKER:
            try:
                task = next(waiting)
            except StopIteration:
                return []
            try:
                running[self._submit(self._workers, run, task)] = task
            except BrokenProcessPool:
                return [task]
        return []

    def _run_alone(self, run: Callable[[T], R], task: T) -> R:
        """Run a task in a worker of its own, so that a crash has one possible cause."""
        last = -1
        crashes = 0
        while True:
            hung = False
            if isinstance(task, Blamable):
                # The trail of a worker that died before says nothing about the next one.
                breadcrumbs.forget(self._breadcrumbs, task.key)
            workers: list[BaseProcess] = []
            try:
                future = self._submit(1, run, task)
                workers = self._processes()
                while not wait([future], timeout=_POLL_S).done:
                    hung = self._end_hung([task]) or hung
                result = future.result()
            except BrokenProcessPool as error:
                position = self._position(task)
                index = position.index if position is not None else -1
                crashes = 0 if index == last else crashes + 1
                if index < 0 or not isinstance(task, Blamable) or crashes > _CRASHES_ELSEWHERE:
                    raise NaturalistError(_KEEPS_CRASHING) from error
                if index == last and not hung and _were_killed(workers):
                    raise _killed(task, index) from error
                if index == last:
                    timed_out, crashed = Reason.DECODER_TIMED_OUT, Reason.DECODER_CRASHED
                    task = task.suspect(index, timed_out if hung else crashed)
                last = index
            except MemoryError as error:
                raise MemoryShort(
                    f"no memory left in a worker. {artifacts.MEMORY_ADVICE}"
                ) from error
            else:
                self._drop_pool()
                return result
            self._drop_pool()

    def _position(self, task: Any) -> breadcrumbs.Position | None:
        if not isinstance(task, Blamable):
            return None
        return breadcrumbs.read(self._breadcrumbs, task.key)

    def _end_hung(self, tasks: Iterable[Any]) -> bool:
        hung = False
        # A trail may be that of a worker that is dead, whose number is another process's by now.
        workers = {worker.pid: worker for worker in self._processes()}
        for task in tasks:
            position = self._position(task)
            if position is None or position.index < 0 or position.pid not in workers:
                continue
            if time.monotonic() - position.since_s > self._timeout_s:
                workers[position.pid].kill()
                hung = True
        return hung

    def _processes(self) -> list[BaseProcess]:
        # ProcessPoolExecutor.terminate_workers does this from Python 3.14 on.
        processes = self._pool._processes if self._pool is not None else None
        return list((processes or {}).values())

    def _submit(self, workers: int, run: Callable[[T], R], task: T) -> Future[R]:
        pool = self._open_pool(workers)
        if isinstance(task, Blamable):
            # Told to the worker with the task, which need not make it again.
            _ = task.key
        with _nameless_main(), _one_thread_each():
            return pool.submit(run, task)

    def _open_pool(self, workers: int) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin_worker,
            )
        return self._pool

    def _drop_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def close(self) -> None:
        """End the workers at once; unfinished tasks leave nothing behind."""
        for process in self._processes():
            process.terminate()
        self._drop_pool()


def _were_killed(workers: Iterable[BaseProcess]) -> bool:
    """Whether the system or a person ended a worker; no decoder ends its process by SIGKILL."""
    return any(_exit_code(worker) == -signal.SIGKILL for worker in workers)


def _exit_code(worker: BaseProcess) -> int | None:
    # The pool's own thread may be reaping it: until that has the code, there is none to read.
    end_s = time.monotonic() + _REAPED_S
    while worker.exitcode is None and time.monotonic() < end_s:
        time.sleep(_REAPED_S / 500)
    return worker.exitcode


def _killed(task: Any, index: int) -> MemoryShort:
    item = task.item_name(index) if isinstance(task, Named) else f"item {index} of {task.key}"
    return MemoryShort(
        f"the worker at {item} was killed twice while running alone, most likely by the system "
        f"because memory ran out. {artifacts.MEMORY_ADVICE}"
    )


@contextlib.contextmanager
def _nameless_main() -> Iterator[None]:
    """Keep new workers from importing the caller's main program.

    They need nothing of it, and it may be one that must not be imported: Airflow's, or a script
    that calls this library outside of `if __name__ == "__main__"`.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep the linear algebra of new workers from using every core in every worker.

    Its threads wait by spinning: on a busy machine that made extraction eight times slower. What
    the user has set is left.
    """
    added = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _begin_worker() -> None:
    refuse_pandas()
    # Ctrl-C is for the parent, which ends the workers; an orphan ends itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_sentinels([parent.sentinel])
        os._exit(1)


def worker_count(requested: int) -> int:
    """Number of worker processes: as asked, or one for each core this process may use."""
    return requested or len(os.sched_getaffinity(0))
