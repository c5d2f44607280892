"""A whole map: reduce the features, choose a sample, lay it out, place all other points.

The features come in blocks and are never in memory as a whole; what stays are the reduced ones,
400 bytes a row with 100 axes.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.numeric import neighbours, reduction
from naturalist.numeric.reduction import Reduction
from naturalist.progress import SILENT, Progress, stage
from naturalist.studies.maps.methods import affinities, alignment, layouts, levels, placement, tsne
from naturalist.studies.maps.methods import quality as map_quality
from naturalist.studies.maps.methods.alignment import Alignment
from naturalist.studies.maps.methods.feature_quality import measure_in_features
from naturalist.studies.maps.methods.placement import Placement, Reference
from naturalist.studies.maps.methods.quality import Quality
from naturalist.studies.maps.methods.sampling import Sample, SampleOptions, choose
from naturalist.studies.maps.options import DrawingOptions, TsneOptions

_log = logging.getLogger(__name__)
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Blocks = Callable[[], Iterable[Floats]]
"""Gives the features from the beginning, in blocks of (rows, dim), each time it is called."""

PLACED_AT_ONCE = 50_000
_AGAIN = 2.0
"""Early exaggeration of a map that starts from an old one: enough to let strangers part."""
_MOST_HELD = 0.5
_TOGETHER = 50
"""Steps in which old and new points move together, after the new ones found their places."""


@dataclass(frozen=True, eq=False)
class MapModel:
    """What new points are placed by.

    Attributes:
        reduction: of their features.
        reduced: (sampled, kept) float32, the points of the layout.
        coordinates: (sampled, dims) float32, where they lie.
    """

    reduction: Reduction
    reduced: Floats
    coordinates: Floats


@dataclass(frozen=True, eq=False)
class Before:
    """An earlier map of some of the points, from which a new one starts.

    Attributes:
        coordinates: (rows, dims) float32, where each row lay or would be placed.
        common: rows that the earlier map had; over these the new map is laid.
        held: rows that stay until the others have found their places, if they are most of those
            that are laid out.
    """

    coordinates: Floats
    common: Rows
    held: Rows


@dataclass(frozen=True, eq=False)
class Given:
    """A layout that was made elsewhere; other points are placed among its own.

    Attributes:
        rows: (given,) int64, ascending, of which points.
        coordinates: (given, dims) float32, where they lie.
    """

    rows: Rows
    coordinates: Floats


@dataclass(frozen=True, eq=False)
class Drawing:
    """A map of all points.

    Attributes:
        coordinates: (rows, dims) float32.
        sampled: (rows,) whether the layout was made with the point.
        sample: the points that were laid out.
        confidence: (rows,) float32, see Placement.
        density: (rows,) float32, see Placement.
        reduced: (rows, kept) float32.
        model: for placing further points.
        quality: what was measured, on the reduced features.
        in_features: the same measures, on all features.
        kl_divergence: of the layout, in nats; None for other methods than t-SNE.
        neighbour_recall: share of true neighbours that the layout was made from.
        alignment: with the map before, if there was one.
        durations_s: of each stage.
    """

    coordinates: Floats
    sampled: NDArray[np.bool_]
    sample: Sample
    confidence: Floats
    density: Floats
    reduced: Floats
    model: MapModel
    quality: Quality
    in_features: Quality
    kl_divergence: float | None
    neighbour_recall: float
    alignment: Alignment | None
    durations_s: dict[str, float]


@dataclass(frozen=True, eq=False)
class Placing:
    """Among which points others are placed, and how."""

    reference: Reference
    options: DrawingOptions


PlaceBlocks = Callable[[Placing, Sequence[Floats]], Iterable[Placement]]
"""Places blocks (rows, kept) of points; gives what became of each, in their order."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The points of a sample, laid out.

    Attributes:
        coordinates: (sampled, dims) float32.
        index: (sampled, k) int32, the neighbours of each.
        distance: (sampled, k) float32, of their features.
        recall: share of the true neighbours that were found.
        kl_divergence: in nats; None for other methods than t-SNE.
    """

    coordinates: Floats
    index: NDArray[np.int32]
    distance: Floats
    recall: float
    kl_divergence: float | None


@dataclass
class _Clock:
    durations_s: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.durations_s[name] = round(now - self.last, 3)
        self.last = now


def draw(
    blocks: Blocks,
    rows: int,
    options: DrawingOptions,
    *,
    before: Before | None = None,
    given: Given | None = None,
    progress: Progress = SILENT,
    placing: PlaceBlocks | None = None,
) -> Drawing:
    """Draw a map of all rows.

    Args:
        blocks: gives the features, (rows, dim) float32 in all; gone through four times.
        rows: how many there are.
        options: see there.
        before: an earlier map to start from and to lay the new one over.
        given: a layout to take as it is.
        progress: hears how far it is.
        placing: places the blocks of points that are not laid out; None for this process.

    Raises:
        ValueError: there are fewer than 5 rows.
        MissingExtra: a package that the method needs is not installed.
    """
    if rows < 5:
        raise ValueError(f"a map needs at least 5 rows; found {rows}")
    layouts.check_installed(options.method)
    clock = _Clock()
    fitted, reduced = reduce_all(blocks, rows, options, progress)
    clock.lap("reduce")
    sample = _sample_of(given, rows) if given else choose_sample(reduced, options)
    selected = sample.rows
    clock.lap("sample")
    layout = lay_out_sample(reduced, selected, options, before, progress, given)
    clock.lap("layout")
    layout, aligned = _lay_over(layout, selected, options, before)
    model = MapModel(fitted, reduced[selected], layout.coordinates)
    placed = place_all(model, reduced, selected, layout, options, progress, placing)
    clock.lap("place")
    quality, in_features = _measure(blocks, reduced, placed.coordinates, options, progress)
    clock.lap("measure")
    sampled = np.zeros(rows, np.bool_)
    sampled[selected] = True
    return Drawing(
        placed.coordinates,
        sampled,
        sample,
        placed.confidence,
        placed.density,
        reduced,
        model,
        quality,
        in_features,
        layout.kl_divergence,
        layout.recall,
        aligned,
        clock.durations_s,
    )


def _lay_over(
    layout: Layout, selected: Rows, options: DrawingOptions, before: Before | None
) -> tuple[Layout, Alignment | None]:
    if before is None:
        return layout, None
    own = np.flatnonzero(np.isin(selected, before.common))
    if len(own) <= options.dims:
        return layout, None
    # The scale of t-SNE has a meaning, by which points are placed: it stays.
    scaled = options.method != "tsne"
    there = before.coordinates[selected[own]]
    aligned = alignment.align(layout.coordinates, own, there, scaled=scaled)
    return replace(layout, coordinates=aligned.coordinates), aligned


def _measure(
    blocks: Blocks,
    reduced: Floats,
    coordinates: Floats,
    options: DrawingOptions,
    progress: Progress,
) -> tuple[Quality, Quality]:
    """What the map keeps of the reduced features, and of all of them."""
    total = 2 * map_quality.PASSES * min(len(reduced), map_quality.QUERIES)
    with stage(progress, "measure", total, "queries") as advance:
        found = map_quality.measure(reduced, coordinates, options.seed, on_progress=advance)
        whole = measure_in_features(
            blocks, coordinates, found.queries, unit=options.unit, on_progress=advance
        )
    return found, whole


def reduce_all(
    blocks: Blocks, rows: int, options: DrawingOptions, progress: Progress = SILENT
) -> tuple[Reduction, Floats]:
    """Find the principal axes of all rows and reduce them; (rows, kept) float32."""
    with stage(progress, "reduce", 2 * rows, "rows") as advance:

        def counted() -> Iterable[Floats]:
            for block in blocks():
                yield block
                advance(len(block))

        fitted = reduction.fit_reduction(counted(), options.kept, unit=options.unit)
        reduced = np.empty((rows, fitted.axes.shape[1]), np.float32)
        start = 0
        for block in counted():
            reduced[start : start + len(block)] = fitted(block)
            start += len(block)
    return fitted, reduced


def choose_sample(reduced: Floats, options: DrawingOptions) -> Sample:
    """The points (rows, kept) that are laid out; all of them if there are not so many."""
    rows = len(reduced)
    size = min(options.sample, rows) if options.sample else rows
    return choose(lambda: [reduced], rows, SampleOptions(size, seed=options.seed))


def _sample_of(given: Given, rows: int) -> Sample:
    count = len(given.rows)
    return Sample(given.rows, np.full(count, rows / count, np.float32), 1)


def lay_out_sample(
    reduced: Floats,
    selected: Rows,
    options: DrawingOptions,
    before: Before | None,
    progress: Progress,
    given: Given | None = None,
) -> Layout:
    """Lay the chosen rows of all reduced points out; `draw` says what the arguments are."""
    points = reduced[selected]
    k = min(options.tsne.neighbours, len(points) - 1)
    with stage(progress, "neighbours", len(points), "points") as advance:
        near = neighbours.nearest(points, k, seed=options.seed, on_progress=advance)
    if given is not None:
        return Layout(given.coordinates, near.index, near.distance, near.recall, None)
    if options.method != "tsne":
        with stage(progress, options.method, 1, "layouts") as advance:
            made = layouts.LAYOUTS[options.method](points, options.dims, options.seed)
            advance(1)
        return Layout(made, near.index, near.distance, near.recall, None)
    perplexity = min(options.tsne.perplexity, k / 3)
    strengths = affinities.joint(near.index, affinities.conditional(near.distance, perplexity))
    steps, dims, seed = replace(options.tsne, perplexity=perplexity), options.dims, options.seed
    if before is None:
        with stage(progress, "t-SNE", levels.steps(len(points), steps), "steps") as advance:
            made = levels.lay_out(points, near.index, strengths, dims, steps, seed, advance)
    else:
        start = tsne.start_from_map(before.coordinates[selected], seed)
        steps = replace(steps, early_exaggeration=min(steps.early_exaggeration, _AGAIN))
        made = _grow(strengths, start, np.isin(selected, before.held), steps, progress)
    return Layout(made, near.index, near.distance, near.recall, tsne.kl_divergence(strengths, made))


def _grow(
    strengths: Any,
    start: NDArray[np.float64],
    held: NDArray[np.bool_],
    steps: TsneOptions,
    progress: Progress,
) -> Floats:
    """A layout from an old one; if most rows are held, the others find their places first."""
    if held.mean() < _MOST_HELD or tsne.is_interpolated(start):
        with stage(progress, "t-SNE", steps.total, "steps") as advance:
            return tsne.lay_out(strengths, start, steps, advance)
    steps = replace(steps, iterations=min(steps.iterations, _TOGETHER))
    with stage(progress, "t-SNE", steps.total, "steps") as advance:
        return tsne.by_octree(strengths, start, steps, advance, held)


def place_all(
    model: MapModel,
    reduced: Floats,
    selected: Rows,
    layout: Layout,
    options: DrawingOptions,
    progress: Progress,
    placing: PlaceBlocks | None = None,
) -> Placement:
    """Where all rows lie: those of the layout, and all others placed among them."""
    reference = placement.make_reference(
        model.reduced, model.coordinates, options.seed, (layout.index, layout.distance)
    )
    k = min(options.placement.neighbours, layout.index.shape[1])
    own = placement.describe(
        reference, layout.index[:, :k], layout.distance[:, :k], options.placement.perplexity
    )
    others = np.ones(len(reduced), np.bool_)
    others[selected] = False
    rest = np.flatnonzero(others)
    result = Placement(
        np.empty((len(reduced), options.dims), np.float32),
        *(np.empty(len(reduced), np.float32) for _ in range(3)),
    )
    _put(result, selected, own)
    with stage(progress, "place", len(rest), "points") as advance:
        parts = [rest[k : k + PLACED_AT_ONCE] for k in range(0, len(rest), PLACED_AT_ONCE)]
        blocks = _Taken(reduced, parts)
        places = (placing or _place_here)(Placing(reference, options), blocks)
        for part, placed in zip(parts, places, strict=True):
            _put(result, part, placed)
            advance(len(part))
    return result


class _Taken(Sequence[Floats]):
    """Blocks of rows, each taken out of all when it is asked for."""

    def __init__(self, rows: Floats, parts: Sequence[Rows]) -> None:
        self._rows, self._parts = rows, parts

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, at: Any) -> Any:
        return self._rows[self._parts[at]]


def _place_here(how: Placing, blocks: Sequence[Floats]) -> Iterable[Placement]:
    return (place_some(how, block) for block in blocks)


def place_some(how: Placing, reduced: Floats) -> Placement:
    """Place points; on maps that are not made by t-SNE they stay at the median of neighbours."""
    options = how.options
    steps = options.placement.steps if options.method == "tsne" else 0
    return placement.place(how.reference, reduced, replace(options.placement, steps=steps))


def _put(result: Placement, rows: Rows, part: Placement) -> None:
    result.coordinates[rows] = part.coordinates
    result.confidence[rows] = part.confidence
    result.density[rows] = part.density
    result.distance[rows] = part.distance
