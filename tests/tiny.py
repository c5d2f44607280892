"""Tiny real collections: pictures of a few pixels, told apart by their content, and their files.

The pictures are real PNG files and go through the real stages in this process; features parts are
written with the real writers, with vectors that a test chooses.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from naturalist import artifacts, backbones, ledger
from naturalist.backbones import BackboneSpec
from naturalist.config import CONFIG_NAME, Config
from naturalist.layout import Layout, pic_id, receipt_path
from naturalist.pipeline import publishing, reports, steps
from naturalist.pipeline.steps import IngestResult, Job
from naturalist.progress import Silent
from naturalist.running import workspace
from naturalist.running.executors import InlineExecutor
from naturalist.schemas import AMENDMENT, LEDGER, features_schema
from naturalist.stages import extract
from naturalist.stages.pictures import path_in_source, placed_path

LABELS = {"animal": 1, "plant": 0}
SPEC = BackboneSpec(
    name="tiny", dim=4, side=8, weights_sha256="", graph="none-v1", preprocessing="none-v1",
    fit="stretch", licence="Apache-2.0",
)  # fmt: skip

Row = dict[str, Any]
Vectors = np.ndarray[Any, np.dtype[np.float32]]
Sources = Mapping[str, Mapping[str, Path]]


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """A folder for one example, in memory where there is such a drive: flushing is free there."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="tiny-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


# pictures and collections


def picture(seed: int, format_name: str = "PNG") -> bytes:
    """An encoded picture of 8 x 8 pixels; another seed gives other bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_name)
    return buffer.getvalue()


def write_picture(path: Path, seed: int) -> Path:
    """Write a picture under any name, its folders too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(seed))
    return path


def make_sources(root: Path, seeds: Mapping[str, Sequence[int]]) -> dict[str, dict[str, Path]]:
    """One source `photos` for each category, with a picture for each seed."""
    for category, numbers in seeds.items():
        (root / category).mkdir(parents=True, exist_ok=True)
        for seed in numbers:
            write_picture(root / category / f"{seed:04d}.png", seed)
    return {category: {"photos": root / category} for category in seeds}


def settings(sources: Sources, **more: Any) -> dict[str, Any]:
    """The content of a configuration file; `more` replaces or adds sections."""
    categories = [
        {
            "name": name,
            "label": LABELS.get(name, 2 + k),
            "source": [{"name": n, "path": str(path)} for n, path in by_name.items()],
        }
        for k, (name, by_name) in enumerate(sources.items())
    ]
    basic = {
        "name": "tiny",
        "workspace": "work",
        "category": categories,
        "extract": {"backbone": "colour_histogram", "shard_size": 4, "workers": 1},
        "tables": {"rows_per_table": 5},
        "verify": {"sample_share": 1.0},
    }
    return basic | more


def collection(folder: Path, sources: Sources, **more: Any) -> Config:
    """The configuration of a collection that lives in `folder`."""
    return Config.model_validate(settings(sources, **more)).in_folder(folder)


