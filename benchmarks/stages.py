"""Ingest, tables and verification, each against a ceiling measured in the same run.

    python benchmarks/stages.py --photos DIR [--rows 100010] [--copies 5] [--only tables]

- ingest against reading and hashing the same files in as many processes, and against the calls of
  the system that it cannot do without: those two, looking at each file twice, and linking it;
- one CSV table as naturalist writes it, by pyarrow, polars and DuckDB, where they are installed;
- the tables stage on features of `--rows` rows against pyarrow's CSV writer alone, in as many
  processes;
- verification of features and tables against reading the same Parquet files, and of tables against
  reading all that has to be read, features, Parquet and CSV, in as many processes.

The start of the workers counts in the stages, and not in what they are measured against.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

import machine
from naturalist import artifacts, backbones, ledger
from naturalist.config import Config, NewCategory, load_config, write_config
from naturalist.pipeline import runner, steps
from naturalist.progress import Silent
from naturalist.running.executors import worker_count
from naturalist.schemas import (
    CSV_DELIMITER,
    LEDGER,
    PREVIEWS,
    csv_columns,
    features_schema,
    table_schema,
)
from naturalist.stages import extract, tables

BACKBONE = "colour_histogram"
DIM = 512
TIMED_TABLES = 2
"""Tables that each process writes where a writer alone is measured."""


def timed(work: Callable[[], Any], rounds: int = 1) -> float:
    """Seconds of the best round."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


@contextlib.contextmanager
def processes() -> Iterator[Any]:
    """As many processes as the stages have, started and warm."""
    workers = worker_count(0)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.map(hash_files, [[]] * workers)
        yield pool


def shares(items: list[Any]) -> list[list[Any]]:
    """Items in as many parts as there are processes."""
    workers = worker_count(0)
    return [items[i::workers] for i in range(workers)]


def link_files(job: tuple[list[Path], Path]) -> None:
    """Everything that ingest asks of the system, and nothing else."""
    paths, folder = job
    folder.mkdir(parents=True)
    for number, path in enumerate(paths):
        os.lstat(path)
        hash_files([path])
        os.lstat(path)
        os.link(path, folder / str(number))


def hash_files(paths: list[Path]) -> int:
    """Read and hash files; returns their bytes."""
    size_bytes = 0
    for path in paths:
        data = path.read_bytes()
        hashlib.sha256(data).digest()
        size_bytes += len(data)
    return size_bytes


def multiply(photos: Path, folder: Path, copies: int) -> Path:
    """Copies of a tree of pictures, each with other bytes behind the end of the picture."""
    for path in photos.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for copy in range(copies):
                category, *rest = path.relative_to(photos).parts
                target = folder.joinpath(category, str(copy), *rest)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data + b"%d %s" % (copy, bytes(path)))
    return folder


def measure_ingest(photos: Path, folder: Path, copies: int) -> dict[str, Any]:
    """Ingest real pictures next to reading and hashing them; the workers' start counts."""
    photos = multiply(photos, folder / "copies", copies)
    categories = [
        NewCategory(path.name, label, (path.resolve(),))
        for label, path in enumerate(sorted(p for p in photos.iterdir() if p.is_dir()))
    ]
    config = load_config(write_config(folder / "ingest", categories, "", "ingest", BACKBONE))
    files = [path for path in photos.rglob("*") if path.is_file()]
    with processes() as pool:
        pool.map(hash_files, shares(files))
        ceiling_s = timed(lambda: pool.map(hash_files, shares(files)), rounds=3)
        parts = [(part, folder / "links" / str(n)) for n, part in enumerate(shares(files))]
        bare_s = timed(lambda: pool.map(link_files, parts))
    with runner.opened(config, Silent()) as job:
        ingest_s = timed(lambda: steps.ingest(job))
        again_s = timed(lambda: steps.ingest(job))
    return {
        "files": len(files),
        "ingest_files_per_s": len(files) / ingest_s,
        "read_and_hash_files_per_s": len(files) / ceiling_s,
        "ratio": ceiling_s / ingest_s,
        "bare_calls_files_per_s": len(files) / bare_s,
        "ratio_to_bare_calls": bare_s / ingest_s,
        "nothing_new_files_per_s": len(files) / again_s,
    }


