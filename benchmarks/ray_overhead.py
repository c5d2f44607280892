"""What Ray costs: the same photos by worker processes and by a Ray cluster of one machine.

    pip install '.[ray]'
    python benchmarks/ray_overhead.py PHOTOS [--pictures 1500] [--workers 2] [--rounds 2]

PHOTOS has a folder for each of two or more categories. Each run is the program in a process of its
own, on a new workspace. The ways take turns, and of each the fastest round is shown: on a shared
machine the others measure the neighbours. CPU time is that of all processes of a run, as last seen
of each. The start and the end of the cluster are in the time of the run as a whole, and of no stage
but the first. Memory is the peak of all processes of the run together, less what they share (PSS),
looked at every half second.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from naturalist.progress import Silent
from naturalist.running.executors import Executor, ProcessExecutor
from naturalist.running.ray_executor import RayExecutor, RayOptions

STAGES = ("ingest", "extract", "verify-features", "tables", "verify-tables")
WAYS = ("processes", "ray")
EMPTY_TASKS = 300


def take(photos: Path, count: int, target: Path) -> list[str]:
    """Copy so many photos, evenly from all categories; gives the names of the categories."""
    names = sorted(path.name for path in photos.iterdir() if path.is_dir())
    for name in names:
        found = sorted(path for path in (photos / name).rglob("*") if path.is_file())
        (target / name).mkdir(parents=True)
        for k, path in enumerate(found[: count // len(names)]):
            shutil.copyfile(path, target / name / f"{k:06d}{path.suffix}")
    return names


def configure(folder: Path, sources: Path, names: list[str], workers: int) -> None:
    """Write a configuration for shards of a hundred pictures."""
    folder.mkdir()
    lines = ['name = "overhead"', "failure_budget = 1.0"]
    for label, name in enumerate(names):
        path = json.dumps(str(sources / name))
        lines.append(f'[[category]]\nname = "{name}"\nlabel = {label}')
        lines.append(f'[[category.source]]\nname = "photos"\npath = {path}')
    lines.append("[ingest]\nfiles_per_task = 100")
    lines.append(f"[extract]\nworkers = {workers}\nshard_size = 100")
    (folder / "naturalist.toml").write_text("\n".join(lines) + "\n")


def run(folder: Path, way: str) -> dict[str, float]:
    """Run once; seconds of the whole and of each stage, and MB of memory."""
    command = [sys.executable, "-m", "naturalist", "run", "--json", "-c", str(folder)]
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, "--executor", way],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # Systems share a core among sessions, not processes, and Ray's have one of their own.
        start_new_session=True,
        env=os.environ | {"BENCHMARKED": str(folder)},
    ) as process:
        watch = Watch(str(folder))
        out, _ = process.communicate()
        took = {"whole": time.perf_counter() - start} | watch.end()
    assert process.returncode == 0, out
    stages: dict[str, Any] = json.loads(out)["stages"]
    return took | {name: stages[name]["duration_s"] for name in STAGES}


class Watch(threading.Thread):
    """Looks at all processes that have a mark in their environment: peak memory, CPU time."""

    def __init__(self, mark: str) -> None:
        super().__init__(daemon=True)
        self._mark = f"BENCHMARKED={mark}".encode()
        self._ended = threading.Event()
        self._peak_kb = 0
        self._cpu_ticks: dict[str, int] = {}
        self.start()

    def run(self) -> None:
        while not self._ended.wait(0.5):
            sizes = map(self._look, Path("/proc").glob("[0-9]*"))
            self._peak_kb = max(self._peak_kb, sum(sizes))

    def _look(self, process: Path) -> int:
        with contextlib.suppress(OSError):
            if self._mark in (process / "environ").read_bytes():
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                self._cpu_ticks[process.name] = int(fields[11]) + int(fields[12])
                for line in (process / "smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        return int(line.split()[1])
        return 0

    def end(self) -> dict[str, float]:
        self._ended.set()
        self.join()
        cpu_s = sum(self._cpu_ticks.values()) / os.sysconf("SC_CLK_TCK")
        return {"cpu": cpu_s, "memory_mb": self._peak_kb / 1024}


def per_task_ms(way: str, workers: int, folder: Path) -> float:
    """What a task costs that does nothing, when workers are there."""
    made: Executor = ProcessExecutor(workers, folder / "breadcrumbs", 60.0)
    if way == "ray":
        made = RayExecutor(RayOptions(workers=workers), folder / "breadcrumbs", 60.0, Silent())
    list(made.map(abs, range(4 * workers)))
    start = time.perf_counter()
    list(made.map(abs, range(EMPTY_TASKS)))
    took = time.perf_counter() - start
    made.close()
    return took / EMPTY_TASKS * 1000


def digest(folder: Path) -> dict[str, bytes]:
    return {p.name + p.parent.name: p.read_bytes() for p in (folder / "tables").rglob("*.csv")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    best: dict[str, dict[str, float]] = {way: {} for way in WAYS}
    with tempfile.TemporaryDirectory() as name:
        names = take(chosen.photos, chosen.pictures, Path(name) / "sources")
        tables = []
        for round_number in range(chosen.rounds):
            for way in WAYS:
                folder = Path(name) / f"{way}-{round_number}"
                configure(folder, Path(name) / "sources", names, chosen.workers)
                took = run(folder, way)
                tables.append(digest(folder))
                best[way] = {key: min(took[key], best[way].get(key, took[key])) for key in took}
        for way in WAYS:
            best[way]["task_ms"] = per_task_ms(way, chosen.workers, Path(name))
    assert all(one == tables[0] for one in tables), "the tables differ"
    report(best, chosen)


def report(best: dict[str, dict[str, float]], chosen: argparse.Namespace) -> None:
    one, other = (best[way] for way in WAYS)
    print(f"{chosen.pictures} photos, {chosen.workers} workers, best of {chosen.rounds} rounds;")
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}, Python {platform.python_version()}, ", end="")
    print(f"Ray {version('ray')}\n\n| | {' | '.join(WAYS)} | ratio |\n|---|---:|---:|---:|")
    for key in ("whole", "cpu", *STAGES):
        print(f"| {key}, s | {one[key]:.1f} | {other[key]:.1f} | {other[key] / one[key]:.2f} |")
    print(f"| an empty task, ms | {one['task_ms']:.1f} | {other['task_ms']:.1f} | "
          f"{other['task_ms'] / one['task_ms']:.1f} |")  # fmt: skip
    print(f"| memory, MB | {one['memory_mb']:.0f} | {other['memory_mb']:.0f} | "
          f"{other['memory_mb'] / one['memory_mb']:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
