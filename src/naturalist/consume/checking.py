"""Verifying a published collection, or a pulled folder, against its snapshot."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from naturalist import artifacts, snapshots
from naturalist.consume.folder import path_of, read_manifest
from naturalist.consume.reading import check_header
from naturalist.errors import ConfigError, StoreError
from naturalist.snapshots import File, Snapshot, delta, with_pictures
from naturalist.stores import ObjectInfo, Store
from naturalist.stores.bounded import windows

JOBS = 8
_WINDOW = 64

Fault = Literal["missing", "size", "sha256", "unreadable", "header", "log"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as the snapshot says."""

    name: str
    key: str
    fault: Fault
    detail: str


@dataclass(frozen=True)
class Checked:
    """What a verification found."""

    snapshot: str
    files: int
    size_bytes: int
    quick: bool
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is as the snapshot says."""
        return not self.findings


def check_published(
    store: Store,
    snapshot_id: str | None = None,
    *,
    quick: bool = False,
    jobs: int = JOBS,
    on_begin: Callable[[int | None], None] = lambda _: None,
    on_file: Callable[[int], None] = lambda _: None,
) -> Checked:
    """Compare every object that a snapshot names with what it says: there, size, SHA-256.

    Single pictures, which snapshots name through an index, are looked at too, and the Delta log
    if it is the snapshot that `latest` points to.

    Args:
        store: the published collection.
        snapshot_id: which snapshot; the one that `latest` points to if None.
        quick: believe the checksum that the store recorded when the object was written, and read
            nothing back.
        jobs: objects that are looked at at once.
        on_begin: hears how many files there are; None if only their indexes can tell.
        on_file: hears how many more files were looked at.

    Raises:
        NotFound: there is no such collection or snapshot.
        StoreError: the snapshot itself was changed, or the store cannot be asked at all.
    """
    snapshot = snapshots.read(store, snapshot_id)
    counted = not any(file.objects_below for file in snapshot.files)
    on_begin(len(snapshot.files) if counted else None)
    check = partial(_object, store, quick=quick)
    result = _check_all(snapshot.id, check, _listed(store, snapshot), jobs, on_file, quick=quick)
    return replace(result, findings=(*result.findings, *_check_log(store, snapshot)))


def _check_log(store: Store, snapshot: Snapshot) -> Iterator[Finding]:
    if detail := delta.fault(store, snapshot.id, snapshot.files):
        yield Finding("Delta log", delta.LOG, "log", detail)


def _listed(store: Store, snapshot: Snapshot) -> Iterator[File | Finding]:
    for file in snapshot.files:
        try:
            yield from with_pictures(store, [file])
        except StoreError as error:
            yield Finding(
                file.name, file.key, "unreadable", f"its pictures cannot be determined: {error}"
            )


def check_pulled(
    folder: Path,
    *,
    jobs: int = JOBS,
    on_begin: Callable[[int | None], None] = lambda _: None,
    on_file: Callable[[int], None] = lambda _: None,
) -> Checked:
    """Read every file of a pulled folder and compare it with what its snapshot says.

    Raises:
        ConfigError: nothing was pulled there, or a pull was interrupted.
    """
    manifest = read_manifest(folder)
    if manifest is None or not manifest.complete:
        raise ConfigError(
            f"{folder} does not contain a complete collection: run `naturalist pull URL {folder}`"
        )
    files = [here.file for here in manifest.files.values()]
    on_begin(len(files))
    check = partial(_local, folder)
    return _check_all(manifest.snapshot, check, files, jobs, on_file, quick=False)


def _check_all(
    snapshot: str,
    check: Callable[[File], Finding | None],
    files: Iterable[File | Finding],
    jobs: int,
    on_file: Callable[[int], None],
    *,
    quick: bool,
) -> Checked:
    findings: list[Finding] = []
    count = size_bytes = 0
    with ThreadPoolExecutor(jobs, "naturalist-check") as threads:
        # In windows, so that neither memory nor an interrupt has to do with a million files.
        for window in windows(files, _WINDOW):
            known = [one for one in window if isinstance(one, File)]
            findings += [one for one in window if isinstance(one, Finding)]
            findings += [result for result in threads.map(check, known) if result is not None]
            count += len(known)
            size_bytes += sum(file.size_bytes for file in known)
            on_file(len(known))
    return Checked(snapshot, count, size_bytes, quick, tuple(findings))


def _object(store: Store, file: File, *, quick: bool) -> Finding | None:
    try:
        info = store.head(file.key) if quick else store.read_back(file.key)
    except StoreError as error:
        # Is it this object? If the store is away as a whole, that is no finding about objects.
        store.head(snapshots.LATEST)
        return Finding(file.name, file.key, "unreadable", str(error))
    return _compare(file, info)


def _local(folder: Path, file: File) -> Finding | None:
    path = path_of(folder, file)
    try:
        info = ObjectInfo(file.key, path.stat().st_size, artifacts.sha256_file(path), None)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        info = None
    except OSError as error:
        return Finding(file.name, file.key, "unreadable", str(error))
    return _compare(file, info) or _check_header(path, file)


def _check_header(path: Path, file: File) -> Finding | None:
    try:
        check_header(path, file)
    except StoreError as error:
        return Finding(file.name, file.key, "header", str(error))
    return None


def _compare(file: File, info: ObjectInfo | None) -> Finding | None:
    if info is None:
        return Finding(file.name, file.key, "missing", "there is no such object")
    if info.size_bytes != file.size_bytes:
        detail = f"{info.size_bytes} bytes, not {file.size_bytes}"
        return Finding(file.name, file.key, "size", detail)
    if info.sha256 is None:
        detail = "the store recorded no checksum: verify without --quick"
        return Finding(file.name, file.key, "sha256", detail)
    if info.sha256 != file.sha256:
        return Finding(file.name, file.key, "sha256", f"{info.sha256}, not {file.sha256}")
    return None