def random_vectors(rows: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Non-negative float32 vectors with all digits in use, as pooled features are."""
    return np.abs(np.random.default_rng(seed).normal(size=(rows, DIM))).astype(np.float32)


def one_table() -> pa.Table:
    """A full table with random vectors."""
    vectors = random_vectors(10_001)
    columns = [
        pa.array([f"plant_id_{i}" for i in range(1, 10_002)]),
        pa.array(np.zeros(10_001, np.int32)),
        pa.array(["source"] * 10_001),
        pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM),
    ]
    return pa.Table.from_arrays(columns, schema=table_schema(DIM))


def wide_table(table: pa.Table) -> pa.Table:
    """The same with a column for each value, as CSV writers want it."""
    columns = np.ascontiguousarray(tables.features_of(table, DIM).T)
    return pa.Table.from_arrays(
        [table["picID"], *(pa.array(column) for column in columns), table["category_label"]],
        names=csv_columns(DIM),
    )


def write_by_pyarrow(wide: pa.Table, path: Path) -> None:
    """One CSV file by pyarrow alone."""
    options = pyarrow.csv.WriteOptions(delimiter=CSV_DELIMITER, quoting_style="none")
    pyarrow.csv.write_csv(wide, path, options)


def write_tables_by_pyarrow(path: Path) -> float:
    """Write tables that are in memory; returns the seconds that it took."""
    wide = wide_table(one_table())
    return timed(lambda: [write_by_pyarrow(wide, path) for _ in range(TIMED_TABLES)])


def read_all(paths: list[Path]) -> None:
    """Read files of features and tables as verification has to, with one thread."""
    names = csv_columns(DIM)
    types = dict.fromkeys(names, pa.float32()) | {"picID": pa.string()}
    for path in paths:
        if path.suffix == ".csv":
            pyarrow.csv.read_csv(
                path,
                pyarrow.csv.ReadOptions(use_threads=False),
                pyarrow.csv.ParseOptions(delimiter=CSV_DELIMITER),
                pyarrow.csv.ConvertOptions(column_types=types),
            )
        else:
            pq.ParquetFile(path).read(use_threads=False)


def measure_csv(folder: Path) -> dict[str, Any]:
    """One table of 10,001 rows by each writer that is installed."""
    table = one_table()
    wide = wide_table(table)
    found = {
        "naturalist_s": timed(lambda: tables.write_csv(folder / "n.csv", table, DIM), 2),
        "pyarrow_s": timed(lambda: write_by_pyarrow(wide, folder / "a.csv"), 2),
    }
    if importlib.util.find_spec("polars"):
        import polars

        frame = polars.from_arrow(wide)
        found["polars_s"] = timed(
            lambda: frame.write_csv(folder / "p.csv", separator=CSV_DELIMITER), 2
        )
    import duckdb

    with duckdb.connect() as connection:
        connection.register("wide", wide)
        target = folder / "d.csv"
        copy = f"COPY wide TO '{target}' (HEADER, DELIMITER '{CSV_DELIMITER}')"
        found["duckdb_s"] = timed(lambda: connection.execute(copy), 2)
    return found


def make_features(config: Config, rows: int) -> None:
    """A workspace with one batch of `rows` pictures of one category, features in place."""
    layout, spec = config.layout, backbones.describe(BACKBONE)
    numbers = range(1, rows + 1)
    empty = dict.fromkeys(LEDGER.names)
    listed = [
        empty
        | {
            "category": "plant", "batch": 1, "source": "photos", "path": b"%d.jpg" % n,
            "path_text": f"{n}.jpg", "occurrence": 0, "outcome": "accepted",
            "pic_id": f"plant_id_{n}", "size_bytes": 1, "mtime_ns": 1,
            "sha256": hashlib.sha256(b"%d" % n).digest(), "format": "jpeg", "width": 1,
            "height": 1, "image_root": "images", "seen_key": b"%016d" % n,
        }
        for n in numbers
    ]  # fmt: skip
    ledger_table = pa.Table.from_pylist(listed, LEDGER)
    summary = ledger.summarise(
        ledger_table, LEDGER.empty_table(), "plant", 1, rows, config.extract.shard_size
    )
    folder = layout.ledger / "plant"
    ledger.write_batch(layout, folder, ledger_table, summary)
    for suffix in (".parquet", ".json"):
        (folder / f"plant{suffix}").rename(layout.batch("plant", 1).with_suffix(suffix))
    for number, shard in enumerate(ledger.batches(layout, "plant")[0].shards):
        write_part(config, spec, number, shard)
        write_previews(config, number, shard)


def write_part(config: Config, spec: backbones.BackboneSpec, number: int, shard: Any) -> None:
    """One features part with its receipt."""
    vectors = random_vectors(shard.rows, number)
    path = config.layout.features(spec.id, "plant", 1, number)
    names = [f"plant_id_{n + 1}" for n in range(shard.start, shard.stop)]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM)
    columns = [pa.array(names), pa.array(["photos"] * len(names)), flat]
    artifacts.write_parquet(path, pa.Table.from_arrays(columns, schema=features_schema(DIM)))
    facts = {"refused": 0, "numbers": [shard.start + 1, shard.stop], "backbone": spec.as_dict()}
    digest = {path.name: artifacts.sha256_file(path)}
    wanted = extract.fingerprint(shard, spec)
    artifacts.write_receipt(path, artifacts.Receipt(wanted, len(names), digest, facts=facts))


def write_previews(config: Config, number: int, shard: Any) -> None:
    """The previews of one part: without them the part would count as not done."""
    path = config.layout.previews("plant", 1, number)
    artifacts.write_parquet(path, PREVIEWS.empty_table())
    digest = {path.name: artifacts.sha256_file(path)}
    wanted = extract.previews_fingerprint(shard)
    artifacts.write_receipt(path, artifacts.Receipt(wanted, 0, digest))


def measure_tables(folder: Path, rows: int) -> dict[str, Any]:
    """The tables stage and both verifications on synthetic features."""
    for name in ("plant", "animal"):
        (folder / name).mkdir()
    categories = [
        NewCategory(name, label, (folder / name,)) for label, name in enumerate(("plant", "animal"))
    ]
    path = write_config(folder / "tables", categories, "", "tables", BACKBONE)
    path.write_text(path.read_text().replace("sample_share = 0.005", "sample_share = 0.0"))
    config = load_config(path)
    with runner.opened(config, Silent()) as job:
        make_features(config, rows)
        features_s = timed(lambda: steps.verify_features(job))
        tables_s = timed(lambda: steps.write_tables(job))
        checks_s = timed(lambda: steps.verify_tables(job))
    made = list(config.layout.tables.rglob("*.parquet"))
    parts = list((config.layout.root / "features").rglob("*.parquet"))
    texts = list(config.layout.tables.rglob("*.csv"))
    workers = worker_count(0)
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    with processes() as pool:
        written_s = max(
            pool.map(write_tables_by_pyarrow, [folder / f"{n}.csv" for n in range(workers)])
        )
        features_alone_s = timed(lambda: pool.map(read_all, shares(parts)), rounds=2)
        every = [part for kind in (parts, made, texts) for part in shares(kind)]
        all_read_s = timed(lambda: pool.map(read_all, every, chunksize=1), rounds=2)
    return {
        "rows": rows,
        "verify_features_rows_per_s": rows / features_s,
        "read_features_rows_per_s": rows / timed(lambda: [pq.read_table(p) for p in parts]),
        "read_features_in_processes_rows_per_s": rows / features_alone_s,
        "tables_rows_per_s": rows / tables_s,
        "pyarrow_csv_rows_per_s": workers * TIMED_TABLES * 10_001 / written_s,
        "verify_tables_rows_per_s": rows / checks_s,
        "read_tables_rows_per_s": rows / timed(lambda: [pq.read_table(p) for p in made]),
        "read_features_tables_and_csv_rows_per_s": rows / all_read_s,
        "csv_mb": sum(p.stat().st_size for p in texts) / 1e6,
        "parquet_mb": sum(p.stat().st_size for p in made) / 1e6,
        "peak_memory_of_a_worker_mb": peak_mb,
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100_010)
    parser.add_argument("--copies", type=int, default=5, help="of each photo, to ingest")
    parser.add_argument("--only", choices=["ingest", "csv", "tables"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "ingest": lambda: measure_ingest(options.photos, root, options.copies),
            "csv": lambda: measure_csv(root),
            "tables": lambda: measure_tables(root, options.rows),
        }
        chosen = [options.only] if options.only else list(parts)
        result = {name: parts[name]() for name in chosen}
    print(json.dumps(result | {"machine": machine.facts("pyarrow", "numpy")}, indent=1))


if __name__ == "__main__":
    main()
