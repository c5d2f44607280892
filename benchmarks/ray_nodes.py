"""Every stage and study on 2, 4 and 8 Ray nodes, against one process for each core without Ray.

    make test-ray ARGS=--co                      # makes the environment
    .venv-ray/bin/python tools/on_loopback.py .venv-ray/bin/python benchmarks/ray_nodes.py PHOTOS
        [--pictures 1500] [--nodes 2 4 8]

PHOTOS has a folder for each of two or more categories. The nodes are raylets of one CPU each on
this machine, which talk over a loopback of their own. All ways do the same work on a new workspace,
and their tables must have the same bytes. Workers are started, and have loaded the network, before
the first stage; what that takes, raylets and all, is a line of its own.

Efficiency is processor time without Ray by processor time with it, of all processes: those of Ray
too, also what they use while they wait. It does not depend on how many cores there are, and little
on what else the machine does. Studies are shared out however small they are, which the program
does not do: they cost more here than anywhere else.
"""

import argparse
import contextlib
import hashlib
import importlib
import os
import platform
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from naturalist.config import Config, load_config
from naturalist.features import blocks
from naturalist.pipeline import publishing, runner, steps, studies
from naturalist.pipeline.steps import Job
from naturalist.progress import Silent
from naturalist.running import ray_connection, workspace
from naturalist.running.executors import Executor, ProcessExecutor, worker_count
from naturalist.running.ray_executor import RayExecutor, RayOptions
from naturalist.stages import extract
from naturalist.stores import open_store
from naturalist.studies.maps.methods import drawing
from ray_overhead import configure, take

START = "start of nodes and workers"
IDLE = "ten seconds of waiting"
IDLE_S = 10.0
STUDIES = ("duplicates", "index", "clusters", "map")
TIMEOUT_S = 60.0
_WARM_S = 2.0
_LOOKS_S = 0.1

T = TypeVar("T")
R = TypeVar("R")
Stages = dict[str, Callable[[Job], object]]


