"""t-SNE of many points by levels: some of them first, then all of them from where these lie.

What a map looks like as a whole is decided in its first hundreds of steps, and a tenth of the
points decide it as well as all (Kobak and Berens, The art of using t-SNE for single-cell
transcriptomics, 2019, start large maps from small ones for the sake of their quality). So the early
exaggeration and all steps after it are done with few points; the others begin between their
neighbours among these, and half as many steps of all points together do the rest.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.numeric import neighbours
from naturalist.studies.maps.methods import affinities, tsne
from naturalist.studies.maps.options import TsneOptions

Floats = NDArray[np.float32]
Index = NDArray[np.int32]
OnProgress = Callable[[int], None]

LEVELS_FROM = 20_000
"""Rows from which a layout is made by levels; docs/maps.md has the measurements."""
_SHARE = 10
_LEAST = 10_000
_AMONG = 5
_JITTER = 0.01


def steps(rows: int, options: TsneOptions) -> int:
    """Steps of all points that a layout costs; those of a tenth of them count a tenth."""
    if rows < LEVELS_FROM:
        return options.total
    few = _few(rows)
    return options.iterations // 2 + steps(few, options) * few // rows


def _few(rows: int) -> int:
    return max(rows // _SHARE, _LEAST)


def lay_out(
    points: Floats,
    index: Index,
    strengths: Any,
    dims: int,
    options: TsneOptions,
    seed: int,
    on_progress: OnProgress | None = None,
) -> Floats:
    """Make a layout of all points.

    Args:
        points: (rows, axes) their features, by principal axes.
        index: (rows, k) the neighbours of each, nearest first.
        strengths: (rows, rows) from `affinities.joint`.
        dims: 2 or 3.
        options: of a layout without levels.
        seed: of what is drawn by chance.
        on_progress: hears how many more of `steps` are done.

    Returns:
        (rows, dims) float32.

    Raises:
        MissingExtra: openTSNE or numba is not installed.
    """
    on_progress = on_progress or (lambda steps: None)
    rows = len(points)
    if rows < LEVELS_FROM:
        start = tsne.start_from(points, dims, seed)
        return tsne.lay_out(strengths, start, options, on_progress)
    rng = np.random.default_rng([seed, 3])
    selected = np.sort(rng.choice(rows, _few(rows), replace=False))
    coarse = _coarse(
        points[selected], dims, options, seed, _scaled(on_progress, len(selected), rows)
    )
    start = _spread(coarse, selected, index, rng)
    last = replace(options, early_iterations=0, iterations=options.iterations // 2)
    return tsne.lay_out(strengths, start, last, on_progress)


def _coarse(
    points: Floats, dims: int, options: TsneOptions, seed: int, on_progress: OnProgress
) -> Floats:
    near = neighbours.nearest(points, options.neighbours, seed=seed)
    weights = affinities.conditional(near.distance, options.perplexity)
    strengths = affinities.joint(near.index, weights)
    return lay_out(points, near.index, strengths, dims, options, seed, on_progress)


def _scaled(on_progress: OnProgress, few: int, rows: int) -> OnProgress:
    done = 0

    def scaled(more: int) -> None:
        nonlocal done
        before, done = done, done + more
        on_progress(done * few // rows - before * few // rows)

    return scaled


def _spread(
    coarse: Floats, selected: NDArray[np.int64], index: Index, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Where all points begin: between their nearest neighbours that have a place already."""
    rows, dims = len(index), coarse.shape[1]
    start = np.zeros((rows, dims))
    placed = np.zeros(rows, np.bool_)
    start[selected], placed[selected] = coarse, True
    rest = np.flatnonzero(~placed)
    while len(rest):
        near = index[rest]
        use = placed[near]
        use &= np.cumsum(use, axis=1) <= _AMONG
        count = use.sum(axis=1)
        known = count > 0
        if not known.any():
            break
        sums = np.einsum("ij,ijk->ik", use[known], start[near[known]])
        start[rest[known]] = sums / count[known][:, None]
        placed[rest[known]] = True
        rest = rest[~known]
    # What hangs together with none of the chosen begins with any of them.
    start[rest] = coarse[rng.integers(0, len(coarse), len(rest))]
    moved = np.ones(rows, np.bool_)
    moved[selected] = False
    spread = _JITTER * float(coarse.std())
    start[moved] += rng.normal(0, spread, (int(moved.sum()), dims))
    start -= start.mean(axis=0)
    return start
