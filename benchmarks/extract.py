"""Extraction against its own ceiling: decoding alone and the network alone, on the same pictures.

    python benchmarks/extract.py --photos DIR [--backbone NAME] [--rounds 3]

DIR has one folder for each category. All rates are for all cores at once: every part runs in as
many processes as the pipeline uses. The ceiling is what decoding and the network would reach if
nothing else cost time: 1 / (1/decode + 1/network). Rounds are interleaved and the median is
reported, because other work on the machine disturbs each part alike.
"""

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

from naturalist import backbones, extract
from naturalist.config import Config, NewCategory, load_config, write_config
from naturalist.errors import PictureError
from naturalist.images import PictureLimits
from naturalist.pipeline import runner, stages
from naturalist.pipeline.executors import worker_count
from naturalist.pipeline.progress import Silent

NETWORK_PICTURES = 1000


def decode_all(arguments: tuple[list[Path], str]) -> tuple[int, float]:
    """Read and decode pictures as the pipeline does; returns their number and the seconds."""
    paths, backbone = arguments
    spec, limits = backbones.describe(backbone), PictureLimits()
    start = time.perf_counter()
    for path in paths:
        try:
            extract.decode_for(spec, path.read_bytes(), limits)
        except PictureError:
            continue
    return len(paths), time.perf_counter() - start


def network_all(arguments: tuple[int, str, int]) -> tuple[int, float]:
    """Put prepared pictures through the network; returns their number and the seconds."""
    count, backbone, batch = arguments
    network = backbones.load(backbone)
    side = network.spec.side
    pictures = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)
    network.features(pictures)
    start = time.perf_counter()
    for _ in range(0, count, batch):
        network.features(pictures)
    return -(-count // batch) * batch, time.perf_counter() - start


def rate(pool: Any, work: Callable[[Any], tuple[int, float]], shares: list[Any]) -> float:
    """Pictures a second of all processes together."""
    return float(sum(n / s for n, s in pool.map(work, shares, chunksize=1)))


class PeakMemory:
    """Samples the resident memory of this process and its children."""

    def __init__(self) -> None:
        self.total_bytes = self.process_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.5):
            sizes = [_resident(p) for p in (me, *me.children(recursive=True))]
            self.total_bytes = max(self.total_bytes, sum(sizes))
            self.process_bytes = max(self.process_bytes, *sizes)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def end_to_end(config: Config) -> tuple[float, float, PeakMemory]:
    """Rates of the extract stage on a workspace whose pictures are ingested.

    Returns:
        Pictures a second with the start of the workers counted, the same from the receipts
        (workers running), and the memory.
    """
    shutil.rmtree(config.layout.root / "features", ignore_errors=True)
    shutil.rmtree(config.layout.root / "previews", ignore_errors=True)
    with PeakMemory() as memory, runner.opened(config, Silent()) as job:
        start = time.perf_counter()
        result = stages.extract_features(job)
        seconds = time.perf_counter() - start
    return result.pictures / seconds, _steady_rate(config, result.pictures), memory


def _steady_rate(config: Config, pictures: int) -> float:
    receipts = (config.layout.root / "features").rglob("*.json")
    busy_s = sum(json.loads(path.read_text())["duration_s"] for path in receipts)
    return pictures / busy_s * worker_count(config.extract.workers)


def prepare(photos: Path, folder: Path, backbone: str) -> tuple[Config, list[Path]]:
    """Make a workspace of the photos and ingest them."""
    categories = [
        NewCategory(path.name, label, (path.resolve(),))
        for label, path in enumerate(sorted(p for p in photos.iterdir() if p.is_dir()))
    ]
    path = write_config(folder, categories, "", "benchmark", backbone)
    path.write_text(path.read_text().replace("shard_size = 1000", "shard_size = 250"))
    config = load_config(path)
    with runner.opened(config, Silent()) as job:
        stages.ingest(job)
    roots = [config.layout.image_root(name) for name in config.images.roots]
    return config, sorted(p for root in roots for p in root.rglob("*_id_*") if p.is_file())


def measure(config: Config, paths: list[Path], rounds: int) -> dict[str, Any]:
    """Run the parts in turn, `rounds` times, and take medians."""
    workers = worker_count(config.extract.workers)
    backbone = config.extract.backbone
    decode_shares = [(paths[i::workers], backbone) for i in range(workers)]
    network_shares = [(NETWORK_PICTURES, backbone, config.extract.network_batch)] * workers
    backbones.load(backbone)
    found: dict[str, list[float]] = {k: [] for k in ("decode", "network", "whole", "steady")}
    memory = PeakMemory()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for _ in range(rounds):
            found["decode"].append(rate(pool, decode_all, decode_shares))
            found["network"].append(rate(pool, network_all, network_shares))
            whole, steady, seen = end_to_end(config)
            found["whole"].append(whole)
            found["steady"].append(steady)
            memory = max(memory, seen, key=lambda m: m.total_bytes)
    return summarise(found, memory, workers, len(paths), backbone)


def summarise(
    found: dict[str, list[float]], memory: PeakMemory, workers: int, pictures: int, backbone: str
) -> dict[str, Any]:
    """Medians, the ceiling, and ratios of the same round."""
    ceilings = [1 / (1 / d + 1 / n) for d, n in zip(found["decode"], found["network"], strict=True)]
    ratios = {
        name: statistics.median(r / c for r, c in zip(found[name], ceilings, strict=True))
        for name in ("whole", "steady")
    }
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {workers} workers",
        "backbone": backbones.describe(backbone).id,
        "pictures": pictures,
        "decode_per_s": statistics.median(found["decode"]),
        "network_per_s": statistics.median(found["network"]),
        "ceiling_per_s": statistics.median(ceilings),
        "end_to_end_per_s": statistics.median(found["whole"]),
        "end_to_end_without_start_per_s": statistics.median(found["steady"]),
        "ratio_to_ceiling": ratios["whole"],
        "ratio_to_ceiling_without_start": ratios["steady"],
        "peak_memory_mb": memory.total_bytes / 2**20,
        "peak_memory_of_one_process_mb": memory.process_bytes / 2**20,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--backbone", default="efficientnet_lite0", choices=backbones.names())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config, paths = prepare(options.photos, Path(folder) / "w", options.backbone)
        result = measure(config, paths, options.rounds)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name, value in result.items():
        shown = f"{value:,.2f}" if isinstance(value, float) else value
        print(f"{name:34} {shown}")


if __name__ == "__main__":
    main()
