"""What is kept of each set that was fetched: where from, which version, which bytes.

::

    <folder>/<category>/<owner>+<name>.zip         the set as its host packs it
    <folder>/<category>/<owner>+<name>.zip.json    its record
    <folder>/<category>/.kept-<owner>+<name>.zip/  metadata files of a set that was released

A set may be *released* when its pictures are in a collection: the archive is removed, its record
stays and says so, and the source that it was is not looked through until it is fetched again.
"""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from naturalist import artifacts
from naturalist.catalogue.entries import UNKNOWN_LICENCE, Entry
from naturalist.errors import ConfigError

_SUFFIX = ".json"


@dataclass(frozen=True)
class Record:
    """A set that was fetched.

    Attributes:
        name: of the entry.
        host: who has it.
        handle: as in the entry.
        version: of the set, as its host counts or names it; empty if the host does not say.
        licence: as its host says; empty if it does not.
        size_bytes: of the archive, or of all files.
        sha256: of the archive; empty for a folder of files.
        fetched_at: when, in ISO 8601.
        released_at: when it was removed from this machine, after its pictures were taken in; empty
            if it was not.
    """

    name: str
    host: str
    handle: str
    version: str
    licence: str
    size_bytes: int
    sha256: str
    fetched_at: str
    released_at: str = ""


def path_of(folder: Path, entry: Entry) -> Path:
    """Where a set is kept."""
    return folder / (entry.category or "other") / entry.file_name


def record_path(path: Path) -> Path:
    """Where the record of a set lies, by the path of the set."""
    return path.with_name(path.name + _SUFFIX)


def write_record(path: Path, record: Record) -> None:
    """Write the record of a set."""
    artifacts.write_json(record_path(path), asdict(record))


def read_record(path: Path) -> Record | None:
    """The record of a set; None if it was not fetched, not to its end, or the record is damaged."""
    return _read(path) if path.exists() else None


def read_released(path: Path) -> Record | None:
    """The record of a set that was released; None if it is here, or never was."""
    if path.exists() or not record_path(path).is_file():
        return None
    record = _read(path)
    return record if record is not None and record.released_at else None


def _read(path: Path) -> Record | None:
    """What the file beside a set says; None if it is damaged, or a person's own file."""
    try:
        record = Record(**artifacts.read_json(record_path(path)))
    except TypeError:
        return None
    texts = [value for name, value in vars(record).items() if name != "size_bytes"]
    is_whole = isinstance(record.size_bytes, int) and all(isinstance(one, str) for one in texts)
    return record if is_whole else None


def kept_folder(path: Path) -> Path:
    """Where the metadata files of a set stay when it is released."""
    return path.with_name(f".kept-{path.name}")


def release(path: Path, at: str, kept: Mapping[str, Path]) -> int:
    """Remove a set from this machine and let its record say so; the bytes that are free now.

    Args:
        path: of the set, which has a record.
        at: time, ISO 8601.
        kept: files to keep copies of, by their paths inside the set.

    Raises:
        StorageFull, WorkspaceError: a copy cannot be written; then nothing is removed.
    """
    record = read_record(path)
    if record is None:
        raise ConfigError(f"{path} is not a downloaded data set")
    for name, file in kept.items():
        target = kept_folder(path) / name
        with artifacts.storage_errors(str(target)):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    write_record(path, replace(record, released_at=at))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return record.size_bytes


def records(folder: Path) -> list[tuple[Path, Record]]:
    """Every set that was fetched to a folder, released ones too, by category and name."""
    paths = [path.with_name(path.name[: -len(_SUFFIX)]) for path in folder.glob(f"*/*{_SUFFIX}")]
    found = [(path, read_record(path) or read_released(path)) for path in sorted(paths)]
    return [(path, record) for path, record in found if record is not None]


def licence_of(entry: Entry, record: Record | None) -> str:
    """What is known of a set's licence, in words."""
    return (record.licence if record else "") or entry.licence or UNKNOWN_LICENCE
