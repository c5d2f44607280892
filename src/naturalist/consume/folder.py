"""A pulled folder: files under their plain names, and a manifest of what they are.

::

    <folder>/
      tables/<category>/image_df_<k>.parquet ...   as they were published
      croissant.json                               describes the tables by these names
      pulled.json                                  which snapshot and selection this is
      .naturalist/                                 files on their way in; may be removed
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from naturalist import artifacts
from naturalist.consume.selection import Selection
from naturalist.errors import ConfigError, StoreError
from naturalist.snapshots import File, Snapshot
from naturalist.snapshots.schema import (
    AboutEntry,
    Digest,
    FileEntry,
    Id,
    Published,
    ShortText,
    check,
    decode,
)
from naturalist.stages.cards import CROISSANT
from naturalist.stores.keys import RESERVED_SEGMENT

FORMAT = 1
MANIFEST = "pulled.json"
PULLED = "a pulled collection"
_NOT_YET = 0
"""Time stamp of a file that is on its way: no file that is here has it."""
_AT_THE_TOP = (".md", ".json", ".txt")


@dataclass(frozen=True)
class Here:
    """A file of a pulled folder, and the time stamp by which it is known to be untouched."""

    file: File
    mtime_ns: int


@dataclass(frozen=True)
class Manifest:
    """What a pulled folder holds.

    Attributes:
        url: where it came from.
        snapshot: id of the snapshot.
        snapshot_sha256: of the snapshot's own bytes.
        selection: what was asked for.
        about: what the snapshot says of itself.
        complete: False while files are being exchanged for those of another snapshot.
        files: by name.
    """

    url: str
    snapshot: str
    snapshot_sha256: str
    selection: Selection
    about: Mapping[str, Any]
    complete: bool
    files: Mapping[str, Here]

    def is_of(self, snapshot: Snapshot, selection: Selection) -> bool:
        """Whether the folder holds exactly this."""
        same = self.snapshot_sha256 == snapshot.sha256
        return self.complete and same and self.selection == selection


def is_pulled(place: str) -> bool:
    """Whether an address is that of a pulled folder."""
    return "://" not in place and (Path(place).expanduser() / MANIFEST).exists()


def kind_of(folder: Path) -> str:
    """What naturalist keeps in a folder, in words; nothing if it is not one of its own."""
    for name, what in _KINDS:
        if (folder / name).exists():
            return what
    return ""


_KINDS = (
    ("workspace.json", "a workspace"),
    ("latest.json", "a published folder"),
    (MANIFEST, PULLED),
)


def staging(folder: Path) -> Path:
    """Where files are downloaded to before they are put in place."""
    return folder / RESERVED_SEGMENT / "pull"


def path_of(folder: Path, file: File) -> Path:
    """Where a file belongs.

    Raises:
        StoreError: the snapshot gives a file the name of one that is made here, or a name that
            naturalist never gives: hidden, or at the top and no description of the collection.
    """
    if file.name in (MANIFEST, CROISSANT):
        raise StoreError(f"the snapshot names a file {file.name}, which only a pull creates")
    if any(segment.startswith(".") for segment in file.name.split("/")):
        raise StoreError(f"the snapshot names a hidden file, {file.name!r}: nothing was changed")
    if not file.part and not file.name.endswith(_AT_THE_TOP):
        raise StoreError(
            f"the snapshot names a file {file.name!r} at the top level, where only text files "
            f"({', '.join(_AT_THE_TOP)}) are published: nothing was changed"
        )
    return folder / file.name


def is_untouched(folder: Path, here: Here) -> bool:
    """Whether a file has the size and time stamp that it was put in place with."""
    try:
        status = path_of(folder, here.file).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (status.st_size, status.st_mtime_ns) == (here.file.size_bytes, here.mtime_ns)


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of a folder; None if it has none.

    Raises:
        ConfigError: it cannot be understood.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        value = decode(str(path), data)
        document = check(_ManifestDocument, str(path), value)
    except StoreError as error:
        raise ConfigError(
            f"{error}. To repair it, delete {path} and pull again: files that are already there "
            "are not downloaded again"
        ) from error
    selected = document.selection
    return Manifest(
        url=document.url,
        snapshot=document.snapshot,
        snapshot_sha256=document.snapshot_sha256,
        selection=Selection(*map(tuple, (selected.categories, selected.formats, selected.parts))),
        about=value["about"],
        complete=document.complete,
        files={one.name: _here(one) for one in document.files},
    )


class _HereEntry(FileEntry):
    mtime_ns: int


class _SelectionEntry(Published):
    categories: list[ShortText]
    formats: list[ShortText]
    parts: list[ShortText]


class _ManifestDocument(Published):
    format: Literal[1]
    url: str
    snapshot: Id
    snapshot_sha256: Digest
    selection: _SelectionEntry
    about: AboutEntry
    complete: bool
    files: list[_HereEntry]


def _here(entry: _HereEntry) -> Here:
    file = File(entry.name, entry.key, entry.size_bytes, entry.sha256, entry.objects_below)
    return Here(file, entry.mtime_ns)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all."""
    files = [asdict(one.file) | {"mtime_ns": one.mtime_ns} for one in manifest.files.values()]
    value = {
        "format": FORMAT,
        "url": manifest.url,
        "snapshot": manifest.snapshot,
        "snapshot_sha256": manifest.snapshot_sha256,
        "selection": asdict(manifest.selection),
        "about": dict(manifest.about),
        "complete": manifest.complete,
        "files": sorted(files, key=lambda entry: entry["name"]),
    }
    artifacts.write_json(folder / MANIFEST, value)


def mark_incomplete(folder: Path, manifest: Manifest, coming: Iterable[File]) -> None:
    """Say that files are being exchanged, before the first one is.

    The manifest then names the files that were here and those that come: whatever a kill leaves,
    the next pull knows which files are its own.
    """
    files = {file.name: Here(file, _NOT_YET) for file in coming} | dict(manifest.files)
    write_manifest(folder, replace(manifest, complete=False, files=files))