def config_file(folder: Path, sources: Sources, **more: Any) -> Path:
    """Write the same configuration as a file."""
    lines = [f"{key} = {_toml(value)}\n" for key, value in settings(sources, **more).items()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CONFIG_NAME
    path.write_text("".join(lines), "utf-8")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@contextlib.contextmanager
def job(config: Config) -> Iterator[Job]:
    """The workspace, held; everything runs in this process."""
    with workspace.writing(config):
        yield Job(config, InlineExecutor(), Silent())


def ingest(config: Config, *, rescan: bool = False) -> IngestResult:
    """The ingest stage, whole."""
    with job(config) as held:
        return steps.ingest(held, rescan=rescan)


def make_all(config: Config) -> None:
    """Every stage, as a run does them."""
    spec = backbones.describe(config.extract.backbone)
    with job(config) as held:
        steps.ingest(held)
        steps.extract_features(held)
        features = steps.verify_features(held)
        steps.write_tables(held)
        checked = steps.verify_tables(held)
        reports.write_verification(config, spec, features, checked)
        publishing.publish_snapshot(held)


def ledger_rows(config: Config) -> list[Row]:
    """Every row of the ledger as it holds now, in the order of category, source and path."""
    with ledger.connect(config.layout) as connection:
        query = "SELECT * FROM ledger ORDER BY category, source, path, occurrence, batch"
        rows: list[Row] = ledger.query(connection, query).to_pylist()
    return rows


def picture_path(layout: Layout, source: Path, row: Row) -> Path:
    """Where the bytes of an accepted ledger row lie: in the workspace, or in its source."""
    if row["image_root"] is not None:
        return placed_path(layout, row)
    return path_in_source(source, row["path"])


# ledger rows and features parts, by hand


def ledger_row(category: str, number: int, **changes: Any) -> Row:
    """A row of schema LEDGER for an accepted picture."""
    name = pic_id(category, number)
    row: Row = dict.fromkeys(LEDGER.names)
    row |= {
        "category": category,
        "batch": 1,
        "source": "photos",
        "path": f"{name}.png".encode(),
        "path_text": f"{name}.png",
        "occurrence": 0,
        "outcome": "accepted",
        "pic_id": name,
        "size_bytes": 1,
        "mtime_ns": 0,
        "sha256": hashlib.sha256(name.encode()).digest(),
        "format": "png",
        "seen_key": hashlib.blake2b(name.encode(), digest_size=16).digest(),
    }
    return row | changes


def amendment(category: str, number: int, **changes: Any) -> Row:
    """A row of schema AMENDMENT that takes a picture out as a conflict."""
    row: Row = dict.fromkeys(AMENDMENT.names)
    row |= {"pic_id": pic_id(category, number), "source": "photos", "outcome": "conflict"}
    return row | {"by": "ingest", "at_ns": 1} | changes


def amend(layout: Layout, category: str, name: str, rows: Sequence[Row]) -> None:
    """Write amendments of a category."""
    path = layout.amendments(category) / f"{name}.parquet"
    artifacts.write_parquet(path, pa.Table.from_pylist(list(rows), AMENDMENT))


def commit_rows(
    layout: Layout, category: str, batch: int, rows: Sequence[Row], shard_size: int = 1000
) -> ledger.BatchSummary:
    """Make rows a batch of the ledger."""
    table = pa.Table.from_pylist([row | {"batch": batch} for row in rows], LEDGER)
    numbers = [int(row["pic_id"].rpartition("_")[2]) for row in rows if row["pic_id"]]
    last = max(numbers, default=0)
    summary = ledger.summarise(table, LEDGER.empty_table(), category, batch, last, shard_size)
    ledger.write_batch(layout, layout.scratch, table, summary)
    written, target = layout.scratch / f"{category}.parquet", layout.batch(category, batch)
    target.parent.mkdir(parents=True, exist_ok=True)
    written.replace(target)
    receipt_path(written).replace(receipt_path(target))
    return ledger.batches(layout, category)[-1]


def write_part(
    layout: Layout,
    spec: BackboneSpec,
    summary: ledger.BatchSummary,
    number: int,
    names: Sequence[str],
    vectors: Vectors,
    *,
    refused: int = 0,
) -> Path:
    """Write a features part with its receipt, as the extract stage does."""
    path = layout.features(spec.id, summary.category, summary.batch, number)
    values = np.ascontiguousarray(vectors, np.float32).reshape(-1)
    columns = [
        pa.array(list(names), pa.string()),
        pa.array(["photos"] * len(names), pa.string()),
        pa.FixedSizeListArray.from_arrays(pa.array(values), spec.dim),
    ]
    artifacts.write_parquet(path, pa.Table.from_arrays(columns, schema=features_schema(spec.dim)))
    numbers = [int(name.rpartition("_")[2]) for name in (*names[:1], *names[-1:])]
    receipt = artifacts.Receipt(
        fingerprint=extract.fingerprint(summary.shards[number], spec),
        rows=len(names),
        sha256={path.name: artifacts.sha256_file(path)},
        facts={"refused": refused, "numbers": numbers, "backbone": spec.as_dict()},
    )
    artifacts.write_receipt(path, receipt)
    return path


@dataclass
class HandMade:
    """A category whose pictures are only names and whose vectors a test chooses."""

    layout: Layout
    category: str = "plant"
    spec: BackboneSpec = SPEC
    batch: int = 0
    last: int = 0

    def add(self, vectors: Vectors, shard_size: int = 1000) -> list[str]:
        """One more batch, a picture for each vector; gives their ids."""
        self.batch += 1
        numbers = range(self.last + 1, self.last + 1 + len(vectors))
        rows = [ledger_row(self.category, n) for n in numbers]
        summary = commit_rows(self.layout, self.category, self.batch, rows, shard_size)
        for k, shard in enumerate(summary.shards):
            names = [row["pic_id"] for row in rows[shard.start : shard.stop]]
            part = vectors[shard.start : shard.stop]
            write_part(self.layout, self.spec, summary, k, names, part)
        self.last += len(vectors)
        return [row["pic_id"] for row in rows]


def vectors(count: int, dim: int = SPEC.dim, seed: int = 0) -> Vectors:
    """Ordinary vectors: no two alike, no dimension constant."""
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def rehash(path: Path) -> None:
    """Make the receipt of an artifact vouch for its files as they are now."""
    receipt = artifacts.read_receipt(path)
    assert receipt is not None
    digests = {name: artifacts.sha256_file(path.with_name(name)) for name in receipt.sha256}
    artifacts.write_receipt(path, replace(receipt, sha256=digests))


def flip_byte(path: Path, at: int) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)
