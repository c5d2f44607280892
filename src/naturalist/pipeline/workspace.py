"""Opening a workspace: one writer at a time, the format version, the drives, and tidying up."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from naturalist import __version__, artifacts
from naturalist.errors import SourceError, WorkspaceError, WorkspaceFormatError, WorkspaceLocked
from naturalist.layout import Layout

FORMAT = 1


@contextlib.contextmanager
def writing(layout: Layout, name: str, image_roots: Sequence[str]) -> Iterator[None]:
    """Hold the workspace as its one writer; makes it if there is none.

    The lock belongs to the process: after a kill the system has released it already.

    Raises:
        WorkspaceLocked: another process is writing.
        WorkspaceFormatError: the workspace was made by another format of the program.
        SourceError: an image root that was there before is gone.
    """
    with artifacts.storage_errors(str(layout.root)):
        layout.root.mkdir(parents=True, exist_ok=True)
    with _locked(layout):
        _check_marker(layout, name, image_roots)
        _tidy(layout, image_roots)
        layout.scratch.mkdir(exist_ok=True)
        try:
            yield
        finally:
            shutil.rmtree(layout.scratch, ignore_errors=True)


@contextlib.contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    with artifacts.storage_errors(str(layout.lock)):
        handle = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WorkspaceLocked(
                f"{layout.root} is being written to by {_holder(layout)}: wait for it to end, or "
                "stop it (what it finished is kept) and run again"
            ) from error
        holder = {"pid": os.getpid(), "host": socket.gethostname()}
        os.truncate(handle, 0)
        os.pwrite(handle, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.close(handle)


def _holder(layout: Layout) -> str:
    try:
        value = json.loads(layout.lock.read_text())
    except ValueError:
        return "another process"
    return f"process {value['pid']} on {value['host']}"


def is_locked(layout: Layout) -> bool:
    """Whether somebody is writing to the workspace now."""
    try:
        handle = os.open(layout.lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _check_marker(layout: Layout, name: str, image_roots: Sequence[str]) -> None:
    marker = artifacts.read_json(layout.marker)
    if marker is None:
        marker = {"format": FORMAT, "name": name, "made_by": __version__, "image_roots": []}
    _check_format(layout, marker)
    known = set(marker["image_roots"])
    for root in known:
        _check_root(layout.image_root_marker(root))
    for root in set(image_roots) - known:
        with artifacts.storage_errors(f"image root {root}"):
            layout.image_root(root).mkdir(parents=True, exist_ok=True)
            layout.image_root_marker(root).touch()
    roots = sorted(known | set(image_roots))
    if roots != marker["image_roots"] or not layout.marker.exists():
        artifacts.write_json(layout.marker, marker | {"image_roots": roots})


def _check_format(layout: Layout, marker: dict[str, Any]) -> None:
    found = marker["format"]
    if found != FORMAT:
        newer = "newer" if found > FORMAT else "older"
        raise WorkspaceFormatError(
            f"{layout.root} has workspace format {found}, this program ({__version__}) writes "
            f"format {FORMAT}: use the {newer} naturalist that made it ({marker['made_by']})"
        )


def _check_root(marker: Path) -> None:
    if not marker.exists():
        raise SourceError(
            f"image root {marker.parent} is not there (no {marker.name} in it): mount its drive. "
            "Nothing was changed, and its pictures are not taken for deleted"
        )


def _tidy(layout: Layout, image_roots: Sequence[str]) -> None:
    # Only the holder of the lock comes here, so whatever is temporary was left by a killed one.
    shutil.rmtree(layout.scratch, ignore_errors=True)
    for root in image_roots:
        shutil.rmtree(layout.incoming(root), ignore_errors=True)
    for name in (".pending.tmp", ".pending.done"):
        shutil.rmtree(layout.ledger / name, ignore_errors=True)
    for folder in ("ledger", "features", "previews", "checks", "tables", "reports", "outbox"):
        artifacts.remove_temporaries(layout.root / folder)


def reading(layout: Layout) -> None:
    """Check that there is a workspace that this program can read.

    Raises:
        WorkspaceError: there is none.
        WorkspaceFormatError: it was made by another format of the program.
    """
    marker = artifacts.read_json(layout.marker)
    if marker is None:
        raise WorkspaceError(
            f"nothing has been made in {layout.root} yet: begin with  naturalist run"
        )
    _check_format(layout, marker)
