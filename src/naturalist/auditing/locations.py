"""Auditing each kind of place: a published collection, a pulled folder, a workspace."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from naturalist import snapshots
from naturalist.auditing.exposure import Collector, Exposure, PlaceKind
from naturalist.auditing.traces import Known, known_here
from naturalist.consume.folder import MANIFEST, path_of, read_manifest
from naturalist.errors import ConfigError
from naturalist.pipeline import publishing
from naturalist.pipeline.describing import describe
from naturalist.pipeline.steps import Job
from naturalist.snapshots import LATEST, delta, maintenance
from naturalist.snapshots.schema import MAX_DOCUMENT_BYTES
from naturalist.stages import packing
from naturalist.stages.ingest.options import Source
from naturalist.stores import Store

_FACES = (
    "faces: naturalist has no face detector, so faces were not searched for; look at the "
    "pictures or at a contact sheet"
)
_MOST_BYTES = 4 << 30
_TEXT_IN_PICTURES = "names and number plates that are visible in pictures"

OnBegin = Callable[[int | None], None]
OnFile = Callable[[int], None]


def audit_published(
    store: Store,
    snapshot_id: str | None = None,
    *,
    known: Known | None = None,
    on_begin: OnBegin = lambda _: None,
    on_file: OnFile = lambda _: None,
) -> Exposure:
    """What a published collection tells: every file of a snapshot, and all documents beside it.

    Args:
        store: where it is published.
        snapshot_id: which snapshot; the one that `latest` points to if None.
        known: what to look for; what this machine tells if None.
        on_begin: hears how many files there are; None if only their indexes can tell.
        on_file: hears how many more were looked at.

    Raises:
        NotFound: there is no such collection or snapshot.
        StoreError: the store failed, or a file does not have the bytes that the snapshot names.
    """
    snapshot = snapshots.read(store, snapshot_id)
    counted = not any(file.objects_below for file in snapshot.files)
    on_begin(len(snapshot.files) if counted else None)
    collector = Collector(known or known_here())
    for file in snapshots.with_pictures(store, snapshot.files):
        if file.size_bytes > _MOST_BYTES:
            collector.add("unreadable", f"more than {_MOST_BYTES:,} bytes", file.name)
            continue
        collector.look_at(file.name, store.get_bytes(file.key, file.size_bytes)[0])
        on_file(1)
    for name in _documents(store):
        collector.look_at(name, store.get_bytes(name, MAX_DOCUMENT_BYTES)[0])
    collector.look_at_description(snapshot.about, (file.name for file in snapshot.files))
    others = len(snapshots.ids(store)) - 1
    if others:
        text = "other snapshots, whose files are readable too until they are pruned"
        collector.add("other_snapshots", text, snapshots.FOLDER, others)
    return _exposure(store.url, "published", snapshot.id, collector)


def _documents(store: Store) -> Iterator[str]:
    """Keys of what no snapshot names: pointers, snapshots, the log of maintenance and of Delta."""
    for key in (LATEST, maintenance.KEY):
        if store.head(key) is not None:
            yield key
    for prefix in (snapshots.FOLDER, delta.LOG):
        yield from (info.key for info in store.list(prefix))


def audit_pulled(
    folder: Path,
    *,
    known: Known | None = None,
    on_begin: OnBegin = lambda _: None,
    on_file: OnFile = lambda _: None,
) -> Exposure:
    """What a pulled folder tells, as it would if somebody passed it on.

    Raises:
        ConfigError: nothing was pulled there, or a pull was interrupted.
    """
    manifest = read_manifest(folder)
    if manifest is None or not manifest.complete:
        raise ConfigError(
            f"{folder} does not contain a complete collection: run `naturalist pull URL {folder}`"
        )
    on_begin(len(manifest.files))
    collector = Collector(known or known_here())
    for here in manifest.files.values():
        collector.look_at(here.file.name, path_of(folder, here.file).read_bytes())
        on_file(1)
    collector.look_at(MANIFEST, (folder / MANIFEST).read_bytes())
    collector.look_at_description(manifest.about, manifest.files)
    return _exposure(str(folder), "pulled", manifest.snapshot, collector)


def audit_workspace(
    job: Job, *, known: Known | None = None, on_begin: OnBegin, on_file: OnFile
) -> Exposure:
    """What the next publication of a workspace would tell, by its configuration.

    Files that exist only for publishing are made; nothing is sent.

    Raises:
        VerificationFailed: the tables are not verified, so nothing would be published.
    """
    config = job.config
    folders = [config.layout.root, *_local(config.known_sources)]
    collector = Collector(known or known_here(folders))
    items = publishing.items_to_publish(config)
    tasks = publishing.pack_tasks(config)
    on_begin(len(items) + sum(task.shard.rows for task in tasks))
    for item in items:
        collector.look_at(item.name, item.path.read_bytes())
        on_file(1)
    for task in tasks:
        for name, data in packing.published_pictures(task):
            collector.look_at(f"pictures/{task.category}/{name}", data)
            on_file(1)
    names = [*(item.name for item in items), *(f"pictures/{task.category}" for task in tasks)]
    collector.look_at_description(describe(config), names)
    return _exposure(str(config.layout.root), "workspace", "", collector)


def _local(sources: Iterable[Source]) -> Iterator[Path]:
    yield from (source.path for source in sources if isinstance(source.path, Path))


def _exposure(place: str, kind: PlaceKind, snapshot: str, collector: Collector) -> Exposure:
    common = collector.known.passed_over
    names = [f"too short or too common to search for: {', '.join(common)}"] if common else []
    return Exposure(
        place,
        kind,
        snapshot,
        collector.files,
        collector.size_bytes,
        collector.findings,
        (_FACES, _TEXT_IN_PICTURES, *names),
    )
