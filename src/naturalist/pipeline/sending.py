"""Packing pictures and sending them, shard by shard, so that disk use stays bounded.

A shard's pictures go first and its index last: an index in the store says that all its pictures
are there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from naturalist import artifacts
from naturalist.layout import receipt_path
from naturalist.progress import Progress, stage
from naturalist.running.executors import Executor
from naturalist.stages import packing
from naturalist.stages.packing import Form, PackTask
from naturalist.stages.publish import Item, keyed
from naturalist.stores import ObjectInfo, Store, Upload

INDEX_PREFIX = "picture_index/"


@dataclass
class SentPictures:
    """Snapshot entries of all pictures, and what had to be sent."""

    entries: list[dict[str, Any]]
    sent_files: int = 0
    sent_bytes: int = 0
    left_out: int = 0

    def count(self, upload: Upload, info: ObjectInfo, was_sent: bool) -> None:
        """Hear of a file that is safe in the store."""
        if was_sent:
            self.sent_files += 1
            self.sent_bytes += info.size_bytes


def send_pictures(
    executor: Executor, progress: Progress, store: Store, tasks: Sequence[PackTask]
) -> SentPictures:
    """Send the shards that the store lacks.

    Raises:
        StoreError: the store failed; what was sent is not sent again.
    """
    missing = [task for task, sent in look_for(store, tasks) if not sent]
    result = SentPictures([])
    with stage(
        progress, "pictures", sum(task.shard.rows for task in missing), "pictures"
    ) as advance:
        for task, _ in executor.map(packing.run, missing):
            for uploads in (picture_uploads(task), [index_upload(task)]):
                store.put_files(uploads, result.count)
            packing.discard(task)
            advance(task.shard.rows)
    for task in tasks:
        result.entries += _entries(task)
        result.left_out += _facts(task)["left_out"]
    return result


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


def _facts(task: PackTask) -> dict[str, Any]:
    facts: dict[str, Any] = artifacts.read_json(receipt_path(task.index))["facts"]
    return facts


def _name(task: PackTask) -> str:
    return f"pictures/{task.category}/{task.index.stem}"


def picture_uploads(task: PackTask) -> Iterator[Upload]:
    """The uploads of a packed task's pictures; their files are gone once they are sent."""
    if task.form is Form.TARS:
        facts = _facts(task)
        key = keyed(f"{_name(task)}.tar", facts["tar_sha256"])
        yield Upload(key, task.tar, facts["tar_sha256"])
        return
    for row in pq.read_table(task.index, partitioning=None).to_pylist():
        path = task.folder / row["name"]
        yield Upload(f"{_name(task)}/{row['name']}", path, row["sha256"].hex())


def _entries(task: PackTask) -> Iterator[dict[str, Any]]:
    index = _index_item(task).entry()
    if task.form is Form.OBJECTS:
        index["objects_below"] = f"{_name(task)}/"
    yield index
    if task.form is Form.TARS:
        facts = _facts(task)
        yield {
            "name": f"{_name(task)}.tar",
            "key": keyed(f"{_name(task)}.tar", facts["tar_sha256"]),
            "size_bytes": facts["tar_size_bytes"],
            "sha256": facts["tar_sha256"],
        }
