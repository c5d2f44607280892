"""Pulling a published collection into a folder, and later only what changed.

Files are downloaded beside the folder's own ones, and exchanged when all are there and verified:
until then the folder is entirely what it was.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from naturalist import artifacts, snapshots
from naturalist.consume.folder import (
    MANIFEST,
    PULLED,
    Here,
    Manifest,
    is_untouched,
    kind_of,
    mark_incomplete,
    path_of,
    read_manifest,
    staging,
    write_manifest,
)
from naturalist.consume.reading import check_header
from naturalist.consume.selection import Selection
from naturalist.counting import size_text
from naturalist.errors import ConfigError, StorageFull, StoreError, WorkspaceLocked
from naturalist.snapshots import File, Snapshot
from naturalist.stages import cards
from naturalist.stages.cards import CardFile
from naturalist.stores import Store

JOBS = 8


@dataclass(frozen=True)
class Pulled:
    """What a pull did."""

    snapshot: str
    files: int
    size_bytes: int
    fetched_files: int
    fetched_bytes: int
    removed_files: int
    changed: bool


@dataclass(frozen=True)
class _Plan:
    kept: dict[str, Here]
    missing: list[File]
    surplus: list[File]


OnBegin = Callable[[int], None]
OnBytes = Callable[[int], None]


def pull(
    store: Store,
    folder: Path,
    selection: Selection,
    snapshot_id: str | None = None,
    *,
    jobs: int = JOBS,
    on_begin: OnBegin = lambda _: None,
    on_bytes: OnBytes = lambda _: None,
) -> Pulled:
    """Make `folder` hold the chosen files of a snapshot, each under its name, each verified.

    What is there already and unchanged is not fetched again; what a killed pull fetched is kept;
    files of an earlier pull that the snapshot no longer names are removed. Nothing else in the
    folder is touched: a file that no earlier pull brought is never replaced.

    Args:
        store: the published collection.
        folder: made if there is none.
        selection: which files.
        snapshot_id: which snapshot; the one that `latest` points to if None.
        jobs: files that are fetched at once.
        on_begin: hears how many bytes will be fetched.
        on_bytes: hears how many bytes more are here and verified.

    Raises:
        ConfigError: there is no such category or part, the folder is a workspace or a store, or it
            holds a file that no pull brought where one of the snapshot belongs.
        NotFound: there is no such collection or snapshot.
        StoreError: the store failed, has other bytes than the snapshot says, or tables that break
            a bound of `snapshots.parquet`.
        WorkspaceLocked: another pull into the folder is under way.
        StorageFull: there is no space left.
    """
    _check_folder(folder)
    snapshot = snapshots.read(store, snapshot_id)
    expected = selection.of(store, snapshot)
    description = _description(store, snapshot, expected)
    _check_names(folder, expected)
    with _held(folder):
        manifest = read_manifest(folder)
        _check_collection(folder, snapshot, manifest)
        plan = _plan(folder, expected, manifest)
        _check_free(folder, plan, manifest, description)
        _check_room(folder, plan.missing)
        on_begin(sum(file.size_bytes for file in plan.missing))
        _fetch_all(store, folder, plan.missing, jobs, on_bytes)
        _check_headers(folder, plan.missing)
        if (
            plan.missing
            or plan.surplus
            or manifest is None
            or not manifest.is_of(snapshot, selection)
        ):
            now = _manifest(store, snapshot, selection, plan.kept)
            _put_in_place(folder, plan, manifest or now, now, description)
        _tidy(folder)
    return _pulled(snapshot, expected, plan)


def _tidy(folder: Path) -> None:
    """Remove what this pull, and killed ones before it, needed on the way."""
    shutil.rmtree(staging(folder), ignore_errors=True)
    for name in (MANIFEST, cards.CROISSANT):
        artifacts.remove_temporaries_of(folder / name)


def _pulled(snapshot: Snapshot, expected: Sequence[File], plan: _Plan) -> Pulled:
    return Pulled(
        snapshot=snapshot.id,
        files=len(expected),
        size_bytes=sum(file.size_bytes for file in expected),
        fetched_files=len(plan.missing),
        fetched_bytes=sum(file.size_bytes for file in plan.missing),
        removed_files=len(plan.surplus),
        changed=bool(plan.missing or plan.surplus),
    )


def _check_names(folder: Path, expected: Sequence[File]) -> None:
    """Before anything is made."""
    for file in expected:
        path_of(folder, file)


def _check_headers(folder: Path, fetched: Sequence[File]) -> None:
    """Before anything fetched is put in place."""
    for file in fetched:
        check_header(_staged(folder, file), file)


def _put_in_place(
    folder: Path, plan: _Plan, before: Manifest, now: Manifest, description: bytes
) -> None:
    mark_incomplete(folder, before, plan.missing)
    files = plan.kept | _exchange(folder, plan)
    artifacts.write_bytes(folder / cards.CROISSANT, description)
    write_manifest(folder, replace(now, files=files))


def _check_folder(folder: Path) -> None:
    what = kind_of(folder)
    if what not in ("", PULLED):
        raise ConfigError(f"{folder} is {what}: pull into another folder")


def _check_collection(folder: Path, snapshot: Snapshot, manifest: Manifest | None) -> None:
    name = snapshot.about["collection"]
    if manifest is not None and manifest.about["collection"] != name:
        raise ConfigError(
            f"{folder} holds the collection {manifest.about['collection']!r}, not {name!r}: pull "
            "into another folder"
        )


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    with artifacts.storage_errors(str(folder)):
        staging(folder).mkdir(parents=True, exist_ok=True)
        handle = os.open(staging(folder).parent / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WorkspaceLocked(
                f"another pull into {folder} is running: wait for it, or stop it (downloaded "
                "files are kept) and pull again"
            ) from error
        yield
    finally:
        os.close(handle)


def _plan(folder: Path, expected: Sequence[File], manifest: Manifest | None) -> _Plan:
    before = manifest.files if manifest else {}
    kept, missing = {}, []
    for file in expected:
        here = _find(folder, file, before.get(file.name))
        if here is None:
            missing.append(file)
        else:
            kept[file.name] = here
    names = {file.name for file in expected}
    surplus = [here.file for name, here in before.items() if name not in names]
    return _Plan(kept, missing, surplus)


def _check_free(folder: Path, plan: _Plan, manifest: Manifest | None, description: bytes) -> None:
    """Raise if a file would replace one that no pull brought."""
    own = manifest.files if manifest else {}
    foreign = [
        str(path)
        for path in (path_of(folder, file) for file in plan.missing if file.name not in own)
        if path.is_symlink() or path.exists()
    ]
    made_here = folder / cards.CROISSANT
    if manifest is None and made_here.exists() and made_here.read_bytes() != description:
        foreign.append(str(made_here))
    if foreign:
        others = f" and {len(foreign) - 1:,} more" if len(foreign) > 1 else ""
        raise ConfigError(
            f"{foreign[0]}{others} would be replaced, although no earlier pull created it: move "
            "it, or pull into an empty folder. Nothing was changed"
        )


def _check_room(folder: Path, missing: Iterable[File]) -> None:
    """Raise before the first byte is fetched if the drive cannot hold what the snapshot says."""
    size_bytes = sum(file.size_bytes for file in missing if not _staged(folder, file).exists())
    free_bytes = shutil.disk_usage(staging(folder)).free
    if size_bytes > free_bytes:
        raise StorageFull(
            f"{size_text(size_bytes)} must be downloaded to {folder}, but only "
            f"{size_text(free_bytes)} are free: free some space, or pull less (--categories, "
            "--parts)"
        )


def _find(folder: Path, file: File, known: Here | None) -> Here | None:
    """The file if its bytes are here; read only if its time stamp does not vouch for them."""
    if known is not None and known.file.sha256 == file.sha256 and is_untouched(folder, known):
        return Here(file, known.mtime_ns)
    path = path_of(folder, file)
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return None
    here = Here(file, path.stat().st_mtime_ns)
    return here if artifacts.sha256_file(path) == file.sha256 else None


def _fetch_all(
    store: Store, folder: Path, files: Sequence[File], jobs: int, on_bytes: OnBytes
) -> None:
    """Fetch into the staging folder; after the first failure nothing new is begun."""
    waiting = iter(files)
    running: dict[Future[None], File] = {}
    with ThreadPoolExecutor(jobs, "naturalist-pull") as threads:
        while True:
            while len(running) < jobs and (file := next(waiting, None)):
                running[threads.submit(_fetch, store, folder, file)] = file
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                future.result()
                on_bytes(running.pop(future).size_bytes)


def _fetch(store: Store, folder: Path, file: File) -> None:
    path = _staged(folder, file)
    if not path.exists():
        store.fetch(file.key, path, file.sha256, file.size_bytes)


def _staged(folder: Path, file: File) -> Path:
    # Two names may have the same bytes; each is moved into place by itself.
    name = hashlib.sha256(file.name.encode()).hexdigest()[:16]
    return staging(folder) / f"{file.sha256}-{name}"


def _exchange(folder: Path, plan: _Plan) -> dict[str, Here]:
    """Put what was fetched in place, and remove what is surplus; gives what is in place now."""
    placed = {}
    with artifacts.storage_errors(str(folder)):
        for file in plan.missing:
            staged, path = _staged(folder, file), path_of(folder, file)
            artifacts.make_folder(path.parent)
            staged.replace(path)
            placed[file.name] = Here(file, path.stat().st_mtime_ns)
        for parent in {path_of(folder, file).parent for file in plan.missing}:
            artifacts.sync(parent)
        for file in plan.surplus:
            _remove(folder, path_of(folder, file))
    return placed


def _manifest(
    store: Store, snapshot: Snapshot, selection: Selection, files: Mapping[str, Here]
) -> Manifest:
    return Manifest(
        url=store.url,
        snapshot=snapshot.id,
        snapshot_sha256=snapshot.sha256,
        selection=selection,
        about=snapshot.about,
        complete=True,
        files=files,
    )


def _description(store: Store, snapshot: Snapshot, expected: Iterable[File]) -> bytes:
    if not snapshot.about.get("backbone"):
        raise StoreError(
            f"{snapshot.key} in {store.url} does not name the backbone of its features: publish "
            "again, or ask the publisher to"
        )
    return cards.croissant(snapshot.about, [_as_named(file) for file in expected]).encode()


def _as_named(file: File) -> CardFile:
    return CardFile(file.name, file.name, file.size_bytes, file.sha256)


def _remove(folder: Path, path: Path) -> None:
    path.unlink(missing_ok=True)
    parent = path.parent
    while parent != folder and parent.exists() and not any(parent.iterdir()):
        parent.rmdir()
        parent = parent.parent
