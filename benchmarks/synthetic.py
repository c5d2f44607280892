"""Workspaces with many rows and no network: made by the product's own writers, receipts and all.

What a run would have made of `rows` tiny pictures, in minutes instead of hours. Sources are real
files (hard links to a few). Features are random vectors, or, with `shared`, one part that stands
for all: planning, which reads receipts, sees no difference, and a hundred times as many rows fit
on the drive.
"""

import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from naturalist import artifacts, backbones, ledger
from naturalist.config import Config, NewCategory, load_config, write_config
from naturalist.layout import Layout, pic_id, receipt_path
from naturalist.pipeline import budget, reports, steps
from naturalist.running import workspace
from naturalist.schemas import CHECKS, LEDGER, PREVIEWS, features_schema
from naturalist.stages import extract, tables
from naturalist.stages.extract import Part
from naturalist.stages.ingest.listing import Entry
from naturalist.stages.verify import features as feature_checks
from naturalist.stages.verify import tables as table_checks

BACKBONE = "colour_histogram"
SHARES = {"plant": 0.307, "animal": 0.373, "human": 0.320}
"""Of the collection that the program was first made for."""
BATCH_ROWS = 100_000
FILES_PER_FOLDER = 1_000
_LINKS_PER_FILE = 50_000
_MTIME_NS = 1_700_000_000_000_000_000
_DIM = 512


@dataclass(frozen=True)
class Synthetic:
    """What to make.

    Attributes:
        folder: where; must not exist.
        rows: accepted pictures.
        sources: make the files of the sources.
        shared: one features part stands for all, and so does one table; nothing reads them.
        parts: make features and previews; without them there is the ledger alone.
    """

    folder: Path
    rows: int
    sources: bool = True
    shared: bool = False
    parts: bool = True


def make(wanted: Synthetic) -> Config:
    """Make a workspace in which every stage but tables is done; with `shared`, tables too."""
    synced, artifacts.sync = artifacts.sync, _no_sync
    try:
        return _make(wanted)
    finally:
        artifacts.sync = synced


def _no_sync(_path: Path) -> None:
    """Nothing that a benchmark makes must survive a power failure."""


def _make(wanted: Synthetic) -> Config:
    config = _configure(wanted.folder)
    batch = 0
    with workspace.writing(config):
        for category, (_first, count) in ranges(wanted.rows).items():
            if wanted.sources:
                make_files(wanted.folder / "sources" / category, range(1, count + 1))
            for start in range(0, count, BATCH_ROWS):
                batch += 1
                numbers = range(start + 1, min(count, start + BATCH_ROWS) + 1)
                commit(config, category, batch, numbers)
        budget.cover(config.layout)
        if wanted.parts:
            _make_parts(config, shared=wanted.shared)
        if wanted.parts and wanted.shared:
            _share_checks_and_tables(config)
    return config


def ranges(rows: int) -> dict[str, tuple[int, int]]:
    """How many pictures each category has; the numbers of each begin at 1."""
    counts = {name: int(rows * share) for name, share in SHARES.items()}
    counts["animal"] += rows - sum(counts.values())
    return {name: (1, count) for name, count in sorted(counts.items())}


def _configure(folder: Path) -> Config:
    for name in SHARES:
        (folder / "sources" / name).mkdir(parents=True)
    categories = [
        NewCategory(name, label, (folder / "sources" / name,)) for label, name in enumerate(SHARES)
    ]
    path = write_config(folder / "collection", categories, "", "scale", BACKBONE)
    text = path.read_text().replace('mode = "auto"', 'mode = "reference"')
    path.write_text(text.replace("sample_share = 0.005", "sample_share = 0.0"))
    return load_config(path)


# sources


