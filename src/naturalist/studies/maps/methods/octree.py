"""Repulsion between points of a map in two or three dimensions, by an octree.

Barnes and Hut, A hierarchical O(N log N) force-calculation algorithm (1986), as used for t-SNE by
van der Maaten, Accelerating t-SNE using tree-based algorithms (2014): far points act through the
centre of their box. The points are sorted along a Z-curve, so that a box is a range of them and the
tree is a list in the order of a walk: each node says where the walk goes on if it is skipped.

A map in two dimensions has z = 0 everywhere; its boxes have four children.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.numeric.compiled import compiled
from naturalist.numeric.threads import in_pieces

Floats = NDArray[np.float32]
_LEAF = 8
_LEVELS = 20
_PIECE = 4096


@dataclass(frozen=True, eq=False)
class Octree:
    """Points in boxes within boxes.

    Attributes:
        order: (rows,) int64, row of each sorted point.
        points: (rows, 3) float32, sorted along the Z-curve.
        boxes: (nodes, 5) float32: centre of mass x, y, z; squared side; number of points.
        links: (nodes, 3) int32: the node after this one and all below it; the range of its points.
    """

    order: NDArray[np.int64]
    points: Floats
    boxes: Floats
    links: NDArray[np.int32]


def build(coordinates: Floats) -> Octree:
    """Put points (rows, 2 or 3) into boxes."""
    points = in_space(coordinates)
    low = points.min(axis=0)
    side = max(float((points.max(axis=0) - low).max()), 1e-12) * 1.0001
    codes = np.empty(len(points), np.int64)
    _codes(points, low, np.float32(2**_LEVELS / side), codes)
    order = np.argsort(codes, kind="stable")
    points = np.ascontiguousarray(points[order])
    sums = np.zeros((len(points) + 1, 3))
    np.cumsum(points, axis=0, dtype=np.float64, out=sums[1:])
    boxes = np.empty((2 * len(points) + 1, 5), np.float32)
    links = np.empty((2 * len(points) + 1, 3), np.int32)
    nodes = _boxes(codes[order], sums, side, boxes, links)
    _skips(links[:nodes])
    return Octree(order, points, boxes[:nodes].copy(), links[:nodes].copy())


def in_space(coordinates: Floats) -> Floats:
    """Points (rows, 2 or 3) as (rows, 3); in two dimensions z is 0."""
    points = np.zeros((len(coordinates), 3), np.float32)
    points[:, : coordinates.shape[1]] = coordinates
    return points


def repulsion_within(tree: Octree, theta: float) -> tuple[Floats, NDArray[np.float64]]:
    """What all other points of the tree do to each of its points.

    With w = 1 / (1 + d²) for each other point at distance d:

    Returns:
        forces: (rows, 3) float32, the sums of w² times the way from the other to this point.
        weights: (rows,) float64, the sums of w. Both in the order of the rows given to `build`.
    """
    forces, weights = _repulsion(tree, tree.points, theta, own=True)
    back_forces, back_weights = np.empty_like(forces), np.empty_like(weights)
    back_forces[tree.order], back_weights[tree.order] = forces, weights
    return back_forces, back_weights


def repulsion_on(tree: Octree, points: Floats, theta: float) -> tuple[Floats, NDArray[np.float64]]:
    """What the points of the tree do to other points (rows, 3); as `repulsion_within`."""
    return _repulsion(tree, points, theta, own=False)


def _repulsion(
    tree: Octree, points: Floats, theta: float, *, own: bool
) -> tuple[Floats, NDArray[np.float64]]:
    forces = np.empty((len(points), 3), np.float32)
    weights = np.empty(len(points), np.float64)
    limit = np.float32(theta * theta)

    def work(start: int, end: int) -> None:
        _walk(tree.points, tree.boxes, tree.links, points, start, end, own, limit, forces, weights)

    in_pieces(len(points), _PIECE, work)
    return forces, weights


@compiled
def _codes(points, low, scale, codes):  # type: ignore[no-untyped-def]
    top = 2**_LEVELS - 1
    for row in range(len(points)):
        code = 0
        for axis in range(3):
            cell = min(int((points[row, axis] - low[axis]) * scale), top)
            for bit in range(_LEVELS):
                code |= ((cell >> bit) & 1) << (3 * bit + axis)
        codes[row] = code


@compiled
def _boxes(codes, sums, side, boxes, links):  # type: ignore[no-untyped-def]
    # Ranges to be made nodes of; the children of a node lie on the stack in reverse.
    stack = np.empty((8 * _LEVELS + 8, 3), np.int64)
    stack[0] = 0, len(codes), 0
    waiting, node = 1, 0
    while waiting:
        waiting -= 1
        low, high, level = stack[waiting]
        count = high - low
        # Levels at which all points fall into one child need no node.
        while count > _LEAF and level < _LEVELS:
            shift = 3 * (_LEVELS - 1 - level)
            if codes[low] >> shift != codes[high - 1] >> shift:
                break
            level += 1
        for axis in range(3):
            boxes[node, axis] = (sums[high, axis] - sums[low, axis]) / count
        width = side / 2.0**level
        boxes[node, 3], boxes[node, 4] = width * width, count
        links[node, 1], links[node, 2] = low, high
        node += 1
        if count <= _LEAF or level >= _LEVELS:
            continue
        shift = 3 * (_LEVELS - 1 - level)
        end = high
        while end > low:
            digit = codes[end - 1] >> shift
            # The first point of this child, by bisection.
            left, right = low, end - 1
            while left < right:
                middle = (left + right) // 2
                if codes[middle] >> shift < digit:
                    left = middle + 1
                else:
                    right = middle
            stack[waiting] = left, end, level + 1
            waiting += 1
            end = left
    return node


@compiled
def _skips(links):  # type: ignore[no-untyped-def]
    for node in range(len(links) - 1, -1, -1):
        after = node + 1
        while after < len(links) and links[after, 1] < links[node, 2]:
            after = links[after, 0]
        links[node, 0] = after


@compiled
def _walk(sorted_points, boxes, links, points, start, end, own, limit, forces, weights):  # type: ignore[no-untyped-def]
    one = np.float32(1)
    nodes = len(boxes)
    for row in range(start, end):
        x, y, z = points[row, 0], points[row, 1], points[row, 2]
        fx = fy = fz = np.float32(0)
        total = np.float32(0)
        node = 0
        while node < nodes:
            after, low, high = links[node, 0], links[node, 1], links[node, 2]
            dx, dy, dz = x - boxes[node, 0], y - boxes[node, 1], z - boxes[node, 2]
            square = dx * dx + dy * dy + dz * dz
            if boxes[node, 3] < limit * square and not (own and low <= row < high):
                w = one / (one + square)
                many = boxes[node, 4] * w
                total += many
                many *= w
                fx += many * dx
                fy += many * dy
                fz += many * dz
                node = after
            elif after == node + 1:
                for other in range(low, high):
                    dx = x - sorted_points[other, 0]
                    dy = y - sorted_points[other, 1]
                    dz = z - sorted_points[other, 2]
                    w = one / (one + dx * dx + dy * dy + dz * dz)
                    total += w
                    w *= w
                    fx += w * dx
                    fy += w * dy
                    fz += w * dz
                node = after
            else:
                node += 1
        forces[row, 0], forces[row, 1], forces[row, 2] = fx, fy, fz
        # A point is among the points of its own leaf, where w is 1 and pushes nowhere.
        weights[row] = total - one if own else total
