"""The one way to the features of a place: a workspace, a pulled folder or a published collection.

A table gives its rows file by file in flat memory, so a study that goes through a million rows asks
only for the files that are new to it. What the place withholds (withdrawn pictures, retired
categories) is in none of its files.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from naturalist import artifacts, categories, consume
from naturalist.consume.locations import TableFile
from naturalist.consume.reading import COLUMNS
from naturalist.errors import ConfigError
from naturalist.features.rows import Names, Rows, joined
from naturalist.layout import Layout
from naturalist.stages.tables import features_of
from naturalist.stores import S3Options


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
class FeatureTable:
    """All rows of a place, in the order of its files.

    Attributes:
        files: in the order of their rows.
        dim: number of features.
        categories: label of each category, in the order of labels; empty if they are not known.
        what: the place or file, for messages.
        backbone: id of the network that made the features; empty if it is not known.
        has_sources: whether the source of each picture is known (not of CSV).
        snapshot: id of the snapshot that they are of; None for a workspace or a file.
    """

    files: tuple[FeatureFile, ...]
    dim: int
    categories: dict[str, int]
    what: str
    backbone: str = ""
    has_sources: bool = True
    snapshot: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 that changes when any row of any file does."""
        return _fingerprint((file.name, file.sha256) for file in self.files)

    def rows(self, files: Iterable[FeatureFile] | None = None) -> Iterator[Rows]:
        """The rows of one file after another, of all files or of some."""
        for file in self.files if files is None else files:
            yield file.read()

    def read(self) -> Rows:
        """All rows at once; twice the features are in memory for a moment (4 bytes a value)."""
        return joined(list(self.rows()), self.categories, self.fingerprint)

    def names(self) -> Names:
        """Names and labels of all rows, without features.

        Raises:
            ConfigError: there are no rows.
            StoreError: the store failed, or a table has other bytes than were published.
        """
        parts = [file.outline() for file in self.files]
        if not any(map(len, parts)):
            raise _no_rows(self.what)
        return Names(
            np.concatenate([part.pic_ids for part in parts]),
            np.concatenate([part.labels for part in parts]).astype(np.int32),
            np.cumsum([0, *map(len, parts)]),
            self.categories,
            self.fingerprint,
            self.backbone,
            self.dim,
        )

    def blocks(self, files: Collection[int] | None = None) -> Iterator[NDArray[np.float32]]:
        """The features (rows, dim) of one file after another; files without rows are left out.

        Args:
            files: places in the list of files; None for all.
        """
        selected = range(len(self.files)) if files is None else sorted(files)
        for rows in self.rows(self.files[k] for k in selected):
            if len(rows):
                yield rows.features


def open_features(
    place: str | os.PathLike[str],
    *,
    snapshot: str | None = None,
    options: S3Options | None = None,
    sources: bool = True,
) -> FeatureTable:
    """Open the tables of a workspace, or of a published or pulled collection.

    Args:
        place: folder or address.
        snapshot: id of a snapshot; None for the newest.
        options: how to reach an S3 server.
        sources: whether the source of each picture is needed; CSV does not have it.

    Raises:
        NotFound: there is no collection, or no such snapshot.
        ConfigError: its tables have no rows, or not the source of each picture.
        StoreError: the store failed, or a table has other bytes than were published.
    """
    collection = consume.load(place, snapshot=snapshot, options=options)
    if not collection.tables.files:
        raise _no_rows(str(place))
    has_sources = "source" in collection.columns
    if sources and not has_sources:
        raise ConfigError(
            f"the tables of {place} are CSV and do not say the source of each picture: pull the "
            "Parquet tables"
        )
    labels = dict(sorted(collection.labels.items(), key=lambda pair: pair[1]))
    return FeatureTable(
        tuple(_file(collection, file, labels) for file in collection.tables.files),
        collection.dim,
        labels,
        str(place),
        collection.backbone,
        has_sources,
        collection.snapshot,
    )


def fingerprint_of(place: str | os.PathLike[str]) -> str:
    """What the fingerprint of a place's features is now; opens and reads none of its tables.

    Raises:
        NotFound: there is no collection.
        StoreError: the store failed.
    """
    files = consume.load(place).tables.files
    return _fingerprint((file.name, file.fingerprint) for file in files)


def _fingerprint(files: Iterable[tuple[str, str]]) -> str:
    return artifacts.fingerprint([list(file) for file in files])


def _no_rows(place: str) -> ConfigError:
    known = categories.read(Layout(Path(place)))
    if known.all_retired:
        return ConfigError(categories.all_retired_message(known))
    return ConfigError(f"the tables of {place} have no rows yet: start with `naturalist run`")


def _file(
    collection: consume.Collection, file: TableFile, categories: dict[str, int]
) -> FeatureFile:
    one = replace(collection, tables=replace(collection.tables, files=(file,)))
    return FeatureFile(
        file.name,
        file.fingerprint,
        partial(_read, one, file, categories, collection.dim),
        partial(_read, one, file, categories, 0),
    )


def _read(
    collection: consume.Collection, file: TableFile, categories: dict[str, int], dim: int
) -> Rows:
    held = tuple(name for name in COLUMNS if name in collection.columns)
    columns = held if dim else tuple(name for name in held if name != "features")
    part = next(replace(collection, columns=columns).parts())
    sources = part["source"].to_pylist() if "source" in columns else [""] * len(part)
    return Rows(
        np.array(part["picID"].to_pylist(), np.str_),
        features_of(part, dim) if dim else np.empty((len(part), 0), np.float32),
        part["category_label"].to_numpy(),
        np.array(sources, np.str_),
        categories,
        file.fingerprint,
    )
