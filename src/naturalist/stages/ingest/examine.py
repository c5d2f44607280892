"""Examining files: read each once, find out what it is, and write what was found.

A task's findings are in one file named by the fingerprint of the task, so a run that was killed
finds the finished ones again.
"""

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from naturalist import archives, artifacts, breadcrumbs, images
from naturalist.errors import PictureError
from naturalist.layout import Layout
from naturalist.read_ahead import ReadAhead
from naturalist.reasons import Reason
from naturalist.schemas import FINDINGS
from naturalist.stages.ingest.file_names import refuse_unreadable
from naturalist.stages.ingest.listing import Entry
from naturalist.stages.ingest.options import FileLimits, Source
from naturalist.stages.ingest.selection import SEPARATOR, MembersOf
from naturalist.stores.remote import RemoteFolder, fetch_remote, read_remote

HEAD_BYTES = max(images.HEAD_BYTES, archives.HEAD_BYTES)

_SMALL_BYTES = 1 << 18
"""Files that are read whole before it is known what they are; a larger one may be an archive."""
_KEPT_BYTES = 16 << 20
"""Larger objects are archives as a rule, which are read once: they do not go through the cache."""

_BY_SELECTION = (Reason.EXCLUDED, Reason.DOCUMENT)

Row = dict[str, Any]


@dataclass(frozen=True)
class ExamineTask:
    """A bounded list of entries of one source.

    `blamed` names entries that crashed or hung a worker before: they are refused unopened.
    """

    root: Path
    source: Source
    entries: tuple[Entry, ...]
    limits: FileLimits
    blamed: tuple[tuple[int, Reason], ...] = ()

    @cached_property
    def key(self) -> str:
        """Fingerprint of everything that the findings depend on."""
        facts = [[e.path.hex(), e.size_bytes, e.mtime_ns, e.reason, e.detail] for e in self.entries]
        where = [self.source.category, self.source.name, str(self.source.path)]
        selection = self.source.selection
        routed = [selection.routing] if selection.routing else []
        return artifacts.fingerprint(where, facts, repr(self.limits), repr(selection), *routed)

    @property
    def findings(self) -> Path:
        """Where the findings are written."""
        return Layout(self.root).findings / f"{self.key}.parquet"

    def path_of(self, entry: Entry) -> bytes:
        """Where an entry of a local source lies; a source that is one file is its only entry."""
        return self._root if self._is_one_file else self._inside + entry.path

    @cached_property
    def _root(self) -> bytes:
        return os.fsencode(str(self.source.path))

    @cached_property
    def _inside(self) -> bytes:
        return os.path.join(self._root, b"")

    @cached_property
    def _is_one_file(self) -> bool:
        return isinstance(self.source.path, Path) and self.source.path.is_file()

    def item_name(self, index: int) -> str:
        """The file at `index`, with its category and source."""
        path = os.fsdecode(self.entries[index].path).encode("utf-8", "backslashreplace").decode()
        return f"{self.source.category}/{self.source.name}/{path}"

    def suspect(self, index: int, reason: Reason) -> "ExamineTask":
        """The same task, with one more entry refused unopened."""
        suspects = (*self.blamed, (index, reason))
        return ExamineTask(self.root, self.source, self.entries, self.limits, suspects)


@dataclass(frozen=True)
class Examined:
    """What a finished task tells: files looked at, and bytes they have."""

    files: int
    size_bytes: int


def examine(task: ExamineTask) -> Examined:
    """Examine a task's entries and write the findings, unless they are there already.

    Raises:
        StorageFull: the staging folder or the ledger's drive is full.
        MemoryShort: there is no memory for a file.
    """
    layout = Layout(task.root)
    result = Examined(len(task.entries), sum(entry.size_bytes for entry in task.entries))
    if task.findings.exists():
        return result
    suspects = dict(task.blamed)
    rows: list[Row] = []
    index = 0
    with (
        artifacts.memory_errors(lambda: f"examining {task.item_name(index)}"),
        breadcrumbs.trail(layout.breadcrumbs, task.key) as trail,
    ):
        ahead = ReadAhead(len(task.entries), partial(_path_to_request, task, suspects))
        for index, entry in enumerate(task.entries):
            trail.reading(index)
            ahead.reading()
            read = partial(_has_come, trail, ahead, index)
            for row in _examine_entry(task, layout, entry, suspects.get(index), read):
                rows.append(row)
                if SEPARATOR in row["path"]:
                    # An archive may take hours: the time that is allowed is that of one member.
                    trail.at(index)
    if any(row["staged"] for row in rows):
        artifacts.sync_file_system(layout.staging)
    artifacts.write_parquet(task.findings, pa.Table.from_pylist(rows, FINDINGS))
    return result


