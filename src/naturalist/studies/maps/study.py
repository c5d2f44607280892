"""Maps of a collection: made once, grown by what is new, rebuilt when they no longer fit.

A map that was made with the same options and backbone takes new pictures in without moving any
that is there. How far the new ones drift from what the map was made of is measured; beyond a limit
the map is rebuilt, started from the old one and laid over it, and how far the points moved is
said.
"""

import datetime as dt
import logging
import resource
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist import __version__, artifacts
from naturalist.counting import counted
from naturalist.errors import ConfigError
from naturalist.features import FeatureTable, Names
from naturalist.features.blocks import IN_THIS_PROCESS, BlockMapper
from naturalist.layout import MapFolder
from naturalist.progress import SILENT, Progress, stage
from naturalist.studies.maps import files as map_files
from naturalist.studies.maps import picture as map_picture
from naturalist.studies.maps import samples
from naturalist.studies.maps.files import Points, StoredMap
from naturalist.studies.maps.methods import drawing, placement
from naturalist.studies.maps.methods.drawing import Before, Drawing
from naturalist.studies.maps.methods.growth import BatchDrift, measure_drift
from naturalist.studies.maps.methods.quality import Quality
from naturalist.studies.maps.options import DrawingOptions, MapOptions
from naturalist.studies.maps.own_coordinates import OwnCoordinates
from naturalist.studies.maps.thresholds import below_thresholds, verdict
from naturalist.studies.study import Outgrown, Report, Result, check_installed

_log = logging.getLogger(__name__)
_SMALLEST = 5
_UNIFORM_SEEDS = 5
_FEWEST_PLACED = 2
"""Blocks that workers are started for: each takes some seconds."""


@dataclass(frozen=True, eq=False)
class MapStudy:
    """One map.

    Attributes:
        table: the features.
        folder: where the map lies.
        name: of the map.
        how: it is drawn.
        options: what it must reach, and when it is rebuilt.
        own: where pictures lie, instead of a layout that is made here; `how` has its dims.
        progress: hears how far it is.
        blocks: who places points on it, 50,000 at once.
    """

    table: FeatureTable
    folder: MapFolder
    name: str
    how: DrawingOptions
    options: MapOptions
    own: OwnCoordinates | None = None
    progress: Progress = SILENT
    blocks: BlockMapper = IN_THIS_PROCESS
    start: float = field(default_factory=time.perf_counter)

    @cached_property
    def names(self) -> Names:
        """Of all pictures.

        Raises:
            ConfigError: there are fewer than 5.
        """
        names = self.table.names()
        if len(names) < _SMALLEST:
            raise ConfigError(f"a map needs at least {_SMALLEST} pictures; found {len(names)}")
        return names

    @cached_property
    def drawn_by(self) -> DrawingOptions:
        """How it is drawn, own coordinates counted in."""
        if self.own is None:
            return self.how
        return replace(self.how, method="own", sample=0, dims=self.own.dims)

    @cached_property
    def made_by(self) -> str:
        """Changes when a map of the same pictures would come out otherwise."""
        own = () if self.own is None else (self.own.sha256,)
        options = asdict(self.drawn_by)
        return artifacts.fingerprint(options, self.names.backbone, self.names.dim, *own)

    @property
    def expected(self) -> str:
        """Fingerprint of the map of the tables as they are."""
        return artifacts.fingerprint(self.names.fingerprint, self.made_by)

    def current(self) -> Report | None:
        """What `map.json` holds, if it is up to date."""
        if not artifacts.is_done(self.folder.points, self.expected):
            return None
        summary: Report = artifacts.read_json(self.folder.summary)
        return summary

    def kept(self) -> StoredMap | None:
        """The map that is there, if it was drawn in the same way."""
        stored = map_files.read_map(self.folder)
        return None if stored is None or stored.summary["made_by"] != self.made_by else stored

    def grow(self, kept: StoredMap) -> Report | Outgrown[StoredMap]:
        """Place what is new on the map, if that still fits."""
        known, fresh = _match(self.names.pic_ids, kept.points.pic_ids)
        points = _carried_over(self, kept, known)
        batches = list(kept.summary["placed"]["batches"])
        if len(fresh):
            batch, drift = _place_fresh(self, kept, points, fresh)
            if drift.remake:
                _log.info("the map %s is recomputed: %s", self.name, "; ".join(drift.words))
                return Outgrown(kept, batch)
            batches.append(batch)
        summary = _summary(self, points, kept.summary)
        same = ("metrics", "measured", "integrity", "durations_s")
        summary |= {key: kept.summary[key] for key in same if key in kept.summary}
        summary["integrity"] = _of_categories(summary["integrity"], self.names.categories)
        summary["placed"] = kept.summary["placed"] | {"batches": batches}
        summary["withdrawn"] = int(len(kept.points) - (known >= 0).sum())
        return _finish(self, points, None, summary)

    def make(self, outgrown: Outgrown[StoredMap] | None) -> Report:
        """Lay the map out; with an old one, start from it.

        Raises:
            ConfigError: own coordinates are of other pictures.
            MissingExtra: a package that the method needs is not installed.
        """
        check_installed()
        old = None if outgrown is None else outgrown.kept
        hold = outgrown is not None and outgrown.reason is not None
        drawn = _draw(self, old, hold=hold)
        points = Points(
            self.names.pic_ids, drawn.coordinates, drawn.sampled, drawn.confidence, drawn.density
        )
        summary = _summary(self, points, old.summary if old else {})
        summary["metrics"] = _metrics(drawn)
        summary["measured"] = _measured(drawn, self.names.dim)
        summary["integrity"] = samples.report_integrity(
            lambda: [drawn.reduced],
            self.names,
            drawn.sample,
            self.drawn_by.seed,
            _UNIFORM_SEEDS,
            self.progress,
        )
        summary["durations_s"] = drawn.durations_s
        batch = None if outgrown is None else outgrown.reason
        moved = _moved(drawn, old, batch)
        summary["placed"] = {"made_with": len(points), "batches": [], "moved": moved}
        return _finish(self, points, drawn.model, summary)

    def summary(self, result: Result) -> Report:
        """Rows and verdict, and whether anything changed."""
        verdict: Report = result.report["verdict"]
        return {"changed": result.changed, "rows": result.report["rows"]} | verdict

    def warning(self, report: Report) -> str:
        """Which thresholds the map misses."""
        verdict = report["verdict"]
        return "" if verdict["good"] else f"the map {self.name}: {'; '.join(verdict['words'])}"


