"""Small JSON files of people's own, with a checksum inside: nothing could make them again."""

import json
from pathlib import Path
from typing import Any

from naturalist import artifacts
from naturalist.errors import WorkspaceError

_SEAL = "sha256"


def write(path: Path, value: dict[str, Any]) -> None:
    """Write an object whole, or not at all."""
    artifacts.write_json(path, value | {_SEAL: _sum(value)})


def read(path: Path) -> dict[str, Any] | None:
    """The object of a file; None if there is none. Files older than checksums have none.

    Raises:
        WorkspaceError: the file is damaged.
    """
    held = artifacts.read_json(path)
    if held is None:
        return None
    if not isinstance(held, dict):
        raise WorkspaceError(f"{path} is damaged (it holds no object)")
    value = {key: one for key, one in held.items() if key != _SEAL}
    if held.get(_SEAL, _sum(value)) != _sum(value):
        raise WorkspaceError(f"{path} is damaged (its checksum differs)")
    return value


def _sum(value: dict[str, Any]) -> str:
    return artifacts.fingerprint(json.dumps(value, sort_keys=True))
