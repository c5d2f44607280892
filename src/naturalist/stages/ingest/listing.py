"""Listing sources: every entry once, in an order that does not depend on the file system."""

import hashlib
import os
import stat
from collections.abc import Container, Iterator
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from naturalist.errors import SourceError
from naturalist.ledger import Known
from naturalist.reasons import Reason
from naturalist.stages.ingest.folder_states import FolderStates
from naturalist.stages.ingest.options import Source
from naturalist.stores.remote import RemoteFile, RemoteFolder, check_remote, list_remote

_CHUNK = 4096
_NAME = attrgetter("name")


class Entry(NamedTuple):
    """A directory entry that is no folder: a file to examine, or one refused by its kind."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    reason: Reason | None = None
    detail: str = ""

    def seen_key(self, source: str, selection: bytes = b"") -> bytes:
        """128-bit hash by which the unchanged file is known later.

        With the fingerprint of a selection it is known only as long as that stays the same.
        """
        facts = b"%b\0%b\0%d\0%d%b" % (
            source.encode(),
            self.path,
            self.size_bytes,
            self.mtime_ns,
            selection,
        )
        return hashlib.blake2b(facts, digest_size=16).digest()


def list_source(source: Source, states: FolderStates | None = None) -> Iterator[Entry]:
    """List a source, folder by folder, sorted by the bytes of the names.

    Links to files are followed when they stay inside the source; links to folders never. Files in
    folders that are as `states` has them are left out.

    Raises:
        SourceError: the source itself is missing or may not be read.
    """
    if isinstance(source.path, RemoteFolder):
        yield from map(_describe_remote, list_remote(source.path))
        return
    status = _check_folder(source, source.path)
    root = os.fsencode(source.path)
    if stat.S_ISDIR(status.st_mode):
        yield from _walk(root, states)
    else:
        yield Entry(os.path.basename(root), status.st_size, status.st_mtime_ns)


def _describe_remote(remote: RemoteFile) -> Entry:
    path = remote.key.encode("utf-8", "surrogatepass")
    if remote.is_readable:
        return Entry(path, remote.size_bytes, remote.time_ns)
    return Entry(path, 0, remote.time_ns, Reason.READ_ERROR, "a null character in its key")


def check_source(source: Source) -> None:
    """Check that a source is there.

    Raises:
        SourceError: it is missing or may not be read.
    """
    if isinstance(source.path, RemoteFolder):
        check_remote(source.path)
    else:
        _check_folder(source, source.path)


def _check_folder(source: Source, path: Path) -> os.stat_result:
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            os.scandir(path).close()
    except OSError as error:
        raise SourceError(
            f"source {source.name!r} of category {source.category!r}: cannot read {path} "
            f"({error.strerror}). Mount the drive or correct the path; its pictures do not count "
            "as deleted"
        ) from error
    return status


_Listed = os.DirEntry[bytes] | Entry | bytes
"""A file to describe, an entry that is described already, or the path of a folder to open."""


def _walk(root: bytes, states: FolderStates | None) -> Iterator[Entry]:
    real_root = os.path.realpath(root)
    # A stack of our own: folders may be nested deeper than Python calls.
    waiting = _scan(root, b"", states)
    while waiting:
        path, result = waiting.pop()
        if isinstance(result, Entry):
            yield result
        elif isinstance(result, bytes):
            waiting += _scan(result, path + b"/", states)
        else:
            yield _describe(result, path, real_root)


def _scan(folder: bytes, prefix: bytes, states: FolderStates | None) -> list[tuple[bytes, _Listed]]:
    """What is in a folder, the last name first."""
    try:
        if states and (inside := states.inside_unchanged(prefix, folder)) is not None:
            return [(prefix + name, os.path.join(folder, name)) for name in inside]
        status = os.stat(folder)
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=_NAME, reverse=True)
        only_folders = states is not None and states.is_known(prefix, status, entries)
    except OSError as error:
        path = prefix.rstrip(b"/")
        return [(path, Entry(path, 0, 0, _reason(error), error.strerror or ""))]
    return [
        (prefix + entry.name, entry.path if is_folder else entry)
        for entry in entries
        if (is_folder := entry.is_dir(follow_symlinks=False)) or not only_folders
    ]


def _describe(entry: os.DirEntry[bytes], path: bytes, real_root: bytes) -> Entry:
    try:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            return _describe_link(entry, path, real_root, status)
    except OSError as error:
        return Entry(path, 0, 0, _reason(error), error.strerror or "")
    if not stat.S_ISREG(status.st_mode):
        kind = stat.filemode(status.st_mode)
        return Entry(path, 0, status.st_mtime_ns, Reason.SPECIAL_FILE, f"file mode {kind}")
    return Entry(path, status.st_size, status.st_mtime_ns)


def _describe_link(
    entry: os.DirEntry[bytes], path: bytes, real_root: bytes, link: os.stat_result
) -> Entry:
    target = os.fsdecode(os.readlink(entry.path)).encode("utf-8", "backslashreplace").decode()
    try:
        real = os.path.realpath(entry.path, strict=True)
    except OSError:
        return Entry(path, 0, link.st_mtime_ns, Reason.BROKEN_LINK, f"points to {target}")
    status = os.stat(real)
    is_inside = (real + b"/").startswith(real_root.rstrip(b"/") + b"/")
    if stat.S_ISDIR(status.st_mode):
        if is_inside:
            return Entry(path, 0, link.st_mtime_ns, Reason.LINK_TO_FOLDER, f"points to {target}")
        detail = f"a folder; points to {target}: make it a source of its own"
        return Entry(path, 0, link.st_mtime_ns, Reason.LINK_LEAVES_SOURCE, detail)
    if not is_inside:
        return Entry(path, 0, link.st_mtime_ns, Reason.LINK_LEAVES_SOURCE, f"points to {target}")
    if not stat.S_ISREG(status.st_mode):
        return Entry(path, 0, link.st_mtime_ns, Reason.SPECIAL_FILE, f"points to {target}")
    return Entry(path, status.st_size, status.st_mtime_ns)


def _reason(error: OSError) -> Reason:
    if isinstance(error, PermissionError):
        return Reason.PERMISSION_DENIED
    return Reason.VANISHED if isinstance(error, FileNotFoundError) else Reason.READ_ERROR


def list_new(
    source: Source,
    known: Known,
    states: FolderStates | None = None,
    *,
    again: Container[bytes] = frozenset(),
) -> Iterator[Entry]:
    """List the entries of a source that the ledger does not know, in listing order.

    Those that its selection excludes are refused by it.

    Args:
        source: what to list.
        known: tells which files the ledger knows.
        states: folders that need no look; learns, when all has been listed, which those are now.
        again: paths that are given although they are known.
    """
    listing = list_source(source, states)
    while chunk := list(islice(listing, _CHUNK)):
        if source.selection.may_exclude(entry.path for entry in chunk):
            chunk = [_excluded(entry, source) for entry in chunk]
        for entry, is_old in zip(chunk, _are_known(chunk, source, known), strict=True):
            if not is_old or entry.path in again:
                if states:
                    states.doubt(entry.path)
                yield entry


def _excluded(entry: Entry, source: Source) -> Entry:
    error = source.selection.exclusion(entry.path)
    return entry if error is None else entry._replace(reason=error.reason, detail=error.detail)


def _are_known(chunk: list[Entry], source: Source, known: Known) -> list[bool]:
    """Whether the ledger knows each file, as it is or as the selection of now treats it.

    One that is excluded now and was a picture before is known as one (see `deselected`).
    """
    old = known.contains([entry.seen_key(source.name) for entry in chunk])
    unknown = [k for k, is_old in enumerate(old) if not is_old]
    fingerprint = source.selection.fingerprint
    keys = [chunk[k].seen_key(source.name, fingerprint) for k in unknown]
    for k, is_old in zip(unknown, known.contains(keys), strict=True):
        old[k] = is_old
    return old
