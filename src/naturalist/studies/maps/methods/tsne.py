"""t-SNE from affinities, by the octree of this package; large flat maps by openTSNE.

Van der Maaten and Hinton (2008). The octree serves two and three dimensions. The cost of openTSNE
(Poličar, Stražar and Zupan, 2024), which interpolates on a grid (FIt-SNE; Linderman and others,
2019), hardly follows the number of points, but begins high, and it knows two dimensions only.
The descent is the same in both: early exaggeration, momentum, gains, and a learning rate that
follows the number of rows (Belkina and others, 2019); the start is made of principal components
(Kobak and Berens, 2019).
"""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra
from naturalist.numeric.compiled import compiled
from naturalist.numeric.threads import in_pieces, threads
from naturalist.studies.maps.methods import octree
from naturalist.studies.maps.options import TsneOptions

_log = logging.getLogger(__name__)
Floats = NDArray[np.float32]
INTERPOLATED_FROM = 200_000
"""Rows from which a flat map is laid out by interpolation; docs/maps.md has the measurements."""

_PIECE = 4096
_START_SPREAD = 1e-4
_LONGEST_STEP = 5.0
_REPORT_EVERY = 10


def start_from(reduced: Floats, dims: int, seed: int) -> NDArray[np.float64]:
    """A start: the first principal components, small, with equal rows a little apart."""
    rng = np.random.default_rng([seed, 2])
    start = np.zeros((len(reduced), dims))
    kept = min(dims, reduced.shape[1])
    start[:, :kept] = reduced[:, :kept]
    start *= _START_SPREAD / max(float(start[:, 0].std()), 1e-30)
    return start + rng.normal(0, _START_SPREAD / 100, start.shape)


def start_from_map(coordinates: Floats, seed: int) -> NDArray[np.float64]:
    """A start from an old map, at its full size; points at the same place a little apart."""
    rng = np.random.default_rng([seed, 2])
    start = (coordinates - coordinates.mean(axis=0)).astype(np.float64)
    jitter = max(float(start.std()), 1e-12) * _START_SPREAD
    return np.asarray(start + rng.normal(0, jitter, start.shape), np.float64)


def is_interpolated(start: NDArray[np.float64]) -> bool:
    """Whether a layout from this start is made by interpolation, which can hold no point still."""
    return start.shape[1] == 2 and len(start) >= INTERPOLATED_FROM


def lay_out(
    affinities: Any,
    start: NDArray[np.float64],
    options: TsneOptions,
    on_progress: Callable[[int], None] | None = None,
) -> Floats:
    """Make a layout of all points.

    Args:
        affinities: (rows, rows) from `affinities.joint`.
        start: (rows, 2 or 3) where the points begin.
        options: see there.
        on_progress: hears how many more steps are done.

    Returns:
        (rows, 2 or 3) float32.

    Raises:
        MissingExtra: openTSNE or numba is not installed.
    """
    on_progress = on_progress or (lambda steps: None)
    if is_interpolated(start):
        return _by_interpolation(affinities, start, options, on_progress)
    return by_octree(affinities, start, options, on_progress)


def _by_interpolation(
    affinities: Any,
    start: NDArray[np.float64],
    options: TsneOptions,
    on_progress: Callable[[int], None],
) -> Floats:
    try:
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import PrecomputedAffinities
    except ImportError as error:
        raise MissingExtra("openTSNE", "analysis") from error
    embedding = TSNEEmbedding(
        start.copy(),
        PrecomputedAffinities(affinities.copy(), normalize=False),
        negative_gradient_method="fft",
        n_jobs=threads(),
        callbacks=lambda *_: on_progress(_REPORT_EVERY),
        callbacks_every_iters=_REPORT_EVERY,
    )
    phases = (
        (options.early_iterations, options.early_exaggeration, 0.5),
        (options.iterations, options.exaggeration, 0.8),
    )
    for steps, exaggeration, momentum in phases:
        embedding.optimize(steps, exaggeration=exaggeration, momentum=momentum, inplace=True)
    return np.asarray(embedding, np.float32)


def by_octree(
    affinities: Any,
    start: NDArray[np.float64],
    options: TsneOptions,
    on_progress: Callable[[int], None] | None = None,
    held: NDArray[np.bool_] | None = None,
) -> Floats:
    """A layout in two or three dimensions by Barnes-Hut; arguments and result as `lay_out`.

    Rows that are `held`, if any, stay where they are through the early iterations.
    """
    on_progress = on_progress or (lambda steps: None)
    rows = len(start)
    place, step, gains = start.copy(), np.zeros_like(start), np.ones_like(start)
    links = affinities.indptr, affinities.indices, affinities.data.astype(np.float32)
    for iteration in range(options.total):
        early = iteration < options.early_iterations
        exaggeration = options.early_exaggeration if early else options.exaggeration
        if iteration == options.early_iterations:
            step, gains = np.zeros_like(start), np.ones_like(start)
        pull, push = _forces(links, place.astype(np.float32), options.theta)
        gradient = 4 * (exaggeration * pull - push)
        same = np.sign(step) == np.sign(gradient)
        gains = np.where(same, gains * 0.8 + 0.01, gains + 0.2)
        step = (0.5 if early else 0.8) * step - (rows / exaggeration) * gains * gradient
        length = np.linalg.norm(step, axis=1, keepdims=True)
        step *= np.minimum(1, _LONGEST_STEP / np.maximum(length, 1e-12))
        if held is not None and early:
            step[held] = 0
        place += step
        if held is None:
            place -= place.mean(axis=0)
        on_progress(1)
    return place.astype(np.float32)


def _forces(
    links: tuple[Any, Any, Floats], place: Floats, theta: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    dims = place.shape[1]
    forces, weights = octree.repulsion_within(octree.build(place), theta)
    push = forces[:, :dims].astype(np.float64) / max(float(weights.sum()), 1e-30)
    return _pulls(links, octree.in_space(place))[:, :dims], push


def _pulls(links: tuple[Any, Any, Floats], points: Floats) -> NDArray[np.float64]:
    result = np.empty((len(points), 3))

    def work(first: int, last: int) -> None:
        _pull(*links, points, first, last, result)

    in_pieces(len(points), _PIECE, work)
    return result


def kl_divergence(affinities: Any, coordinates: Floats, theta: float = 0.2) -> float:
    """Kullback-Leibler divergence of a layout (rows, 2 or 3) from the affinities, in nats."""
    points = octree.in_space(coordinates)
    _, weights = octree.repulsion_within(octree.build(coordinates), theta)
    coo = affinities.tocoo()
    away = points[coo.row] - points[coo.col]
    logs = np.log1p(np.einsum("ij,ij->i", away, away, dtype=np.float64))
    some = coo.data > 0
    p = coo.data[some]
    return float((p * (np.log(p) + logs[some])).sum() + p.sum() * np.log(weights.sum()))


@compiled
def _pull(starts, others, strengths, points, first, last, result):  # type: ignore[no-untyped-def]
    one = np.float32(1)
    for row in range(first, last):
        x, y, z = points[row, 0], points[row, 1], points[row, 2]
        fx = fy = fz = np.float32(0)
        for at in range(starts[row], starts[row + 1]):
            other = others[at]
            dx, dy, dz = x - points[other, 0], y - points[other, 1], z - points[other, 2]
            w = strengths[at] / (one + dx * dx + dy * dy + dz * dz)
            fx += w * dx
            fy += w * dy
            fz += w * dz
        result[row, 0], result[row, 1], result[row, 2] = fx, fy, fz
