"""Where the bytes of an accepted picture are kept, and reading them."""

import hashlib
import os
from pathlib import Path
from typing import Any

from naturalist.errors import PictureError, SourceError, WorkspaceError
from naturalist.images import EXTENSIONS
from naturalist.layout import Layout, pic_number
from naturalist.reasons import Reason

Row = dict[str, Any]


def path_in_source(source: Path, path: bytes) -> Path:
    """Where an entry of a source lies; a source that is one file is its only entry."""
    return source if source.is_file() else source / os.fsdecode(path)


def picture_path(layout: Layout, source: Path | None, row: Row) -> Path:
    """Where the bytes of an accepted ledger row are kept.

    Args:
        layout: the workspace.
        source: where the row's source is; needed for pictures that are read there.
        row: ledger row with category, source, pic_id, format, image_root and path.

    Raises:
        WorkspaceError: the picture is read in a source that is not known any more.
    """
    root = row["image_root"]
    if root is not None:
        extension = EXTENSIONS[row["format"]]
        return layout.picture(root, row["category"], pic_number(row["pic_id"]), extension)
    if source is None:
        raise WorkspaceError(
            f"{row['pic_id']} is read in its source {row['source']!r}, which the configuration "
            "no longer names: add the source again"
        )
    return path_in_source(source, row["path"])


def read_picture(layout: Layout, source: Path | None, row: Row) -> bytes:
    """Read the bytes of an accepted ledger row and check that they are those that were ingested.

    Raises:
        PictureError: the file is gone, unreadable or has other bytes.
        SourceError: the whole drive is gone.
    """
    path = picture_path(layout, source, row)
    try:
        data = path.read_bytes()
    except PermissionError as error:
        raise PictureError(Reason.PERMISSION_DENIED, path.name) from error
    except OSError as error:
        check_mounted(layout, source, row)
        if isinstance(error, FileNotFoundError):
            raise PictureError(Reason.VANISHED, f"no longer in {path.parent.name}") from error
        raise PictureError(Reason.READ_ERROR, error.strerror or str(error)) from error
    if hashlib.sha256(data).digest() != row["sha256"]:
        raise PictureError(Reason.CHANGED_AFTER_INGEST, "the sha256 is another one")
    return data


def check_mounted(layout: Layout, source: Path | None, row: Row) -> None:
    """Tell a picture that is gone from a drive that is away, which is no picture's fault.

    Raises:
        SourceError: the source (or the image root, where the row names one) is not there.
    """
    root = row["image_root"]
    wanted = layout.image_root_marker(root) if root is not None else source
    # Where a drive is not mounted its folder is often there, and empty.
    if wanted is None or wanted.is_file() or (wanted.is_dir() and any(wanted.iterdir())):
        return
    raise SourceError(
        f"{row['pic_id']} cannot be read: {wanted} is not there, or empty. Mount its drive and run "
        "the same command again; if the pictures were removed on purpose, put any other file there"
    )