def _draw(study: MapStudy, old: StoredMap | None, *, hold: bool) -> Drawing:
    own = study.own
    return drawing.draw(
        study.table.blocks,
        len(study.names),
        study.drawn_by,
        before=None if old is None or own else _before(study, old, hold=hold),
        given=own.among(study.names.pic_ids) if own else None,
        progress=study.progress,
        placing=partial(_place_blocks, study.blocks),
    )


def _place_blocks(
    blocks: BlockMapper, how: drawing.Placing, parts: Sequence[NDArray[np.float32]]
) -> Iterator[placement.Placement]:
    """Place blocks of points among those of a layout."""
    how.reference.prepare()
    return blocks.map(drawing.place_some, how, parts, fewest=_FEWEST_PLACED)


def _carried_over(study: MapStudy, kept: StoredMap, known: NDArray[np.int64]) -> Points:
    """Points of all rows; those that the map had keep theirs, and new ones have none yet."""
    points = Points(
        study.names.pic_ids,
        np.empty((len(known), study.drawn_by.dims), np.float32),
        np.zeros(len(known), np.bool_),
        np.zeros(len(known), np.float32),
        np.zeros(len(known), np.float32),
    )
    here = known >= 0
    for into, out in zip(_arrays(points), _arrays(kept.points), strict=True):
        into[here] = out[known[here]]
    return points


def _place_fresh(
    study: MapStudy, kept: StoredMap, points: Points, fresh: NDArray[np.int64]
) -> tuple[dict[str, Any], BatchDrift]:
    """Fill in the points of new rows; what is reported of them, and how far they drift."""
    seed = study.drawn_by.seed
    reduced = _reduce_rows(study, kept, fresh)
    reference = placement.make_reference(kept.model.reduced, kept.model.coordinates, seed)
    placed = _place(study, reference, reduced)
    for into, out in zip(
        (points.coordinates, points.confidence, points.density),
        (placed.coordinates, placed.confidence, placed.density),
        strict=True,
    ):
        into[fresh] = out
    grown = _grown(kept, len(fresh))
    drift = measure_drift(kept.model, reduced, placed, study.options, grown=grown, seed=seed)
    return _batch(len(fresh), drift), drift