def _path_to_request(task: ExamineTask, suspects: Mapping[int, Reason], index: int) -> bytes | None:
    """Path of an entry that can be requested ahead: a file of this machine that will be opened."""
    entry = task.entries[index]
    is_remote = isinstance(task.source.path, RemoteFolder)
    if is_remote or entry.reason is not None or index in suspects:
        return None
    return task.path_of(entry)


def _has_come(trail: breadcrumbs.Trail, ahead: ReadAhead, index: int) -> None:
    trail.at(index)
    ahead.has_come(index)


def _examine_entry(
    task: ExamineTask,
    layout: Layout,
    entry: Entry,
    suspects: Reason | None,
    on_read: Callable[[], None],
) -> Iterator[Row]:
    """Rows of an entry; `on_read` is called when its first bytes, of a bucket all, are here."""
    try:
        if entry.reason is not None:
            raise PictureError(entry.reason, entry.detail)
        if suspects is not None:
            raise PictureError(suspects, "while reading its header or archive")
        if isinstance(task.source.path, RemoteFolder):
            with _fetched(task.source.path, layout, entry) as path:
                yield from _examine_file(task, layout, entry, path, on_read)
        else:
            yield from _examine_file(task, layout, entry, task.path_of(entry), on_read)
    except PictureError as error:
        yield _row(task, entry, _refusal(error))
    except OSError as error:
        yield _row(task, entry, _refusal(_os_trouble(error)))


