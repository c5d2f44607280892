"""What a search compares of pictures: hashes, vectors, and the luma of thumbnails."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.backbones import BackboneSpec
from naturalist.features.shards import ShardKey, read_vectors
from naturalist.images import hash_of_luma, luma_of_thumbnail, resize, trim_border
from naturalist.layout import Layout, pic_id
from naturalist.studies.duplicates.methods.grouping import Indices, Pairs, Vectors, row_cosines
from naturalist.studies.duplicates.methods.pixels import SIDE, Luma

_COSINES_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Covered:
    """A features part whose pictures a step has compared."""

    category: str
    batch: int
    number: int
    sha256: str
    rows: int

    @property
    def key(self) -> ShardKey:
        """Which part it is."""
        return self.category, self.batch, self.number


@dataclass(frozen=True, eq=False)
class Opened:
    """Pictures of all steps, those of the new one last; a picture is named by its place.

    Attributes:
        layout: the workspace.
        spec: backbone of the vectors.
        parts: where the pictures are, in their order.
        table: columns number, row, perceptual_hash and, where borders count, trimmed_hash.
    """

    layout: Layout
    spec: BackboneSpec
    parts: list[Covered]
    table: pa.Table

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """Perceptual hashes, (N,)."""
        hashes: NDArray[np.uint64] = self.table["perceptual_hash"].to_numpy()
        return hashes

    @cached_property
    def _stops(self) -> Indices:
        return np.cumsum([part.rows for part in self.parts])

    @cached_property
    def _rows(self) -> Indices:
        rows: Indices = self.table["row"].to_numpy().astype(np.int64)
        return rows

    def vectors_by_part(self) -> Iterator[Vectors]:
        """Vectors of all pictures in their order, part by part."""
        for part, stop in zip(self.parts, self._stops.tolist(), strict=True):
            values = read_vectors(self.layout, self.spec, part.key)
            yield values[self._rows[stop - part.rows : stop]]

    def cosines(self, pairs: Pairs) -> NDArray[np.float32]:
        """Cosine of each pair, float32 (P,)."""
        expected, at = np.unique(np.concatenate([pairs.first, pairs.second]), return_inverse=True)
        vectors = self._vectors(expected)
        result = np.empty(len(pairs), np.float32)
        for start in range(0, len(pairs), _COSINES_AT_ONCE):
            part = np.arange(start, min(start + _COSINES_AT_ONCE, len(pairs)))
            result[part] = row_cosines(vectors[at[part]], vectors[at[part + len(pairs)]])
        return result

    def lumas(self, expected: Indices, *, trimmed: bool = False) -> list[Luma]:
        """Luma of pictures in the order of their places, (N, SIDE, SIDE); then what is in borders.

        Without `trimmed` there is the first alone.
        """
        shape = (len(expected), SIDE, SIDE)
        result = [np.zeros(shape, np.uint8) for _ in range(1 + trimmed)]
        for part, here in self._by_part(expected):
            names = [pic_id(part.category, int(n)) for n in self._numbers[expected[here]]]
            for place, thumbnail in zip(here, _thumbnails(self.layout, part, names), strict=True):
                luma = luma_of_thumbnail(thumbnail)
                result[0][place] = resize(luma, SIDE, SIDE)
                if trimmed:
                    inside = np.ascontiguousarray(trim_border(luma))
                    result[1][place] = resize(inside, SIDE, SIDE)
        return result

    @cached_property
    def _numbers(self) -> Indices:
        numbers: Indices = self.table["number"].to_numpy()
        return numbers

    def _vectors(self, expected: Indices) -> Vectors:
        """Vectors (N, dim) of pictures in the order of their places; each part is read once."""
        vectors = np.empty((len(expected), self.spec.dim), np.float32)
        for part, here in self._by_part(expected):
            values = read_vectors(self.layout, self.spec, part.key)
            vectors[here] = values[self._rows[expected[here]]]
        return vectors

    def _by_part(self, expected: Indices) -> Iterator[tuple[Covered, Indices]]:
        which = np.searchsorted(self._stops, expected, "right")
        for part in np.unique(which).tolist():
            yield self.parts[part], np.flatnonzero(which == part)


def trimmed_hashes(thumbnails: pa.ChunkedArray) -> pa.Array:
    """The hash of what a plain border surrounds, of each thumbnail; null without a border."""
    return pa.array([_trimmed_hash(one.as_buffer()) for one in thumbnails], pa.uint64())


def _trimmed_hash(thumbnail: pa.Buffer) -> int | None:
    luma = luma_of_thumbnail(thumbnail.to_pybytes())
    inside = trim_border(luma)
    return None if math.prod(inside.shape) == math.prod(luma.shape) else hash_of_luma(inside)


def _thumbnails(layout: Layout, part: Covered, names: list[str]) -> list[bytes]:
    """The thumbnails of pictures of a part, in the order of the names."""
    path = layout.previews(*part.key)
    table = artifacts.read_parquet(path, ["pic_id", "thumbnail"])
    at = pc.index_in(pa.array(names, pa.string()), table["pic_id"].combine_chunks())
    thumbnails: list[bytes] = table["thumbnail"].take(at).to_pylist()
    return thumbnails
