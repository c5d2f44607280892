"""What each look for near duplicates added: the pictures that were new, and their pairs.

A step compares new pictures with each other and with all before them, so that a day costs what is
new. Steps hold as long as the features parts that they were made from and the options are the
same; else all begins again.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.backbones import BackboneSpec
from naturalist.features.shards import (
    ShardKey,
    finished_shards,
    read_columns,
    read_previews,
    read_vectors,
)
from naturalist.layout import Layout
from naturalist.progress import SILENT, Progress, stage
from naturalist.schemas import NEAR_DUPLICATE_PAIRS, NEAR_DUPLICATE_PICTURES
from naturalist.stages.extract import Part
from naturalist.studies.duplicates.methods.grouping import (
    Hashes,
    Indices,
    Pairs,
    Vectors,
    mirrored_pairs,
    near_pairs,
    row_cosines,
)
from naturalist.studies.duplicates.options import NearDuplicateOptions

FORMAT = 1
"""Changes when the same pictures would give other steps."""
PAIRS_AT_ONCE = 100_000
"""Pairs whose vectors are in memory at once: 400 MB of them for 512 features, at most."""


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


@dataclass
class Steps:
    """All steps so far."""

    parts: list[Covered] = field(default_factory=list)
    """In the order of their pictures."""
    fingerprints: list[str] = field(default_factory=list)
    pairs: int = 0


def update(
    layout: Layout,
    spec: BackboneSpec,
    categories: Iterable[str],
    options: NearDuplicateOptions,
    progress: Progress = SILENT,
) -> Steps:
    """Compare the pictures that are new; a step is written if there are any.

    Args:
        layout: the workspace.
        spec: backbone whose vectors confirm.
        categories: those of the collection.
        options: what is near.
        progress: hears how far it is.
    """
    parts = [part for c in sorted(categories) for part in finished_shards(layout, c, spec)]
    done = read_steps(layout, spec, options)
    there = {(part.category, part.batch, part.number): part.sha256 for part in parts}
    if any(there.get(part.key) != part.sha256 for part in done.parts):
        shutil.rmtree(layout.near_duplicate_steps)
        done = Steps()
    covered = {part.key for part in done.parts}
    new = [part for part in parts if (part.category, part.batch, part.number) not in covered]
    if new:
        _add_step(layout, spec, options, done, new, progress)
        done = read_steps(layout, spec, options)
    return done


def read_steps(layout: Layout, spec: BackboneSpec, options: NearDuplicateOptions) -> Steps:
    """The steps that were made with these options, from the first on, up to one that is not."""
    result = Steps()
    for number in range(1, 1_000_000):
        receipt = artifacts.read_receipt(layout.near_duplicate_step(number))
        before = result.fingerprints[-1] if result.fingerprints else ""
        if receipt is None:
            break
        mine = [Covered(**part) for part in receipt.facts["parts"]]
        if receipt.fingerprint != _fingerprint(spec, options, before, mine):
            break
        result.parts += mine
        result.fingerprints.append(receipt.fingerprint)
        result.pairs += receipt.facts["pairs"]
    return result


def _fingerprint(
    spec: BackboneSpec, options: NearDuplicateOptions, before: str, parts: Sequence[Covered]
) -> str:
    made_from = [asdict(part) for part in parts]
    # Options that came later count when they are used: old steps stay what they are.
    used = {name: value for name, value in asdict(options).items() if value != ()}
    return artifacts.fingerprint(FORMAT, spec.fingerprint, used, before, made_from)


def read_pictures(layout: Layout, steps: Steps, columns: list[str] | None = None) -> pa.Table:
    """Pictures of all steps, schema NEAR_DUPLICATE_PICTURES."""
    paths = [layout.near_duplicate_step(k + 1) for k in range(len(steps.fingerprints))]
    empty = NEAR_DUPLICATE_PICTURES.empty_table()
    empty = empty.select(columns) if columns else empty
    return pa.concat_tables([empty, *(artifacts.read_parquet(p, columns) for p in paths)])


def read_pairs(layout: Layout, steps: Steps) -> pa.Table:
    """Pairs of all steps, schema NEAR_DUPLICATE_PAIRS."""
    paths = [layout.near_duplicate_step(k + 1) for k in range(len(steps.fingerprints))]
    empty = NEAR_DUPLICATE_PAIRS.empty_table()
    return pa.concat_tables([empty, *(artifacts.read_parquet(_pairs_path(p)) for p in paths)])


def _pairs_path(step: Path) -> Path:
    return step.with_name(f"{step.stem}-pairs.parquet")


def _add_step(
    layout: Layout,
    spec: BackboneSpec,
    options: NearDuplicateOptions,
    done: Steps,
    new: Sequence[Part],
    progress: Progress,
) -> None:
    before = read_pictures(layout, done, ["row", "perceptual_hash"])
    added, covered = _read_new(layout, new)
    together = pa.concat_tables([before, added.select(["row", "perceptual_hash"])])
    vectors = _VectorReader(
        layout, spec, [*done.parts, *covered], together["row"].to_numpy().astype(np.int64)
    )
    hashes: Hashes = together["perceptual_hash"].to_numpy()
    rows = added.num_rows
    with stage(progress, "duplicates", rows, "pictures") as advance:
        on_share = _in_pictures(rows, advance)
        near = _search(hashes, options, before.num_rows, on_share)
        pairs = list(_confirmed(near, options.min_cosine, vectors))
        on_share(1.0)
    path = layout.near_duplicate_step(len(done.fingerprints) + 1)
    table = pa.concat_tables([NEAR_DUPLICATE_PAIRS.empty_table(), *pairs])
    artifacts.write_parquet(_pairs_path(path), table)
    artifacts.write_parquet(path, added)
    last = done.fingerprints[-1] if done.fingerprints else ""
    receipt = artifacts.Receipt(
        fingerprint=_fingerprint(spec, options, last, covered),
        rows=rows,
        sha256={p.name: artifacts.sha256_file(p) for p in (path, _pairs_path(path))},
        facts={"parts": [asdict(part) for part in covered], "pairs": table.num_rows},
    )
    artifacts.write_receipt(path, receipt)


def _search(
    hashes: Hashes,
    options: NearDuplicateOptions,
    old: int,
    on_share: Callable[[float], None],
) -> Iterator[Pairs]:
    """The pairs that hashes propose, upright ones first."""
    searches = [near_pairs, *([mirrored_pairs] if "mirror" in options.invariant else [])]
    for number, search in enumerate(searches):

        def of_all(share: float, number: int = number) -> None:
            on_share((number + share) / len(searches))

        yield from search(hashes, options.max_distance, old, of_all)


def _in_pictures(rows: int, advance: Callable[[int], None]) -> Callable[[float], None]:
    """Turns the share of a search that is done into pictures that are done."""
    done = 0

    def on_share(share: float) -> None:
        nonlocal done
        advance(int(share * rows) - done)
        done = int(share * rows)

    return on_share


def _read_new(layout: Layout, parts: Sequence[Part]) -> tuple[pa.Table, list[Covered]]:
    tables = [NEAR_DUPLICATE_PICTURES.empty_table()]
    covered = []
    for part in parts:
        rows = _hashes_of(layout, part)
        tables.append(rows)
        covered.append(Covered(part.category, part.batch, part.number, part.sha256, rows.num_rows))
    return pa.concat_tables(tables), covered


def _hashes_of(layout: Layout, part: Part) -> pa.Table:
    """The pictures of a part; one without a preview (another network refused it) is left out."""
    rows = read_columns(part, ["pic_id", "source"])
    previews = read_previews(layout, part, ["pic_id", "perceptual_hash"])
    at = pc.index_in(rows["pic_id"].combine_chunks(), previews["pic_id"].combine_chunks())
    numbers = pc.cast(pc.replace_substring_regex(rows["pic_id"], "^.*_id_", ""), pa.int64())
    columns = [
        numbers,
        pa.array(np.arange(rows.num_rows, dtype=np.int32)),
        rows["source"],
        previews["perceptual_hash"].take(at),
    ]
    table = pa.table(columns, names=NEAR_DUPLICATE_PICTURES.names)
    return table.filter(pc.is_valid(at)).cast(NEAR_DUPLICATE_PICTURES)


def _confirmed(
    near: Iterable[Pairs], min_cosine: float, vectors: "_VectorReader"
) -> Iterator[pa.Table]:
    """Pairs whose vectors agree, schema NEAR_DUPLICATE_PAIRS, as many at once as memory allows."""
    for pairs in _in_chunks(near):
        cosines = vectors.cosines(pairs)
        keep = cosines >= min_cosine
        kept = pairs.where(keep)
        columns = [kept.first, kept.second, kept.distance.astype(np.int32), cosines[keep]]
        yield pa.Table.from_arrays(list(map(pa.array, columns)), schema=NEAR_DUPLICATE_PAIRS)


def _in_chunks(pieces: Iterable[Pairs]) -> Iterator[Pairs]:
    held: list[Pairs] = []
    for piece in pieces:
        for start in range(0, len(piece), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            held.append(Pairs(piece.first[part], piece.second[part], piece.distance[part]))
            if sum(map(len, held)) >= PAIRS_AT_ONCE:
                yield _joined(held)
                held = []
    if held:
        yield _joined(held)


def _joined(pieces: Sequence[Pairs]) -> Pairs:
    names = ("first", "second", "distance")
    return Pairs(*(np.concatenate([getattr(p, name) for p in pieces]) for name in names))


class _VectorReader:
    """Vectors of pictures by their place among those of all steps."""

    def __init__(
        self, layout: Layout, spec: BackboneSpec, parts: Sequence[Covered], rows: Indices
    ) -> None:
        self._layout, self._spec = layout, spec
        self._keys = [part.key for part in parts]
        self._stops = np.cumsum([part.rows for part in parts])
        self._rows = rows

    def cosines(self, pairs: Pairs) -> NDArray[np.float32]:
        """Cosine of each pair, float32 (P,)."""
        expected, at = np.unique(np.concatenate([pairs.first, pairs.second]), return_inverse=True)
        vectors = self._read(expected)
        result = np.empty(len(pairs), np.float32)
        step = 1 << 14
        for start in range(0, len(pairs), step):
            part = np.arange(start, min(start + step, len(pairs)))
            result[part] = row_cosines(vectors[at[part]], vectors[at[part + len(pairs)]])
        return result

    def _read(self, expected: Indices) -> Vectors:
        """Vectors (N, dim) of pictures in the order of their places; each part is read once."""
        vectors = np.empty((len(expected), self._spec.dim), np.float32)
        which = np.searchsorted(self._stops, expected, "right")
        for part in np.unique(which):
            here = which == part
            values = read_vectors(self._layout, self._spec, self._keys[part])
            vectors[here] = values[self._rows[expected[here]]]
        return vectors
