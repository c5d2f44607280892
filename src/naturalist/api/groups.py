"""Maps, clusters and near duplicates as results, from the files that the studies wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from naturalist import artifacts
from naturalist.api.results import Clusters, Map, Thumbnails
from naturalist.document_keys import printed
from naturalist.layout import MapFolder
from naturalist.studies.clusters import names


def map_of(folder: Path, report: Mapping[str, Any]) -> Map:
    """The map in a folder.

    Raises:
        WorkspaceError: its points cannot be read.
    """
    files = MapFolder(folder)
    points = artifacts.read_parquet(files.points)
    axes = [points[axis].to_numpy() for axis in ("x", "y", "z") if axis in points.column_names]
    return Map(
        str(report["name"]),
        np.array(points["picID"].to_pylist(), np.str_),
        np.column_stack(axes).astype(np.float32),
        printed(report),
        files.picture.read_bytes() if files.picture.exists() else b"",
    )


def clusters_of(folder: Path, report: Mapping[str, Any], thumbnails: Thumbnails) -> Clusters:
    """The clustering in a folder.

    Raises:
        WorkspaceError: its members cannot be read.
    """
    members = artifacts.read_parquet(folder / "members.parquet", ["picID", "cluster"])
    return Clusters(
        np.array(members["picID"].to_pylist(), np.str_),
        members["cluster"].to_numpy().astype(np.int32),
        printed(report),
        names.read(folder),
        thumbnails,
    )


def duplicate_groups(table: Path, report: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Ids of each group of two or more, in the order of the report, then by their first picture.

    Raises:
        WorkspaceError: the table cannot be read.
    """
    groups: dict[str, list[str]] = {}
    for row in artifacts.read_parquet(table, ["picID", "group"]).to_pylist():
        groups.setdefault(row["group"], []).append(row["picID"])
    ranks = {one["group"]: rank for rank, one in enumerate(report["listed"])}
    found = [(first, ids) for first, ids in groups.items() if len(ids) > 1]
    found.sort(key=lambda pair: (ranks.get(pair[0], len(ranks)), pair[0]))
    return tuple(tuple(sorted(ids, key=lambda one: one != first)) for first, ids in found)
