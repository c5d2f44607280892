"""The memory of a whole run over many pictures: a curve, and the peak of each stage.

    python benchmarks/memory.py --photos DIR [--pictures 100000] [--backbone NAME]

The photos are multiplied: each copy gets another comment, so that its bytes are its own and its
pixels are not changed. The whole run is watched: scan, extract, both verifications, tables.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections import defaultdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import machine
import processes
from naturalist.config import Config, NewCategory, load_config, write_config
from naturalist.pipeline import runner
from naturalist.pipeline.runner import RunOptions

CURVE_POINTS = 20


class Watch(processes.Sampler):
    """Progress that samples the resident memory of this process and its children."""

    def __init__(self) -> None:
        super().__init__(every_s=1.0)
        self.samples: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
        """By stage: units done, megabytes of all processes, megabytes of the largest."""
        self._stage, self._done = "start", 0

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        # Ingest goes through one batch after another: its units go on counting.
        self._done = self.samples[stage][-1][0] if self.samples[stage] else 0
        self._stage = stage

    def advance(self, amount: int) -> None:
        self._done += amount

    def end(self) -> None:
        self.look()

    def note(self, text: str) -> None:
        print(text)

    def look(self) -> None:
        """Take one sample."""
        sizes = [size / processes.MIB for size in processes.resident_bytes(os.getpid())]
        self.samples[self._stage].append((self._done, sum(sizes), max(sizes)))


def multiply(photos: Path, folder: Path, wanted: int) -> None:
    """Write `wanted` pictures of one folder per category, each with bytes of its own."""
    paths = [p for p in sorted(photos.rglob("*")) if p.suffix.lower() in (".jpg", ".jpeg")]
    for number, path in enumerate(islice(cycle(paths), wanted)):
        data = path.read_bytes()
        comment = b"%d" % number
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        category = path.relative_to(photos).parts[0]
        target = folder / category / f"{number // 10_000}" / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data[:2] + segment + data[2:])


def configure(folder: Path, pictures: Path, backbone: str) -> Config:
    categories = [
        NewCategory(path.name, label, (path.resolve(),))
        for label, path in enumerate(sorted(pictures.iterdir()))
    ]
    return load_config(write_config(folder, categories, "", "benchmark", backbone))


def summarise(watch: Watch, report: runner.RunReport) -> dict[str, Any]:
    """Peaks of the stages, and curves with as many points as can be read."""
    curves = {}
    for stage, samples in watch.samples.items():
        step = max(1, len(samples) // CURVE_POINTS)
        curves[stage] = [(done, round(all_mb), round(one)) for done, all_mb, one in samples[::step]]
    return {
        "peak_mb": {
            stage: round(max(all_mb for _, all_mb, _ in samples))
            for stage, samples in watch.samples.items()
        },
        "peak_mb_of_the_largest_process": {
            stage: round(max(one for _, _, one in samples))
            for stage, samples in watch.samples.items()
        },
        "seconds": {name: facts["duration_s"] for name, facts in report.stages.items()},
        "curves": curves,
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--backbone", default="efficientnet_lite0_int8")
    parser.add_argument("--scratch", type=Path, help="where several gigabytes are free")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        root = Path(folder)
        multiply(options.photos, root / "pictures", options.pictures)
        config = configure(root / "w", root / "pictures", options.backbone)
        start = time.perf_counter()
        with Watch() as watch:
            report = runner.run(config, watch, RunOptions(accept_failures=True))
        seconds = time.perf_counter() - start
        shutil.rmtree(root / "pictures")
    result = {"machine": machine.facts(), "pictures": options.pictures, "run_s": round(seconds, 1)}
    print(json.dumps(result | summarise(watch, report), indent=1))


if __name__ == "__main__":
    main()
