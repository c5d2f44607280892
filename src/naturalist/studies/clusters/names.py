"""The names of clusters, kept beside the clusters they were found for."""

from pathlib import Path
from typing import Any

from naturalist import artifacts, cluster_titles
from naturalist.errors import WorkspaceError

_FILE = "names.json"
_MEMBERS = "members.parquet"


def write(folder: Path, report: dict[str, Any], made_from: str) -> dict[str, Any]:
    """Keep names of the clusters that a folder of a clustering has now.

    Args:
        folder: of the clustering.
        report: its `entries` have the `group` and the `names`, the best first, of each cluster.
        made_from: fingerprint of what else the names come from.

    Returns:
        The report as it is kept.
    """
    best = {one["group"]: one["names"][0]["name"] for one in report["entries"] if one["names"]}
    members = artifacts.sha256_file(folder / _MEMBERS)
    kept = {"members_sha256": members, "made_from": made_from, "names": best, **report}
    artifacts.write_json(folder / _FILE, kept)
    return kept


def read(folder: Path) -> dict[int, str]:
    """Names by number; none if there are none, or if the clusters were made anew since."""
    kept = _read(folder)
    return cluster_titles.names(kept, kept["members_sha256"]) if kept else {}


def titles(folder: Path) -> dict[int, str]:
    """The same, with the number where several clusters have one name."""
    return cluster_titles.titles(read(folder))


def read_report(folder: Path) -> dict[str, Any] | None:
    """What `write` kept; None if there is nothing, or if the clusters were made anew since."""
    kept = _read(folder)
    return kept if kept is not None and {"made_from", "entries", "groups"} <= kept.keys() else None


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        kept = artifacts.read_json(folder / _FILE)
    except WorkspaceError:
        return None
    if not isinstance(kept, dict) or not (folder / _MEMBERS).exists():
        return None
    is_of_these = kept.get("members_sha256") == artifacts.sha256_file(folder / _MEMBERS)
    return kept if is_of_these else None
