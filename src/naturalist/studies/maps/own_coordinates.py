"""Coordinates of one's own, to be shown and grown like any other map."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.errors import ConfigError
from naturalist.studies.maps.methods.drawing import Given

_LEAST = 5
_COLUMNS = ("picID", "x", "y", "z")


@dataclass(frozen=True, eq=False)
class OwnCoordinates:
    """Where somebody else's method laid pictures.

    Attributes:
        pic_ids: (rows,) names, each once.
        coordinates: (rows, 2 or 3) float32.
        sha256: of the file.
        what: the file, for messages.
    """

    pic_ids: NDArray[np.str_]
    coordinates: NDArray[np.float32]
    sha256: str
    what: str

    @property
    def dims(self) -> int:
        """2 or 3."""
        return int(self.coordinates.shape[1])

    def among(self, pic_ids: NDArray[np.str_]) -> Given:
        """Those of pictures that are in the tables, by their rows there.

        Raises:
            ConfigError: there are fewer than 5.
        """
        rows = {name: row for row, name in enumerate(pic_ids.tolist())}
        result = np.array([rows.get(name, -1) for name in self.pic_ids.tolist()], np.int64)
        known = np.flatnonzero(result >= 0)
        if len(known) < _LEAST:
            raise ConfigError(
                f"{self.what} has coordinates of {len(known)} pictures of these tables, and at "
                f"least {_LEAST} are needed: its picID are such as {self.pic_ids[0]}, theirs such "
                f"as {pic_ids[0]}"
            )
        known = known[np.argsort(result[known])]
        return Given(result[known], self.coordinates[known])


def read_coordinates(path: Path) -> OwnCoordinates:
    """Read coordinates from .parquet or .csv with the columns picID, x, y and, in space, z.

    Raises:
        ConfigError: the file is missing or of another kind, lacks a column, names a picture twice,
            or holds something that is no finite number.
    """
    if not path.is_file():
        raise ConfigError(f"no such file: {path}. Pass coordinates as .parquet or .csv")
    table = _read(path)
    missing = [name for name in _COLUMNS[:3] if name not in table.column_names]
    if missing:
        raise ConfigError(
            f"{path} has no column {' and no column '.join(missing)}: it needs picID, x, y and, "
            f"for a map in space, z; it has {', '.join(table.column_names)}"
        )
    twice_named = [name for name in _COLUMNS if table.column_names.count(name) > 1]
    if twice_named:
        raise ConfigError(f"{path} has several columns {twice_named[0]}: keep one of them")
    names = np.array(table["picID"].cast(pa.string()).to_pylist(), np.str_)
    unique, counts = np.unique(names, return_counts=True)
    if not len(names) or counts.max() > 1:
        twice = f"names {unique[counts.argmax()]} twice" if len(names) else "has no rows"
        raise ConfigError(f"{path} {twice}: keep one row per picture")
    axes = [axis for axis in _COLUMNS[1:] if axis in table.column_names]
    columns = [_numbers(path, axis, table[axis]) for axis in axes]
    return OwnCoordinates(names, np.stack(columns, axis=1), artifacts.sha256_file(path), str(path))


def _read(path: Path) -> pa.Table:
    try:
        table = _of_kind(path)
        # Names and texts that are no UTF-8 would be noticed when somebody looks at them.
        table.validate(full=True)
        _ = table.column_names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return table


def _of_kind(path: Path) -> pa.Table:
    match path.suffix.lower():
        case ".parquet":
            return pq.read_table(path)
        case ".csv":
            # A picID is a name, also where all of them look like numbers.
            as_text = pa.csv.ConvertOptions(column_types={"picID": pa.string()})
            return pa.csv.read_csv(path, convert_options=as_text)
        case other:
            raise ConfigError(f"{path}: coordinates are read from .parquet and .csv, not {other}")


def _numbers(path: Path, axis: str, column: pa.ChunkedArray) -> NDArray[np.float32]:
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise ConfigError(f"{path}: the column {axis} holds {kind}, not numbers")
    numbers = np.asarray(pc.cast(column, pa.float64()).to_numpy(), np.float32)
    if bad := int((~np.isfinite(numbers)).sum()):
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ConfigError(
            f"{path}: {bad:,} values of {axis} are not finite numbers, the first in row "
            f"{row + 1}: omit those pictures, and they will be placed among the others"
        )
    return numbers
