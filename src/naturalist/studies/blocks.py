"""Tables read in blocks: names of all rows at once, features one table after another."""

from collections.abc import Collection as Names_
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from naturalist.consume.loading import Collection
from naturalist.errors import ConfigError
from naturalist.stages.tables import features_of
from naturalist.studies.rows import fingerprint_of

_COLUMNS = ("picID", "category_label")


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


def read_names(collection: Collection) -> Names:
    """Read the names and labels of all rows.

    Raises:
        ConfigError: there are no rows.
        StoreError: the store failed, or a table has other bytes than were published.
    """
    pic_ids: list[str] = []
    labels: list[NDArray[np.int32]] = []
    starts = [0]
    for part in replace(collection, columns=_COLUMNS).parts():
        pic_ids += part["picID"].to_pylist()
        labels.append(part["category_label"].to_numpy())
        starts.append(len(pic_ids))
    if not pic_ids:
        raise ConfigError(
            f"the tables of {collection.tables.url} have no rows yet: begin with  naturalist run"
        )
    return Names(
        np.array(pic_ids, np.str_),
        np.concatenate(labels).astype(np.int32),
        np.array(starts, np.int64),
        dict(sorted(collection.labels.items(), key=lambda pair: pair[1])),
        fingerprint_of(collection),
        _backbone(collection),
        collection.dim,
    )


def feature_blocks(
    collection: Collection, tables: Names_[int] | None = None
) -> Iterator[NDArray[np.float32]]:
    """The features (rows, dim) of one table after another.

    Args:
        collection: of tables.
        tables: places in the list of tables; None for all.
    """
    files = collection.tables.files
    chosen = files if tables is None else tuple(files[k] for k in sorted(tables))
    some = replace(
        collection, tables=replace(collection.tables, files=chosen), columns=("features",)
    )
    for part in some.parts():
        if part.num_rows:
            yield features_of(part, collection.dim)


def _backbone(collection: Collection) -> str:
    first = collection.tables.files[0].path
    if first.suffix != ".parquet":
        return ""
    metadata = pq.read_schema(first).metadata or {}
    return str(metadata.get(b"backbone", b"").decode())
