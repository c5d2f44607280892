"""What a worker of a Ray cluster does with one task; this is what the nodes import.

The worker only watches: the task runs in a child process of its own, kept from task to task with
the network that it has loaded. So a picture that takes its process down, or holds it for too long,
is found and refused on the node that it is read on, just as without a cluster
(see `executors.ProcessExecutor`).
"""

import hashlib
import os
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from naturalist import __version__
from naturalist.errors import NaturalistError
from naturalist.reasons import Reason
from naturalist.running.executors import Blamable, ProcessExecutor


@dataclass(frozen=True)
class Terms:
    """What every worker of a run is told.

    Attributes:
        version: that of the program which gives the tasks.
        breadcrumbs: where tasks leave their trails.
        timeout_s: longest time for one picture.
        environment: variables that hold for the tasks, as pairs.
    """

    version: str
    breadcrumbs: Path
    timeout_s: float
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PackedTask:
    """A function and its task as bytes: who only watches has no need of what they import."""

    key: str
    data: bytes
    blamed: tuple[tuple[int, Reason], ...] = ()

    def suspect(self, index: int, reason: Reason) -> "PackedTask":
        """See `Blamable.blame`."""
        return replace(self, blamed=(*self.blamed, (index, reason)))


@dataclass(frozen=True)
class Answer:
    """What a node says of a task: the pickled result, or the error that ends the run."""

    node: str
    result: bytes = b""
    error: NaturalistError | None = None


def pack(run: Callable[[Any], Any], task: Any) -> PackedTask:
    """Make a task ready for its journey; what leaves no breadcrumbs gets a key without a trail."""
    data = pickle.dumps((run, task))
    key = task.key if isinstance(task, Blamable) else hashlib.sha256(data).hexdigest()
    return PackedTask(key, data)


def run_packed(environment: tuple[tuple[str, str], ...], packed: PackedTask) -> bytes:
    """Do a task, in the child process; gives the pickled result."""
    os.environ.update(environment)
    # Both ends are processes of one run: no file and no stranger's bytes are unpickled.
    run, task = pickle.loads(packed.data)  # noqa: S301
    for index, reason in packed.blamed:
        task = task.suspect(index, reason)
    return pickle.dumps(run(task))


def watch_over(packed: PackedTask, terms: Terms) -> Answer:
    """Have a task done by this worker's child process."""
    import ray

    node: str = ray.get_runtime_context().get_node_id()
    child = _child(terms, os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    try:
        _check_version(terms)
        ((_, result),) = child.map(partial(run_packed, terms.environment), [packed])
    except NaturalistError as error:
        return Answer(node, error=error)
    return Answer(node, result)


@lru_cache(maxsize=1)
def _child(terms: Terms, gpus: str) -> ProcessExecutor:
    """The child process; it sees the GPUs that Ray has given this worker when it begins."""
    return ProcessExecutor(1, terms.breadcrumbs, terms.timeout_s)


def _check_version(terms: Terms) -> None:
    if terms.version != __version__:
        raise NaturalistError(
            f"a node of the cluster has naturalist {__version__}, but the run uses "
            f"{terms.version}: install the same version on every node"
        )


def own_terms(breadcrumbs: Path, timeout_s: float, environment: Mapping[str, str]) -> Terms:
    """The terms of a run by this program."""
    return Terms(__version__, breadcrumbs, timeout_s, tuple(sorted(environment.items())))
