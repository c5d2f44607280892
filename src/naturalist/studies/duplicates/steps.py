"""What each look for near duplicates added: the pictures that were new, and their pairs.

A step compares new pictures with each other and with all before them, so that a day costs what is
new. Steps hold as long as the features parts that they were made from and the options are the
same; else all begins again.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts
from naturalist.backbones import BackboneSpec
from naturalist.features.blocks import IN_THIS_PROCESS, BlockMapper
from naturalist.features.shards import finished_shards, read_columns, read_previews
from naturalist.layout import Layout
from naturalist.progress import SILENT, Progress, stage
from naturalist.schemas import NEAR_DUPLICATE_PAIRS, NEAR_DUPLICATE_PICTURES
from naturalist.stages.extract import Part
from naturalist.studies.duplicates.options import NearDuplicateOptions
from naturalist.studies.duplicates.reading import Covered, Opened, trimmed_hashes
from naturalist.studies.duplicates.searching import find_pairs

FORMAT = 1
"""Changes when the same pictures would give other steps."""


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
    blocks: BlockMapper = IN_THIS_PROCESS,
) -> Steps:
    """Compare the pictures that are new; a step is written if there are any.

    Args:
        layout: the workspace.
        spec: backbone whose vectors confirm.
        categories: those of the collection.
        options: what is near.
        progress: hears how far it is.
        blocks: who finds what borders surround, in the thumbnails of new pictures.
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
        _add_step(layout, spec, options, done, new, progress, blocks)
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
    if options.invariant:
        used["invariant"] = sorted(options.invariant)
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
    blocks: BlockMapper,
) -> None:
    columns = _columns(options)
    before = read_pictures(layout, done, columns)
    added, covered = _read_new(layout, new, options, blocks)
    together = pa.concat_tables([before, added.select(columns)])
    opened = Opened(layout, spec, [*done.parts, *covered], together)
    rows = added.num_rows
    with stage(progress, "duplicates", rows, "pictures") as advance:
        on_share = _in_pictures(rows, advance)
        table = find_pairs(opened, options, before.num_rows, on_share)
        on_share(1.0)
    path = layout.near_duplicate_step(len(done.fingerprints) + 1)
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


def _columns(options: NearDuplicateOptions) -> list[str]:
    """Those that a search needs; steps that knew of no borders lack the last."""
    border = ["trimmed_hash"] if "border" in options.invariant else []
    return ["number", "row", "perceptual_hash", *border]


def _in_pictures(rows: int, advance: Callable[[int], None]) -> Callable[[float], None]:
    """Turns the share of a search that is done into pictures that are done."""
    done = 0

    def on_share(share: float) -> None:
        nonlocal done
        advance(int(share * rows) - done)
        done = int(share * rows)

    return on_share


def _read_new(
    layout: Layout, parts: Sequence[Part], options: NearDuplicateOptions, blocks: BlockMapper
) -> tuple[pa.Table, list[Covered]]:
    tables = [NEAR_DUPLICATE_PICTURES.empty_table()]
    covered = []
    reading = _Reading(layout, trim="border" in options.invariant)
    # To read a shard's hashes takes 1.5 ms; to decode its thumbnails takes a hundred times as long.
    mapper = blocks if reading.trim else IN_THIS_PROCESS
    for part, rows in zip(parts, mapper.map(_hashes_of, reading, parts), strict=True):
        tables.append(rows)
        covered.append(Covered(part.category, part.batch, part.number, part.sha256, rows.num_rows))
    return pa.concat_tables(tables), covered


@dataclass(frozen=True)
class _Reading:
    """Where parts are, and whether the hash of what a border surrounds is wanted."""

    layout: Layout
    trim: bool


def _hashes_of(how: _Reading, part: Part) -> pa.Table:
    """The pictures of a part; one without a preview (another network refused it) is left out."""
    rows = read_columns(part, ["pic_id", "source"])
    columns_read = ["pic_id", "perceptual_hash", *(["thumbnail"] if how.trim else [])]
    previews = read_previews(how.layout, part, columns_read)
    at = pc.index_in(rows["pic_id"].combine_chunks(), previews["pic_id"].combine_chunks())
    numbers = pc.cast(pc.replace_substring_regex(rows["pic_id"], "^.*_id_", ""), pa.int64())
    trimmed = trimmed_hashes(previews["thumbnail"]) if how.trim else pa.nulls(previews.num_rows)
    columns = [
        numbers,
        pa.array(np.arange(rows.num_rows, dtype=np.int32)),
        rows["source"],
        previews["perceptual_hash"].take(at),
        trimmed.cast(pa.uint64()).take(at),
    ]
    table = pa.table(columns, names=NEAR_DUPLICATE_PICTURES.names)
    return table.filter(pc.is_valid(at)).cast(NEAR_DUPLICATE_PICTURES)
