"""A pulled folder: files under their plain names, and a manifest of what they are.

::

    <folder>/
      tables/<category>/image_df_<k>.parquet ...   as they were published
      croissant.json                               describes the tables by these names
      pulled.json                                  which snapshot and selection this is
      .naturalist/                                 files on their way in; may be removed
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from naturalist import artifacts
from naturalist.consume.selection import Selection
from naturalist.errors import ConfigError, StoreError
from naturalist.snapshots import File, Snapshot
from naturalist.stages.cards import CROISSANT
from naturalist.stores.keys import RESERVED_SEGMENT, check_key

FORMAT = 1
MANIFEST = "pulled.json"


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


def staging(folder: Path) -> Path:
    """Where files are downloaded to before they are put in place."""
    return folder / RESERVED_SEGMENT / "pull"


def place_of(folder: Path, file: File) -> Path:
    """Where a file belongs.

    Raises:
        StoreError: the snapshot gives a file the name of one that is made here.
    """
    if file.name in (MANIFEST, CROISSANT):
        raise StoreError(f"the snapshot names a file {file.name}, which is made when pulling")
    return folder / file.name


def is_untouched(folder: Path, here: Here) -> bool:
    """Whether a file has the size and time stamp that it was put in place with."""
    try:
        status = place_of(folder, here.file).stat()
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
        value = artifacts.read_json(path)
        if value is None:
            return None
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']}, not {FORMAT}")
        chosen = {name: tuple(words) for name, words in value["selection"].items()}
        files = {one["name"]: _here(one) for one in value["files"]}
        known = {name: value[name] for name in ("url", "snapshot", "snapshot_sha256", "complete")}
        return Manifest(**known, selection=Selection(**chosen), about=value["about"], files=files)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path} cannot be understood ({error}): remove it and pull again; files that are "
            "there already are not fetched again"
        ) from error


def _here(entry: Mapping[str, Any]) -> Here:
    size_bytes, sha256 = entry["size_bytes"], entry["sha256"]
    file = File(check_key(entry["name"]), check_key(entry["key"]), size_bytes, sha256)
    return Here(file, entry["mtime_ns"])


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


def mark_incomplete(folder: Path, manifest: Manifest | None) -> None:
    """Say that files are being exchanged, before the first one is."""
    if manifest is not None and manifest.complete:
        write_manifest(folder, replace(manifest, complete=False))