@contextlib.contextmanager
def _fetched(source: RemoteFolder, layout: Layout, entry: Entry) -> Iterator[bytes]:
    """An entry of a bucket as a file of this machine, which is here as long as it is needed."""
    path = layout.fetched / secrets.token_hex(16)
    with artifacts.storage_errors(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        key = entry.path.decode()
        if entry.size_bytes > _KEPT_BYTES:
            fetch_remote(source, key, path)
        else:
            data = read_remote(source, key, entry.size_bytes, entry.mtime_ns)
            with artifacts.storage_errors(str(path)):
                path.write_bytes(data)
        yield os.fsencode(path)
    finally:
        path.unlink(missing_ok=True)


def _examine_file(
    task: ExamineTask, layout: Layout, entry: Entry, path: bytes, on_read: Callable[[], None]
) -> Iterator[Row]:
    # By its handle: a file object would ask the system for what is known here.
    handle = _open_regular(path)
    try:
        start = _read(handle, _start_bytes(entry), entry.size_bytes)
        on_read()
        sniffed = images.sniff(start[:HEAD_BYTES])
        name = os.path.basename(entry.path)
        is_archive = not sniffed.format and _is_archive(handle, name, start, task)
        if not is_archive:
            if error := task.source.selection.omission(entry.path):
                raise error
            refuse_unreadable(sniffed, name, start[:HEAD_BYTES])
            yield _row(task, entry, _examine_picture(start, handle, entry, task.limits))
    finally:
        os.close(handle)
    if is_archive:
        yield from _examine_archive(task, layout, entry, Path(os.fsdecode(path)))


def _is_archive(handle: int, name: bytes, start: bytes, task: ExamineTask) -> bool:
    """Whether a file is an archive to be opened.

    Raises:
        PictureError: it is one that is not read, or a document.
    """
    with os.fdopen(os.dup(handle), "rb") as file:
        file.seek(0)
        if archives.find_archive(file, name) is None:
            return False
    what = archives.document_kind(start, name)
    if what and not task.source.selection.open_documents:
        raise archives.document_refusal(what)
    return True


def _start_bytes(entry: Entry) -> int:
    """How much of a file to read before it is known what it is: a small one whole, in one call."""
    size_bytes = entry.size_bytes
    return max(HEAD_BYTES, size_bytes + 1) if size_bytes <= _SMALL_BYTES else HEAD_BYTES


def _open_regular(path: bytes) -> int:
    # Without O_NONBLOCK, opening a pipe that took the file's place would wait forever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise PictureError(Reason.SPECIAL_FILE, "is no longer a regular file")
    return handle


def _read(handle: int, most_bytes: int, expected_bytes: int) -> bytes:
    """Read on, at most so much, until the file ends; it is taken to end where it is expected to."""
    data = os.read(handle, most_bytes)
    while data and len(data) < min(most_bytes, expected_bytes):
        if not (more := os.read(handle, most_bytes - len(data))):
            break
        data += more
    return data


def _os_trouble(error: OSError) -> PictureError:
    artifacts.raise_if_machine(error)
    if isinstance(error, PermissionError):
        return PictureError(Reason.PERMISSION_DENIED, error.strerror or "")
    if isinstance(error, FileNotFoundError):
        return PictureError(Reason.VANISHED, "gone between listing and opening")
    return PictureError(Reason.READ_ERROR, error.strerror or str(error))


def _examine_picture(start: bytes, handle: int, entry: Entry, limits: FileLimits) -> Row:
    size_bytes = entry.size_bytes
    _check_size(size_bytes, limits)
    data = start
    if size_bytes > _SMALL_BYTES:
        # In one read of about the known size: a larger one costs its memory.
        data += _read(handle, max(0, size_bytes - len(start)) + 1, size_bytes - len(start))
    if len(data) > size_bytes:
        # It has grown.
        left_bytes = max(0, limits.max_file_bytes + 1 - len(data))
        data += _read(handle, left_bytes, left_bytes)
    _check_size(len(data), limits)
    return _describe(data, limits)


def _check_size(size_bytes: int, limits: FileLimits) -> None:
    if size_bytes > limits.max_file_bytes:
        raise PictureError(
            Reason.TOO_LARGE,
            f"{size_bytes:,} bytes, limits.max_file_bytes is {limits.max_file_bytes:,}",
        )


def _describe(data: bytes, limits: FileLimits) -> Row:
    digest = hashlib.sha256(data).digest()
    try:
        header = images.read_header(data, limits.pictures)
    except PictureError as error:
        return _refusal(error) | {"sha256": digest}
    return {
        "kind": "picture",
        "sha256": digest,
        "format": header.format,
        "width": header.width,
        "height": header.height,
    }


def _refusal(error: PictureError) -> Row:
    return {"kind": "refused", "reason": error.reason.value, "detail": error.detail or None}


def _row(task: ExamineTask, entry: Entry, result: Row) -> Row:
    lasting = "reason" not in result or Reason(result["reason"]).is_lasting
    key = entry.seen_key(task.source.name, _selected_by(task, result))
    # A column that is not named has no value.
    return {
        "source": task.source.name,
        "path": entry.path,
        "occurrence": 0,
        "size_bytes": entry.size_bytes,
        "mtime_ns": entry.mtime_ns,
        "seen_key": key if lasting else None,
        "staged": False,
        **result,
    }


def _selected_by(task: ExamineTask, result: Row) -> bytes:
    """The fingerprint of the selection where what was found depends on it; else empty."""
    depends = result["kind"] == "unpacked" or result.get("reason") in _BY_SELECTION
    return task.source.selection.fingerprint if depends else b""


def _examine_archive(task: ExamineTask, layout: Layout, entry: Entry, path: Path) -> Iterator[Row]:
    selection = task.source.selection
    options = archives.WalkOptions(
        lambda head: images.sniff(head).readable,
        MembersOf(selection, entry.path),
        selection.open_documents,
    )
    walk = archives.members(path, task.limits.archives, layout.scratch, options, name=entry.path)
    result: Row = {"kind": "unpacked"}
    try:
        for member in walk:
            yield _member_row(task, layout, entry, member)
    except PictureError as error:
        result = _refusal(error)
    yield _row(task, entry, result)


def _member_row(task: ExamineTask, layout: Layout, entry: Entry, member: archives.Member) -> Row:
    try:
        result = _examine_member(task, layout, member)
    except PictureError as error:
        result = _refusal(error)
    return _row(task, entry, result) | {
        "path": SEPARATOR.join([entry.path, *member.path]),
        "occurrence": member.occurrence,
        "size_bytes": member.size_bytes,
        "seen_key": None,
    }


def _examine_member(task: ExamineTask, layout: Layout, member: archives.Member) -> Row:
    if member.refusal is not None:
        raise member.refusal
    if member.kind == "archive":
        return {"kind": "unpacked"}
    if member.data is None:
        name = os.path.basename(member.path[-1])
        refuse_unreadable(images.sniff(member.head), name, member.head)
        raise PictureError(Reason.NOT_A_PICTURE)
    _check_size(len(member.data), task.limits)
    result = _describe(member.data, task.limits)
    if result["kind"] == "picture":
        _stage(layout, result["sha256"].hex(), member.data)
        result["staged"] = True
    return result


def _stage(layout: Layout, name: str, data: bytes) -> None:
    path = layout.staging / name
    with artifacts.storage_errors("unpacked pictures"):
        # Its name alone says nothing: a power cut leaves files with a name and not all bytes.
        if path.exists() and path.read_bytes() == data:
            return
        layout.staging.mkdir(parents=True, exist_ok=True)
        temporary = layout.staging / f".{name}.{secrets.token_hex(4)}{artifacts.TEMPORARY_SUFFIX}"
        temporary.write_bytes(data)
        temporary.replace(path)
