"""Work in threads with a bound on what is under way."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, ParamSpec, Self, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class BoundedPool:
    """Threads whose `submit` waits while `limit` calls are under way: memory stays bounded."""

    def __init__(self, limit: int) -> None:
        self._executor = ThreadPoolExecutor(limit, "naturalist-store")
        self._slots = threading.BoundedSemaphore(limit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._executor.shutdown(cancel_futures=True)

    def submit(
        self,
        call: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Future[Result]:
        """Start a call in a thread as soon as one is free."""
        self._slots.acquire()
        try:
            future = self._executor.submit(call, *arguments, **options)
        except BaseException:
            self._slots.release()
            raise
        future.add_done_callback(lambda _future: self._slots.release())
        return future


class Completed(Generic[Task, Result]):
    """Tasks under way in threads, handed back in the order in which they end."""

    def __init__(self) -> None:
        self._ended: queue.SimpleQueue[tuple[Task, Future[Result]]] = queue.SimpleQueue()
        self.under_way = 0

    def add(self, task: Task, future: Future[Result]) -> None:
        """Watch a task."""
        self.under_way += 1
        future.add_done_callback(lambda ended: self._ended.put((task, ended)))

    def take(self, *, wait: bool) -> Iterator[tuple[Task, Future[Result]]]:
        """Tasks that ended; with `wait`, until none is under way."""
        while self.under_way and (wait or not self._ended.empty()):
            ended = self._ended.get()
            self.under_way -= 1
            yield ended


def windows(items: Iterable[Task], size: int) -> Iterator[list[Task]]:
    """Consecutive lists of at most `size` items, taken as they are asked for."""
    window: list[Task] = []
    for item in items:
        window.append(item)
        if len(window) == size:
            yield window
            window = []
    if window:
        yield window
