"""Putting accepted pictures in their place; every step can be repeated after a kill.

The rows of the pending batch are the journal: they name the source, the bytes and the place, and
they are on the disk before the first file is touched.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, ledger
from naturalist.errors import PictureError, WorkspaceError
from naturalist.images import EXTENSIONS
from naturalist.layout import Layout, pic_number, picture_group, picture_name
from naturalist.ledger import Outcome
from naturalist.reasons import Reason
from naturalist.stages.ingest.cloning import can_clone, clone
from naturalist.stages.ingest.options import Mode, Source
from naturalist.stages.pictures import (
    Location,
    check_mounted,
    path_in_source,
    placed_path,
    read_in_source,
)
from naturalist.stores.remote import RemoteFolder

_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES)

Row = dict[str, Any]
Group = tuple[str, str, int]
"""Image root, category and number of the pictures of one folder."""
_COLUMNS = [
    *("category", "source", "path", "occurrence", "pic_id", "same_as", "size_bytes", "mtime_ns"),
    *("sha256", "format", "image_root"),
]


@dataclass(frozen=True)
class PlaceTask:
    """A slice of the accepted pictures of one category of the pending batch."""

    root: Path
    category: str
    sources: tuple[Source, ...]
    mode: Mode
    start: int
    rows: int


@dataclass(frozen=True)
class Placed:
    """Pictures placed, and (pic_id, source, reason, detail) of each that was lost."""

    pictures: int
    losses: tuple[tuple[str, str, str, str], ...]


def place(task: PlaceTask) -> Placed:
    """Place the pictures of a task.

    A picture whose file changed or vanished since it was examined is taken from a file with the
    same bytes; if there is none it is a loss: its ledger row is amended, its id stays unused.

    Raises:
        StorageFull: a drive is full.
        SourceError: a source is no longer there.
        WorkspaceError: an unpacked picture of this batch is gone.
    """
    layout = Layout(task.root)
    sources = {source.name: source.path for source in task.sources}
    # One that came by relabelling was put there before it was written down.
    rows = [
        row
        for row in _rows(layout, task)
        if row["image_root"] is not None and row["same_as"] is None
    ]
    folders = _make_folders(layout, rows)
    linker = _Linker(sources, folders) if _links(layout, task.mode, folders) else None
    losses = []
    for row in rows:
        if linker is not None and linker.links(row):
            continue
        try:
            _place_from_any(layout, sources, row, task)
        except PictureError as error:
            losses.append((row["pic_id"], row["source"], error.reason.value, error.detail))
    # Before the ledger says that they are there, and once for all of them.
    for root in {root for root, _, _ in folders}:
        artifacts.sync_file_system(layout.image_root(root))
    return Placed(task.rows, tuple(losses))


def put_back(layout: Layout, source: Location, row: Row, mode: Mode) -> None:
    """Store an accepted picture again from a file that had its bytes.

    Args:
        layout: the workspace.
        source: where that file's source is.
        row: the picture's ledger row, with `path` and `mtime_ns` of the file.
        mode: how it is placed.

    Raises:
        PictureError: the file is gone or has other bytes.
        StorageFull: a drive is full.
    """
    target = placed_path(layout, row)
    if b"\0" in row["path"] and not (layout.staging / row["sha256"].hex()).exists():
        raise PictureError(Reason.VANISHED, "no longer unpacked")
    with artifacts.storage_errors(str(target)):
        artifacts.make_folder(target.parent)
    _place(layout, source, row, mode)
    if not _has_bytes(target, row):
        raise PictureError(Reason.CHANGED_AFTER_INGEST, "the contents of the file have changed")
    artifacts.sync(target)
    artifacts.sync(target.parent)


def _links(layout: Layout, mode: Mode, folders: Mapping[Group, Path]) -> bool:
    """Whether pictures are linked as a rule: they are to be, or cannot be cloned."""
    if mode is not Mode.AUTO:
        return mode is Mode.HARDLINK
    roots = {root for root, _, _ in folders}
    return not any(can_clone(_made_incoming(layout.incoming(root))) for root in roots)


def _rows(layout: Layout, task: PlaceTask) -> list[Row]:
    path = layout.pending / f"{task.category}.parquet"
    table = ledger.accepted_rows(path, task.start, task.start + task.rows, _COLUMNS)
    rows: list[Row] = table.to_pylist()
    return rows


def _group(row: Row) -> Group:
    return row["image_root"], row["category"], picture_group(pic_number(row["pic_id"]))


def _make_folders(layout: Layout, rows: list[Row]) -> dict[Group, Path]:
    folders = {group: layout.picture_folder(*group) for group in set(map(_group, rows))}
    for folder in folders.values():
        with artifacts.storage_errors(str(folder)):
            # A picture that is moved into it must not be lost with it.
            artifacts.make_folder(folder)
    return folders


class _Linker:
    """Links pictures as it can be done for nearly all of them: in two calls of the system."""

    def __init__(self, sources: Mapping[str, Location], folders: Mapping[Group, Path]) -> None:
        self._folders = {group: _inside(folder) for group, folder in folders.items()}
        self._sources = {
            name: _inside(path) for name, path in sources.items() if isinstance(path, Path)
        }

    def links(self, row: Row) -> bool:
        """Link a picture whose file is as it was examined and whose place is empty.

        Whatever else is found (a link, a changed file, another drive, the rest of a run that was
        killed) is left alone, for the long way to look into: then the answer is False.
        """
        source = self._sources.get(row["source"])
        if source is None or b"\0" in row["path"]:
            return False
        path = source + row["path"]
        name = picture_name(row["pic_id"], EXTENSIONS[row["format"]])
        try:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode) or not _is_as_examined(status, row):
                return False
            os.link(path, self._folders[_group(row)] + name.encode())
        except OSError:
            return False
        return True


def _inside(folder: Path) -> bytes:
    return os.fsencode(folder / "_")[:-1]


def _is_as_examined(status: os.stat_result, row: Row) -> bool:
    return (status.st_size, status.st_mtime_ns) == (row["size_bytes"], row["mtime_ns"])


def _pending(layout: Layout, category: str) -> pa.Table:
    return artifacts.read_parquet(layout.pending / f"{category}.parquet")


def _place_from_any(
    layout: Layout, sources: Mapping[str, Location], row: Row, task: PlaceTask
) -> None:
    source = sources[row["source"]]
    try:
        _place(layout, source, row, task.mode)
    except PictureError:
        # A source is empty, too, when everything has been moved out of it.
        if task.mode is not Mode.MOVE or not (isinstance(source, Path) and source.exists()):
            check_mounted(layout, source, row | {"image_root": None})
        for twin in _duplicates(layout, task.category, row["pic_id"]):
            there = {key: twin[key] for key in ("source", "path", "mtime_ns")}
            with contextlib.suppress(PictureError):
                _place(layout, sources[twin["source"]], row | there, task.mode)
                return
        raise


def _duplicates(layout: Layout, category: str, pic: str) -> list[Row]:
    table = _pending(layout, category)
    same = pc.and_(pc.equal(table["outcome"], Outcome.DUPLICATE), pc.equal(table["same_as"], pic))
    rows: list[Row] = table.filter(same).to_pylist()
    return rows


def _place(layout: Layout, source: Location, row: Row, mode: Mode) -> None:
    target = placed_path(layout, row)
    incoming = layout.incoming(row["image_root"])
    if b"\0" in row["path"]:
        with artifacts.storage_errors(str(target)):
            _place_staged(layout.staging / row["sha256"].hex(), target, incoming, row)
    elif isinstance(source, RemoteFolder):
        if not _is_there(target, row):
            _write(read_in_source(layout, source, row), target, incoming, row)
    else:
        _place_file(path_in_source(source, row["path"]), target, incoming, row, mode)


def _place_file(path: Path, target: Path, incoming: Path, row: Row, mode: Mode) -> None:
    with artifacts.storage_errors(str(target)):
        if _is_there(target, row):
            # Killed between copy and removal: the copy is whole, so the source may go.
            if mode is Mode.MOVE and not path.is_symlink() and _has_bytes(path, row):
                path.unlink()
        elif mode is Mode.MOVE:
            _move(path, target, incoming, row)
        else:
            _link_or_copy(path, target, incoming, row, mode)


def _is_there(target: Path, row: Row) -> bool:
    # Only after a kill is anything there, so that nothing is read twice in the usual case.
    return target.exists() and _has_bytes(target, row)


def _has_bytes(path: Path, row: Row) -> bool:
    try:
        same_size: bool = path.stat().st_size == row["size_bytes"]
        return same_size and artifacts.sha256_file(path) == row["sha256"].hex()
    except (FileNotFoundError, PermissionError):
        return False


def _place_staged(staged: Path, target: Path, incoming: Path, row: Row) -> None:
    if _is_there(target, row):
        return
    if not staged.exists():
        raise WorkspaceError(
            f"the unpacked picture for {target.name} is missing from {staged.parent}: delete the "
            "folders ledger/.open and ledger/.pending of the workspace and run again"
        )
    try:
        staged.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(staged, target, incoming, row)


def _link_or_copy(path: Path, target: Path, incoming: Path, row: Row, mode: Mode) -> None:
    path = _checked(path, row)
    if mode is Mode.AUTO and _clone(path, target, incoming, row):
        return
    if mode in (Mode.AUTO, Mode.HARDLINK):
        try:
            _link(path, target)
        except FileNotFoundError as error:
            raise PictureError(Reason.VANISHED, "disappeared before it was linked") from error
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            return
    _copy(path, target, incoming, row)


def _clone(path: Path, target: Path, incoming: Path, row: Row) -> bool:
    """Clone a file that is as it was examined; whether the file systems can."""
    temporary = _temporary(target, incoming)
    try:
        with _opened(path) as source, temporary.open("wb") as out:
            if not clone(source.fileno(), out.fileno()):
                return False
            status = os.fstat(source.fileno())
        if not _is_as_examined(status, row):
            raise PictureError(Reason.CHANGED_AFTER_INGEST, "changed while it was cloned")
        os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _link(path: Path, target: Path) -> None:
    try:
        target.hardlink_to(path)
    except FileExistsError:
        target.unlink()
        target.hardlink_to(path)


def _move(path: Path, target: Path, incoming: Path, row: Row) -> None:
    real = _checked(path, row)
    if path.is_symlink():
        _copy(real, target, incoming, row)
        return
    try:
        path.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(path, target, incoming, row)
        artifacts.sync(target)
        artifacts.sync(target.parent)
        path.unlink()


def _checked(path: Path, row: Row) -> Path:
    try:
        status = path.lstat()
        is_link = stat.S_ISLNK(status.st_mode)
        real, status = (path.resolve(), path.stat()) if is_link else (path, status)
    except OSError as error:
        raise PictureError(Reason.VANISHED, "disappeared before it was placed") from error
    if not _is_as_examined(status, row):
        raise PictureError(Reason.CHANGED_AFTER_INGEST, "changed between examining and placing")
    return real


def _write(data: bytes, target: Path, incoming: Path, row: Row) -> None:
    if hashlib.sha256(data).digest() != row["sha256"]:
        raise PictureError(Reason.CHANGED_AFTER_INGEST, "changed between examining and placing")
    with artifacts.storage_errors(str(target)):
        temporary = _temporary(target, incoming)
        try:
            temporary.write_bytes(data)
            os.utime(temporary, ns=(row["mtime_ns"], row["mtime_ns"]))
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def _temporary(target: Path, incoming: Path) -> Path:
    # Not a process id: on another machine the same one may be placing the same picture.
    return (
        _made_incoming(incoming)
        / f"{target.name}.{secrets.token_hex(4)}{artifacts.TEMPORARY_SUFFIX}"
    )


def _made_incoming(incoming: Path) -> Path:
    with artifacts.storage_errors(str(incoming)):
        incoming.mkdir(exist_ok=True)
    return incoming


def _copy(path: Path, target: Path, incoming: Path, row: Row) -> None:
    temporary = _temporary(target, incoming)
    try:
        with _opened(path) as source:
            digest = _copy_hashing(source, temporary)
            times = os.fstat(source.fileno())
        if digest != row["sha256"]:
            raise PictureError(Reason.CHANGED_AFTER_INGEST, "changed while it was copied")
        os.utime(temporary, ns=(times.st_atime_ns, times.st_mtime_ns))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise PictureError(Reason.VANISHED, "disappeared before it was copied") from error
    except PermissionError as error:
        raise PictureError(Reason.PERMISSION_DENIED, error.strerror or "") from error


def _copy_hashing(source: BinaryIO, temporary: Path) -> bytes:
    digest = hashlib.sha256()
    with temporary.open("wb") as out:
        for block in _blocks(source):
            digest.update(block)
            out.write(block)
    return digest.digest()


def _blocks(source: BinaryIO) -> Iterator[bytes]:
    try:
        while block := source.read(1 << 20):
            yield block
    except OSError as error:
        raise PictureError(Reason.READ_ERROR, error.strerror or str(error)) from error


def loss_amendments(losses: Sequence[tuple[str, str, str, str]], at_ns: int) -> list[Row]:
    """Amendments for pictures that were lost between examining and placing."""
    return [
        {
            "pic_id": pic,
            "source": source,
            "outcome": Outcome.REFUSED.value,
            "reason": reason,
            "detail": detail,
            "same_as": None,
            "by": "ingest",
            "at_ns": at_ns,
        }
        for pic, source, reason, detail in losses
    ]
