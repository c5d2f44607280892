"""Fetching a set: whole or not at all, resumed, checked, with a record of what it is."""

import datetime as dt
import re
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from naturalist import artifacts
from naturalist.archives import archive_kind
from naturalist.archives.kinds import HEAD_BYTES
from naturalist.catalogue import hub, kaggle
from naturalist.catalogue.entries import Entry
from naturalist.catalogue.records import Record, path_of, read_record, read_released, write_record
from naturalist.errors import ConfigError, StoreError
from naturalist.stores.downloads import DownloadOptions, download

LARGEST_BYTES = 256 << 30
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True)
class FetchOptions:
    """How sets are fetched.

    Attributes:
        folder: where to; each set is in a folder named after its category.
        sha256: of the archive, where a person knows it; anything else is refused.
        newest: ask for a newer version of sets that were fetched already.
        pause_s: before the second attempt, when a connection breaks or a server is busy.
    """

    folder: Path
    sha256: str | None = None
    newest: bool = False
    pause_s: float = 1.0


@dataclass(frozen=True)
class Fetched:
    """A set that is on this machine, or was, and whether this call brought it."""

    path: Path
    record: Record
    is_new: bool


def check_sha256(entry: Entry, sha256: str | None) -> None:
    """Check that a set can be compared with a SHA-256, before anything is downloaded.

    Raises:
        ConfigError: it is none, or the set is a folder of files, which has none.
    """
    if sha256 is None:
        return
    if not _SHA256.fullmatch(sha256):
        raise ConfigError(f"{sha256[:100]!r} is not a SHA-256: expected 64 digits from 0-9 and a-f")
    if entry.host == "huggingface":
        raise ConfigError(
            f"{entry.name} is a folder of files at Hugging Face, not one archive with a SHA-256: "
            "leave out --sha256"
        )


Progress = Callable[[int, int | None], None]
"""Called with the bytes that came since the last call, and the bytes in all where known."""


def fetch(entry: Entry, options: FetchOptions, progress: Progress | None = None) -> Fetched:
    """Fetch a set, unless it is here in the version that is wanted.

    Raises:
        StoreError: its host refuses, has no such set, cannot be reached, or sent something else
            than the set.
        ConfigError: another set is kept in its place, or the one that is kept has another SHA-256.
        MissingExtra: it is at Hugging Face, and `huggingface_hub` is not installed.
        WorkspaceError, StorageFull: the folder cannot be written.
    """
    check_sha256(entry, options.sha256)
    path = path_of(options.folder, entry)
    held = read_record(path) or read_released(path)
    if held is not None:
        _check_same_set(entry, path, held)
    if held is not None and not options.newest:
        return _as_held(path, held, options)
    path.parent.mkdir(parents=True, exist_ok=True)
    bring = {"kaggle": _from_kaggle, "huggingface": _from_hub, "web": _from_web}[entry.host]
    return bring(entry, path, held, options, _Steps(progress))


def _check_same_set(entry: Entry, path: Path, held: Record) -> None:
    if (held.host, held.handle) != (entry.host, entry.handle):
        raise ConfigError(
            f"{path} is the place of another data set, {held.name} from "
            f"{held.handle.partition('?')[0]}: fetch this one into another category (--category) "
            f"or folder (--to), or delete {path.name} and {path.name}.json first"
        )


def _as_held(path: Path, held: Record, options: FetchOptions) -> Fetched:
    if options.sha256 is not None and held.sha256 != options.sha256.lower():
        raise ConfigError(
            f"{path} was downloaded before and has the SHA-256 {held.sha256}, not "
            f"{options.sha256}: pass --newest to ask for a newer version, or delete {path.name} "
            f"and {path.name}.json and run the same command again"
        )
    return Fetched(path, held, is_new=False)


class _Steps:
    """Turns the bytes so far into the bytes since the last call; several threads may share it."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._seen = 0
        self._lock = threading.Lock()

    def __call__(self, done: int, total: int | None) -> None:
        with self._lock:
            more, self._seen = done - self._seen, done
        if self._progress is not None and more > 0:
            self._progress(more, total)


def _from_kaggle(
    entry: Entry, path: Path, held: Record | None, options: FetchOptions, steps: _Steps
) -> Fetched:
    result = kaggle.describe(entry.handle, options.pause_s)
    if held is not None and held.version == result.version != "":
        return _as_held(path, held, options)
    url = kaggle.download_url(entry.handle, result.version)
    how = kaggle.download_options(entry.handle, options.pause_s, LARGEST_BYTES)
    record = _download(entry, path, url, options, steps, how)
    return _keep(path, record, version=result.version, licence=result.licence)


def _from_web(
    entry: Entry, path: Path, held: Record | None, options: FetchOptions, steps: _Steps
) -> Fetched:
    how = DownloadOptions(pause_s=options.pause_s, largest_bytes=LARGEST_BYTES)
    record = _download(entry, path, entry.handle, options, steps, how)
    if held is not None and held.sha256 == record.sha256:
        write_record(path, held)
        return Fetched(path, held, is_new=False)
    return _keep(path, record, version="", licence=entry.licence)


def _from_hub(
    entry: Entry, path: Path, held: Record | None, _: FetchOptions, steps: _Steps
) -> Fetched:
    result = hub.describe(entry.handle)
    if held is not None and held.version == result.version:
        return Fetched(path, held, is_new=False)
    hub.download(entry.handle, result.version, path, lambda more: steps(more, result.size_bytes))
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    record = Record(entry.name, entry.host, entry.handle, "", "", size, "", _now())
    return _keep(path, record, version=result.version, licence=result.licence)


def _keep(path: Path, record: Record, *, version: str, licence: str) -> Fetched:
    whole = Record(**vars(record) | {"version": version, "licence": licence})
    write_record(path, whole)
    return Fetched(path, whole, is_new=True)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _download(
    entry: Entry,
    path: Path,
    url: str,
    options: FetchOptions,
    steps: _Steps,
    how: DownloadOptions,
) -> Record:
    """Download an archive beside its place, look whether it is one, and put it in its place."""
    incoming = path.with_name(f".incoming-{path.name}")
    sha256 = download(url, incoming, sha256=options.sha256, options=how, progress=steps)
    try:
        _check_archive(incoming, url)
    except StoreError:
        incoming.unlink()
        raise
    size = incoming.stat().st_size
    with artifacts.storage_errors(str(path)):
        incoming.replace(path)
    return Record(entry.name, entry.host, entry.handle, "", "", size, sha256, _now())


def _check_archive(path: Path, url: str) -> None:
    """Look whether what came is an archive with a directory, and not a page about an error."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if archive_kind(head) is None:
        what = "a web page" if head.lstrip()[:1] == b"<" else "no archive"
        raise StoreError(
            f"{url} returned {what} ({path.stat().st_size:,} bytes) instead of an archive: open "
            "it in a browser to see why. Nothing was saved"
        )
    if head.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as packed:
                packed.infolist()
        except (zipfile.BadZipFile, OSError) as error:
            raise StoreError(
                f"{url} returned a broken zip ({error}): run the same command again. Nothing was "
                "saved"
            ) from error
