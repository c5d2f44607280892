"""The rows that a study is made of: features, labels and sources of every table, in their order."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.consume import load
from naturalist.consume.loading import Collection
from naturalist.errors import ConfigError
from naturalist.stages.tables import features_of
from naturalist.stores import S3Options


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of tables as arrays; row i of each belongs to the same picture.

    Attributes:
        pic_ids: (rows,) names of the pictures.
        features: (rows, dim) float32.
        labels: (rows,) int32, the label of each picture's category.
        sources: (rows,) name of the source of each picture.
        categories: the label of each category, in the order of labels.
        fingerprint: hex SHA-256 over the tables that the rows were read from.
    """

    pic_ids: NDArray[np.str_]
    features: NDArray[np.float32]
    labels: NDArray[np.int32]
    sources: NDArray[np.str_]
    categories: dict[str, int]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.pic_ids)

    @property
    def category_names(self) -> NDArray[np.str_]:
        """(rows,) name of each picture's category."""
        names = {label: name for name, label in self.categories.items()}
        known, at = np.unique(self.labels, return_inverse=True)
        return np.array([names[label] for label in known.tolist()], np.str_)[at]

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> "Rows":
        """The rows at these places, or those for which a mask is true."""
        return Rows(
            self.pic_ids[index],
            self.features[index],
            self.labels[index],
            self.sources[index],
            self.categories,
            self.fingerprint,
        )


def read_rows(
    place: str | os.PathLike[str],
    *,
    categories: Sequence[str] | None = None,
    snapshot: str | None = None,
    options: S3Options | None = None,
) -> Rows:
    """Read all rows of a place; one copy of the features is in memory (4 bytes a value).

    Raises:
        NotFound: there is no collection, or no such snapshot.
        ConfigError: its tables have no rows, or no column `source`.
        StoreError: the store failed, or a table has other bytes than were published.
    """
    collection = load(place, categories=categories, snapshot=snapshot, options=options)
    if "source" not in collection.columns:
        raise ConfigError(
            f"the tables of {place} are CSV and do not say the source of each picture: pull the "
            "Parquet tables"
        )
    rows = len(collection)
    if not rows:
        raise ConfigError(f"the tables of {place} have no rows yet: begin with  naturalist run")
    features = np.empty((rows, collection.dim), np.float32)
    labels = np.empty(rows, np.int32)
    pic_ids: list[str] = []
    sources: list[str] = []
    for part in collection.parts():
        end = len(pic_ids) + part.num_rows
        features[len(pic_ids) : end] = features_of(part, collection.dim)
        labels[len(pic_ids) : end] = part["category_label"].to_numpy()
        pic_ids += part["picID"].to_pylist()
        sources += part["source"].to_pylist()
    known = dict(sorted(collection.labels.items(), key=lambda pair: pair[1]))
    return Rows(
        np.array(pic_ids, np.str_),
        features,
        labels,
        np.array(sources, np.str_),
        known,
        fingerprint_of(collection),
    )


def fingerprint_of(collection: Collection) -> str:
    """Hex SHA-256 that changes when any table of a collection does."""
    return artifacts.fingerprint([[file.name, file.sha256] for file in collection.tables.files])
