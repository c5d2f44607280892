"""Extraction against its own ceiling: decoding alone and the network alone, on the same pictures.

    python benchmarks/extract.py --photos DIR [--backbone NAME] [--rounds 3] [--copies 5] [--peers]

DIR has one folder for each category. All rates are for all cores at once: every part runs in as
many processes as the pipeline uses. The ceiling is what decoding and the network would reach if
nothing else cost time: 1 / (1/decode + 1/network). Rounds are interleaved and the median is
reported, because other work on the machine disturbs each part alike; where it disturbs them
unlike, the ratio of processor times says more. `--peers` also runs what others use on the same
pictures (see peers.py). `--copies` takes every picture several times, each with bytes of its own:
the longer a run, the less the start of its workers counts.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import machine
import processes
from naturalist import backbones
from naturalist.config import Config, NewCategory, load_config, write_config
from naturalist.errors import PictureError
from naturalist.images import PictureLimits
from naturalist.pipeline import runner, steps
from naturalist.progress import Silent
from naturalist.running.executors import worker_count
from naturalist.stages import extract
from stages import multiply

NETWORK_PICTURES = 1000


class Cost(NamedTuple):
    """Pictures, and the seconds and the processor's seconds that they took."""

    pictures: int
    wall_s: float
    processor_s: float


class Stopwatch:
    """Both kinds of seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def cost(self, pictures: int) -> Cost:
        wall, processor = time.perf_counter(), time.process_time()
        return Cost(pictures, wall - self._wall, processor - self._processor)


def decode_all(arguments: tuple[list[Path], str]) -> Cost:
    """Read and decode pictures as the pipeline does."""
    paths, backbone = arguments
    spec, limits = backbones.describe(backbone), PictureLimits()
    watch = Stopwatch()
    for path in paths:
        try:
            extract.decode_for(spec, path.read_bytes(), limits)
        except PictureError:
            continue
    return watch.cost(len(paths))


def network_all(arguments: tuple[int, str, int]) -> Cost:
    """Put prepared pictures through the network."""
    count, backbone, batch = arguments
    network = backbones.load(backbone)
    side = network.spec.side
    pictures = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)
    network.features(pictures)
    watch = Stopwatch()
    for _ in range(0, count, batch):
        network.features(pictures)
    return watch.cost(-(-count // batch) * batch)


def rates(pool: Any, work: Callable[[Any], Cost], shares: list[Any]) -> tuple[float, float]:
    """Pictures a second of all processes together, and processor seconds of one picture."""
    costs = pool.map(work, shares, chunksize=1)
    processor_s = sum(c.processor_s for c in costs) / sum(c.pictures for c in costs)
    return sum(c.pictures / c.wall_s for c in costs), processor_s


class PeakMemory(processes.Sampler):
    """Samples the resident memory of this process and its children."""

    def __init__(self) -> None:
        super().__init__()
        self.total_bytes = self.process_bytes = 0
        self.processor_s = 0.0
        """What the sampling itself took."""

    def look(self) -> None:
        """Take one sample."""
        sizes = processes.resident_bytes(os.getpid())
        self.total_bytes = max(self.total_bytes, sum(sizes))
        self.process_bytes = max(self.process_bytes, *sizes)
        self.processor_s = time.thread_time()


def end_to_end(config: Config) -> tuple[float, float, float, PeakMemory]:
    """Rates of the extract stage on a workspace whose pictures are ingested.

    Returns:
        Pictures a second with the start of the workers counted, the same from the receipts
        (workers running), processor seconds of one picture (everything counted), and the memory.
    """
    shutil.rmtree(config.layout.root / "features", ignore_errors=True)
    shutil.rmtree(config.layout.root / "previews", ignore_errors=True)
    before = _processor_s()
    with PeakMemory() as memory, runner.opened(config, Silent()) as job:
        start = time.perf_counter()
        result = steps.extract_features(job)
        seconds = time.perf_counter() - start
    processor_s = (_processor_s() - before - memory.processor_s) / result.pictures
    steady = _steady_rate(config, result.pictures)
    return result.pictures / seconds, steady, processor_s, memory


def _processor_s() -> float:
    """Of this process and of its children that have ended, as the workers have."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


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
        steps.ingest(job)
    roots = [config.layout.image_root(name) for name in config.images.roots]
    return config, sorted(p for root in roots for p in root.rglob("*_id_*") if p.is_file())


def measure(config: Config, paths: list[Path], rounds: int) -> dict[str, Any]:
    """Run the parts in turn, `rounds` times, and take medians."""
    workers = worker_count(config.extract.workers)
    backbone = config.extract.backbone
    decode_shares = [(paths[i::workers], backbone) for i in range(workers)]
    network_shares = [(NETWORK_PICTURES, backbone, config.extract.network_batch)] * workers
    backbones.load(backbone)
    found: dict[str, list[float]] = defaultdict(list)
    memory = PeakMemory()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for _ in range(rounds):
            decode, decode_s = rates(pool, decode_all, decode_shares)
            network, network_s = rates(pool, network_all, network_shares)
            whole, steady, whole_s, seen = end_to_end(config)
            one = {"decode": decode, "network": network, "whole": whole, "steady": steady}
            one["processor_ms"] = 1e3 * whole_s
            one["processor_ratio"] = (decode_s + network_s) / whole_s
            for name, value in one.items():
                found[name].append(value)
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
        **machine.facts("onnxruntime", "numpy"),
        "workers": workers,
        "backbone": backbones.describe(backbone).id,
        "pictures": pictures,
        "decode_per_s": statistics.median(found["decode"]),
        "network_per_s": statistics.median(found["network"]),
        "ceiling_per_s": statistics.median(ceilings),
        "end_to_end_per_s": statistics.median(found["whole"]),
        "end_to_end_without_start_per_s": statistics.median(found["steady"]),
        "ratio_to_ceiling": ratios["whole"],
        "ratio_to_ceiling_without_start": ratios["steady"],
        "ratio_of_processor_time": statistics.median(found["processor_ratio"]),
        "processor_ms": statistics.median(found["processor_ms"]),
        "peak_memory_mb": memory.total_bytes / 2**20,
        "peak_memory_of_one_process_mb": memory.process_bytes / 2**20,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--backbone", default="efficientnet_lite0", choices=backbones.names())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peers", action="store_true", help="also run what others use")
    options = parser.parse_args()
    if options.peers:
        import peers

        print(
            json.dumps(peers.compare(options.photos, [options.backbone], options.rounds), indent=1)
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        photos = options.photos
        if options.copies > 1:
            photos = multiply(photos, Path(folder) / "copies", options.copies)
        config, paths = prepare(photos, Path(folder) / "w", options.backbone)
        result = measure(config, paths, options.rounds)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name, value in result.items():
        shown = f"{value:,.2f}" if isinstance(value, float) else value
        print(f"{name:34} {shown}")


if __name__ == "__main__":
    main()
