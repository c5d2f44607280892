"""Which pictures collections share, exactly and nearly, and under which labels and licences.

Exactly: the same SHA-256. Nearly: perceptual hashes and feature bits that differ in few bits. The
bounds are those of near duplicates in a collection: 8 bits of the hash, and a cosine of 0.85, at
which 64 bits of features differ in 11 bits on average, and 1 in 40 pairs in more than 17.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist.curation.sheets import write_sheet
from naturalist.curation.sketches import Sketch
from naturalist.studies.contact_sheet import Tile, contact_sheet
from naturalist.studies.duplicates.methods.grouping import near_pairs
from naturalist.studies.thumbnails import read_thumbnails

MAX_HASH_BITS = 8
MAX_FEATURE_BITS = 17
_SHOWN_PAIRS = 24
_COLUMNS = 8
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Common:
    """What two collections share.

    Attributes:
        first: a collection.
        second: another one.
        exact: rows (N, 2) of pictures with the same bytes.
        near: rows (M, 2) of pictures that are nearly the same, and have other bytes.
        hash_bits: bits (M,) in which the perceptual hashes of those differ.
        compares_features: whether feature bits could be compared: those of one network.
    """

    first: Sketch
    second: Sketch
    exact: Indices
    near: Indices
    hash_bits: Indices
    compares_features: bool

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each pair, exact ones first, with labels, sources and licences of both."""
        exact = ((pair, 0, "exact") for pair in self.exact.tolist())
        near = zip(self.near.tolist(), self.hash_bits.tolist(), repeat("near"))
        for at, bits, kind in (*exact, *near):
            one, other = self.first.rows.slice(at[0], 1), self.second.rows.slice(at[1], 1)
            yield {
                "kind": kind,
                "bits": int(bits),
                **_named("first", self.first, one.to_pylist()[0]),
                **_named("second", self.second, other.to_pylist()[0]),
            }

    def summary(self) -> list[dict[str, Any]]:
        """Pairs of sources with how many pictures they share, most first."""
        counted: Counter[tuple[Any, ...]] = Counter()
        for kind, pairs in (("exact", self.exact), ("near", self.near)):
            if len(pairs):
                sides = [
                    sketch.rows.select(_OF_SOURCE).take(pa.array(pairs[:, k])).to_pylist()
                    for k, sketch in enumerate((self.first, self.second))
                ]
                for one, other in zip(*sides, strict=True):
                    counted[(*one.values(), *other.values(), kind)] += 1
        merged: dict[tuple[Any, ...], dict[str, Any]] = {}
        for key, count in counted.items():
            row = merged.setdefault(key[:-1], _summary_row(key[:-1]))
            row[key[-1]] = count
        return sorted(merged.values(), key=_most_first)

    def by_value(self) -> list[dict[str, Any]]:
        """Pairs of values of the column that was asked about, with how many pictures they share."""
        counted: Counter[tuple[str, str, str]] = Counter()
        for kind, pairs in (("exact", self.exact), ("near", self.near)):
            sides = [
                map(
                    sketch.values.get, sketch.rows["pic_id"].take(pa.array(pairs[:, k])).to_pylist()
                )
                for k, sketch in enumerate((self.first, self.second))
            ]
            counted.update(
                (one, other, kind)
                for one, other in zip(*sides, strict=True)
                if one is not None and other is not None
            )
        pairs_of_values = sorted({key[:2] for key in counted})
        return [
            {
                "first_value": one,
                "second_value": other,
                "exact": counted[one, other, "exact"],
                "near": counted[one, other, "near"],
                "leak": one.casefold() != other.casefold(),
            }
            for one, other in pairs_of_values
        ]


_OF_SOURCE = ["category", "source", "licence"]


def _most_first(row: dict[str, Any]) -> tuple[Any, ...]:
    return (-row["exact"] - row["near"], *map(str, row.values()))


def _summary_row(key: tuple[Any, ...]) -> dict[str, Any]:
    names = [f"{side}_{name}" for side in ("first", "second") for name in _OF_SOURCE]
    return dict(zip(names, key, strict=True)) | {
        "exact": 0,
        "near": 0,
        "other_label": key[0] != key[3],
    }


def _named(side: str, sketch: Sketch, row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: row[key] for key in ("pic_id", "category", "source", "licence")}
    kept["value"] = sketch.values.get(row["pic_id"], "")
    return {f"{side}": sketch.name} | {f"{side}_{key}": value for key, value in kept.items()}