def _arrays(points: Points) -> tuple[NDArray[Any], ...]:
    return points.coordinates, points.sampled, points.confidence, points.density


def _match(
    now: NDArray[np.str_], before: NDArray[np.str_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each picture of now was before (-1: nowhere), and the rows that are new."""
    places = {name: row for row, name in enumerate(before.tolist())}
    known = np.array([places.get(name, -1) for name in now.tolist()], np.int64)
    return known, np.flatnonzero(known < 0)


def _reduce_rows(study: MapStudy, old: StoredMap, fresh: NDArray[np.int64]) -> NDArray[np.float32]:
    """Reduced features of some rows; only tables that hold any are read."""
    starts = study.names.starts
    tables = np.unique(np.searchsorted(starts, fresh, side="right") - 1)
    reduced = np.empty((len(fresh), old.model.reduction.axes.shape[1]), np.float32)
    with stage(study.progress, "reduce", len(fresh), "rows") as advance:
        blocks = study.table.blocks(tables.tolist())
        for table, block in zip(tables.tolist(), blocks, strict=True):
            low, high = np.searchsorted(fresh, starts[table : table + 2])
            reduced[low:high] = old.model.reduction(block[fresh[low:high] - starts[table]])
            advance(int(high - low))
    return reduced


def _place(
    study: MapStudy, reference: placement.Reference, reduced: NDArray[np.float32]
) -> placement.Placement:
    parts, size = [], drawing.PLACED_AT_ONCE
    some = [reduced[start : start + size] for start in range(0, len(reduced), size)]
    how = drawing.Placing(reference, study.drawn_by)
    with stage(study.progress, "place", len(reduced), "points") as advance:
        for part in _place_blocks(study.blocks, how, some):
            parts.append(part)
            advance(len(part.distance))
    columns = ("coordinates", "confidence", "density", "distance")
    return placement.Placement(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in columns)
    )


def _before(study: MapStudy, old: StoredMap, *, hold: bool) -> Before:
    """Where all rows of now lie on the old map; new ones where they would be placed.

    To hold are those that the old layout was made with; those placed later may find better places.
    """
    known, fresh = _match(study.names.pic_ids, old.points.pic_ids)
    coordinates = np.empty((len(known), study.drawn_by.dims), np.float32)
    common = np.flatnonzero(known >= 0)
    coordinates[common] = old.points.coordinates[known[common]]
    if len(fresh):
        reference = placement.make_reference(
            old.model.reduced, old.model.coordinates, study.drawn_by.seed
        )
        placed = _place(study, reference, _reduce_rows(study, old, fresh))
        coordinates[fresh] = placed.coordinates
    laid_out = common[old.points.sampled[known[common]]] if hold else common[:0]
    return Before(coordinates, common, laid_out)


def _batch(rows: int, drift: BatchDrift) -> dict[str, Any]:
    return {"rows": rows, "at": _now()} | asdict(drift)


def _grown(old: StoredMap, fresh: int) -> float:
    placed = old.summary["placed"]
    later: int = sum(batch["rows"] for batch in placed["batches"]) + fresh
    made_with: int = placed["made_with"]
    return later / made_with


def _moved(
    drawn: Drawing, old: StoredMap | None, batch: dict[str, Any] | None
) -> dict[str, Any] | None:
    if old is None or drawn.alignment is None:
        return None
    return {
        "median": drawn.alignment.median_move,
        "p95": drawn.alignment.far_move,
        "unit": "share of the old map's size (twice its root mean square radius)",
        "at": _now(),
        "because": batch,
    }


def _summary(study: MapStudy, points: Points, before: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": study.name,
        "dims": study.drawn_by.dims,
        "method": study.drawn_by.method,
        "seed": study.drawn_by.seed,
        "rows": len(points),
        "sampled": int(points.sampled.sum()),
        "made_at": before.get("made_at", _now()),
        "updated_at": _now(),
        "fingerprint": study.expected,
        "made_by": study.made_by,
        "program": __version__,
        "backbone": study.names.backbone,
        "options": asdict(study.drawn_by),
    }


def _of_categories(integrity: dict[str, Any], held: Collection[str]) -> dict[str, Any]:
    """What was measured of the sample, without shares of categories that have no rows any more."""
    if "sample" not in integrity:
        return integrity
    sample = integrity["sample"]
    shares = {name: share for name, share in sample["categories"].items() if name in held}
    return integrity | {"sample": sample | {"categories": shares}}


def _metrics(drawn: Drawing) -> dict[str, Any]:
    metrics = quality_as_json(drawn.quality)
    requested = drawn.sampled[drawn.quality.queries]
    for word, some in (("sampled", requested), ("placed", ~requested)):
        if some.any():
            metrics[f"knn_recall_{word}"] = round(float(drawn.quality.recalls[some].mean()), 4)
    metrics |= {f"{name}_features": value for name, value in _measures(drawn.in_features).items()}
    metrics["kl_divergence"] = _rounded(drawn.kl_divergence)
    metrics["neighbour_recall"] = round(drawn.neighbour_recall, 4)
    metrics["explained_variance"] = round(drawn.model.reduction.explained, 4)
    metrics["confidence"] = round(float(drawn.confidence.mean()), 4)
    return metrics


def _measured(drawn: Drawing, dim: int) -> dict[str, Any]:
    """In which spaces the measures were taken, and of how many pictures."""
    reduction = drawn.model.reduction
    return {
        "pictures": len(drawn.coordinates),
        "space": reduction.space,
        "space_features": f"all {dim} features{' scaled to length 1' * reduction.unit}",
    }


def quality_as_json(quality: Quality) -> dict[str, Any]:
    """The measures by their standard names."""
    return _measures(quality) | {"queries": len(quality.queries)}


def _measures(quality: Quality) -> dict[str, Any]:
    return {
        "trustworthiness": round(quality.trustworthiness, 4),
        "continuity": round(quality.continuity, 4),
        "knn_recall": {str(k): round(value, 4) for k, value in quality.knn_recall.items()},
        "density_correlation": round(quality.density_correlation, 4),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _finish(
    study: MapStudy, points: Points, model: drawing.MapModel | None, summary: dict[str, Any]
) -> dict[str, Any]:
    summary["placed"]["stays"] = _stays(summary["placed"], study.options)
    values = summary["integrity"].get("sample", {}) | summary["metrics"]
    summary["verdict"] = verdict(below_thresholds(values, study.options))
    picture = map_picture.draw_map(
        points.coordinates,
        study.names.labels,
        study.names.category_names,
        f"{study.name}: {counted(len(points), 'picture')}",
        _note(summary),
        study.drawn_by.seed,
    )
    summary["duration_s"] = round(time.perf_counter() - study.start, 3)
    summary["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    map_files.write_map(study.folder, points, model, picture, summary, study.expected)
    return summary


def _stays(placed: dict[str, Any], options: MapOptions) -> str:
    """When points of the map will move, in words."""
    later = sum(batch["rows"] for batch in placed["batches"])
    left = int(options.max_grown * placed["made_with"]) - later
    known = [batch["distance_ks"] for batch in placed["batches"] if "distance_ks" in batch]
    last = f"; that of the last batch was {known[-1]:.3f}" if known else ""
    return (
        f"no point moves until {max(left, 0) + 1:,} more pictures have been added, or a batch "
        f"is unlike the map (distance_ks above {options.max_distance_ks:g} beyond chance{last})"
    )


def _note(summary: dict[str, Any]) -> str:
    metrics = summary["metrics"]
    placed = summary["rows"] - summary["sampled"]
    words = [
        f"{summary['method']}, {summary['dims']}D, seed {summary['seed']}",
        f"{summary['sampled']:,} laid out, {placed:,} placed",
        *(
            f"{word} {metrics[word]:.3f}"
            for word in ("trustworthiness", "continuity")
            if word in metrics
        ),
    ]
    below = "" if summary["verdict"]["good"] else "  BELOW ITS FLOORS"
    return " · ".join(words) + below


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def default_name(options: DrawingOptions) -> str:
    """The name of a map that was given none: tsne-2d."""
    return f"{options.method}-{options.dims}d"
