"""Mapping a stage's function over its tasks on a Ray cluster.

Tasks can be repeated and write whole files, so that everything which may happen to a node has one
answer: the task is done again, elsewhere. That holds for a node that is lost, for one that is short
of memory, and for one that is much slower than the others.
"""

import contextlib
import os
import pickle
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from naturalist.backbones.session import DEVICE_VARIABLE, resolve_device
from naturalist.errors import ClusterError, NaturalistError
from naturalist.progress import Progress
from naturalist.running import ray_connection
from naturalist.running.ray_worker import Answer, PackedTask, own_terms, pack, watch_over

_POLL_S = 1.0
_TASKS_PER_SLOT = 2
_LOSSES = 5
"""How often the node or the worker of one task may be lost, before the task is at fault."""
_SLOWER = 3.0
_PATIENCE_S = 10.0
"""A task is late when it takes this much more than so many times the median."""
_LOG_EVERY_S = 60.0
_HEAD_SILENT_S = 10.0
"""On a busy machine it may take so long to answer."""
_HEAD_AWAY_S = 40.0
"""Then it is gone, and a new one would not know what the old one did."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class RayOptions:
    """Where the cluster is, and what a task asks for.

    Attributes:
        address: `local`, `auto`, or host:port of the head node.
        workers: tasks at once in a local cluster; in another one its CPUs decide.
        gpus_per_task: share of a GPU for a task that runs a network, where networks run on GPUs.
        wait_s: longest time without a node that has what tasks ask for.
    """

    address: str = ray_connection.LOCAL
    workers: int = 1
    gpus_per_task: float = 1.0
    wait_s: float = 600.0


@dataclass(eq=False)
class _Work:
    """A task under way: once as a rule, in more copies when it is late."""

    task: Any
    packed: PackedTask
    gpus: float
    begun_s: float = field(default_factory=time.monotonic)
    copies: set[Any] = field(default_factory=set)
    losses: int = 0


class RayExecutor:
    """Runs tasks on the nodes of a Ray cluster.

    Args:
        options: where and how.
        breadcrumb_folder: where tasks leave their trails.
        timeout_s: longest time for one picture.
        progress: is told of nodes that are lost.
    """

    def __init__(
        self, options: RayOptions, breadcrumb_folder: Path, timeout_s: float, progress: Progress
    ) -> None:
        self.latest_node = ""
        self._options = options
        self._progress = progress
        device = os.environ.get(DEVICE_VARIABLE, "")
        environment = {DEVICE_VARIABLE: device} if device else {}
        self._terms = own_terms(breadcrumb_folder, timeout_s, environment)
        self._ending = contextlib.ExitStack()
        self._ray: Any = None
        self._nodes: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._slots = 1
        self._looked_s = 0.0
        self._gpus_asked = 0.0
        self._shortage = _Shortage(options.wait_s, progress)
        self._head = _Head(progress)
        self._left_over: list[Any] = []

    def map(self, run: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        """See `Executor.map`."""
        waiting = iter(tasks)
        running: dict[Any, _Work] = {}
        pace = _Pace()
        self._gpus_asked = 0.0
        # What nobody needs any more goes on until it or the connection ends. It is not called off:
        # Ray 2.60 takes the driver down when a task is cancelled while its answer arrives.
        while self._fill(run, waiting, running, pace):
            with self._cluster_errors():
                ready, _ = self._ray.wait(list(running), timeout=_POLL_S)
            for copy in ready:
                work = running.pop(copy, None)
                answer = self._answer(copy, work, running) if work is not None else None
                if work is not None and answer is not None:
                    for other in work.copies:
                        self._left_over.append(other)
                        running.pop(other, None)
                    pace.note(work)
                    yield work.task, self._result(answer)
            if time.monotonic() - self._looked_s > _POLL_S:
                self._look_at_nodes()
            self._help_late_ones(running, pace)

    def _fill(
        self,
        run: Callable[[T], R],
        waiting: Iterator[T],
        running: dict[Any, _Work],
        pace: "_Pace",
    ) -> bool:
        """Keep the cluster busy; whether anything is under way."""
        while not pace.is_last and len(running) < max(self._slots, 1) * _TASKS_PER_SLOT:
            try:
                task = next(waiting)
            except StopIteration:
                pace.is_last = True
                break
            self._connect()
            self._submit(_Work(task, pack(run, task), self._gpus_for(task)), running)
        if pace.is_last and pace.all_begun_s is None and len(running) <= self._slots:
            pace.all_begun_s = time.monotonic()
        return bool(running)

    def _connect(self) -> None:
        if self._ray is not None:
            return
        joined = ray_connection.connected(self._options.address, self._options.workers)
        self._ray = self._ending.enter_context(joined)
        self._watch = self._ray.remote(watch_over)
        with self._cluster_errors():
            self._cluster = ray_connection.ClusterWatch(self._ray, _POLL_S)
        self._ending.callback(self._cluster.end)
        self._look_at_nodes()

    def _gpus_for(self, task: Any) -> float:
        """Only tasks that run a network name one."""
        on_gpu = resolve_device(None) != "cpu" and hasattr(task, "backbone")
        return self._options.gpus_per_task if on_gpu else 0.0

    def _submit(self, work: _Work, running: dict[Any, _Work], node: str = "") -> None:
        strategy: Any = "SPREAD"
        if node:
            affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
            strategy = affinity(node, soft=True)
        selected = self._watch.options(
            num_cpus=1,
            num_gpus=work.gpus or None,
            # Ray would repeat a crash blindly, and knows nothing of pictures.
            max_retries=0,
            scheduling_strategy=strategy,
            name="naturalist",
        )
        self._gpus_asked = max(self._gpus_asked, work.gpus)
        copy = selected.remote(work.packed, self._terms)
        work.copies.add(copy)
        running[copy] = work

    def _answer(self, copy: Any, work: _Work, running: dict[Any, _Work]) -> Answer | None:
        """What became of a copy; None if it was lost, and is done again."""
        exceptions = self._ray.exceptions
        work.copies.discard(copy)
        try:
            answer: Answer = self._ray.get(copy)
        except exceptions.RayTaskError as error:
            raise error.cause from error
        except exceptions.RayError as error:
            work.losses += 1
            self._progress.note(f"a task is repeated: {_loss(error)}")
            if work.losses > _LOSSES:
                raise NaturalistError(
                    f"a task was lost {work.losses} times with its node or worker: "
                    f"{_first_line(error)}. Finished work is kept: run again; if memory is short, "
                    "give the nodes fewer CPUs"
                ) from error
            if not work.copies:
                self._submit(work, running, self._node_in_turn(work))
            return None
        return answer

    def _result(self, answer: Answer) -> Any:
        self.latest_node = self._name_of(answer.node)
        if answer.error is not None:
            raise answer.error
        # Of a process of this very run; see ray_worker.
        return pickle.loads(answer.result)  # noqa: S301

    def _name_of(self, node: str) -> str:
        """What people call a node; one may answer before the head was asked again who is there."""
        until_s = time.monotonic() + 3 * _POLL_S
        while node not in self._names and time.monotonic() < until_s:
            time.sleep(_POLL_S / 5)
            with self._cluster_errors():
                self._names |= self._cluster.latest.nodes
        return self._names.setdefault(node, node)

    def _look_at_nodes(self) -> None:
        self._looked_s = time.monotonic()
        with self._cluster_errors():
            state = self._cluster.latest
        self._head.look(self._looked_s - state.at_s)
        before, self._nodes, resources = self._nodes, state.nodes, state.resources
        self._slots = int(resources.get("CPU", 0))
        if self._gpus_asked:
            self._slots = min(self._slots, int(resources.get("GPU", 0) / self._gpus_asked))
        for node in before.keys() - self._nodes.keys():
            self._progress.note(f"node {before[node]} is lost: its tasks are repeated")
        for node in self._nodes.keys() - before.keys():
            if before:
                self._progress.note(f"node {self._nodes[node]} has joined")
        self._names |= self._nodes
        self._shortage.look(resources, {"CPU": 1.0, "GPU": self._gpus_asked})

    @contextlib.contextmanager
    def _cluster_errors(self) -> Iterator[None]:
        try:
            yield
        except self._ray.exceptions.RayError as error:
            raise _no_longer(_first_line(error)) from error

    def _help_late_ones(self, running: dict[Any, _Work], pace: "_Pace") -> None:
        """Begin the latest tasks again on other nodes, when there is nothing else to do."""
        for work in set(running.values()):
            is_everywhere = len(work.copies) >= max(len(self._nodes), 2)
            if len(running) < self._slots and not is_everywhere and pace.is_late(work):
                self._progress.note(
                    "a task takes much longer than the others: a second copy was started"
                )
                self._submit(work, running, self._node_in_turn(work))

    def _node_in_turn(self, work: _Work) -> str:
        """Another one each time that a task is begun; the node that lost it may lose it again."""
        nodes = list(self._nodes)
        return nodes[(len(work.copies) + work.losses) % len(nodes)] if nodes else ""

    def close(self) -> None:
        """Leave the cluster; unfinished tasks end and leave nothing behind."""
        if self._left_over:
            # While the workspace is still held: what is only slow may finish writing.
            self._ray.wait(self._left_over, num_returns=len(self._left_over), timeout=_PATIENCE_S)
            self._left_over.clear()
        self._ending.close()
        self._ray = None
        self._nodes = {}


class _Head:
    """How long the head of the cluster has not answered, and how long it may."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._was_said = False

    def look(self, silent_s: float) -> None:
        """Say once that it is away.

        Raises:
            ClusterError: it has been away for too long.
        """
        if silent_s > _HEAD_AWAY_S:
            raise _no_longer(f"its head has been silent for {silent_s:.0f} s")
        is_away = silent_s > _HEAD_SILENT_S
        if is_away and not self._was_said:
            self._progress.note(
                f"the head of the Ray cluster does not answer; waiting up to {_HEAD_AWAY_S:.0f} s"
            )
        self._was_said = is_away


