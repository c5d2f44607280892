"""Placing points on a map that exists: nothing on it moves.

Each new point begins at the weighted median of its neighbours among the points of the layout, and
goes down the same objective as they did (the Kullback-Leibler divergence of t-SNE) while they stay
fixed: pulled by its neighbours, pushed by all points. A step is divided by the strength of the
pull, so that there is no rate to choose. The idea of a fixed reference is that of Poličar, Stražar
and Zupan, Embedding to reference t-SNE space addresses batch effects (2021).

Points do not see each other, so they are placed in pieces of any size with the same result.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.numeric import neighbours
from naturalist.numeric.compiled import compiled
from naturalist.numeric.neighbours import Cells
from naturalist.numeric.threads import in_pieces
from naturalist.studies.maps.methods import affinities, octree
from naturalist.studies.maps.methods.octree import Octree
from naturalist.studies.maps.options import PlacementOptions

Floats = NDArray[np.float32]
_PIECE = 8192
_THETA = 0.5
_CONFIDENT_NEIGHBOURS = 10


@dataclass(frozen=True, eq=False)
class Reference:
    """The points of a layout, ready for others to be placed among them.

    Attributes:
        reduced: (rows, dim) float32, what the neighbours are found by.
        coordinates: (rows, 2 or 3) float32.
        seed: of the cells of the search.
        reach: the distance on the map at which neighbours count as half agreeing.
        sparseness: (rows,) float32, sorted distances of features to the 10th neighbour.
    """

    reduced: Floats
    coordinates: Floats
    seed: int
    reach: float
    sparseness: Floats

    @functools.cached_property
    def cells(self) -> Cells:
        """The features, for searching."""
        return neighbours.make_cells(self.reduced, self.seed)

    @functools.cached_property
    def tree(self) -> Octree:
        """The coordinates."""
        return octree.build(self.coordinates)

    @functools.cached_property
    def push(self) -> float:
        """How hard all points push: rows by the sum of all weights of the layout."""
        _, weights = octree.repulsion_within(self.tree, _THETA)
        return len(self.reduced) / max(float(weights.sum()), 1e-30)

    def prepare(self) -> None:
        """Make cells, tree and push now, so that a copy elsewhere has the very same ones."""
        _ = self.cells, self.tree, self.push


@dataclass(frozen=True, eq=False)
class Placement:
    """Where points came to lie.

    Attributes:
        coordinates: (rows, 2 or 3) float32.
        confidence: (rows,) float32, 0 to 1: how well the neighbours agree on the place.
        density: (rows,) float32: share of the layout's points that have sparser surroundings.
        distance: (rows,) float32, of features to the nearest point of the layout.
    """

    coordinates: Floats
    confidence: Floats
    density: Floats
    distance: Floats


def make_reference(
    reduced: Floats,
    coordinates: Floats,
    seed: int = 0,
    near: tuple[NDArray[np.int32], Floats] | None = None,
) -> Reference:
    """Prepare a layout.

    Args:
        reduced: (rows, dim) float32, what the neighbours are found by.
        coordinates: (rows, 2 or 3) float32, the layout.
        seed: of the cells of the search.
        near: rows of the neighbours of each point and the distances to them, if they are known.
    """
    k = min(_CONFIDENT_NEIGHBOURS, len(reduced) - 1)
    if near is None:
        result = neighbours.nearest(reduced, k, recall=0.9, seed=seed)
        near = result.index, result.distance
    index, distance = near[0][:, :k], near[1][:, :k]
    away = np.linalg.norm(coordinates[index] - coordinates[:, None], axis=2)
    reach = max(3 * float(np.median(away)), 1e-9)
    return Reference(reduced, coordinates, seed, reach, np.sort(distance[:, -1]))


def place(reference: Reference, reduced: Floats, options: PlacementOptions) -> Placement:
    """Place points (rows, dim) among those of the layout."""
    k = min(options.neighbours, len(reference.coordinates))
    near = neighbours.nearest(
        reference.reduced,
        k,
        queries=reduced,
        recall=options.recall,
        cells=reference.cells,
    )
    strengths = affinities.conditional(near.distance, options.perplexity)
    places = octree.in_space(reference.coordinates)
    result = np.empty((len(reduced), 3), np.float32)
    in_pieces(
        len(reduced), _PIECE, lambda a, b: _medians(places, near.index, strengths, a, b, result)
    )
    for step in range(options.steps):
        # The first steps are nearly whole, the later ones smaller: the walk settles.
        _move(reference, near.index, strengths, 1 / (1 + 0.2 * step), result)
    coordinates = result[:, : reference.coordinates.shape[1]].copy()
    return _described(reference, near.index, near.distance, strengths, coordinates)


def _move(
    reference: Reference, index: NDArray[np.int32], strengths: Floats, rate: float, result: Floats
) -> None:
    pushes, _ = octree.repulsion_on(reference.tree, result, _THETA)
    pushes *= np.float32(reference.push)
    places, longest = octree.in_space(reference.coordinates), np.float32(reference.reach)

    def work(a: int, b: int) -> None:
        _step(places, index, strengths, pushes, np.float32(rate), longest, a, b, result)

    in_pieces(len(result), _PIECE, work)


def describe(
    reference: Reference, index: NDArray[np.int32], distance: Floats, perplexity: float
) -> Placement:
    """Confidence and density of the layout's own points, which stay where they are.

    Args:
        reference: the layout.
        index: (rows, k) neighbours of each of its points.
        distance: (rows, k) distances of their features.
        perplexity: about how many of them count.
    """
    strengths = affinities.conditional(distance, perplexity)
    return _described(reference, index, distance, strengths, reference.coordinates)


def _described(
    reference: Reference,
    index: NDArray[np.int32],
    distance: Floats,
    strengths: Floats,
    coordinates: Floats,
) -> Placement:
    confidence = np.empty(len(index), np.float32)
    for start in range(0, len(index), _PIECE):
        part = slice(start, start + _PIECE)
        away = reference.coordinates[index[part]] - coordinates[part, None]
        squares = np.einsum("ijk,ijk->ij", away, away) / reference.reach**2
        confidence[part] = (strengths[part] / (1 + squares)).sum(axis=1)
    at = distance[:, min(_CONFIDENT_NEIGHBOURS, distance.shape[1]) - 1]
    sparser = 1 - np.searchsorted(reference.sparseness, at) / len(reference.sparseness)
    return Placement(
        coordinates, np.clip(confidence, 0, 1), sparser.astype(np.float32), distance[:, 0].copy()
    )


@compiled
def _medians(places, index, strengths, start, end, result):  # type: ignore[no-untyped-def]
    k = index.shape[1]
    values = np.empty(k, np.float32)
    weights = np.empty(k, np.float32)
    for row in range(start, end):
        for axis in range(3):
            for c in range(k):
                value, at = places[index[row, c], axis], c
                while at > 0 and values[at - 1] > value:
                    values[at], weights[at] = values[at - 1], weights[at - 1]
                    at -= 1
                values[at], weights[at] = value, strengths[row, c]
            total = np.float32(0)
            for c in range(k):
                total += weights[c]
                result[row, axis] = values[c]
                if total >= 0.5:
                    break


@compiled
def _step(places, index, strengths, pushes, rate, longest, start, end, result):  # type: ignore[no-untyped-def]
    one = np.float32(1)
    for row in range(start, end):
        x, y, z = result[row, 0], result[row, 1], result[row, 2]
        fx, fy, fz = -pushes[row, 0], -pushes[row, 1], -pushes[row, 2]
        strength = np.float32(1e-12)
        for c in range(index.shape[1]):
            other = index[row, c]
            dx, dy, dz = x - places[other, 0], y - places[other, 1], z - places[other, 2]
            w = strengths[row, c] / (one + dx * dx + dy * dy + dz * dz)
            strength += w
            fx += w * dx
            fy += w * dy
            fz += w * dz
        scale = rate / strength
        length = scale * np.sqrt(fx * fx + fy * fy + fz * fz)
        if length > longest:
            scale *= longest / length
        result[row, 0] = x - scale * fx
        result[row, 1] = y - scale * fy
        result[row, 2] = z - scale * fz
