"""Packing pictures and sending them, shard by shard, so that disk use stays bounded.

Whoever packs a shard sends it, so that pictures leave every machine at once. A shard's pictures go
first and its index last: an index in the store says that all its pictures are there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from naturalist import artifacts
from naturalist.layout import receipt_path
from naturalist.stages import packing
from naturalist.stages.packing import Form, PackTask
from naturalist.stages.publish import Item, keyed
from naturalist.stores import ObjectInfo, S3Options, Store, Upload
from naturalist.stores.keeping import keep_store
from naturalist.stores.opening import is_bucket

INDEX_PREFIX = "picture_index/"


@dataclass(frozen=True)
class SendTask:
    """The pictures of one shard, and the store that they go to.

    Attributes:
        pack: the pictures.
        url: the store.
        options: how it is spoken to.
        here: only this machine sends: the store is a folder, which other machines may not have, or
            they have no credentials.
    """

    pack: PackTask
    url: str
    options: S3Options
    here: bool = False

    @property
    def key(self) -> str:
        """Names the task among those under way."""
        return f"send-{self.pack.key}"


@dataclass(frozen=True)
class Sent:
    """A shard that was packed, and what of it had to be sent."""

    pictures: int
    files: int = 0
    size_bytes: int = 0


def run(task: SendTask) -> Sent:
    """Pack a shard and, unless that is left to another machine, send it.

    Raises:
        StorageFull: the drive is full.
        StoreError: the store failed; what was sent is not sent again.
    """
    packing.run(task.pack)
    return Sent(task.pack.shard.rows) if task.here else send(task)


def send(task: SendTask) -> Sent:
    """Send a packed shard; its pictures are gone from this machine then, and its index stays.

    Raises:
        StoreError: the store failed; what was sent is not sent again.
    """
    sizes: list[int] = []

    def count(_: Upload, info: ObjectInfo, was_sent: bool) -> None:
        if was_sent:
            sizes.append(info.size_bytes)

    store = keep_store(task.url, task.options)
    for uploads in (picture_uploads(task.pack), [index_upload(task.pack)]):
        store.put_files(uploads, count)
    packing.discard(task.pack)
    return Sent(task.pack.shard.rows, len(sizes), sum(sizes))


def files_of(task: SendTask) -> list[Path]:
    """Every file that a task leaves in the workspace, in that order."""
    return [task.pack.index, receipt_path(task.pack.index)]


def is_for_nodes(task: SendTask) -> bool:
    """Whether a machine without the workspace can send: nothing but buckets is read and written."""
    return not task.here and is_bucket(task.url) and packing.is_remote(task.pack)


def look_for(store: Store, tasks: Sequence[PackTask]) -> list[tuple[PackTask, bool]]:
    """Each task with whether its pictures are in the store, as told by its index being there."""
    there = {info.key for info in store.list(INDEX_PREFIX)} if tasks else set()
    return [(task, _is_sent(task, there)) for task in tasks]


def _is_sent(task: PackTask, there: set[str]) -> bool:
    return artifacts.is_done(task.index, task.fingerprint) and _index_item(task).key in there


def _index_item(task: PackTask) -> Item:
    name = f"{INDEX_PREFIX}{task.category}/{task.index.name}"
    sha256 = artifacts.read_json(receipt_path(task.index))["sha256"][task.index.name]
    return Item(name, task.index, sha256, task.index.stat().st_size)


def index_upload(task: PackTask) -> Upload:
    """The upload of a packed task's index."""
    return upload_of(_index_item(task))


def upload_of(item: Item) -> Upload:
    """The upload of an item."""
    return Upload(item.key, item.path, item.sha256)


def left_out(task: PackTask) -> int:
    """Pictures of a packed task that could not be packed."""
    return int(_facts(task)["left_out"])


def _facts(task: PackTask) -> dict[str, Any]:
    found: dict[str, Any] = artifacts.read_json(receipt_path(task.index))["facts"]
    return found


def _name(task: PackTask) -> str:
    return f"pictures/{task.category}/{task.index.stem}"


def picture_uploads(task: PackTask) -> Iterator[Upload]:
    """The uploads of a packed task's pictures; their files are gone once they are sent."""
    if task.form is Form.TARS:
        packed = _facts(task)
        key = keyed(f"{_name(task)}.tar", packed["tar_sha256"])
        yield Upload(key, task.tar, packed["tar_sha256"])
        return
    for row in pq.read_table(task.index, partitioning=None).to_pylist():
        path = task.folder / row["name"]
        yield Upload(f"{_name(task)}/{row['name']}", path, row["sha256"].hex())


def entries(task: PackTask) -> Iterator[dict[str, Any]]:
    """Snapshot entries of a task that was sent."""
    index = _index_item(task).entry()
    if task.form is Form.OBJECTS:
        index["objects_below"] = f"{_name(task)}/"
    yield index
    if task.form is Form.TARS:
        packed = _facts(task)
        yield {
            "name": f"{_name(task)}.tar",
            "key": keyed(f"{_name(task)}.tar", packed["tar_sha256"]),
            "size_bytes": packed["tar_size_bytes"],
            "sha256": packed["tar_sha256"],
        }
