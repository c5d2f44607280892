"""The names of clusters, kept beside the clusters they were found for."""

from collections.abc import Mapping
from pathlib import Path

from naturalist import artifacts
from naturalist.errors import WorkspaceError

_FILE = "names.json"
_MEMBERS = "members.parquet"


def write(folder: Path, names: Mapping[int, str]) -> None:
    """Keep names of the clusters that a folder of a clustering has now."""
    found = {str(cluster): name for cluster, name in names.items()}
    members = artifacts.sha256_file(folder / _MEMBERS)
    artifacts.write_json(folder / _FILE, {"members_sha256": members, "names": found})


def read(folder: Path) -> dict[int, str]:
    """Names by number; none if there are none, or if the clusters were made anew since."""
    try:
        kept = artifacts.read_json(folder / _FILE)
    except WorkspaceError:
        return {}
    if not isinstance(kept, dict) or not (folder / _MEMBERS).exists():
        return {}
    if kept.get("members_sha256") != artifacts.sha256_file(folder / _MEMBERS):
        return {}
    names = kept.get("names")
    if not isinstance(names, dict):
        return {}
    return {int(k): str(name) for k, name in names.items() if str(k).isdecimal()}
