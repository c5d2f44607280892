"""Putting accepted pictures in their place; every step can be repeated after a kill.

The rows of the pending batch are the journal: they name the source, the bytes and the place, and
they are on the disk before the first file is touched.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from naturalist import artifacts
from naturalist.errors import PictureError, WorkspaceError
from naturalist.ingest.options import Mode, Source
from naturalist.layout import Layout
from naturalist.ledger import Outcome
from naturalist.pictures import path_in_source, picture_path
from naturalist.reasons import Reason

_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES)

Row = dict[str, Any]


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

    A picture whose file changed or vanished since it was examined is a loss: its ledger row is
    amended, its id stays unused.

    Raises:
        StorageFull: a drive is full.
        WorkspaceError: an unpacked picture of this batch is gone.
    """
    layout = Layout(task.root)
    sources = {source.name: source for source in task.sources}
    losses = []
    for row in _rows(layout, task):
        if row["image_root"] is None:
            continue
        try:
            _place(layout, sources[row["source"]], row, task.mode)
        except PictureError as error:
            losses.append((row["pic_id"], row["source"], error.reason.value, error.detail))
    return Placed(task.rows, tuple(losses))


def _rows(layout: Layout, task: PlaceTask) -> list[Row]:
    table = pq.read_table(layout.pending / f"{task.category}.parquet", partitioning=None)
    accepted = table.filter(pc.equal(table["outcome"], Outcome.ACCEPTED))
    rows: list[Row] = accepted.slice(task.start, task.rows).to_pylist()
    return rows


def _place(layout: Layout, source: Source, row: Row, mode: Mode) -> None:
    target = picture_path(layout, None, row)
    with artifacts.storage_errors(f"the folder of {target.name}"):
        target.parent.mkdir(parents=True, exist_ok=True)
    staged = layout.staging / row["sha256"].hex()
    if b"\0" in row["path"]:
        _place_staged(staged, target)
    elif mode is Mode.MOVE:
        _move(path_in_source(source.path, row["path"]), target, row)
    elif not _is_there(target, row):
        _link_or_copy(path_in_source(source.path, row["path"]), target, row, mode)


def _is_there(target: Path, row: Row) -> bool:
    return target.exists() and target.stat().st_size == row["size_bytes"]


def _place_staged(staged: Path, target: Path) -> None:
    if target.exists():
        return
    if not staged.exists():
        raise WorkspaceError(
            f"the unpacked picture for {target.name} is gone from {staged.parent}: remove the "
            "folders ledger/.open and ledger/.pending of the workspace and run again"
        )
    try:
        staged.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(staged, target, bytes.fromhex(staged.name))


def _link_or_copy(path: Path, target: Path, row: Row, mode: Mode) -> None:
    path = _checked(path, row)
    if mode is Mode.HARDLINK:
        try:
            target.unlink(missing_ok=True)
            target.hardlink_to(path)
        except FileNotFoundError as error:
            raise PictureError(Reason.VANISHED, "gone before it was linked") from error
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            return
    _copy(path, target, row["sha256"])


def _move(path: Path, target: Path, row: Row) -> None:
    if _is_there(target, row):
        # Killed between copy and removal: the copy is whole, so the source may go.
        if (
            path.exists()
            and not path.is_symlink()
            and artifacts.sha256_file(path) == row["sha256"].hex()
        ):
            path.unlink()
        return
    real = _checked(path, row)
    if path.is_symlink():
        _copy(real, target, row["sha256"])
        return
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(path, target, row["sha256"])
        artifacts.sync(target)
        artifacts.sync(target.parent)
        path.unlink()


def _checked(path: Path, row: Row) -> Path:
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except OSError as error:
        raise PictureError(Reason.VANISHED, "gone before it was placed") from error
    if (status.st_size, status.st_mtime_ns) != (row["size_bytes"], row["mtime_ns"]):
        raise PictureError(Reason.CHANGED_AFTER_INGEST, "changed between examining and placing")
    return real


def _copy(path: Path, target: Path, sha256: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}{artifacts.TEMPORARY_SUFFIX}")
    try:
        with path.open("rb") as source:
            digest = _copy_hashing(source, temporary)
        if digest != sha256:
            raise PictureError(Reason.CHANGED_AFTER_INGEST, "changed while it was copied")
        shutil.copystat(path, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _copy_hashing(source: Any, temporary: Path) -> bytes:
    digest = hashlib.sha256()
    with artifacts.storage_errors(str(temporary)), temporary.open("wb") as out:
        while block := source.read(1 << 20):
            digest.update(block)
            out.write(block)
    return digest.digest()


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
