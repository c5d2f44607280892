"""Vectors of one's own as a feature table: Parquet or .npy.

Parquet has a column of features and, where there are any, `picID`, `category`, `source`.
"""

import contextlib
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.errors import ConfigError
from naturalist.features.rows import Rows
from naturalist.features.table import FeatureFile, FeatureTable

_ROWS_OF_NPY = 10_000
_FEATURES = ("features", "vector", "vectors", "embedding", "embeddings")
_NAMES = ("picID", "id", "name", "path")


_NO_ARRAY = (
    ValueError, OSError, EOFError, TypeError, KeyError, OverflowError, RecursionError, SyntaxError,
    TokenError,
)  # fmt: skip
"""What numpy raises for a broken header, which is a Python expression."""


def open_file(path: Path) -> FeatureTable:
    """Vectors of one's own.

    Args:
        path: .npy with an array of (rows, dim) numbers, or .parquet with a column of lists named
            features, vector or embedding; columns picID (or id), category and source are used
            where they are there.

    Raises:
        ConfigError: the file is missing, is of another kind, or holds no such vectors.
    """
    if not path.is_file():
        raise ConfigError(f"no such file: {path}. Pass vectors as .npy or .parquet")
    if path.suffix == ".npy":
        return _of_npy(path)
    if path.suffix == ".parquet":
        return _of_parquet(path)
    raise ConfigError(f"{path}: expected a .npy or .parquet file")


def _of_npy(path: Path) -> FeatureTable:
    try:
        array = _load(path)
    except _NO_ARRAY as error:
        raise ConfigError(f"{path} cannot be read as an array of numbers: {error}") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise ConfigError(
            f"{path} has shape {array.shape} and type {array.dtype}: expected numbers of shape "
            "(rows, dim)"
        )
    digest = artifacts.sha256_file(path)
    files = []
    for k, start in enumerate(range(0, len(array), _ROWS_OF_NPY)):
        read = partial(_read_npy, path, start)
        files.append(FeatureFile(f"{path.name}:{k}", f"{digest}:{k}", read, read))
    return FeatureTable(tuple(files), array.shape[1], {}, str(path))


def _load(path: Path) -> NDArray[Any]:
    with warnings.catch_warnings():
        # That a header is of an old program is no matter of the reader's.
        warnings.simplefilter("ignore")
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _read_npy(path: Path, start: int) -> Rows:
    array = _load(path)[start : start + _ROWS_OF_NPY]
    names = np.array([f"row_{k}" for k in range(start, start + len(array))], np.str_)
    return _rows(path, names, np.asarray(array, np.float32), None, {})


def _of_parquet(path: Path) -> FeatureTable:
    with _parquet_errors(path), pq.ParquetFile(path) as parquet:
        groups, schema = parquet.metadata.num_row_groups, parquet.schema_arrow
    column = next((name for name in _FEATURES if name in schema.names), None)
    if column is None or not groups:
        raise ConfigError(
            f"{path} has no rows or no column of vectors: name the column "
            f"{', '.join(_FEATURES)}; its columns are {', '.join(schema.names)}"
        )
    used = (column, *_NAMES, "category", "source")
    if twice := next((name for name in used if schema.names.count(name) > 1), None):
        raise ConfigError(f"{path} has several columns {twice}: keep one of them")
    names: list[str] = []
    if "category" in schema.names:
        with _parquet_errors(path):
            result = pq.read_table(path, columns=["category"])["category"].unique().to_pylist()
        names = sorted(str(name) for name in result)
    categories = {name: label for label, name in enumerate(names)}
    digest = artifacts.sha256_file(path)
    files = []
    for k in range(groups):
        read = partial(_read_group, path, column, k, categories)
        files.append(FeatureFile(f"{path.name}:{k}", f"{digest}:{k}", read, read))
    dim = files[0].read().features.shape[1]
    return FeatureTable(tuple(files), dim, categories, str(path))


def _read_group(path: Path, column: str, k: int, categories: dict[str, int]) -> Rows:
    with _parquet_errors(path), pq.ParquetFile(path) as parquet:
        before = sum(parquet.metadata.row_group(j).num_rows for j in range(k))
        part = parquet.read_row_group(k)
    try:
        features = np.stack(part[column].to_numpy()).astype(np.float32)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{path}: the vectors of column {column} differ in length, or are not numbers"
        ) from error
    known = next((name for name in _NAMES if name in part.column_names), None)
    with _parquet_errors(path):
        names = (
            [str(name) for name in part[known].to_pylist()]
            if known
            else [f"row_{before + j}" for j in range(len(part))]
        )
        return _rows(path, np.array(names, np.str_), features, part, categories)


@contextlib.contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    """Tell of a damaged file in words; pages and texts are read later than the footer."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as Parquet: {error}") from error


def _rows(
    path: Path,
    names: NDArray[np.str_],
    features: NDArray[np.float32],
    part: Any,
    categories: dict[str, int],
) -> Rows:
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ConfigError(f"{path}: some vectors have values that are not finite")
    held = part.column_names if part is not None else ()
    labels = np.zeros(len(names), np.int32)
    if categories:
        labels = np.array([categories[str(n)] for n in part["category"].to_pylist()], np.int32)
    sources = np.full(len(names), path.name)
    if "source" in held:
        sources = np.array([str(name) for name in part["source"].to_pylist()], np.str_)
    return Rows(names, features, labels, sources, categories, "")