class _Shortage:
    """What no node of the cluster has though tasks ask for it, and how long that may last."""

    def __init__(self, wait_s: float, progress: Progress) -> None:
        self._wait_s = wait_s
        self._progress = progress
        self._missing = ""
        self._since_s = self._said_s = 0.0

    def look(self, resources: Mapping[str, float], needed: Mapping[str, float]) -> None:
        """Say what is missing at once and then every minute.

        Args:
            resources: of all nodes, by kind.
            needed: what one task asks for, by kind.

        Raises:
            ClusterError: it was missing for too long.
        """
        missing = " and ".join(
            _asked(kind, amount, resources.get(kind, 0.0))
            for kind, amount in needed.items()
            if resources.get(kind, 0.0) < amount
        )
        now_s = time.monotonic()
        if missing != self._missing:
            self._missing, self._since_s, self._said_s = missing, now_s, now_s - _LOG_EVERY_S
        if not missing:
            return
        waited_s = now_s - self._since_s
        if waited_s > self._wait_s:
            raise ClusterError(
                f"a task {missing}, for {waited_s:,.0f} s (executor.wait_s): start a node that has "
                "it, and run the same command again; finished work is kept"
            )
        if now_s - self._said_s >= _LOG_EVERY_S:
            self._said_s = now_s
            self._progress.note(
                f"a task {missing}; waiting, {waited_s:,.0f} s of {self._wait_s:,.0f} s"
            )


