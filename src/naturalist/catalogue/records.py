"""What is kept of each set that was fetched: where from, which version, which bytes.

::

    <folder>/<category>/<owner>+<name>.zip         the set as its host packs it
    <folder>/<category>/<owner>+<name>.zip.json    its record
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from naturalist import artifacts
from naturalist.catalogue.entries import UNKNOWN_LICENCE, Entry

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
    """

    name: str
    host: str
    handle: str
    version: str
    licence: str
    size_bytes: int
    sha256: str
    fetched_at: str


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
    """The record of a set; None if it was not fetched, or not to its end."""
    value = artifacts.read_json(record_path(path))
    return Record(**value) if value is not None and path.exists() else None


def records(folder: Path) -> list[tuple[Path, Record]]:
    """Every set that was fetched to a folder, by category and name."""
    paths = [path.with_name(path.name[: -len(_SUFFIX)]) for path in folder.glob(f"*/*{_SUFFIX}")]
    result = [(path, read_record(path)) for path in sorted(paths)]
    return [(path, record) for path, record in result if record is not None]


def licence_of(entry: Entry, record: Record | None) -> str:
    """What is known of a set's licence, in words."""
    return (record.licence if record else "") or entry.licence or UNKNOWN_LICENCE
