"""Groups of pictures that can have a name: clusters, near duplicates, regions of a map."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts, ledger
from naturalist.errors import ConfigError
from naturalist.layout import Layout, MapFolder
from naturalist.ledger import Withheld
from naturalist.studies.words.concept_files import read_concepts
from naturalist.studies.words.index import WordPart
from naturalist.studies.words.methods.nouns import read_nouns
from naturalist.studies.words.naming import name_groups
from naturalist.studies.words.opening import Words

Kind = Literal["clusters", "map", "duplicates"]
_MOST_GROUPS = 500
_GRID = 4
"""Regions of a map across at the first level; each level has twice as many."""

Groups = tuple[pa.Array, NDArray[np.int64], list[str]]
"""Picture ids, the group of each from 0, and what each group is called."""


def named_groups(layout: Layout, words: Words, backbone: str, groups: Groups) -> dict[str, Any]:
    """Names of the 500 largest groups: `groups`, `named` and `entries`, the largest group first.

    Args:
        layout: the workspace.
        words: its open indexes.
        backbone: id of the backbone that they are for.
        groups: of its pictures.
    """
    ids, numbers, labels = _largest(*groups)
    result = name_groups(
        words.index,
        _finder(ids, numbers, ledger.withheld(layout)),
        len(labels),
        read_nouns(),
        read_concepts(layout, backbone),
        words.part,
    )
    entries = [{"group": label, **one} for label, one in zip(labels, result, strict=True)]
    named = sum(1 for one in entries if one["names"])
    return {"groups": len(entries), "named": named, "entries": entries}


def groups_of(layout: Layout, kind: Kind, name: str, level: int = 0) -> Groups:
    """The groups of a clustering, of a map's regions at a zoom level, or of near duplicates.

    Raises:
        ConfigError: there is no such clustering or map, or no near duplicates were looked for.
    """
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
        raise ConfigError(f"there is no {what} in the workspace: run `naturalist {command}`")
    return artifacts.read_parquet(path)


def _numbered(ids: pa.ChunkedArray, values: NDArray[Any]) -> Groups:
    """Groups by a column of numbers, of which negative ones are in none, or of names."""
    known, groups = np.unique(values, return_inverse=True)
    shift = 0 if known.dtype == object else int((known < 0).sum())
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


def _largest(ids: pa.Array, groups: NDArray[np.int64], labels: list[str]) -> Groups:
    """The largest groups, the largest of them first."""
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
