"""Features as extraction wrote them, by category and batch, with the previews beside them.

For studies of batches, and of pictures that are in no table yet. A shard knows nothing of what is
withheld: who reads one asks the ledger.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.backbones import BackboneSpec
from naturalist.layout import Layout
from naturalist.stages import extract
from naturalist.stages.extract import Part
from naturalist.stages.tables import features_of

ShardKey = tuple[str, int, int]
"""Category, batch and number of a shard."""


def finished_shards(layout: Layout, category: str, spec: BackboneSpec) -> list[Part]:
    """The shards of a category that have features of a backbone, in the order of their ids."""
    return extract.parts(layout, category, spec)


def read_columns(shard: Part, columns: Sequence[str]) -> pa.Table:
    """Columns of a shard's pictures, such as pic_id and source."""
    return artifacts.read_parquet(shard.path, list(columns))


def read_previews(layout: Layout, shard: Part, columns: Sequence[str]) -> pa.Table:
    """Columns of the previews of a shard's pictures; one that has none is not among them."""
    path = layout.previews(shard.category, shard.batch, shard.number)
    return artifacts.read_parquet(path, list(columns))


def read_vectors(layout: Layout, spec: BackboneSpec, key: ShardKey) -> NDArray[np.float32]:
    """The features (rows, dim) of a shard."""
    table = artifacts.read_parquet(layout.features(spec.id, *key), ["features"])
    return features_of(table, spec.dim)


def vectors_by_name(shard: Part, dim: int) -> tuple[pa.ChunkedArray, NDArray[np.float32]]:
    """The names of a shard's pictures, and their features (rows, dim)."""
    table = artifacts.read_parquet(shard.path, ["pic_id", "features"])
    return table["pic_id"], features_of(table, dim)
