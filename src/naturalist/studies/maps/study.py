"""Maps of a collection: made once, grown by what is new, made anew when they no longer fit.

A map that was made with the same options and backbone takes new pictures in without moving any
that is there. How far the new ones drift from what the map was made of is measured; beyond a limit
the map is made anew, started from the old one and laid over it, and how far the points moved is
said.
"""

import datetime as dt
import logging
import resource
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist import __version__, artifacts
from naturalist.errors import ConfigError
from naturalist.features import FeatureTable, Names
from naturalist.layout import MapFolder
from naturalist.progress import SILENT, Progress, stage
from naturalist.studies.maps import files as map_files
from naturalist.studies.maps import picture as map_picture
from naturalist.studies.maps import samples
from naturalist.studies.maps.files import Points, StoredMap
from naturalist.studies.maps.methods import drawing, placement
from naturalist.studies.maps.methods.drawing import Before, Drawing, MapOptions
from naturalist.studies.maps.methods.growth import BatchDrift, measure_drift
from naturalist.studies.maps.methods.quality import Quality
from naturalist.studies.maps.own_coordinates import OwnCoordinates
from naturalist.studies.maps.thresholds import Floors, below_floors, verdict

_log = logging.getLogger(__name__)
_SMALLEST = 5
_UNIFORM_SEEDS = 5


def make_map(
    table: FeatureTable,
    folder: MapFolder,
    name: str,
    options: MapOptions,
    floors: Floors,
    *,
    own: OwnCoordinates | None = None,
    rebuild: bool = False,
    watcher: Progress = SILENT,
) -> dict[str, Any]:
    """Bring a map up to date with the tables; nothing is done if it is.

    Args:
        table: the features.
        folder: where the map lies.
        name: of the map.
        options: how it is made.
        floors: what it must reach.
        own: where pictures lie, instead of a layout that is made here; `options` has its dims.
        rebuild: lay it out again although it fits.
        watcher: hears how far it is.

    Returns:
        What `map.json` holds, and "changed": whether anything was done.

    Raises:
        ConfigError: there are fewer than 5 rows, or own coordinates are of other pictures.
        MissingExtra: a package that the method needs is not installed.
    """
    start = time.perf_counter()
    names = table.names()
    if len(names) < _SMALLEST:
        raise ConfigError(f"{len(names)} pictures make no map: at least {_SMALLEST} are needed")
    if own is not None:
        options = replace(options, method="own", sample=0, dims=own.dims)
    elsewhere = () if own is None else (own.sha256,)
    made_by = artifacts.fingerprint(asdict(options), names.backbone, names.dim, *elsewhere)
    wanted = artifacts.fingerprint(names.fingerprint, made_by)
    if not rebuild and artifacts.is_done(folder.points, wanted):
        summary: dict[str, Any] = artifacts.read_json(folder.summary)
        return summary | {"changed": False}
    work = _Work(table, folder, name, options, floors, watcher, names, made_by, wanted, start, own)
    stored = map_files.read_map(folder)
    if stored is None or stored.summary["made_by"] != made_by:
        return _make(work, None)
    return _make(work, stored) if rebuild else _grow(work, stored)


@dataclass(frozen=True, eq=False)
class _Work:
    table: FeatureTable
    folder: MapFolder
    name: str
    options: MapOptions
    floors: Floors
    watcher: Progress
    names: Names
    made_by: str
    fingerprint: str
    start: float
    own: OwnCoordinates | None


