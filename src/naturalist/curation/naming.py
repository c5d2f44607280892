"""Names for the clusters, near duplicates and map regions of a workspace."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts, backbones, ledger
from naturalist.config import Config
from naturalist.curation.searching import open_words
from naturalist.errors import ConfigError
from naturalist.layout import Layout, MapFolder
from naturalist.ledger import Withheld
from naturalist.progress import Progress
from naturalist.running import workspace
from naturalist.studies.clusters import names as clustering_names
from naturalist.studies.words.concept_files import read_concepts
from naturalist.studies.words.index import WordPart
from naturalist.studies.words.methods.nouns import read_nouns
from naturalist.studies.words.naming import name_groups

Kind = Literal["clusters", "map", "duplicates"]
_MOST_GROUPS = 500
_USUAL: dict[Kind, str] = {"clusters": "default", "map": "tsne-2d", "duplicates": ""}
_GRID = 4
"""Regions of a map across at the first level; each level has twice as many."""

Groups = tuple[pa.Array, NDArray[np.int64], list[str]]
"""Picture ids, the group of each from 0, and what each group is called."""


def name_all(
    config: Config, kind: Kind, name: str, level: int, progress: Progress
) -> dict[str, Any]:
    """Names of the groups of a clustering, a map or the near duplicates; the largest 500 of them.

    Those of clusters are kept beside them, for the dashboard.

    Args:
        config: the collection.
        kind: what has the groups.
        name: of the clustering or map; empty for the usual one.
        level: zoom level of the regions of a map, from 0.
        progress: listens.

    Raises:
        ConfigError: there is no such clustering or map, or no near duplicates were looked for.
        WorkspaceLocked: somebody else is writing, so that names of clusters cannot be kept.
    """
    name = name or _USUAL[kind]
    ids, groups, labels = _kept(*_groups(config.layout, kind, name, level))
    words = open_words(config, progress)
    found = name_groups(
        words.index,
        _finder(ids, groups, ledger.withheld(config.layout)),
        len(labels),
        read_nouns(),
        read_concepts(config.layout, backbones.describe(config.extract.backbone).id),
        words.part,
    )
    entries = [{"group": label, **one} for label, one in zip(labels, found, strict=True)]
    if kind == "clusters":
        best = {int(one["group"]): one["names"][0]["name"] for one in entries if one["names"]}
        with workspace.writing(config):
            clustering_names.write(config.layout.clustering(name), best)
    named = sum(1 for one in entries if one["names"])
    return {"of": kind, "name": name, "groups": len(entries), "named": named, "entries": entries}


def _groups(layout: Layout, kind: Kind, name: str, level: int) -> Groups:
    if kind == "clusters":
        table = _table(
            layout.clustering(name) / "members.parquet", f"clustering {name!r}", "cluster"
        )
        return _numbered(table["picID"], table["cluster"].to_numpy())
    if kind == "duplicates":
        table = _table(layout.near_duplicates, "list of near duplicates", "duplicates")
        return _numbered(table["picID"], table["group"].to_numpy())
    path = MapFolder(layout.map(name)).points
    table = _table(path, f"map {name!r}", "map")
    return _regions(table, _GRID * 2**level)


def _table(path: Path, what: str, command: str) -> pa.Table:
    if not path.exists():
        raise ConfigError(f"there is no {what} in the workspace: run  naturalist {command}")
    return artifacts.read_parquet(path)


def _numbered(ids: pa.ChunkedArray, values: NDArray[Any]) -> Groups:
    """Groups by a column of numbers; negative ones are in none."""
    known, groups = np.unique(values, return_inverse=True)
    shift = int((known < 0).sum())
    numbers = np.where(groups < shift, -1, groups - shift)
    return ids.combine_chunks(), numbers, [str(one) for one in known[shift:].tolist()]


def _regions(table: pa.Table, across: int) -> Groups:
    """Cells of a square grid over a map of two axes (the first two of three)."""
    cells = []
    for axis in ("x", "y"):
        values = table[axis].to_numpy()
        low, high = float(values.min()), float(values.max())
        place = (values - low) / max(high - low, 1e-12) * across
        cells.append(np.minimum(place.astype(np.int64), across - 1))
    ids, groups, labels = _numbered(table["picID"], cells[1] * across + cells[0])
    places = (divmod(int(label), across) for label in labels)
    return ids, groups, [f"column {x + 1}, row {y + 1}" for y, x in places]


def _kept(ids: pa.Array, groups: NDArray[np.int64], labels: list[str]) -> Groups:
    """The largest groups, the largest first."""
    sizes = np.bincount(groups[groups >= 0], minlength=len(labels))
    order = np.argsort(-sizes, kind="stable")[:_MOST_GROUPS]
    place = np.full(len(labels) + 1, -1, np.int64)
    place[order] = np.arange(len(order))
    return ids, place[groups], [labels[k] for k in order.tolist()]


def _finder(
    ids: pa.Array, groups: NDArray[np.int64], out: Withheld
) -> Callable[[WordPart], NDArray[np.int64]]:
    def group_of(part: WordPart) -> NDArray[np.int64]:
        names = part.names["picID"]
        at = pc.fill_null(pc.index_in(names, ids), -1).to_numpy()
        gone = np.asarray(out.among(names).to_numpy(), bool)
        return np.where((at < 0) | gone, -1, groups[at])

    return group_of
