"""The names of a map's regions at each zoom level, kept beside the points they were found for."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from naturalist.studies.kept_names import KeptNames

MOST_LEVELS = 5
"""Levels with names, from 0; more have smaller regions than the 500 named ones can show."""
MOST_NAMES = 500
"""Regions with a name at one level, at most."""
_LONGEST = 100
_MOST_ACROSS = {2: 1024, 3: 100}
"""Cells of a grid on each axis, at most, by the axes: a browser looks each point up in them."""


def names_of(folder: Path) -> KeptNames:
    """The file of names in the folder of a map."""
    return KeptNames(folder / "points.parquet", folder / "regions.json", "points_sha256")


@dataclass(frozen=True)
class Place:
    """Neighbouring regions with one name.

    Attributes:
        name: of them.
        cells: for each region its place in the grid, from 0 on each axis.
    """

    name: str
    cells: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Level:
    """The named places of a map at a zoom level.

    Attributes:
        across: regions of the grid on each axis.
        low: lowest coordinate of the grid on each axis.
        high: highest coordinate of the grid on each axis.
        places: those with a name.
    """

    across: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    places: tuple[Place, ...]


def read_levels(folder: Path, dims: int) -> list[Level]:
    """The names of a map, the coarsest level first.

    Args:
        folder: of the map.
        dims: axes of the map.

    Returns:
        No level if there are none, if the map changed since, or if the file is damaged.
    """
    kept = names_of(folder).read()
    return [] if kept is None else levels_of(kept, dims)


def levels_of(kept: Mapping[str, Any], dims: int) -> list[Level]:
    """The levels of a document of names, whoever wrote it; what has another form is left out."""
    low, high = _numbers(kept.get("low"), dims), _numbers(kept.get("high"), dims)
    levels, entries = kept.get("levels"), kept.get("entries")
    if not low or not high or not isinstance(levels, list) or not isinstance(entries, list):
        return []
    result = []
    for one in levels[:MOST_LEVELS]:
        number, across = _field(one, "level", int), _field(one, "across", int)
        if number is None or across is None or not 1 <= across <= _MOST_ACROSS[dims]:
            continue
        own = [entry for entry in entries if _field(entry, "level", int) == number]
        named = dict(_named(own[:MOST_NAMES], dims, across))
        result.append(Level(across, low, high, tuple(_joined(named))))
    return result


def _named(
    entries: Sequence[Mapping[str, Any]], dims: int, across: int
) -> Iterator[tuple[tuple[int, ...], str]]:
    for entry in entries:
        cell, names = entry.get("cell"), entry.get("names")
        if not isinstance(names, list) or not isinstance(cell, list) or len(cell) != dims:
            continue
        best = _field(next(iter(names), None), "name", str)
        if best and all(isinstance(at, int) and 0 <= at < across for at in cell):
            yield tuple(cell), best[:_LONGEST]


def _joined(named: dict[tuple[int, ...], str]) -> Iterator[Place]:
    """Regions of one name that touch, also at a corner, as one place; in the order of regions."""
    left = dict(named)
    for cell, name in named.items():
        if left.pop(cell, None) is None:
            continue
        cells = [cell]
        for one in cells:
            near = [step for step in _beside(one) if left.get(step) == name]
            for step in near:
                del left[step]
            cells += near
        yield Place(name, tuple(cells))


def _beside(cell: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for step in product((-1, 0, 1), repeat=len(cell)):
        yield tuple(at + by for at, by in zip(cell, step, strict=True))


def _numbers(value: Any, length: int) -> tuple[float, ...]:
    """Finite numbers of a list of that length; none if it is something else."""
    if not isinstance(value, list) or len(value) != length:
        return ()
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in value):
        return ()
    return tuple(float(one) for one in value)


def _field(document: Any, key: str, kind: type[Any]) -> Any:
    value = document.get(key) if isinstance(document, dict) else None
    return value if isinstance(value, kind) and not isinstance(value, bool) else None