def _make(
    work: _Work, old: StoredMap | None, batch: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Lay the map out; with an old one, start from it."""
    own = work.own
    drawn = drawing.draw(
        work.table.blocks,
        len(work.names),
        work.options,
        before=None if old is None or own else _before(work, old),
        given=own.among(work.names.pic_ids) if own else None,
        watcher=work.watcher,
    )
    points = Points(
        work.names.pic_ids, drawn.coordinates, drawn.sampled, drawn.confidence, drawn.density
    )
    summary = _summary(work, points, old.summary if old else {})
    summary["metrics"] = _metrics(drawn)
    summary["integrity"] = samples.report_integrity(
        lambda: [drawn.reduced],
        work.names,
        drawn.sample,
        work.options.seed,
        _UNIFORM_SEEDS,
        work.watcher,
    )
    summary["durations_s"] = drawn.durations_s
    summary["placed"] = {
        "made_with": len(points),
        "batches": [],
        "moved": _moved(drawn, old, batch),
    }
    return _finish(work, points, drawn.model, summary)


def _grow(work: _Work, old: StoredMap) -> dict[str, Any]:
    """Place what is new on the map; make it anew if that no longer fits."""
    known, fresh = _match(work.names.pic_ids, old.points.pic_ids)
    here = known >= 0
    found = Points(
        work.names.pic_ids,
        np.empty((len(known), work.options.dims), np.float32),
        np.zeros(len(known), np.bool_),
        np.zeros(len(known), np.float32),
        np.zeros(len(known), np.float32),
    )
    for into, out in zip(_arrays(found), _arrays(old.points), strict=True):
        into[here] = out[known[here]]
    batches = list(old.summary["placed"]["batches"])
    if len(fresh):
        reduced = _reduce_rows(work, old, fresh)
        reference = placement.make_reference(
            old.model.reduced, old.model.coordinates, work.options.seed
        )
        placed = _place(work, reference, reduced)
        for into, out in zip(
            (found.coordinates, found.confidence, found.density),
            (placed.coordinates, placed.confidence, placed.density),
            strict=True,
        ):
            into[fresh] = out
        drift = measure_drift(
            old.model, reduced, placed, work.floors.drift,
            grown=_grown(old, len(fresh)), seed=work.options.seed,
        )  # fmt: skip
        batch = _batch(len(fresh), drift)
        if drift.remake:
            _log.info("the map %s is made anew: %s", work.name, "; ".join(drift.words))
            return _make(work, old, batch)
        batches.append(batch)
    summary = _summary(work, found, old.summary)
    kept = ("metrics", "integrity", "durations_s", "sampled")
    summary |= {key: old.summary[key] for key in kept}
    summary["placed"] = old.summary["placed"] | {"batches": batches}
    summary["withdrawn"] = int(len(old.points) - here.sum())
    return _finish(work, found, None, summary)


def _arrays(points: Points) -> tuple[NDArray[Any], ...]:
    return points.coordinates, points.sampled, points.confidence, points.density


def _match(
    now: NDArray[np.str_], before: NDArray[np.str_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each picture of now was before (-1: nowhere), and the rows that are new."""
    places = {name: row for row, name in enumerate(before.tolist())}
    known = np.array([places.get(name, -1) for name in now.tolist()], np.int64)
    return known, np.flatnonzero(known < 0)


def _reduce_rows(work: _Work, old: StoredMap, fresh: NDArray[np.int64]) -> NDArray[np.float32]:
    """Reduced features of some rows; only tables that hold any are read."""
    starts = work.names.starts
    tables = np.unique(np.searchsorted(starts, fresh, side="right") - 1)
    reduced = np.empty((len(fresh), old.model.reduction.axes.shape[1]), np.float32)
    with stage(work.watcher, "reduce", len(fresh), "rows") as advance:
        blocks = work.table.blocks(tables.tolist())
        for table, block in zip(tables.tolist(), blocks, strict=True):
            low, high = np.searchsorted(fresh, starts[table : table + 2])
            reduced[low:high] = old.model.reduction(block[fresh[low:high] - starts[table]])
            advance(int(high - low))
    return reduced


def _place(
    work: _Work, reference: placement.Reference, reduced: NDArray[np.float32]
) -> placement.Placement:
    parts = []
    size = drawing.PLACED_AT_ONCE
    with stage(work.watcher, "place", len(reduced), "points") as advance:
        for start in range(0, len(reduced), size):
            part = reduced[start : start + size]
            parts.append(drawing.place_some(reference, part, work.options))
            advance(len(part))
    columns = ("coordinates", "confidence", "density", "distance")
    return placement.Placement(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in columns)
    )


def _before(work: _Work, old: StoredMap) -> Before:
    """Where all rows of now lie on the old map; new ones where they would be placed."""
    known, fresh = _match(work.names.pic_ids, old.points.pic_ids)
    coordinates = np.empty((len(known), work.options.dims), np.float32)
    common = np.flatnonzero(known >= 0)
    coordinates[common] = old.points.coordinates[known[common]]
    if len(fresh):
        reference = placement.make_reference(
            old.model.reduced, old.model.coordinates, work.options.seed
        )
        placed = _place(work, reference, _reduce_rows(work, old, fresh))
        coordinates[fresh] = placed.coordinates
    return Before(coordinates, common)


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


def _summary(work: _Work, points: Points, before: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": work.name,
        "dims": work.options.dims,
        "method": work.options.method,
        "seed": work.options.seed,
        "rows": len(points),
        "sampled": int(points.sampled.sum()),
        "made_at": before.get("made_at", _now()),
        "updated_at": _now(),
        "fingerprint": work.fingerprint,
        "made_by": work.made_by,
        "program": __version__,
        "backbone": work.names.backbone,
        "options": asdict(work.options),
    }


def _metrics(drawn: Drawing) -> dict[str, Any]:
    metrics = quality_as_json(drawn.quality)
    asked = drawn.sampled[drawn.quality.queries]
    for word, some in (("sampled", asked), ("placed", ~asked)):
        if some.any():
            metrics[f"knn_recall_{word}"] = round(float(drawn.quality.recalls[some].mean()), 4)
    metrics["kl_divergence"] = _rounded(drawn.kl_divergence)
    metrics["neighbour_recall"] = round(drawn.neighbour_recall, 4)
    metrics["explained_variance"] = round(drawn.model.reduction.explained, 4)
    metrics["confidence"] = round(float(drawn.confidence.mean()), 4)
    return metrics


def quality_as_json(quality: Quality) -> dict[str, Any]:
    """The measures by their standard names."""
    return {
        "trustworthiness": round(quality.trustworthiness, 4),
        "continuity": round(quality.continuity, 4),
        "knn_recall": {str(k): round(value, 4) for k, value in quality.knn_recall.items()},
        "density_correlation": round(quality.density_correlation, 4),
        "queries": len(quality.queries),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _finish(
    work: _Work, points: Points, model: drawing.MapModel | None, summary: dict[str, Any]
) -> dict[str, Any]:
    values = summary["integrity"].get("sample", {}) | summary["metrics"]
    summary["verdict"] = verdict(below_floors(values, work.floors))
    picture = map_picture.draw_map(
        points.coordinates,
        work.names.labels,
        work.names.category_names,
        f"{work.name}: {len(points):,} pictures",
        _note(summary),
        work.options.seed,
    )
    summary["duration_s"] = round(time.perf_counter() - work.start, 3)
    summary["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    map_files.write_map(work.folder, points, model, picture, summary, work.fingerprint)
    return summary | {"changed": True}


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


def default_name(options: MapOptions) -> str:
    """The name of a map that was given none: tsne-2d."""
    return f"{options.method}-{options.dims}d"
