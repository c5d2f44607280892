"""Features file by file, in flat memory: the tables of a collection, or vectors of one's own.

A study that goes through a million rows reads them here, and asks only for the files that are new
to it. Own vectors come as Parquet (a column of features, and, where there are any, `picID`,
`category`, `source`) or as .npy.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.consume import load
from naturalist.consume.loading import Collection
from naturalist.consume.places import TableFile
from naturalist.consume.reading import COLUMNS
from naturalist.errors import ConfigError
from naturalist.stages.tables import features_of
from naturalist.stores import S3Options
from naturalist.studies.rows import Rows

_ROWS_OF_NPY = 10_000
_FEATURES = ("features", "vector", "vectors", "embedding", "embeddings")
_NAMES = ("picID", "id", "name", "path")


@dataclass(frozen=True, eq=False)
class FeatureFile:
    """One file of features, or a part of one.

    Attributes:
        name: what it is called; a file that grows keeps its name.
        sha256: changes when its rows do.
        read: reads its rows.
        outline: reads its rows without their features.
    """

    name: str
    sha256: str
    read: Callable[[], Rows]
    outline: Callable[[], Rows]


@dataclass(frozen=True, eq=False)
class FeatureFiles:
    """All files of a collection.

    Attributes:
        files: in the order of their rows.
        dim: number of features.
        categories: label of each category; empty if there is no word about them.
        what: the place or file, for messages.
    """

    files: tuple[FeatureFile, ...]
    dim: int
    categories: dict[str, int]
    what: str

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 that changes when any row of any file does."""
        return artifacts.fingerprint([[file.name, file.sha256] for file in self.files])

    def rows(self, wanted: Iterable[FeatureFile] | None = None) -> Iterator[Rows]:
        """The rows of one file after another."""
        for file in self.files if wanted is None else wanted:
            yield file.read()


def of_place(
    place: str | os.PathLike[str],
    *,
    snapshot: str | None = None,
    options: S3Options | None = None,
) -> FeatureFiles:
    """The tables of a workspace, or of a published or pulled collection.

    Raises:
        NotFound: there is no collection, or no such snapshot.
        ConfigError: its tables have no rows, or no column `source`.
        StoreError: the store failed, or a table has other bytes than were published.
    """
    collection = load(place, snapshot=snapshot, options=options)
    if not collection.tables.files:
        raise ConfigError(f"the tables of {place} have no rows yet: begin with  naturalist run")
    if "source" not in collection.columns:
        raise ConfigError(
            f"the tables of {place} are CSV and do not say the source of each picture: pull the "
            "Parquet tables"
        )
    categories = dict(sorted(collection.labels.items(), key=lambda pair: pair[1]))
    files = tuple(
        FeatureFile(
            file.name,
            file.sha256,
            partial(_read_table, collection, file, categories, collection.dim),
            partial(_read_table, collection, file, categories, 0),
        )
        for file in collection.tables.files
    )
    return FeatureFiles(files, collection.dim, categories, str(place))


def _read_table(
    collection: Collection, file: TableFile, categories: dict[str, int], dim: int
) -> Rows:
    columns = COLUMNS if dim else tuple(name for name in COLUMNS if name != "features")
    part = next(Collection(replace(collection.tables, files=(file,)), columns).parts())
    return Rows(
        np.array(part["picID"].to_pylist(), np.str_),
        features_of(part, dim) if dim else np.empty((len(part), 0), np.float32),
        part["category_label"].to_numpy(),
        np.array(part["source"].to_pylist(), np.str_),
        categories,
        file.sha256,
    )


def of_file(path: Path) -> FeatureFiles:
    """Vectors of one's own.

    Args:
        path: .npy with an array of (rows, dim) numbers, or .parquet with a column of lists named
            features, vector or embedding; columns picID (or id), category and source are used
            where they are there.

    Raises:
        ConfigError: the file is missing, is of another kind, or holds no such vectors.
    """
    if not path.is_file():
        raise ConfigError(f"there is no file {path}: give vectors as .npy or .parquet")
    if path.suffix == ".npy":
        return _of_npy(path)
    if path.suffix == ".parquet":
        return _of_parquet(path)
    raise ConfigError(f"{path}: vectors are read from .npy and .parquet")


def _of_npy(path: Path) -> FeatureFiles:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read as an array of numbers: {error}") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise ConfigError(
            f"{path} has shape {array.shape} and type {array.dtype}: give (rows, dim) numbers"
        )
    digest = artifacts.sha256_file(path)
    files = []
    for k, start in enumerate(range(0, len(array), _ROWS_OF_NPY)):
        read = partial(_read_npy, path, start)
        files.append(FeatureFile(f"{path.name}:{k}", f"{digest}:{k}", read, read))
    return FeatureFiles(tuple(files), array.shape[1], {}, str(path))


def _read_npy(path: Path, start: int) -> Rows:
    array = np.load(path, mmap_mode="r", allow_pickle=False)[start : start + _ROWS_OF_NPY]
    names = np.array([f"row_{k}" for k in range(start, start + len(array))], np.str_)
    return _rows(path, names, np.asarray(array, np.float32), None, {})


def _of_parquet(path: Path) -> FeatureFiles:
    try:
        with pq.ParquetFile(path) as parquet:
            groups, schema = parquet.metadata.num_row_groups, parquet.schema_arrow
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{path} is no Parquet file: {error}") from error
    column = next((name for name in _FEATURES if name in schema.names), None)
    if column is None or not groups:
        raise ConfigError(
            f"{path} has no rows or no column of vectors: name it one of {', '.join(_FEATURES)}; "
            f"its columns are {', '.join(schema.names)}"
        )
    names: list[str] = []
    if "category" in schema.names:
        found = pq.read_table(path, columns=["category"])["category"].unique().to_pylist()
        names = sorted(str(name) for name in found)
    categories = {name: label for label, name in enumerate(names)}
    digest = artifacts.sha256_file(path)
    files = []
    for k in range(groups):
        read = partial(_read_group, path, column, k, categories)
        files.append(FeatureFile(f"{path.name}:{k}", f"{digest}:{k}", read, read))
    dim = files[0].read().features.shape[1]
    return FeatureFiles(tuple(files), dim, categories, str(path))


def _read_group(path: Path, column: str, k: int, categories: dict[str, int]) -> Rows:
    with pq.ParquetFile(path) as parquet:
        before = sum(parquet.metadata.row_group(j).num_rows for j in range(k))
        part = parquet.read_row_group(k)
    try:
        features = np.stack(part[column].to_numpy()).astype(np.float32)
    except ValueError as error:
        raise ConfigError(f"{path}: the vectors of column {column} differ in length") from error
    known = next((name for name in _NAMES if name in part.column_names), None)
    names = (
        [str(name) for name in part[known].to_pylist()]
        if known
        else [f"row_{before + j}" for j in range(len(part))]
    )
    return _rows(path, np.array(names, np.str_), features, part, categories)


def _rows(
    path: Path,
    names: NDArray[np.str_],
    features: NDArray[np.float32],
    part: Any,
    categories: dict[str, int],
) -> Rows:
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ConfigError(f"{path}: vectors are rows of finite numbers, and some are not")
    held = part.column_names if part is not None else ()
    labels = np.zeros(len(names), np.int32)
    if categories:
        labels = np.array([categories[str(n)] for n in part["category"].to_pylist()], np.int32)
    sources = np.full(len(names), path.name)
    if "source" in held:
        sources = np.array([str(name) for name in part["source"].to_pylist()], np.str_)
    return Rows(names, features, labels, sources, categories, "")
