"""Publishing a workspace: what of it is published, and sending it."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from naturalist import artifacts, backbones, snapshots
from naturalist.config import Config
from naturalist.config.executor import ExecutorKind
from naturalist.errors import VerificationFailed
from naturalist.pipeline import replacing, space, steps
from naturalist.pipeline.describing import describe
from naturalist.pipeline.steps import Job
from naturalist.progress import stage
from naturalist.running.executors import worker_count
from naturalist.snapshots import maintenance
from naturalist.stages import packing, publish, sending
from naturalist.stages.verify import tables as table_checks
from naturalist.stores import LocalStore, Store, open_store
from naturalist.stores.opening import is_bucket
from naturalist.studies.publishing import study_items

_LEAST_REQUESTS = 4
"""Requests under way of each worker that sends, however many workers there are."""


@dataclass
class SentPictures:
    """Snapshot entries of all pictures, and what had to be sent."""

    entries: list[dict[str, Any]]
    left_out: int = 0
    sent_files: int = 0
    sent_bytes: int = 0


def publish_snapshot(job: Job, *, accept_replacement: bool = False) -> publish.Published | None:
    """Publish to the configured address; None if there is none.

    Args:
        job: the collection.
        accept_replacement: replace what is there, even of another collection or workspace.

    Raises:
        ConfigError: it would take away what another workspace has published (`replacing`).
        VerificationFailed: tables are not verified, or a hard check failed.
        StoreError: the store failed.
    """
    config = job.config
    if not config.publish_url:
        return None
    steps.collect_metadata(job)
    items = items_to_publish(config)
    store = open_store(config.publish_url, config.s3_options)
    hold = snapshots.hold_of(store)
    if hold is not None:
        job.progress.note(_HELD.format(**vars(hold)))
        return publish.Published(hold.snapshot, 0, 0, 0, 0, changed=False, held_since=hold.since)
    check = None
    if not accept_replacement:
        own = {item.name: item.sha256 for item in items}
        # Before anything is sent; and again when `latest` is about to be replaced.
        replacing.check_newest(config, store, own)
        check = partial(replacing.check, config, store, own)
    prunes_before = maintenance.prunes_so_far(store)
    warn_of_space(job, items)
    pictures = send_pictures(job, store)
    if pictures.left_out:
        job.progress.note(_LEFT_OUT.format(count=pictures.left_out))
    with stage(job.progress, "publish", len(items), "files") as advance:
        now = dt.datetime.now(dt.UTC)
        published = publish.publish(
            store,
            items,
            describe(config),
            now,
            advance,
            also=pictures.entries,
            prunes_before=prunes_before,
            check=check,
        )
    return replace(
        published,
        sent_files=published.sent_files + pictures.sent_files,
        sent_bytes=published.sent_bytes + pictures.sent_bytes,
    )


def warn_of_space(job: Job, items: Sequence[publish.Item] = ()) -> None:
    """Note it if a folder that is published to hardly has room for what it lacks.

    Args:
        job: the collection.
        items: files to publish; without them, packed pictures alone are counted.

    Raises:
        StorageFull: there is no space for even half of it; nothing was packed or sent.
        StoreError: the folder cannot be read.
    """
    config = job.config
    store = open_store(config.publish_url, config.s3_options) if config.publish_url else None
    if not isinstance(store, LocalStore):
        return
    there = publish.stored_keys(store, items)
    size_bytes = sum(item.size_bytes for item in items if item.key not in there)
    shards = [task for task, is_sent in sending.look_for(store, pack_tasks(config)) if not is_sent]
    for task, sizes in packing.picture_sizes(config.layout, shards):
        is_tar = task.form is packing.Form.TARS
        size_bytes += packing.tar_bytes(sizes) if is_tar else sum(sizes)
    if warning := space.check_publishing_space(store, size_bytes):
        job.progress.note(f"warning: {warning}")


_HELD = (
    "nothing is published: since {since} a rollback keeps `latest` at snapshot {snapshot} ({why}). "
    "`naturalist snapshots release` lifts it"
)

_LEFT_OUT = (
    "{count} pictures are not published as pictures: they can no longer be read, or their format "
    "(TIFF, AVIF, JPEG 2000, HEIC) has no way here of taking metadata out; "
    "publish.keep_metadata = true publishes the latter as they are"
)


def is_published(job: Job) -> bool:
    """Whether `latest` names everything that would be published now, and nothing else.

    Where nothing is published, or a rollback holds `latest`, there is nothing to do either.

    Raises:
        VerificationFailed: tables are not verified, or a hard check failed.
        StoreError: the store failed.
    """
    config = job.config
    if not config.publish_url:
        return True
    store = open_store(config.publish_url, config.s3_options)
    if snapshots.hold_of(store) is not None:
        return True
    tasks = pack_tasks(config)
    if unsent(config, store, tasks):
        return False
    steps.collect_metadata(job)
    entries = [entry for task in tasks for entry in sending.entries(task)]
    entries += [item.entry() for item in items_to_publish(config)]
    return publish.is_latest(store, entries)


def send_pictures(job: Job, store: Store) -> SentPictures:
    """Have the workers pack and send the shards that the store lacks.

    Raises:
        StoreError: the store failed; what was sent is not sent again.
    """
    tasks = pack_tasks(job.config)
    result = SentPictures([])
    for sent in send_missing(job, unsent(job.config, store, tasks)):
        result.sent_files += sent.files
        result.sent_bytes += sent.size_bytes
    for task in tasks:
        result.entries += sending.entries(task)
        result.left_out += sending.left_out(task)
    return result


def unsent(
    config: Config, store: Store, tasks: Sequence[packing.PackTask]
) -> list[sending.SendTask]:
    """The sending of every shard that the store lacks."""
    on_ray = config.executor.kind is ExecutorKind.RAY
    is_here = not is_bucket(config.publish_url) or config.publish.sent_by == "driver"
    options = config.s3_options
    share = max(_LEAST_REQUESTS, options.max_concurrency // worker_count(config.extract.workers))
    options = replace(options, max_concurrency=min(options.max_concurrency, share))
    return [
        sending.SendTask(task, config.publish_url, options, here=on_ray and is_here)
        for task, is_sent in sending.look_for(store, tasks)
        if not is_sent
    ]


def send_missing(job: Job, tasks: Sequence[sending.SendTask]) -> Iterator[sending.Sent]:
    """Pack and send shards; those that only this machine may send are packed anywhere."""
    total = sum(task.pack.shard.rows for task in tasks)
    done = steps.mapped(
        job, "pictures", "pictures", sending.run, tasks, total, lambda sent: sent.pictures
    )
    for task, sent in done:
        yield sending.send(task) if task.here else sent


def items_to_publish(config: Config) -> list[publish.Item]:
    """Every file to publish but the pictures; makes those that exist only for publishing.

    Raises:
        VerificationFailed: tables are not verified, or a hard check failed.
    """
    _require_verified(config)
    spec = backbones.describe(config.extract.backbone)
    items = publish.prepare(config.layout, config.labels, spec, config.publish.columns)
    if config.publish.thumbnails:
        items += publish.previews(config.layout, config.labels)
    columns, thumbnails = config.publish.columns, config.publish.thumbnails
    items += study_items(config.layout, spec.id, columns, thumbnails=thumbnails)
    return items + publish.cards(config.layout, describe(config), items)


def pack_tasks(config: Config) -> list[packing.PackTask]:
    """The packing of every shard whose pictures are to be published, done or not."""
    if config.publish.pictures is packing.Form.NONE:
        return []
    return packing.plan(
        config.layout,
        config.labels,
        config.source_paths,
        backbones.describe(config.extract.backbone),
        config.publish.pictures,
        keep_metadata=config.publish.keep_metadata,
    )


def _require_verified(config: Config) -> None:
    report = artifacts.read_json(config.layout.verification)
    unverified = table_checks.plan(list(steps.expected_tables(config)))
    if report is None or not report["passed"] or unverified:
        raise VerificationFailed(
            "the tables are not verified, and only verified tables are published: run `naturalist "
            "run`, or `naturalist verify` to see what is wrong"
        )
