"""Maps for a browser: where each point lies, in two bytes an axis, and columns to colour it by."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.cluster_titles import title
from naturalist.dashboard import attached_values, columns
from naturalist.dashboard.attached import AttachedColumn
from naturalist.dashboard.catalogue import Catalogue
from naturalist.dashboard.collection import NAME, Collection
from naturalist.dashboard.columns import Column, Finder, Keys
from naturalist.dashboard.studies import champion_of
from naturalist.errors import WorkspaceError
from naturalist.layout import pic_id
from naturalist.ledger import Withheld
from naturalist.studies.clusters import names as clustering_names
from naturalist.studies.maps import published_pictures, region_names

TITLES = {
    "category": ("Category", "code"),
    "source": ("Source", "code"),
    "cluster": ("Cluster", "code"),
    "prediction": ("Prediction", "code"),
    "correctness": ("Correctness", "code"),
    "confidence": ("Confidence", "scale"),
    "outlier": ("Outlier score", "scale"),
    "batch": ("Batch", "code"),
    "sampled": ("In the layout", "code"),
    "placement": ("Certainty of place", "scale"),
    "density": ("Density", "scale"),
    "blur": ("Sharpness", "scale"),
    "brightness": ("Brightness", "scale"),
    "contrast": ("Contrast", "scale"),
    "number": ("Number", "number"),
}
"""Every column, with its title and kind, in the order in which they are offered."""

_STEPS_16 = 65535
_KEPT_MAPS = 2
_OF_PREDICTIONS = ("prediction", "correctness", "confidence", "outlier")
_OF_PREVIEWS = ("blur", "brightness", "contrast")


@dataclass(frozen=True, eq=False)
class Points:
    """A map in memory: about 12 bytes a point.

    Attributes:
        keys: which picture each point is.
        positions: (rows, dims) uint16, steps from `low` to `high` with one scale for all axes.
        own: columns that the map itself has.
        finder: from pictures to rows.
    """

    name: str
    meta: dict[str, Any]
    keys: Keys
    positions: NDArray[np.uint16]
    low: tuple[float, ...]
    step: float
    own: dict[str, Column]
    finder: Finder
    signature: tuple[Any, ...]
    made: dict[str, Column] = field(default_factory=dict)

    @property
    def dims(self) -> int:
        """2 or 3."""
        return int(self.positions.shape[1])

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(eq=False)
class Maps:
    """The maps of a place; safe to use from several threads."""

    place: Collection
    catalogue: Catalogue
    _kept: "OrderedDict[str, Points]" = field(default_factory=OrderedDict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def categories(self) -> list[str]:
        """Keys of the categories, in the order of labels."""
        return list(self.place.labels)

    @property
    def titles(self) -> list[str]:
        """Names of the categories, in the order of labels."""
        return [self.place.titles[key] for key in self.place.labels]

    def names(self) -> list[str]:
        """Maps that are there, 2D before 3D."""
        folder = self.place.layout.maps
        result = sorted(folder.iterdir()) if folder.is_dir() else []
        return [
            p.name for p in result if NAME.fullmatch(p.name) and (p / "points.parquet").exists()
        ]

    def get(self, name: str) -> Points | None:
        """A map; None if there is none of that name.

        Raises:
            WorkspaceError: its points cannot be read.
        """
        if name not in self.names():
            return None
        path = self.place.layout.map(name) / "points.parquet"
        status = path.stat()
        signature = (status.st_mtime_ns, status.st_size, self._named(), self.catalogue.signature())
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept.signature != signature:
                self._kept.pop(name, None)
                self._kept[name] = self._read(name, signature)
                while len(self._kept) > _KEPT_MAPS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(name)
            return self._kept[name]

    def describe(self, points: Points) -> dict[str, Any]:
        """What a browser must know of a map before it asks for its columns.

        No column is made for it: the first points must not wait for the last colour.
        """
        placed = points.own["sampled"].data
        return {
            "name": points.name,
            "rows": len(points),
            "dims": points.dims,
            "low": list(points.low),
            "step": points.step,
            "meta": points.meta,
            "sampled": int((placed == 1).sum()),
            "placed": int((placed == 0).sum()),
            "pictured": self._pictured(points),
            "regions": self._regions(points),
            "columns": [
                *(
                    {"name": name, "title": TITLES[name][0], "kind": TITLES[name][1]}
                    for name in self.offered(points)
                ),
                *(
                    {"name": one.id, "title": one.name, "kind": one.kind}
                    for one in self.catalogue.attached
                ),
            ],
        }

    def _regions(self, points: Points) -> list[dict[str, Any]]:
        """Named places of each zoom level, in the units of positions (0 to 1)."""
        folder = self.place.layout.map(points.name)
        if self.place.shows_retired(folder / "points.parquet"):
            return []
        return [_level(points, one) for one in region_names.read_levels(folder, points.dims)]

    def _pictured(self, points: Points) -> list[int]:
        """Rows whose pictures were published together beside the map; none of a workspace."""
        pictures = published_pictures.read_pictures(self.place.layout.map(points.name))
        names = pa.array(pictures, pa.string())
        rows = points.finder.find(columns.keys_of(names, self.categories))
        return [int(row) for row in rows if row >= 0]

    def offered(self, points: Points) -> list[str]:
        """Columns that can be made of what is there, but for metadata columns."""
        layout = self.place.layout
        result = {"category", "source", "batch", "number", *points.own}
        if self._clustering() is not None:
            result.add("cluster")
        if self._predictions() is not None:
            result.update(_OF_PREDICTIONS)
        if self.place.kind != "published" and layout.previews("", 0, 0).parent.is_dir():
            result.update(_OF_PREVIEWS)
        return [name for name in TITLES if name in result]

    def column(self, points: Points, name: str) -> Column | None:
        """A column of a map; None if there is none of that name."""
        with self.catalogue.steady():
            held = {one.id: one for one in self.catalogue.attached}
            if name not in held and name not in self.offered(points):
                return None
            with self._lock:
                if name not in points.made:
                    for column in self._make(points, name, held.get(name)):
                        points.made[column.name] = column
                return points.made.get(name)

    def row_of(self, points: Points, pic: str) -> int | None:
        """The row of a picture; None if the map does not have it."""
        keys = columns.keys_of(pa.array([pic], pa.string()), self.categories)
        row = int(points.finder.find(keys)[0])
        return row if row >= 0 else None

    def pic_id(self, points: Points, row: int) -> str:
        """The picture of a row."""
        category = self.categories[int(points.keys.codes[row])]
        return pic_id(category, int(points.keys.numbers[row]))

    def _read(self, name: str, signature: tuple[Any, ...]) -> Points:
        folder = self.place.layout.map(name)
        meta = artifacts.read_json(folder / "map.json") or {}
        path = folder / "points.parquet"
        axes = _axes(path)
        parts: dict[str, list[NDArray[Any]]] = {}
        keys: list[Keys] = []
        expected = [*axes, "sampled", "confidence", "density"]
        retired = Withheld(retired=self.place.retired)
        for every_row in columns.batches_of(path, ["picID", *expected]):
            batch = every_row
            if retired:
                batch = batch.filter(pc.invert(retired.among(batch.column("picID"))))
            keys.append(columns.keys_of(batch.column("picID"), self.categories))
            for one in expected:
                values = batch.column(one).to_numpy(zero_copy_only=False).astype(np.float32)
                parts.setdefault(one, []).append(values)
        joined = {one: np.concatenate(values) for one, values in parts.items()}
        if not joined:
            raise WorkspaceError(f"{path} has no points: rebuild the map")
        pa.default_memory_pool().release_unused()
        positions, low, step = quantised(np.stack([joined[axis] for axis in axes], axis=1))
        every = Keys(
            np.concatenate([k.codes for k in keys]), np.concatenate([k.numbers for k in keys])
        )
        return Points(
            name=name,
            meta=meta if isinstance(meta, dict) else {},
            keys=every,
            positions=positions,
            low=low,
            step=step,
            own=_own_columns(joined),
            finder=Finder.of(every, len(self.categories)),
            signature=signature,
        )

    def _make(self, points: Points, name: str, attached: AttachedColumn | None) -> list[Column]:
        if attached is not None:
            return [attached_values.on_map(self.catalogue, attached, points.finder, len(points))]
        if name in points.own:
            return [points.own[name]]
        makers: dict[str, Callable[[Points], list[Column]]] = {
            "category": self._category,
            "number": lambda p: [
                Column("number", "Number", "number", p.keys.numbers.astype(np.uint32))
            ],
            "source": self._from_ledger,
            "batch": self._from_ledger,
            "cluster": self._cluster,
            **dict.fromkeys(_OF_PREDICTIONS, self._prediction),
            **dict.fromkeys(_OF_PREVIEWS, self._quality),
        }
        return makers[name](points)

    def _category(self, points: Points) -> list[Column]:
        return [columns.coded("category", "Category", points.keys.codes, self.titles)]

    def _from_ledger(self, points: Points) -> list[Column]:
        held = self.catalogue.accepted()
        at = points.finder.find(Keys(held.categories, held.numbers.astype(np.int64)))
        known = at >= 0
        sources = np.full(len(points), -1, np.int32)
        batches = np.full(len(points), -1, np.int32)
        sources[at[known]] = held.sources[known]
        batches[at[known]] = held.batches[known]
        numbers = np.unique(batches[batches >= 0])
        codes = np.where(batches >= 0, np.searchsorted(numbers, batches), -1)
        titles = [f"batch {n}" for n in numbers.tolist()]
        return [
            columns.coded("source", "Source", sources, self.catalogue.source_names()),
            columns.coded("batch", "Batch", codes, titles),
        ]

    def _clustering(self) -> str | None:
        folder = self.place.layout.clusterings
        result = sorted(folder.glob("*/members.parquet")) if folder.is_dir() else []
        names = [path.parent.name for path in result if not self.place.shows_retired(path)]
        return "default" if "default" in names else next(iter(names), None)

    def _named(self) -> int:
        """Changes when names of clusters are found."""
        path = self.place.layout.clustering(self._clustering() or "") / "names.json"
        return path.stat().st_mtime_ns if path.exists() else 0

    def _cluster(self, points: Points) -> list[Column]:
        path = self.place.layout.clustering(self._clustering() or "") / "members.parquet"
        result = columns.spread([path], ["cluster"], points.finder, len(points), self.categories)
        codes = result["cluster"]
        known = clustering_names.titles(path.parent)
        names = [title(n, known) for n in range(int(codes.max(initial=-1)) + 1)]
        about = "Points without a cluster are noise: no cluster holds them."
        return [columns.coded("cluster", "Cluster", codes, names, about)]

    def _predictions(self) -> Path | None:
        try:
            name = champion_of(self.place)
        except WorkspaceError:
            # The page of models says what is wrong with it; the map has other colours.
            return None
        if name is None:
            return None
        path = self.place.layout.model(name) / "predictions.parquet"
        return path if path.exists() and not self.place.shows_retired(path) else None

    def _prediction(self, points: Points) -> list[Column]:
        expected = ["category", "predicted", "probability", "outlier_score"]
        paths = [path for path in (self._predictions(),) if path is not None]
        result = columns.spread(
            paths, expected, points.finder, len(points), self.categories, words=self.titles
        )
        predicted, filed = result["predicted"], result["category"]
        agrees = np.where(predicted < 0, -1, (predicted != filed).astype(np.int16))
        return [
            columns.coded("prediction", "Prediction", predicted, self.titles),
            columns.coded(
                "correctness", "Correctness", agrees, ["as it is filed", "otherwise"],
                "Whether the champion predicts the category that the picture is filed under.",
            ),
            columns.scaled(
                "confidence", "Confidence", result["probability"], 0, 1,
                "Calibrated probability of the category that is predicted.",
            ),
            columns.scaled(
                "outlier", "Outlier score", result["outlier_score"], 0, 1,
                "How unlike the training pictures it is.",
            ),
        ]  # fmt: skip

    def _quality(self, points: Points) -> list[Column]:
        folders = [self.place.layout.previews(c, 0, 0).parent for c in self.categories]
        paths = [path for folder in folders for path in self.place.names(folder, ".parquet")]
        values = {name: np.full(len(points), np.nan, np.float32) for name in _OF_PREVIEWS}
        values |= columns.spread(
            paths, _OF_PREVIEWS, points.finder, len(points), self.categories, "pic_id"
        )
        sharp = np.log10(np.maximum(values["blur"], 1e-6))
        return [
            columns.fitted(
                "blur", "Sharpness", sharp, "Logarithm of the variance of the Laplacian."
            ),
            columns.fitted("brightness", "Brightness", values["brightness"], "Mean luma."),
            columns.fitted("contrast", "Contrast", values["contrast"], "Deviation of luma."),
        ]


def _level(points: Points, level: region_names.Level) -> dict[str, Any]:
    def units(at: tuple[float, ...]) -> list[float]:
        whole = points.step * _STEPS_16
        return [(value - low) / whole for value, low in zip(at, points.low, strict=True)]

    return {
        "across": level.across,
        "low": units(level.low),
        "high": units(level.high),
        "names": [one.name for one in level.places],
        "cells": [[_number(cell, level.across) for cell in one.cells] for one in level.places],
    }


def _number(cell: tuple[int, ...], across: int) -> int:
    return sum(at * across**axis for axis, at in enumerate(cell))


def _axes(path: Any) -> list[str]:
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
    except (OSError, pa.ArrowInvalid) as error:
        text = f"{path} cannot be read ({error})"
        raise WorkspaceError(f"{text}: {artifacts.DAMAGE_ADVICE}") from error
    return [axis for axis in "xyz" if axis in names]


def quantised(
    coordinates: NDArray[np.float32],
) -> tuple[NDArray[np.uint16], tuple[float, ...], float]:
    """Coordinates in 65,536 steps, the same for all axes, so that the picture keeps its shape.

    Returns:
        (rows, dims) uint16, the lowest value of each axis, and the size of a step.
    """
    finite = np.where(np.isfinite(coordinates), coordinates, 0.0)
    low, high = finite.min(axis=0), finite.max(axis=0)
    step = float((high - low).max() / _STEPS_16) or 1.0
    steps = np.rint((finite - low) / step).clip(0, _STEPS_16).astype(np.uint16)
    return steps, tuple(float(value) for value in low), step


def _own_columns(joined: dict[str, NDArray[Any]]) -> dict[str, Column]:
    sampled = columns.coded(
        "sampled",
        "In the layout",
        joined["sampled"].astype(np.int16),
        ["placed later", "in the layout"],
        "Whether the layout was made with the picture, or it was placed among the others later.",
    )
    scale = functools.partial(columns.scaled, low=0, high=1)
    return {
        "sampled": sampled,
        "placement": scale(
            "placement", "Certainty of place", joined["confidence"],
            about="How well the picture's neighbours agree on its place.",
        ),
        "density": scale(
            "density", "Density", joined["density"],
            about="Rank of the density of features around the picture.",
        ),
    }  # fmt: skip
