"""Tasks for worker processes, which have to find them in a module by name."""

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from naturalist import breadcrumbs
from naturalist.errors import SourceError
from naturalist.reasons import Reason

_SLOW_S = 1.5
_A_WORKER_STARTS_S = 60


def square(number: int) -> int:
    return number * number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise SourceError("the drive of number 3 is gone")
    return number


def variable(name: str) -> str | None:
    """What an environment variable says in a worker."""
    return os.environ.get(name)


def has_pandas(number: int) -> bool:
    """Whether pandas can be imported here."""
    del number
    try:
        import_module("pandas")
    except ImportError:
        return False
    return True


def process_id(number: int) -> tuple[int, int]:
    return number, os.getpid()


@dataclass(frozen=True)
class Items:
    """A task of several items that leaves breadcrumbs; `bad` take the worker down or hang it."""

    key: str
    folder: Path
    items: tuple[str, ...]
    blamed: tuple[tuple[int, Reason], ...] = ()

    def suspect(self, index: int, reason: Reason) -> "Items":
        return replace(self, blamed=(*self.blamed, (index, reason)))


def do_items(task: Items) -> list[str]:
    """What became of each item."""
    refused = dict(task.blamed)
    done = []
    with breadcrumbs.trail(task.folder, task.key) as trail:
        for index, item in enumerate(task.items):
            trail.reading(index)
            if item == "slow":
                time.sleep(_SLOW_S)
            trail.at(index)
            done.append(refused[index].value if index in refused else _do(item))
        trail.at(-1)
    return done


def _do(item: str) -> str:
    if item == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "hang":
        signal.pause()
    return item


def die(number: int) -> int:
    """End the worker, with no picture to blame."""
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def end_the_watcher(number: int) -> int:
    """End the process that watches over this one, as a machine without memory does."""
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()
    return number


def lose_worker(gone: Path, run: Callable[[Any], Any], task: Any) -> Any:
    """Do a task; the first time, all that it writes is there when its worker goes."""
    result = run(task)
    try:
        gone.touch(exist_ok=False)
    except FileExistsError:
        return result
    return end_the_watcher(0)


def wait_for_the_end(going: Path, run: Callable[[Any], Any], task: Any) -> Any:
    """Do a task; on the node that gives `going` its name, say so and wait for the end of it.

    The others hold back until that node has a task, for as long as it takes to start a worker.
    """
    result = run(task)
    if socket.gethostname() == going.name:
        going.touch()
        signal.pause()
    end_s = time.monotonic() + _A_WORKER_STARTS_S
    while not going.exists() and time.monotonic() < end_s:
        time.sleep(0.02)
    return result


def take_time(run: Callable[[Any], Any], task: Any) -> Any:
    """Do a task slowly enough for whoever looks at the memory now and then."""
    time.sleep(1)
    return run(task)


@dataclass(frozen=True)
class WithNetwork:
    """A task that names the network it runs."""

    backbone: str = "efficientnet_lite0"


def gpus(task: WithNetwork) -> tuple[str, str]:
    """The GPUs that a worker may use, and the device that networks run on."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", ""), os.environ.get("NATURALIST_DEVICE", "cpu")
