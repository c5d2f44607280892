"""Columns of a map as a browser takes them: small unsigned integers, and what their codes mean."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.errors import WorkspaceError

MISSING_8 = 255
MISSING_16 = 65535
_STEPS_8 = 254
_BATCH_ROWS = 65_536
Small = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Column:
    """One value for each point of a map.

    Attributes:
        name: by which it is asked for.
        title: for people.
        kind: `code` (an index into `names`), `scale` (254 steps from `low` to `high`) or `number`.
        data: (rows,) uint8, uint16 or uint32; the largest value of uint8 and uint16 is "unknown".
    """

    name: str
    title: str
    kind: Literal["code", "scale", "number"]
    data: Small
    names: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    about: str = field(default="", compare=False)

    def describe(self) -> dict[str, Any]:
        """What a browser must know to read the bytes."""
        return {
            "name": self.name,
            "title": self.title,
            "kind": self.kind,
            "bytes": self.data.dtype.itemsize,
            "names": list(self.names),
            "low": self.low,
            "high": self.high,
            "about": self.about,
        }


def coded(
    name: str, title: str, codes: NDArray[Any], names: Sequence[str], about: str = ""
) -> Column:
    """A column of codes; those below 0 are unknown. One byte a row where that is enough."""
    outside = (codes < 0) | (codes >= len(names))
    data: Small
    if len(names) < MISSING_8:
        data = np.where(outside, MISSING_8, codes).astype(np.uint8)
    else:
        data = np.where(outside, MISSING_16, codes).astype(np.uint16)
    return Column(name, title, "code", data, tuple(names), about=about)


def scaled(
    name: str, title: str, values: NDArray[Any], low: float, high: float, about: str = ""
) -> Column:
    """A column of values in 254 steps; what lies outside is moved to the edge, NaN is unknown."""
    span = (high - low) or 1.0
    share = np.clip((values.astype(np.float32) - low) / span, 0, 1)
    known = np.isfinite(share)
    data = np.full(len(share), MISSING_8, np.uint8)
    data[known] = np.rint(share[known] * _STEPS_8).astype(np.uint8)
    return Column(name, title, "scale", data, low=float(low), high=float(high), about=about)


def fitted(name: str, title: str, values: NDArray[Any], about: str = "") -> Column:
    """As `scaled`, between the values below and above which 1 % lie."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [1, 99]) if len(known) else (0.0, 1.0)
    return scaled(name, title, values, round(float(low), 4), round(float(high), 4), about)


@dataclass(frozen=True, eq=False)
class Keys:
    """Which picture each row is: `codes` (index of its category, -1 unknown) and `numbers`."""

    codes: NDArray[np.int16]
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes)


def keys_of(ids: pa.Array | pa.ChunkedArray, categories: Sequence[str]) -> Keys:
    """Categories and numbers of picture ids."""
    codes = np.full(len(ids), -1, np.int16)
    numbers = np.zeros(len(ids), np.int64)
    for code, category in enumerate(categories):
        prefix = f"{category}_id_"
        own = pc.fill_null(pc.starts_with(ids, pattern=prefix), False)
        tails = pc.utf8_slice_codeunits(ids.filter(own), start=len(prefix))
        try:
            result = tails.cast(pa.int64())
        except pa.ArrowInvalid:
            return _keys_by_pattern(ids, categories)
        at = own.to_numpy(zero_copy_only=False)
        codes[at] = code
        numbers[at] = result.to_numpy(zero_copy_only=False)
    return Keys(codes, numbers)


def _keys_by_pattern(ids: pa.Array | pa.ChunkedArray, categories: Sequence[str]) -> Keys:
    """The same, slower, where a text is no id."""
    parts = pc.extract_regex(ids, "^(?P<category>.+)_id_(?P<number>[0-9]{1,9})$")
    codes = pc.index_in(pc.struct_field(parts, "category"), pa.array(list(categories), pa.string()))
    numbers = pc.fill_null(pc.struct_field(parts, "number"), "0").cast(pa.int64())
    return Keys(
        pc.fill_null(codes, -1).to_numpy().astype(np.int16),
        numbers.to_numpy().astype(np.int64),
    )


@dataclass(frozen=True, eq=False)
class Finder:
    """Finds the rows of a map that given pictures have."""

    starts: NDArray[np.int64]
    rows: NDArray[np.int32]

    @staticmethod
    def of(keys: Keys, categories: int) -> "Finder":
        """A finder over the rows of a map; 4 bytes a picture number."""
        tops = np.zeros(categories + 1, np.int64)
        for code in range(categories):
            own = keys.numbers[keys.codes == code]
            tops[code + 1] = own.max() + 1 if len(own) else 0
        starts = np.cumsum(tops)
        rows = np.full(int(starts[-1]) + 1, -1, np.int32)
        known = keys.codes >= 0
        rows[starts[keys.codes[known]] + keys.numbers[known]] = np.flatnonzero(known)
        return Finder(starts, rows)

    def find(self, keys: Keys) -> NDArray[np.int32]:
        """Row of each picture; -1 for those that the map does not have."""
        codes = np.maximum(keys.codes, 0)
        at = self.starts[codes] + keys.numbers
        known = (keys.codes >= 0) & (at < self.starts[codes + 1])
        return np.where(known, self.rows[np.where(known, at, -1)], -1).astype(np.int32)


def batches_of(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Parts of a Parquet file, so that memory does not follow its size.

    Raises:
        WorkspaceError: it cannot be read, or lacks a column.
    """
    try:
        with pq.ParquetFile(path) as file:
            missing = set(columns) - set(file.schema_arrow.names)
            if missing:
                text = f"{path} has no column {sorted(missing)[0]!r}"
                raise WorkspaceError(f"{text}: {artifacts.DAMAGE_ADVICE}")
            yield from file.iter_batches(_BATCH_ROWS, columns=list(columns))
    except (OSError, pa.ArrowInvalid) as error:
        text = f"{path} cannot be read ({error})"
        raise WorkspaceError(f"{text}: {artifacts.DAMAGE_ADVICE}") from error


def spread(
    paths: Iterable[Path],
    columns: Sequence[str],
    finder: Finder,
    rows: int,
    categories: Sequence[str],
    ids: str = "picID",
    words: Sequence[str] | None = None,
) -> dict[str, NDArray[Any]]:
    """Columns of Parquet files laid out in the rows of a map: floats with NaN, codes with -1.

    Texts become codes in the order of `words`, or of `categories`, the keys, without them.
    """
    result: dict[str, NDArray[Any]] = {}
    for batch in (batch for path in paths for batch in batches_of(path, [ids, *columns])):
        at = finder.find(keys_of(batch.column(ids), categories))
        known = at >= 0
        for name in columns:
            values = _values(batch.column(name), words or categories)
            if name not in result:
                result[name] = np.full(
                    rows, np.nan if values.dtype.kind == "f" else -1, values.dtype
                )
            result[name][at[known]] = values[known]
    return result


def _values(column: pa.Array, categories: Sequence[str]) -> NDArray[Any]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        codes = pc.index_in(column, pa.array(list(categories), column.type))
        return np.asarray(pc.fill_null(codes, -1).to_numpy().astype(np.int16))
    if pa.types.is_boolean(column.type):
        return np.asarray(pc.fill_null(column.cast(pa.int8()), -1).to_numpy())
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False).astype(np.float32))
    return np.asarray(pc.fill_null(column, -1).to_numpy().astype(np.int32))