def path_of(number: int) -> bytes:
    """Path of a file inside its source."""
    return b"%05d/%09d.jpg" % (number // FILES_PER_FOLDER, number)


def tiny_jpeg() -> bytes:
    """A picture that costs no space."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (90, 120, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


def make_files(folder: Path, numbers: range) -> None:
    """Files of a source: links to a few, because a drive has only so many inodes."""
    pool = folder.parent.parent / "pool"
    pool.mkdir(exist_ok=True)
    for start in range(0, len(numbers), _LINKS_PER_FILE):
        chunk = numbers[start : start + _LINKS_PER_FILE]
        one = pool / f"{folder.name}-{chunk[0]}"
        one.write_bytes(tiny_jpeg())
        os.utime(one, ns=(_MTIME_NS, _MTIME_NS))
        for number in chunk:
            if number % FILES_PER_FOLDER == 0 or number == 1:
                (folder / f"{number // FILES_PER_FOLDER:05d}").mkdir(exist_ok=True)
            os.link(one, folder / os.fsdecode(path_of(number)))


def add_pictures(folder: Path, count: int, seed: int) -> None:
    """New pictures, no two alike, in a folder of a source."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed)
    for k in range(count):
        small = Image.fromarray(noise.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        small.resize((320, 240), Image.Resampling.BICUBIC).save(folder / f"{seed}-{k:06d}.jpg")


# ledger


def commit(config: Config, category: str, batch: int, numbers: range) -> None:
    """One batch of accepted pictures of one category."""
    layout = config.layout
    table = ledger_rows(category, batch, numbers, len(tiny_jpeg()))
    empty = LEDGER.empty_table()
    size = config.extract.shard_size
    summary = ledger.summarise(table, empty, category, batch, numbers[-1], size)
    folder = layout.ledger / category
    ledger.write_batch(layout, folder, table, summary)
    written, target = folder / f"{category}.parquet", layout.batch(category, batch)
    written.rename(target)
    receipt_path(written).rename(receipt_path(target))


def sha256_of(category: str, number: int) -> bytes:
    """The bytes' hash that the ledger has for a picture."""
    return hashlib.sha256(b"%b-%d" % (category.encode(), number)).digest()


def ledger_rows(category: str, batch: int, numbers: range, size_bytes: int) -> pa.Table:
    """Rows of schema LEDGER."""
    count = len(numbers)
    source = config_source(category)
    paths = [path_of(number) for number in numbers]
    keys = [Entry(path, size_bytes, _MTIME_NS).seen_key(source) for path in paths]
    same: dict[str, Any] = {
        "category": category, "batch": batch, "source": source, "occurrence": 0,
        "outcome": "accepted", "reason": None, "detail": None, "same_as": None,
        "size_bytes": size_bytes, "mtime_ns": _MTIME_NS, "format": "jpeg", "width": 8,
        "height": 8, "image_root": None,
    }  # fmt: skip
    each = {
        "path": paths,
        "path_text": [path.decode() for path in paths],
        "pic_id": [pic_id(category, number) for number in numbers],
        "sha256": [sha256_of(category, number) for number in numbers],
        "seen_key": keys,
    }
    columns = [
        pa.array(each[f.name], f.type)
        if f.name in each
        else pa.repeat(pa.scalar(same[f.name], f.type), count)
        for f in LEDGER
    ]
    return pa.Table.from_arrays(columns, schema=LEDGER)


def config_source(category: str) -> str:
    """Name that the configuration gives to the one source of a category."""
    return category


# features, previews


def _shards(config: Config) -> Iterator[tuple[ledger.BatchSummary, int, list[str]]]:
    for category in sorted(config.labels):
        for summary in ledger.batches(config.layout, category):
            for number, shard in enumerate(summary.shards):
                first, last = summary.numbers(shard)
                names = [pic_id(category, n) for n in range(first, last + 1)]
                yield summary, number, names


def _make_parts(config: Config, *, shared: bool) -> None:
    spec = backbones.describe(BACKBONE)
    model: Path | None = None
    for summary, number, names in _shards(config):
        path = config.layout.features(spec.id, summary.category, summary.batch, number)
        if shared and model is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(model, path)
        else:
            seed = summary.batch * 100_000 + number
            artifacts.write_parquet(path, features(summary.category, names, seed))
            digest = artifacts.sha256_file(path)
            model = _own_copy(path) if shared else None
        _write_receipts(config, spec, summary, number, names, path, digest)
    if model is not None:
        model.unlink()


def _own_copy(path: Path) -> Path:
    # A file has at most 65,000 links on some drives; a benchmark needs fewer.
    copy = path.with_name("model")
    shutil.copyfile(path, copy)
    return copy


def features(category: str, names: list[str], seed: int) -> pa.Table:
    """Vectors of which all digits are in use, as those of networks."""
    vectors = np.random.default_rng(seed).random((len(names), _DIM), dtype=np.float32)
    flat = pa.array(vectors.reshape(-1))
    source = pa.repeat(pa.scalar(config_source(category)), len(names))
    columns = [pa.array(names), source, pa.FixedSizeListArray.from_arrays(flat, _DIM)]
    return pa.Table.from_arrays(columns, schema=features_schema(_DIM))


def _write_receipts(
    config: Config,
    spec: backbones.BackboneSpec,
    summary: ledger.BatchSummary,
    number: int,
    names: list[str],
    path: Path,
    digest: str,
) -> None:
    shard = summary.shards[number]
    facts = {
        "backbone": spec.as_dict(),
        "refused": 0,
        "numbers": list(summary.numbers(shard)),
    }
    wanted = extract.fingerprint(shard, spec)
    receipt = artifacts.Receipt(wanted, len(names), {path.name: digest}, facts=facts)
    artifacts.write_receipt(path, receipt)
    seed = summary.batch * 100_000 + number
    at = config.layout.previews(summary.category, summary.batch, number)
    artifacts.write_parquet(at, previews(names, seed), group_rows=250)
    wanted = extract.previews_fingerprint(shard)
    digests = {at.name: artifacts.sha256_file(at)}
    artifacts.write_receipt(at, artifacts.Receipt(wanted, len(names), digests))


def previews(names: list[str], seed: int) -> pa.Table:
    """Random hashes; of a hundred pictures one is near the one before it."""
    noise = np.random.default_rng(seed)
    hashes = noise.integers(0, 2**64, len(names), dtype=np.uint64)
    near = np.arange(99, len(names), 100)
    hashes[near] = hashes[near - 1] ^ (
        np.uint64(3) << noise.integers(0, 62, len(near)).astype("u8")
    )
    measures = pa.array(noise.random(len(names), dtype=np.float32))
    thumbnail = pa.repeat(pa.scalar(tiny_jpeg()), len(names))
    sound = pa.array(np.zeros(len(names), np.float32))
    columns = [pa.array(names), thumbnail, pa.array(hashes), measures, measures, measures, sound]
    return pa.Table.from_arrays(columns, schema=PREVIEWS)


# checks and tables whose files nobody reads


def _share_checks_and_tables(config: Config) -> None:
    tasks = feature_checks.plan(
        config.layout,
        config.source_paths,
        BACKBONE,
        config.picture_limits,
        config.feature_check_options,
    )
    for task in tasks:
        _write_checks(config.layout, task, task.part)
    for task in steps.expected_tables(config):
        _write_table(task, (task.k - 1) * config.tables.rows_per_table + 1)
    spec = backbones.describe(BACKBONE)
    nothing = steps.VerifyResult(0, 0, ())
    reports.write_verification(config, spec, nothing, nothing)


def _write_checks(layout: Layout, task: feature_checks.FeatureCheckTask, part: Part) -> None:
    noise = np.random.default_rng(part.numbers[0])
    names = [pic_id(part.category, n) for n in range(part.numbers[0], part.numbers[1] + 1)]
    hashes = noise.integers(0, 2**64, part.rows, dtype=np.uint64)
    norms = noise.normal(22, 0.5, part.rows).astype(np.float32)
    columns = [pa.array(names), pa.array(norms), pa.array(hashes)]
    measures = pa.Table.from_arrays(columns, schema=CHECKS)
    spread = [feature_checks.packed(one) for one in noise.random((2, _DIM), np.float32)]
    feature_checks._finish(task, measures, [], {"least": spread[0], "greatest": spread[1]})


def _write_table(task: tables.TableTask, first: int) -> None:
    rows = sum(piece.stop - piece.start for piece in task.pieces)
    files = (task.path, task.path.with_suffix(".csv"))
    for path in files:
        artifacts.write_bytes(path, b"stands for a table")
    facts = {
        "base": task.base,
        "full": task.full,
        "backbone": task.backbone_id,
        "numbers": [first, first + rows - 1],
        "withheld": [],
    }
    digests = {path.name: artifacts.sha256_file(path) for path in files}
    artifacts.write_receipt(
        task.path, artifacts.Receipt(task.fingerprint, rows, digests, facts=facts)
    )
    check = table_checks.TableCheckTask(task, tuple(sorted(digests.items())))
    value = {"fingerprint": check.fingerprint, "rows": rows, "verdicts": []}
    artifacts.write_json(tables.check_path(task.path), value)
