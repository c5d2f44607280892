"""What is read of tables: rows with their features, or names and labels alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


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

    def without_features(self) -> "Rows":
        """The same rows with no feature each."""
        return replace(self, features=np.empty((len(self), 0), np.float32))

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


def joined(parts: Sequence[Rows], categories: dict[str, int], fingerprint: str) -> Rows:
    """Rows of several parts one after another; twice the features are in memory for a moment."""
    return Rows(
        np.concatenate([part.pic_ids for part in parts]),
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.sources for part in parts]),
        categories,
        fingerprint,
    )


@dataclass(frozen=True, eq=False)
class Names:
    """What is known of all rows without their features, in the order of the tables.

    Attributes:
        pic_ids: (rows,) names of the pictures.
        labels: (rows,) int32, the label of each picture's category.
        starts: (tables + 1,) int64, the row at which each table begins.
        categories: the label of each category, in the order of labels.
        fingerprint: hex SHA-256 over the tables.
        backbone: the id of the backbone; empty if the tables do not say it (CSV).
        dim: number of features.
    """

    pic_ids: NDArray[np.str_]
    labels: NDArray[np.int32]
    starts: NDArray[np.int64]
    categories: dict[str, int]
    fingerprint: str
    backbone: str
    dim: int

    def __len__(self) -> int:
        return len(self.pic_ids)

    @property
    def category_names(self) -> dict[int, str]:
        """The name of the category of each label."""
        return {label: name for name, label in self.categories.items()}
