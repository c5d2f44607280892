"""Small files of a folder: looked at in one go, and read again only if they changed.

A run asks for the receipts and summaries of all batches, most of which are as old as the workspace.
Opening and reading each of them is what a run with nothing new costs. So a run keeps the bytes that
it read, one file for each folder, with the inode, size and both times of every file. The next run
lists the folder and takes the bytes of each file that is still the one that was read. A file that
was replaced, written into, or damaged by a program has another time of change and is read again.

What is kept is only a copy. It can be deleted at any time, is written whole or not at all, and is
not used if its own checksum is wrong. Commands that verify do not use it.
"""

import contextlib
import hashlib
import io
import os
import stat
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

Stamp = tuple[int, int, int, int]
"""Inode, size in bytes, times of last change of the bytes and of the inode in ns since 1970."""

SETTLED_NS = 2_000_000_000
"""A file or folder that changed less than so long ago may change again in the same tick of its
drive's clock (FAT counts in steps of two seconds)."""
MOST_BYTES = 64 << 20
"""Folders with more bytes of small files are read each time: what is kept must fit into memory."""
_DIGEST = hashlib.blake2b().digest_size
_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("inode", pa.uint64()),
        ("size_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("ctime_ns", pa.int64()),
        ("data", pa.binary()),
    ]
)
_Files = dict[str, tuple[Stamp, bytes]]


class Look:
    """What lay in a folder at one moment; an empty one if there is no such folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stamps = _stamps(folder)

    def __contains__(self, name: object) -> bool:
        return name in self._stamps

    def names(self) -> list[str]:
        """Names of its files, sorted."""
        return sorted(self._stamps)

    def stamp(self, name: str) -> Stamp | None:
        """What tells a file from another one under its name; None if it is not there."""
        return self._stamps.get(name)

    def read(self, name: str) -> bytes:
        """The bytes of a file, from disk or as a run before this one read them.

        Raises:
            FileNotFoundError: it is not there.
        """
        keeping, stamp = _KEEPING.get(), self._stamps.get(name)
        if keeping is None or stamp is None:
            return (self.folder / name).read_bytes()
        return keeping.read(self.folder, name, stamp)


def _stamps(folder: Path) -> dict[str, Stamp]:
    try:
        # By its number: the system need not follow the whole path for each file.
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    try:
        with os.scandir(handle) as entries:
            return dict(_described(entries))
    finally:
        os.close(handle)


def _described(entries: Iterator["os.DirEntry[str]"]) -> Iterator[tuple[str, Stamp]]:
    for entry in entries:
        with contextlib.suppress(FileNotFoundError):
            one = entry.stat()
            if stat.S_ISREG(one.st_mode):
                yield entry.name, stamp_of(one)


def stamp_of(one: os.stat_result) -> Stamp:
    """What tells a file from another one under its name, and from itself before a change."""
    return one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns


def is_settled(stamp: Stamp) -> bool:
    """Whether a file changed so long ago that a further change would give it another time."""
    return max(stamp[2:]) < time.time_ns() - SETTLED_NS


@dataclass
class _Folder:
    """What is known of one folder: from a run before, and from this one."""

    before: _Files
    now: _Files = field(default_factory=dict)


@dataclass
class _Keeping:
    """What a run reads of small files below `root`, and keeps below `place`."""

    root: Path
    place: Path
    folders: dict[Path, _Folder] = field(default_factory=dict)

    def read(self, folder: Path, name: str, stamp: Stamp) -> bytes:
        """The bytes of a file that has this stamp."""
        if not folder.is_relative_to(self.root):
            return (folder / name).read_bytes()
        if folder not in self.folders:
            self.folders[folder] = _Folder(_load(self._file_of(folder)))
        known = self.folders[folder]
        held = known.now.get(name) or known.before.get(name)
        if held is None or held[0] != stamp:
            now, data = _read(folder / name)
            # What changed since the look has another stamp, and none that can be trusted.
            held = stamp if now == stamp else (0, 0, 0, time.time_ns()), data
        if is_settled(held[0]):
            known.now[name] = held
        return held[1]

    def save(self) -> None:
        """Write what was read of each folder in which something changed."""
        for folder, known in self.folders.items():
            if known.now != known.before:
                _save(self._file_of(folder), known.now)

    def _file_of(self, folder: Path) -> Path:
        relative = folder.relative_to(self.root)
        return self.place / relative.with_name(f"{relative.name}.arrow")


_KEEPING: ContextVar[_Keeping | None] = ContextVar("keeping", default=None)


@contextlib.contextmanager
def kept(root: Path, place: Path) -> Iterator[None]:
    """Keep what is read inside of small files below `root`, and use what was kept before.

    Only for the one writer of a workspace.
    """
    token = _KEEPING.set(_Keeping(root, place))
    try:
        yield
    finally:
        keeping = _KEEPING.get()
        _KEEPING.reset(token)
        if keeping is not None:
            # Without space, or where nothing may be written, the next run reads the files again.
            with contextlib.suppress(OSError):
                keeping.save()


def _read(path: Path) -> tuple[Stamp, bytes]:
    with path.open("rb") as file:
        return stamp_of(os.fstat(file.fileno())), file.read()


def _load(path: Path) -> _Files:
    """What was kept of a folder; nothing if there is none or it is damaged."""
    try:
        raw = path.read_bytes()
        if hashlib.blake2b(raw[_DIGEST:]).digest() != raw[:_DIGEST]:
            return {}
        table = pa.ipc.open_file(pa.py_buffer(raw[_DIGEST:])).read_all()
        if not table.schema.equals(_SCHEMA):
            return {}
    except (OSError, pa.ArrowException):
        return {}
    names, *stamps, data = (column.to_pylist() for column in table.columns)
    return dict(zip(names, zip(zip(*stamps, strict=True), data, strict=True), strict=True))


def _save(path: Path, files: _Files) -> None:
    if sum(len(data) for _, data in files.values()) > MOST_BYTES:
        path.unlink(missing_ok=True)
        return
    rows = [[name, *stamp, data] for name, (stamp, data) in files.items()]
    columns = zip(*rows, strict=True) if rows else [[] for _ in _SCHEMA]
    arrays = [pa.array(column, one.type) for column, one in zip(columns, _SCHEMA, strict=True)]
    out = io.BytesIO()
    with pa.ipc.new_file(out, _SCHEMA) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA))
    body = out.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # Not flushed: a file that a power cut has torn does not have its checksum.
    temporary.write_bytes(hashlib.blake2b(body).digest() + body)
    temporary.replace(path)
