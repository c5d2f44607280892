"""The files of a map: points, what new points are placed by, and what was measured."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.layout import MapFolder
from naturalist.numeric.reduction import Reduction
from naturalist.schemas import map_schema
from naturalist.studies.maps.methods.drawing import MapModel

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Points:
    """Where the pictures of a map lie; row i of each array is the same picture.

    Attributes:
        pic_ids: (rows,) names.
        coordinates: (rows, 2 or 3) float32.
        sampled: (rows,) whether the layout was made with the picture.
        confidence: (rows,) float32.
        density: (rows,) float32.
    """

    pic_ids: NDArray[np.str_]
    coordinates: Floats
    sampled: NDArray[np.bool_]
    confidence: Floats
    density: Floats

    def __len__(self) -> int:
        return len(self.pic_ids)


@dataclass(frozen=True, eq=False)
class StoredMap:
    """A map that was made before."""

    points: Points
    model: MapModel
    summary: dict[str, Any]


def write_map(
    folder: MapFolder,
    points: Points,
    model: MapModel | None,
    picture: bytes,
    summary: dict[str, Any],
    fingerprint: str,
) -> None:
    """Write all files of a map, the receipt last; without a model the one that is there stays.

    Raises:
        StorageFull: there is no space left.
    """
    if model is not None:
        artifacts.write_bytes(folder.model, _model_bytes(model))
    artifacts.write_bytes(folder.picture, picture)
    artifacts.write_json(folder.summary, summary)
    artifacts.write_parquet(folder.points, _table(points))
    files = (folder.points, folder.model, folder.picture, folder.summary)
    artifacts.write_receipt(
        folder.points,
        artifacts.Receipt(
            fingerprint=fingerprint,
            rows=len(points),
            sha256={path.name: artifacts.sha256_file(path) for path in files},
            duration_s=summary["duration_s"],
        ),
    )


def read_map(folder: MapFolder) -> StoredMap | None:
    """Read a map; None if there is none that is whole."""
    receipt = artifacts.read_receipt(folder.points)
    if receipt is None:
        return None
    return StoredMap(read_points(folder), _read_model(folder), artifacts.read_json(folder.summary))


def read_points(folder: MapFolder) -> Points:
    """Read where the pictures lie."""
    table = artifacts.read_parquet(folder.points)
    axes = [axis for axis in "xyz" if axis in table.column_names]
    return Points(
        np.array(table["picID"].to_pylist(), np.str_),
        np.stack([table[axis].to_numpy() for axis in axes], axis=1),
        table["sampled"].to_numpy(),
        table["confidence"].to_numpy(),
        table["density"].to_numpy(),
    )


def _table(points: Points) -> pa.Table:
    columns = {
        "picID": pa.array(points.pic_ids.tolist(), pa.string()),
        **{axis: points.coordinates[:, k] for k, axis in enumerate("xyz"[: _dims(points)])},
        "sampled": points.sampled,
        "confidence": points.confidence,
        "density": points.density,
    }
    return pa.table(columns, schema=map_schema(_dims(points)))


def _dims(points: Points) -> int:
    return int(points.coordinates.shape[1])


def _model_bytes(model: MapModel) -> bytes:
    buffer = io.BytesIO()
    fitted = model.reduction
    np.savez(
        buffer,
        mean=fitted.mean,
        axes=fitted.axes,
        explained=np.float64(fitted.explained),
        unit=np.bool_(fitted.unit),
        reduced=model.reduced,
        coordinates=model.coordinates,
    )
    return buffer.getvalue()


def _read_model(folder: MapFolder) -> MapModel:
    with np.load(folder.model, allow_pickle=False) as held:
        fitted = Reduction(held["mean"], held["axes"], float(held["explained"]), bool(held["unit"]))
        return MapModel(fitted, held["reduced"], held["coordinates"])
