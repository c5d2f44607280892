"""Groups of pictures that can have a name: clusters, near duplicates, regions of a map."""

from collections.abc import Callable
from dataclasses import dataclass
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
from naturalist.suggestions import choose_one_of

Kind = Literal["clusters", "map", "duplicates"]
_MOST_GROUPS = 500
_GRID = 4
"""Regions of a map across at the first level; each level has twice as many."""
_AXES = ("column", "row", "layer")

Groups = tuple[pa.Array, NDArray[np.int64], list[str]]
"""Picture ids, the group of each from 0, and what each group is called."""


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of a map at a zoom level: the cells of a grid that have pictures.

    Attributes:
        across: cells on each axis.
        low: lowest coordinate of the grid on each axis.
        high: highest coordinate of the grid on each axis.
        groups: the pictures of the regions; without those that are withheld.
        cells: the place in the grid of each region, from 0 on each axis, by what it is called.
    """

    across: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    groups: Groups
    cells: dict[str, tuple[int, ...]]


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
        table = _named(layout.clustering(name) / "members.parquet", "clustering", "cluster")
        return _numbered(table["picID"], table["cluster"].to_numpy())
    if kind == "duplicates":
        if not layout.near_duplicates.exists():
            raise ConfigError("there is no list of near duplicates: run `naturalist duplicates`")
        table = artifacts.read_parquet(layout.near_duplicates)
        return _numbered(table["picID"], table["group"].to_numpy())
    return regions_of(layout, name, level).groups


def regions_of(layout: Layout, name: str, level: int) -> Regions:
    """The regions of a map at a zoom level.

    Raises:
        ConfigError: there is no such map.
    """
    table = _named(MapFolder(layout.map(name)).points, "map", "map")
    gone = ledger.withheld(layout)
    if gone:
        table = table.filter(pc.invert(gone.among(table["picID"])))
    return _regions(table, _GRID * 2**level)


def _named(path: Path, what: str, command: str) -> pa.Table:
    """The table of a named study, which is in a folder of this name beside the others."""
    if not path.exists():
        folder = path.parent
        existing = sorted(one.parent.name for one in folder.parent.glob(f"*/{path.name}"))
        advice = f"{choose_one_of(folder.name, existing)}; to make one, run `naturalist {command}`"
        raise ConfigError(f"there is no {what} {folder.name!r}: {advice}")
    return artifacts.read_parquet(path)


def _numbered(ids: pa.ChunkedArray, values: NDArray[Any]) -> Groups:
    """Groups by a column of numbers, of which negative ones are in none, or of names."""
    known, groups = np.unique(values, return_inverse=True)
    shift = 0 if known.dtype == object else int((known < 0).sum())
    numbers = np.where(groups < shift, -1, groups - shift)
    return ids.combine_chunks(), numbers, [str(one) for one in known[shift:].tolist()]


def _regions(table: pa.Table, across: int) -> Regions:
    """Cells of a grid over all axes of a map."""
    axes = [axis for axis in "xyz" if axis in table.column_names]
    numbers = np.zeros(table.num_rows, np.int64)
    low, high = [], []
    for step, axis in enumerate(axes):
        values = table[axis].to_numpy()
        low.append(float(values.min()) if len(values) else 0.0)
        high.append(float(values.max()) if len(values) else 0.0)
        place = (values - low[-1]) / max(high[-1] - low[-1], 1e-12) * across
        numbers += np.minimum(place.astype(np.int64), across - 1) * across**step
    ids, groups, labels = _numbered(table["picID"], numbers)
    places = [_place(int(label), across, len(axes)) for label in labels]
    called = [_called(place) for place in places]
    cells = dict(zip(called, places, strict=True))
    return Regions(across, tuple(low), tuple(high), (ids, groups, called), cells)


def _place(number: int, across: int, axes: int) -> tuple[int, ...]:
    return tuple(number // across**step % across for step in range(axes))


def _called(place: tuple[int, ...]) -> str:
    return ", ".join(f"{word} {at + 1}" for word, at in zip(_AXES, place, strict=False))


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