class ProcessorTime(threading.Thread):
    """Processor seconds of all processes that can be seen here, also of those that have ended."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ticks: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        self.start()

    def run(self) -> None:
        while True:
            self._look()
            time.sleep(_LOOKS_S)

    def _look(self) -> None:
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = path.read_text().rpartition(")")[2].split()
                with self._lock:
                    self._ticks[path.parent.name, fields[19]] = int(fields[11]) + int(fields[12])

    def total_s(self) -> float:
        self._look()
        with self._lock:
            return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")


def warm(backbone: str) -> None:
    """Be long enough at it that every worker gets one; each then has what stages need."""
    importlib.import_module("naturalist.pipeline.studies")

    extract.opened(backbone)
    time.sleep(_WARM_S)


class Counting:
    """Passes tasks on, and counts which node did how many."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.tasks: Counter[str] = Counter()

    @property
    def latest_node(self) -> str:
        return self._executor.latest_node

    def map(self, run: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        for done in self._executor.map(run, tasks):
            self.tasks[self.latest_node] += 1
            yield done

    def close(self) -> None:
        self._executor.close()


def stages() -> Stages:
    """What is measured, in the order of a run."""
    return {
        "ingest": steps.ingest,
        "extract": steps.extract_features,
        "verify features": verify_features,
        "tables": steps.write_tables,
        "verify tables": verify_tables,
        "near duplicates": studies.STEPS["duplicates"],
        "index": studies.STEPS["index"],
        "clusters": studies.STEPS["clusters"],
        "map": studies.STEPS["map"],
        "pack and send pictures": send_pictures,
        "publish the rest": runner.publish,
    }


def verify_features(job: Job) -> None:
    runner.report_verification(job, steps.verify_features(job), None)


def verify_tables(job: Job) -> None:
    features = steps.verify_features(job)
    runner.report_verification(job, features, steps.verify_tables(job))


def send_pictures(job: Job) -> None:
    store = open_store(job.config.publish_url, job.config.s3_options)
    publishing.send_pictures(job, store)


def collection(folder: Path, sources: Path, names: list[str]) -> Config:
    """Tables of a hundred rows and a map of which most is placed, so that all is shared out."""
    configure(folder, sources, names, worker_count(0))
    with (folder / "naturalist.toml").open("a") as file:
        file.write("[tables]\nrows_per_table = 101\n[map]\ndims = [2]\n")
        file.write('[publish]\nurl = "published"\npictures = "tars"\n')
    return load_config(folder)


def share_out_everything() -> None:
    blocks.FEWEST = 1
    drawing.PLACED_AT_ONCE = 200
    made = studies.one_map

    def of_few(*arguments: Any, **more: Any) -> Any:
        study = made(*arguments, **more)
        return replace(study, how=replace(study.how, sample=500))

    studies.one_map = of_few


class Way:
    """One way to do the work: processor seconds and tasks of each stage."""

    def __init__(self, config: Config, executor: Executor, workers: int, start_s: float) -> None:
        self.config, self._executor = config, Counting(executor)
        self._workers = workers
        self.took_s = {START: start_s}
        self.tasks: dict[str, Counter[str]] = {}

    def work(self, clock: ProcessorTime) -> None:
        with contextlib.closing(self._executor), workspace.writing(self.config):
            job = Job(self.config, self._executor, Silent())
            self._measure(clock, START, self._warm)
            for name, stage in stages().items():
                self._measure(clock, name, lambda stage=stage: stage(job))
            self._measure(clock, IDLE, lambda: time.sleep(IDLE_S))

    def _warm(self) -> None:
        backbone = self.config.extract.backbone
        ray_nodes = importlib.import_module("ray_nodes")
        for _ in self._executor.map(ray_nodes.warm, [backbone] * self._workers):
            pass

    def _measure(self, clock: ProcessorTime, name: str, work: Callable[[], object]) -> None:
        before_s, self._executor.tasks = clock.total_s(), Counter()
        work()
        self.took_s[name] = self.took_s.get(name, 0.0) + clock.total_s() - before_s
        self.tasks[name] = self._executor.tasks


def by_processes(config: Config, clock: ProcessorTime) -> Way:
    workers = worker_count(0)
    executor = ProcessExecutor(workers, config.layout.breadcrumbs, TIMEOUT_S)
    way = Way(config, executor, workers, 0.0)
    way.work(clock)
    return way


def by_nodes(config: Config, nodes: int, clock: ProcessorTime, folder: Path) -> Way:
    """A cluster of its own, which ends with the work."""
    before_s = clock.total_s()
    with cluster(folder, nodes) as address:
        start_s = clock.total_s() - before_s
        executor = RayExecutor(RayOptions(address), config.layout.breadcrumbs, TIMEOUT_S, Silent())
        way = Way(config, executor, nodes, start_s)
        way.work(clock)
    return way


@contextlib.contextmanager
def cluster(folder: Path, nodes: int) -> Iterator[str]:
    """Raylets of a CPU each, and this process connected to them; as the tests have them."""
    tests = importlib.import_module("ray_cluster")
    os.environ.update(tests.SETTINGS)
    made = tests.Cluster(folder / "ray")
    with made.running("node-1", 1), ray_connection.connected(made.address, 1):
        for k in range(2, nodes + 1):
            made.add(f"node-{k}", 1)
            made.wait_for(f"node-{k}")
        yield made.address


def tables_of(config: Config) -> dict[str, str]:
    found = sorted(path for path in config.layout.tables.rglob("*.*") if path.suffix != ".json")
    return {
        str(path.relative_to(config.layout.tables)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 4, 8])
    chosen = parser.parse_args()
    share_out_everything()
    clock, ways, loads = ProcessorTime(), {}, {}
    # Names of sockets are short.
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as name:
        root = Path(name)
        names = take(chosen.photos, chosen.pictures, root / "sources")
        # What this process itself compiles and loads is in no way's time.
        by_processes(collection(root / "first", root / "sources", names), clock)
        for nodes in [0, *chosen.nodes]:
            config = collection(root / f"on-{nodes}", root / "sources", names)
            if nodes:
                ways[nodes] = by_nodes(config, nodes, clock, root / f"c{nodes}")
            else:
                ways[nodes] = by_processes(config, clock)
            loads[nodes] = os.getloadavg()[0]
            print(f"{nodes} nodes done, load {loads[nodes]:.1f}", file=sys.stderr)
        expected = tables_of(ways[0].config)
        assert expected
        assert all(tables_of(way.config) == expected for way in ways.values()), "tables differ"
    report(ways, loads, chosen.pictures)


def report(ways: dict[int, Way], loads: dict[int, float], pictures: int) -> None:
    alone = ways.pop(0)
    print(f"{pictures} photos; {os.cpu_count()} cores, load at the end of each way ", end="")
    print(", ".join(f"{load:.1f}" for load in loads.values()), end="; ")
    print(f"Python {platform.python_version()}, Ray {version('ray')}; tables are equal.\n")
    heads = [f"{n} nodes, s | efficiency | tasks of a node" for n in ways]
    print(f"| | no Ray, s | {' | '.join(heads)} |")
    print("|---|---:|" + "---:|---:|---:|" * len(ways))
    for name, own_s in alone.took_s.items():
        cells = [f"{w.took_s[name]:.1f} | {own_s / w.took_s[name]:.2f} | {spread(w.tasks[name])}"
                 for w in ways.values()]  # fmt: skip
        print(f"| {name} | {own_s:.1f} | {' | '.join(cells)} |")
    for what, left_out in (("all stages", {START, IDLE}), ("all, with the start", {IDLE})):
        own, *others = (
            sum(s for name, s in way.took_s.items() if name not in left_out)
            for way in (alone, *ways.values())
        )
        cells = [f"{s:.1f} | {own / s:.2f} | " for s in others]
        print(f"| {what} | {own:.1f} | {' | '.join(cells)} |")


def spread(tasks: Counter[str]) -> str:
    """Least to most tasks of a node."""
    if not tasks:
        return "none"
    least, most = min(tasks.values()), max(tasks.values())
    return f"{least}" if least == most else f"{least} to {most}"


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    found = [str(here), str(here.parent), str(here.parent / "tests")]
    sys.path += found
    os.environ["PYTHONPATH"] = os.pathsep.join([*found, os.environ.get("PYTHONPATH", "")])
    main()
