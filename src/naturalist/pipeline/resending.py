"""Publishing again what was damaged in the store, or disappeared from it.

An ordinary publish believes that what it sent is still there as it was. Here every object that it
would believe in is read back, wrong ones are deleted, and then it publishes as always, which sends
whatever is missing. Until then a reader finds no object where there was a wrong one. Objects that
only older snapshots name are not looked at. The Delta log beside the tables is repaired too.
"""

import json
from dataclasses import dataclass, field, replace

from naturalist import snapshots
from naturalist.pipeline import publishing
from naturalist.pipeline.steps import Job
from naturalist.progress import stage
from naturalist.snapshots import LATEST, delta, maintenance
from naturalist.stages import sending
from naturalist.stages.packing import PackTask
from naturalist.stages.publish import Published
from naturalist.stores import Store, open_store
from naturalist.stores.repairing import find_damage


@dataclass
class _Inspection:
    """What is to be deleted, and how many objects are damaged or gone."""

    doomed: set[str] = field(default_factory=set)
    damaged: int = 0


def publish_repaired(job: Job, *, accept_replacement: bool = False) -> Published | None:
    """Publish as `publishing.publish_snapshot` does, believing nothing of what the store holds.

    Raises:
        ConfigError: as there.
        VerificationFailed: tables are not verified, or a hard check failed.
        Conflict: somebody else publishes or prunes at the same time; run again.
        StoreError: the store failed; run again.
    """
    config = job.config
    if not config.publish_url:
        return None
    store = open_store(config.publish_url, config.s3_options)
    result = _Inspection()
    _look_at_files(job, store, result, _published_keys(store, result))
    result.damaged += _repair_log(store)
    _look_at_pictures(job, store, result)
    if result.doomed:
        # A publisher that believed in one of these objects learns so that one was removed.
        with maintenance.held(store, "repair", prunes=True):
            store.delete(sorted(result.doomed))
    published = publishing.publish_snapshot(job, accept_replacement=accept_replacement)
    if LATEST in result.doomed:
        result.damaged += _repair_log(store)
    return published and replace(published, repaired_files=result.damaged)


def _published_keys(store: Store, inspection: _Inspection) -> set[str]:
    """What the newest snapshot names.

    If it is damaged, the pointer to it goes: it cannot be made again, but the next one can.
    """
    if store.head(LATEST) is None:
        return set()
    if _is_sound(store):
        return {file.key for file in snapshots.newest(store)[0].files}
    inspection.doomed.add(LATEST)
    inspection.damaged += 1
    return set()


def _repair_log(store: Store) -> int:
    """Repair the Delta log; only a sound `latest` tells what should be in it."""
    if store.head(LATEST) is None or not _is_sound(store):
        return 0
    snapshot = snapshots.newest(store)[0]
    return delta.repair(store, snapshot.id, snapshot.files)


def _is_sound(store: Store) -> bool:
    recorded, read = store.head(LATEST), store.read_back(LATEST)
    if recorded is None or read is None or recorded.sha256 not in (None, read.sha256):
        return False
    try:
        pointer = json.loads(store.get_bytes(LATEST)[0])
        key, sha256 = pointer["key"], pointer["sha256"]
    except (KeyError, TypeError, ValueError):
        return False
    body = store.read_back(key)
    return body is not None and body.sha256 == sha256


def _look_at_files(job: Job, store: Store, inspection: _Inspection, known: set[str]) -> None:
    uploads = [sending.upload_of(item) for item in publishing.items_to_publish(job.config)]
    with stage(job.progress, "read back", len(uploads), "files") as advance:
        damage = find_damage(store, uploads, advance)
    inspection.doomed |= damage.wrong
    inspection.damaged += len(damage.wrong) + len(damage.missing & known)


def _look_at_pictures(job: Job, store: Store, inspection: _Inspection) -> None:
    looked = sending.look_for(store, publishing.pack_tasks(job.config))
    sent = [task for task, is_sent in looked if is_sent]
    with stage(
        job.progress, "read back", sum(task.shard.rows for task in sent), "pictures"
    ) as advance:
        for task in sent:
            _look_at_shard(task, store, inspection)
            advance(task.shard.rows)


def _look_at_shard(task: PackTask, store: Store, inspection: _Inspection) -> None:
    index = sending.index_upload(task)
    damage = find_damage(store, [*sending.picture_uploads(task), index])
    if damage.wrong or damage.missing:
        # An index says that all its pictures are there; without it they are packed and sent again.
        inspection.doomed |= {*damage.wrong, index.key}
        inspection.damaged += len(damage.wrong) + len(damage.missing)
