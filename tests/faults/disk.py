"""A drive that forgets what was not flushed, built from the system calls of a command.

The model promises what POSIX does and no more. Bytes of a file are safe once the file was flushed;
a name, a rename, a link or a removal is safe once a folder that it changed was flushed. Of all
else a power cut keeps any part: files come back as they were flushed last, whole, cut off, or with
zeros in their end; changes of folders in any selection, a rename as a whole or not at all.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from faults.recording import Call, Handle


class Kept(StrEnum):
    """Which changes of folders survive of those that were not flushed."""

    NONE = "none"
    ALL = "all"
    SOME = "some"
    FIRST = "first"
    """Those up to a moment, as a journal of a file system keeps them."""


@dataclass(eq=False)
class Node:
    """A file, a folder or a symbolic link."""

    data: bytearray = field(default_factory=bytearray)
    flushed: bytes = b""
    intact: int = 0
    """How many of the first bytes were flushed and not touched since: no cut takes them."""
    entries: "dict[bytes, Node] | None" = None
    link: bytes | None = None
    mtime_ns: int | None = None
    """Of a file that is as it was when the command began."""


@dataclass
class Change:
    """Of names in folders; one that is `safe` survives."""

    folders: tuple[Node, ...]
    removed: tuple[Node, bytes] | None = None
    added: tuple[Node, bytes, Node] | None = None
    safe: bool = False
    at: int = 0


class Disk:
    """What a folder holds, call by call."""

    def __init__(self, start: Path, folder: Path) -> None:
        """A drive whose `folder` holds what `start` does, all of it flushed."""
        self._root = os.fsencode(folder.resolve())
        self._top = _read(start)
        self._before = _Names(self._top)
        self._changes: list[Change] = []
        self._positions: dict[tuple[int, Node], int] = {}
        self._at = 0

    def replay(self, calls: Sequence[Call]) -> None:
        """Do what the calls did."""
        for call in calls:
            method = getattr(self, f"_{call.name}", None)
            if method is not None:
                method(call)
            self._at += 1

    def after_a_cut(self, rng: random.Random, kept: Kept, target: Path) -> None:
        """Write what a power cut now might leave; `kept` says of what was not flushed."""
        names = self._before.copied()
        until = rng.randint(0, len(self._changes))
        for number, change in enumerate(self._changes):
            survives = {
                Kept.NONE: False,
                Kept.ALL: True,
                Kept.SOME: rng.random() < 0.5,
                Kept.FIRST: number < until,
            }[kept]
            if change.safe or survives:
                names.apply(change)
        _write(names, self._top, target, lambda node: _torn(node, rng, kept))

    def now(self, target: Path) -> None:
        """Write what the folder holds without a cut."""
        names = self._before.copied()
        for change in self._changes:
            names.apply(change)
        _write(names, self._top, target, lambda node: bytes(node.data))

    # looking up

    def _parts(self, path: bytes | None) -> list[bytes] | None:
        if path is None or not (path + b"/").startswith(self._root + b"/"):
            return None
        return [part for part in path[len(self._root) :].split(b"/") if part not in (b"", b".")]

    def _node(self, path: bytes | None) -> Node | None:
        node: Node | None = self._top
        parts = self._parts(path)
        if parts is None:
            return None
        for part in parts:
            if node is None or node.entries is None:
                return None
            node = node.entries.get(part)
        return node

    def _place(self, path: bytes) -> tuple[Node, bytes] | None:
        """The folder that a path lies in, and its name there."""
        head, _, name = path.rstrip(b"/").rpartition(b"/")
        folder = self._node(head)
        return (folder, name) if folder is not None and folder.entries is not None else None

    def _path(self, call: Call, at: int, *, in_folder: bool) -> bytes:
        """The path that is an argument, after the handle of the folder that it is relative to."""
        base = (call.handle(at - 1).path if in_folder else None) or self._root
        path = call.string(at)
        return os.path.normpath(path if path.startswith(b"/") else base + b"/" + path)

    # names

    def _change(
        self,
        removed: tuple[Node, bytes] | None = None,
        added: tuple[Node, bytes, Node] | None = None,
    ) -> None:
        folders = tuple({id(one[0]): one[0] for one in (removed, added) if one}.values())
        self._changes.append(Change(folders, removed, added, at=self._at))
        if removed:
            assert removed[0].entries is not None
            removed[0].entries.pop(removed[1], None)
        if added:
            assert added[0].entries is not None
            added[0].entries[added[1]] = added[2]

    def _add(self, path: bytes, node: Node) -> None:
        if place := self._place(path):
            self._change(added=(*place, node))

    def _remove(self, path: bytes) -> None:
        if place := self._place(path):
            self._change(removed=place)

    def _move(self, old: bytes, new: bytes) -> None:
        node, here, there = self._node(old), self._place(old), self._place(new)
        if node is not None and here and there:
            self._change(here, (*there, node))

    def _rename(self, call: Call) -> None:
        self._move(self._path(call, 0, in_folder=False), self._path(call, 1, in_folder=False))

    def _renameat(self, call: Call) -> None:
        self._move(self._path(call, 1, in_folder=True), self._path(call, 3, in_folder=True))

    _renameat2 = _renameat

    def _link(self, call: Call) -> None:
        self._join(self._path(call, 0, in_folder=False), self._path(call, 1, in_folder=False))

    def _linkat(self, call: Call) -> None:
        self._join(self._path(call, 1, in_folder=True), self._path(call, 3, in_folder=True))

    def _join(self, old: bytes, new: bytes) -> None:
        if (node := self._node(old)) is not None:
            self._add(new, node)

    def _symlink(self, call: Call) -> None:
        self._add(self._path(call, 1, in_folder=False), Node(link=call.string(0)))

    def _symlinkat(self, call: Call) -> None:
        self._add(self._path(call, 2, in_folder=True), Node(link=call.string(0)))

    def _unlink(self, call: Call) -> None:
        self._remove(self._path(call, 0, in_folder=False))

    _rmdir = _unlink

    def _unlinkat(self, call: Call) -> None:
        self._remove(self._path(call, 1, in_folder=True))

    def _mkdir(self, call: Call) -> None:
        self._add(self._path(call, 0, in_folder=False), Node(entries={}))

    def _mkdirat(self, call: Call) -> None:
        self._add(self._path(call, 1, in_folder=True), Node(entries={}))

    # bytes

    def _openat(self, call: Call) -> None:
        flags = call.arguments[2 if call.name == "openat" else 1].split("|")
        if call.path is None or "O_TMPFILE" in flags or self._parts(call.path) is None:
            return
        node = self._node(call.path)
        if node is None and "O_CREAT" in flags:
            node = Node()
            self._add(call.path, node)
        if node is None:
            return
        if "O_TRUNC" in flags:
            self._cut(node, 0)
        self._positions[call.result, node] = -1 if "O_APPEND" in flags else 0

    _open = _openat

    def _put(self, number: int, node: Node, data: bytes) -> None:
        at = self._positions.get((number, node), 0)
        at = len(node.data) if at < 0 else at
        self._overwrite(node, at, data)
        if self._positions.get((number, node), 0) >= 0:
            self._positions[number, node] = at + len(data)

    @staticmethod
    def _overwrite(node: Node, at: int, data: bytes) -> None:
        node.mtime_ns = None
        node.intact = min(node.intact, at)
        node.data.extend(bytes(max(0, at - len(node.data))))
        node.data[at : at + len(data)] = data

    @staticmethod
    def _cut(node: Node, size: int) -> None:
        if size != len(node.data):
            node.mtime_ns = None
        node.intact = min(node.intact, size)
        del node.data[size:]
        node.data.extend(bytes(size - len(node.data)))

    def _write(self, call: Call) -> None:
        handle = call.handle(0)
        if (node := self._node(handle.path)) is not None:
            self._put(handle.number, node, call.string(1)[: call.result])

    _writev = _write

    def _pwrite64(self, call: Call) -> None:
        if (node := self._node(call.handle(0).path)) is not None:
            self._overwrite(node, int(call.arguments[3]), call.string(1)[: call.result])

    _pwritev = _pwrite64

    def _copy_file_range(self, call: Call) -> None:
        self._copy(call.handle(0), call.handle(2), call.result)

    def _sendfile(self, call: Call) -> None:
        self._copy(call.handle(1), call.handle(0), call.result)

    def _copy(self, here: Handle, there: Handle, size: int) -> None:
        source, target = self._node(here.path), self._node(there.path)
        if source is not None and target is not None and size:
            at = self._positions.get((there.number, target), 0)
            self._put(there.number, target, bytes(source.data[at : at + size]))

    def _ioctl(self, call: Call) -> None:
        if "FICLONE" in call.arguments[1]:
            source, target = self._node(call.handle(2).path), self._node(call.handle(0).path)
            if source is not None and target is not None:
                self._cut(target, 0)
                self._overwrite(target, 0, bytes(source.data))

    def _lseek(self, call: Call) -> None:
        handle = call.handle(0)
        if (node := self._node(handle.path)) is not None:
            self._positions[handle.number, node] = call.result

    def _ftruncate(self, call: Call) -> None:
        if (node := self._node(call.handle(0).path)) is not None:
            self._cut(node, int(call.arguments[1]))

    def _truncate(self, call: Call) -> None:
        if (node := self._node(self._path(call, 0, in_folder=False))) is not None:
            self._cut(node, int(call.arguments[1]))

    # flushing

    def _fsync(self, call: Call) -> None:
        node = self._node(call.handle(0).path)
        if node is None:
            return
        _flush(node)
        for change in self._changes:
            # What began before this call ended may have come too late for it.
            if change.at < call.begun and any(folder is node for folder in change.folders):
                change.safe = True

    _fdatasync = _fsync

    def _syncfs(self, call: Call) -> None:
        for node in _all(self._top):
            _flush(node)
        for change in self._changes:
            change.safe = change.safe or change.at < call.begun

    _sync = _syncfs


class _Names:
    """Which folder holds which names, apart from the nodes, so that another past can be tried."""

    def __init__(self, top: Node | None = None) -> None:
        self._held: dict[Node, dict[bytes, Node]] = {}
        if top is not None:
            self._held = {n: dict(n.entries) for n in _all(top) if n.entries is not None}

    def copied(self) -> "_Names":
        copy = _Names()
        copy._held = {folder: dict(names) for folder, names in self._held.items()}
        return copy

    def of(self, folder: Node) -> dict[bytes, Node]:
        """Names in a folder."""
        return self._held.setdefault(folder, {})

    def apply(self, change: Change) -> None:
        """Make a change; a folder that is not empty is not removed."""
        if change.removed:
            folder, name = change.removed
            node = self.of(folder).get(name)
            is_full = node is not None and bool(self._held.get(node))
            if change.added or not is_full:
                self.of(folder).pop(name, None)
        if change.added:
            folder, name, node = change.added
            self.of(folder)[name] = node


def _flush(node: Node) -> None:
    node.flushed, node.intact = bytes(node.data), len(node.data)


def _all(node: Node) -> Iterator[Node]:
    yield node
    for one in (node.entries or {}).values():
        yield from _all(one)


def _read(path: Path) -> Node:
    """A folder with all it holds; hard links are one node."""
    seen: dict[tuple[int, int], Node] = {}

    def read(path: Path) -> Node:
        status = path.lstat()
        if path.is_symlink():
            return Node(link=os.fsencode(path.readlink()))
        if path.is_dir():
            return Node(entries={os.fsencode(one.name): read(one) for one in path.iterdir()})
        key = status.st_dev, status.st_ino
        if key not in seen:
            data = path.read_bytes()
            seen[key] = Node(bytearray(data), data, len(data), mtime_ns=status.st_mtime_ns)
        return seen[key]

    return read(path)


def _torn(node: Node, rng: random.Random, kept: Kept) -> bytes:
    """What a cut leaves of a file's bytes."""
    data = bytes(node.data)
    if data == node.flushed or kept is Kept.ALL:
        return data
    if kept is Kept.NONE:
        return node.flushed
    at = rng.randint(node.intact, len(data))
    return rng.choice([node.flushed, data, data[:at], data[:at] + bytes(len(data) - at)])


def _write(names: _Names, top: Node, target: Path, content: Callable[[Node], bytes]) -> None:
    """Write a tree; what is a hard link becomes one."""
    shutil.rmtree(target, ignore_errors=True)
    written: dict[Node, Path] = {}

    def write(node: Node, path: Path) -> None:
        if node.link is not None:
            path.symlink_to(os.fsdecode(node.link))
        elif node.entries is not None:
            path.mkdir()
            for name, one in names.of(node).items():
                write(one, path / os.fsdecode(name))
        elif node in written:
            path.hardlink_to(written[node])
        else:
            written[node] = path
            path.write_bytes(content(node))
            if node.mtime_ns is not None:
                os.utime(path, ns=(node.mtime_ns, node.mtime_ns))

    write(top, target)
