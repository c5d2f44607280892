"""Checksums of what studies make, so that a flipped bit in a map, an index or a model is noticed.

Receipts of features and tables name the checksums of their files, because other stages build on
them. Files of studies are many and of many kinds; one file, `seals.json`, names the size, the time
of change and the SHA-256 of each. It is brought up to date by whoever holds the workspace, when the
work ends: files that were written meanwhile are read once. A file that changed while nobody held
the workspace keeps its old checksum, and `naturalist verify` finds it.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from naturalist import artifacts
from naturalist.errors import WorkspaceError
from naturalist.layout import Layout

FORMAT = 1

Stamp = tuple[int, int]
"""Size in bytes, and time of last change in ns since 1970."""


@dataclass(frozen=True)
class Seal:
    """What a file was when it was made."""

    stamp: Stamp
    sha256: str


@dataclass(frozen=True)
class Damage:
    """A file that is not what it was; `found` is its SHA-256, or None if it is gone."""

    path: Path
    expected: str
    actual: str | None


def sealed_files(layout: Layout) -> Iterator[Path]:
    """Every file that studies have made."""
    for folder in layout.study_folders:
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(layout.root).parts)
            if path.is_file() and not path.is_symlink() and not hidden:
                yield path
    yield from sorted(layout.reports.glob(f"{layout.label_issues.stem}.*"))


def read(layout: Layout) -> dict[str, Seal]:
    """All seals, by path below the workspace; empty if there are none yet.

    Raises:
        WorkspaceError: the file is damaged.
    """
    value = artifacts.read_json(layout.seals)
    if value is None:
        return {}
    try:
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']}")
        return {
            str(name): Seal((int(one["size_bytes"]), int(one["mtime_ns"])), str(one["sha256"]))
            for name, one in value["files"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WorkspaceError(
            f"{layout.seals} is damaged ({error!r}): delete it; the next run creates it again and "
            "trusts the files of studies as they are then"
        ) from error


@contextlib.contextmanager
def kept(layout: Layout, after_a_kill: bool) -> Iterator[None]:
    """Bring the seals up to date when the work inside ends, also by an error.

    Args:
        layout: the workspace, whose one writer this process is.
        after_a_kill: the last writer did not end by itself: what it wrote is not sealed, and no
            file can be told from one that was damaged since.

    Raises:
        WorkspaceError: the seals are damaged.
    """
    before = read(layout)
    foreign = {} if after_a_kill else _changed(layout, before)
    layout.unsealed.touch()
    try:
        yield
    finally:
        _renew(layout, foreign)


def _changed(layout: Layout, seals: Mapping[str, Seal]) -> dict[str, Stamp]:
    """Sealed files that are not as they were left, with their stamps of now."""
    stamps = {name: _stamp(layout.root / name) for name in seals}
    return {n: stamp for n, stamp in stamps.items() if stamp and stamp != seals[n].stamp}


def _renew(layout: Layout, foreign: Mapping[str, Stamp]) -> None:
    before = read(layout)
    after = {}
    for path in sealed_files(layout):
        name, stamp = path.relative_to(layout.root).as_posix(), _stamp(path)
        known = before.get(name)
        if known is not None and stamp in (known.stamp, foreign.get(name)):
            after[name] = known
        elif stamp is not None:
            after[name] = Seal(stamp, artifacts.sha256_file(path))
    if after != before:
        _write(layout, after)


def _write(layout: Layout, seals: Mapping[str, Seal]) -> None:
    files = {
        name: {"size_bytes": one.stamp[0], "mtime_ns": one.stamp[1], "sha256": one.sha256}
        for name, one in seals.items()
    }
    artifacts.write_json(layout.seals, {"format": FORMAT, "files": files})


def is_as_left(path: Path, seal: Seal) -> bool:
    """Whether a file has the size and time of change that it was sealed with."""
    return _stamp(path) == seal.stamp


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size, status.st_mtime_ns


def damaged(layout: Layout, seals: Mapping[str, Seal]) -> Iterator[Damage]:
    """Read sealed files and name those that are not what they were.

    A folder that is gone as a whole was removed on purpose.
    """
    for name, seal in sorted(seals.items()):
        path = layout.root / name
        if not path.exists():
            if path.parent.is_dir():
                yield Damage(path, seal.sha256, None)
            continue
        result = artifacts.sha256_file(path)
        if result != seal.sha256:
            yield Damage(path, seal.sha256, result)
