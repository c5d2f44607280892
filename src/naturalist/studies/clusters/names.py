"""The names of clusters, kept beside the clusters they were found for."""

from pathlib import Path
from typing import Any

from naturalist import cluster_titles
from naturalist.studies.kept_names import KeptNames


def names_of(folder: Path) -> KeptNames:
    """The file of names in the folder of a clustering."""
    return KeptNames(folder / "members.parquet", folder / "names.json", "members_sha256")


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
    return names_of(folder).write({"names": best, **report}, made_from)


def read(folder: Path) -> dict[int, str]:
    """Names by number; none if there are none, or if the clusters were rebuilt since."""
    kept = names_of(folder).read()
    return cluster_titles.names(kept, kept["members_sha256"]) if kept else {}


def titles(folder: Path) -> dict[int, str]:
    """The same, with the number where several clusters have one name."""
    return cluster_titles.titles(read(folder))