def compare(sketches: Sequence[Sketch]) -> list[Common]:
    """Compare every two collections."""
    return [_compare(one, other) for one, other in combinations(sketches, 2)]


def _compare(first: Sketch, second: Sketch) -> Common:
    exact = _same_bytes(first.rows["sha256"], second.rows["sha256"])
    compares = bool(first.backbone) and first.backbone == second.backbone
    near, bits = _near(first, second, compares_features=compares)
    return Common(first, second, exact, near, bits, compares)


def _same_bytes(one: pa.ChunkedArray, other: pa.ChunkedArray) -> Indices:
    at = pc.index_in(one.combine_chunks(), other.combine_chunks())
    rows = np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False))
    found = at.drop_null().to_numpy().astype(np.int64)
    return np.stack([rows.astype(np.int64), found], axis=1)


def _near(first: Sketch, second: Sketch, *, compares_features: bool) -> tuple[Indices, Indices]:
    sides = [_hashed(sketch) for sketch in (first, second)]
    (at_first, hashes_first), (at_second, hashes_second) = sides
    split = len(hashes_first)
    pairs: list[Indices] = [np.empty((0, 2), np.int64)]
    bits: list[Indices] = [np.empty(0, np.int64)]
    for found in near_pairs(np.concatenate([hashes_first, hashes_second]), MAX_HASH_BITS, split):
        across = found.where((found.first < split) & (found.second >= split))
        rows = np.stack([at_first[across.first], at_second[across.second - split]], axis=1)
        keep = _differ(first, second, rows)
        if compares_features:
            keep &= _alike(first, second, rows)
        pairs.append(rows[keep])
        bits.append(across.distance[keep])
    found_pairs = np.concatenate(pairs)
    order = np.lexsort((found_pairs[:, 1], found_pairs[:, 0]))
    return found_pairs[order], np.concatenate(bits)[order]


def _hashed(sketch: Sketch) -> tuple[Indices, NDArray[np.uint64]]:
    hashes = sketch.rows["perceptual_hash"].combine_chunks()
    rows = np.flatnonzero(hashes.is_valid().to_numpy(zero_copy_only=False))
    return rows.astype(np.int64), hashes.drop_null().to_numpy().astype(np.uint64)


def _differ(first: Sketch, second: Sketch, rows: Indices) -> NDArray[np.bool_]:
    one = first.rows["sha256"].combine_chunks().take(pa.array(rows[:, 0]))
    other = second.rows["sha256"].combine_chunks().take(pa.array(rows[:, 1]))
    return np.asarray(pc.not_equal(one, other).to_numpy(zero_copy_only=False), np.bool_)


def _alike(first: Sketch, second: Sketch, rows: Indices) -> NDArray[np.bool_]:
    sides = [
        pc.fill_null(sketch.rows["feature_bits"].combine_chunks(), 0).to_numpy()[rows[:, k]]
        for k, sketch in enumerate((first, second))
    ]
    return np.asarray(np.bitwise_count(sides[0] ^ sides[1]) <= MAX_FEATURE_BITS)


def write_rows(path: Path, found: Sequence[Common]) -> int:
    """Write every pair as a row of a CSV file; how many there are.

    Raises:
        ConfigError: the file is there already.
    """
    return write_sheet(path, _CSV, (row for one in found for row in one.rows()))


_CSV = [
    "kind",
    "bits",
    *(
        f"{side}{name}"
        for side in ("first", "second")
        for name in ("", "_pic_id", "_category", "_source", "_licence", "_value")
    ),
]


def draw_sheet(found: Sequence[Common]) -> bytes:
    """Pairs side by side, nearly equal ones first, as a PNG; sketches have no pictures to show."""
    tiles: list[Tile] = []
    for one in found:
        pairs = [*one.near.tolist(), *one.exact.tolist()][:_SHOWN_PAIRS]
        left = _tiles(one.first, [pair[0] for pair in pairs])
        right = _tiles(one.second, [pair[1] for pair in pairs])
        tiles += chain.from_iterable(zip(left, right, strict=True))
    return contact_sheet(tiles, "Shared pictures, in pairs", _COLUMNS)


def _tiles(sketch: Sketch, at: list[int]) -> list[Tile]:
    rows = sketch.rows.select(["pic_id", "source"]).take(pa.array(at, pa.int64())).to_pylist()
    layout = sketch.layout
    held = read_thumbnails(layout, [row["pic_id"] for row in rows]) if layout else {}
    return [Tile(held.get(row["pic_id"]), f"{row['pic_id']}\n{row['source']}") for row in rows]