def _no_longer(why: str) -> ClusterError:
    return ClusterError(
        f"the Ray cluster no longer answers ({why}): finished work is kept; restart its head node "
        "with `ray start --head`, let the other nodes join it again, and run the same command again"
    )


def _asked(kind: str, amount: float, there: float) -> str:
    plural = "" if amount == 1 else "s"
    has = f"{there:g}" if there else "none"
    return f"asked for {amount:g} {kind}{plural}, the cluster has {has}"


@dataclass
class _Pace:
    """How long tasks take in one map."""

    is_last: bool = False
    """Whether the last task has been given out."""
    all_begun_s: float | None = None
    """Since when every task that is left can have a slot of its own."""
    durations_s: list[float] = field(default_factory=list)

    def note(self, work: _Work) -> None:
        self.durations_s.append(time.monotonic() - work.begun_s)

    def is_late(self, work: _Work) -> bool:
        if self.all_begun_s is None or not self.durations_s:
            return False
        since = max(work.begun_s, self.all_begun_s)
        allowed_s = _SLOWER * statistics.median(self.durations_s) + _PATIENCE_S
        return time.monotonic() - since > allowed_s * len(work.copies)


def _loss(error: Exception) -> str:
    match type(error).__name__:
        case "NodeDiedError":
            return "its node was lost"
        case "OutOfMemoryError":
            return "its node is short of memory"
        case _:
            return "its worker ended"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
