"""Where the bytes of an accepted picture are kept, and reading them."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from naturalist import artifacts
from naturalist.errors import PictureError, SourceError, WorkspaceError
from naturalist.images import EXTENSIONS
from naturalist.layout import Layout, pic_number
from naturalist.reasons import Reason
from naturalist.stores.remote import RemoteFolder, check_remote, read_remote

Row = dict[str, Any]
Location = Path | RemoteFolder
"""Where a source is: a folder or a file here, or a prefix in a bucket."""


def path_in_source(source: Path, path: bytes) -> Path:
    """Where an entry of a source lies; a source that is one file is its only entry."""
    # The name is compared first: it spares a look at the disk for every picture of a folder.
    name = os.fsdecode(path)
    return source if name == source.name and source.is_file() else source / name


def placed_path(layout: Layout, row: Row) -> Path:
    """Where an accepted ledger row with an image root, category, pic_id and format is kept."""
    extension = EXTENSIONS[row["format"]]
    number = pic_number(row["pic_id"])
    return layout.picture(row["image_root"], row["category"], number, extension)


def _unknown_source(row: Row) -> WorkspaceError:
    return WorkspaceError(
        f"{row['pic_id']} is read in its source {row['source']!r}, which is no longer in the "
        "configuration: add the source again"
    )


def read_picture(layout: Layout, source: Location | None, row: Row) -> bytes:
    """Read the bytes of an accepted ledger row and check that they are those that were ingested.

    Args:
        layout: the workspace.
        source: where the row's source is; needed for pictures that are read there.
        row: ledger row.

    Raises:
        PictureError: the file is gone, unreadable or has other bytes.
        SourceError: the whole drive is gone.
        StoreError: the store of the source failed.
        WorkspaceError: the picture is read in a source that is no longer known.
    """
    if row["image_root"] is not None:
        data = _read_file(layout, source, row, placed_path(layout, row))
    elif source is None:
        raise _unknown_source(row)
    else:
        data = read_in_source(layout, source, row)
    if hashlib.sha256(data).digest() != row["sha256"]:
        raise PictureError(Reason.CHANGED_AFTER_INGEST, "its sha256 has changed")
    return data


def advice_on(row: Row) -> str:
    """What to do about an accepted row of the ledger whose stored bytes are not the right ones."""
    return (
        "if its source was changed, run `naturalist ingest --full-scan`, which gives the new "
        f"bytes a new id; otherwise restore the file: its source is {row['path_text']!r}"
    )


def are_remote(rows: Iterable[Row], sources: Mapping[str, Location]) -> bool:
    """Whether all of these pictures are read in buckets, for which no workspace is needed."""
    return all(
        row["image_root"] is None and isinstance(sources.get(row["source"]), RemoteFolder)
        for row in rows
    )


def read_in_source(layout: Layout, source: Location, row: Row) -> bytes:
    """Read the bytes of a file of a source, which is no member of an archive.

    Raises:
        PictureError, SourceError, StoreError: as `read_picture`.
    """
    if not isinstance(source, RemoteFolder):
        return _read_file(layout, source, row, path_in_source(source, row["path"]))
    try:
        return read_remote(source, row["path"].decode(), row["size_bytes"], row["mtime_ns"])
    except PictureError as error:
        if error.reason is Reason.VANISHED:
            check_remote(source)
        raise


def _read_file(layout: Layout, source: Location | None, row: Row, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise PictureError(Reason.PERMISSION_DENIED, path.name) from error
    except OSError as error:
        artifacts.raise_if_machine(error)
        check_mounted(layout, source, row)
        if isinstance(error, FileNotFoundError):
            raise PictureError(Reason.VANISHED, f"no longer in {path.parent.name}") from error
        raise PictureError(Reason.READ_ERROR, error.strerror or str(error)) from error


def check_mounted(layout: Layout, source: Location | None, row: Row) -> None:
    """Tell a picture that is gone from a drive that is away, which is not a picture's fault.

    Raises:
        SourceError: the source (or the image root, where the row names one) is not there.
    """
    root = row["image_root"]
    if root is None and isinstance(source, RemoteFolder):
        check_remote(source)
        return
    expected = layout.image_root_marker(root) if root is not None else source
    # Where a drive is not mounted its folder is often there, and empty.
    if (
        not isinstance(expected, Path)
        or expected.is_file()
        or (expected.is_dir() and any(expected.iterdir()))
    ):
        return
    raise SourceError(
        f"{row['pic_id']} cannot be read: {expected} is missing or empty. Mount its drive and "
        "run the same command again. If you removed the pictures on purpose, put any other file "
        "there"
    )
