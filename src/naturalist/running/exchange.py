"""Working on machines that do not have the workspace, through a bucket.

A node gets what a task needs to know along with the task, reads pictures in their own bucket, and
works in a temporary workspace. The files that it makes go to the exchange, a prefix in a bucket,
each under a key that nobody else uses. The driver fetches them into the workspace, receipts last,
and removes them. So the workspace is as if the task had run in it, and a kill of anybody leaves
objects at most, which the next run removes.

That is possible for the stages that read every picture (ingest, extract, and sending pictures to
the bucket that they are published in), and for pictures that are in buckets.
"""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from naturalist import artifacts
from naturalist.errors import StoreError
from naturalist.layout import Layout
from naturalist.reasons import Reason
from naturalist.running.executors import Executor
from naturalist.stages import extract, packing, sending
from naturalist.stages.extract import ExtractTask
from naturalist.stages.ingest import examine
from naturalist.stages.ingest.examine import ExamineTask
from naturalist.stages.sending import SendTask
from naturalist.stores import Store, open_store
from naturalist.stores.remote import RemoteFolder

Task = ExamineTask | ExtractTask | SendTask
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class AwayTask:
    """A task to be done in a temporary workspace, and where its files are to go."""

    task: Task
    exchange: RemoteFolder
    breadcrumbs: Path

    @property
    def key(self) -> str:
        """Names the task among those under way."""
        return self.task.key

    def suspect(self, index: int, reason: Reason) -> "AwayTask":
        """See `Blamable.blame`."""
        if isinstance(self.task, SendTask):
            return self
        return replace(self, task=self.task.suspect(index, reason))


@dataclass(frozen=True)
class Sent:
    """What a node says of a task: its result, and its files as (path below the workspace, sha256).

    The result is None if the task can only be done in the workspace itself.
    """

    result: Any
    prefix: str = ""
    files: tuple[tuple[str, str], ...] = ()


def run_away(away: AwayTask) -> Sent:
    """Do a task without its workspace, and send what it makes to the exchange.

    Raises:
        StoreError: the store of the exchange failed.
    """
    with tempfile.TemporaryDirectory(prefix="naturalist-away-") as name:
        layout = Layout(Path(name))
        layout.scratch.mkdir()
        away.breadcrumbs.mkdir(0o700, parents=True, exist_ok=True)
        layout.breadcrumbs.symlink_to(away.breadcrumbs)
        task = _in_workspace(away.task, layout.root)
        result = _do(task)
        if layout.staging.exists():
            # Members of archives are placed from there, by the machines that have the workspace.
            return Sent(None)
        prefix = secrets.token_hex(16)
        files = tuple(_send(_store(away.exchange), prefix, layout, task))
    return Sent(result, prefix, files)


def _in_workspace(task: Task, root: Path) -> Task:
    if isinstance(task, SendTask):
        return replace(task, pack=replace(task.pack, root=root))
    return replace(task, root=root)


def _do(task: Task) -> Any:
    match task:
        case ExamineTask():
            return examine.examine(task)
        case ExtractTask():
            return extract.run(task)
        case SendTask():
            return sending.run(task)


def _made(task: Task) -> list[Path]:
    """Every file that a task leaves in its workspace."""
    match task:
        case ExamineTask():
            return [task.findings]
        case ExtractTask():
            return extract.files_of(task)
        case SendTask():
            return sending.files_of(task)


def _send(store: Store, prefix: str, layout: Layout, task: Task) -> Iterator[tuple[str, str]]:
    for path in filter(Path.exists, _made(task)):
        below, sha256 = str(path.relative_to(layout.root)), artifacts.sha256_file(path)
        store.put_file(f"{prefix}/{below}", path, sha256)
        yield below, sha256


def _store(exchange: RemoteFolder) -> Store:
    return open_store(exchange.url, exchange.options)


class ExchangeExecutor:
    """Has nodes without the workspace do what they can, and this machine the rest.

    Args:
        here: for tasks that need the workspace.
        there: the nodes.
        exchange: a prefix in a bucket, see `place_in`.
        breadcrumb_folder: where tasks leave their trails, on every node.
    """

    def __init__(
        self, here: Executor, there: Executor, exchange: RemoteFolder, breadcrumb_folder: Path
    ) -> None:
        self.latest_node = ""
        self._here, self._there = here, there
        self._exchange = exchange
        self._breadcrumbs = breadcrumb_folder
        self._is_clear = False

    def map(self, run: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        """See `Executor.map`."""
        stay: list[T] = []
        sent: dict[str, T] = {}
        going = self._going(tasks, sent, stay)
        for away, answer in self._there.map(run_away, going):
            task = sent.pop(away.key)
            if answer.result is None:
                stay.append(task)
                continue
            self._bring_home(away.task, answer)
            self.latest_node = self._there.latest_node
            yield task, cast("R", answer.result)
        self.latest_node = ""
        yield from self._here.map(run, stay)

    def _going(
        self, tasks: Iterable[Any], sent: dict[str, Any], stay: list[Any]
    ) -> Iterator[AwayTask]:
        for task in tasks:
            packed = _packed(task)
            if packed is None:
                stay.append(task)
                continue
            self._clear()
            sent[packed.key] = task
            yield AwayTask(packed, self._exchange, self._breadcrumbs)

    def _clear(self) -> None:
        """Remove what killed runs left; the holder of the workspace is the only one who sends."""
        if not self._is_clear:
            store = _store(self._exchange)
            store.delete(info.key for info in store.list())
            self._is_clear = True

    def _bring_home(self, task: Task, answer: Sent) -> None:
        root = task.pack.root if isinstance(task, SendTask) else task.root
        store, sent = _store(self._exchange), dict(answer.files)
        expected = {str(path.relative_to(root)): path for path in _made(task)}
        if not sent.keys() <= expected.keys():
            raise StoreError(f"a node sent files that {task.key} does not write: {sorted(sent)}")
        for below, path in expected.items():
            if below in sent:
                store.fetch(f"{answer.prefix}/{below}", path, sent[below])
            else:
                path.unlink(missing_ok=True)
        store.delete(f"{answer.prefix}/{below}" for below in sent)

    def close(self) -> None:
        """End the workers, here and there."""
        self._there.close()
        self._here.close()


def _packed(task: Any) -> Task | None:
    """A task with all that it needs to know; None if it has to be done in the workspace."""
    if isinstance(task, ExamineTask):
        return task if isinstance(task.source.path, RemoteFolder) else None
    if isinstance(task, ExtractTask):
        along = extract.attached_rows(task)
        return replace(task, along=along) if extract.is_remote(task, along) else None
    if isinstance(task, SendTask):
        pack = replace(task.pack, along=packing.attached_rows(task.pack))
        return replace(task, pack=pack) if sending.is_for_nodes(replace(task, pack=pack)) else None
    return None


def place_in(exchange: RemoteFolder, layout: Layout) -> RemoteFolder:
    """The part of an exchange that belongs to one workspace alone, and is emptied by its runs."""
    return replace(exchange, url=f"{exchange.url}/naturalist-exchange/{_name_of(layout)}")


def breadcrumb_folder(layout: Layout) -> Path:
    """Where trails lie on nodes that do not have the workspace."""
    return Path(tempfile.gettempdir()) / f"naturalist-{os.getuid()}-{_name_of(layout)}"


def _name_of(layout: Layout) -> str:
    return artifacts.fingerprint(str(layout.root))[:16]
