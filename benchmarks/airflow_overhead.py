"""What Airflow costs: the same three days by `naturalist run` and by a real scheduler, in turns.

    make .venv-airflow/.installed
    PYTHONPATH=. .venv-airflow/bin/python benchmarks/airflow_overhead.py PHOTOS \\
        [--first 900] [--new 999] [--airflow "LINE OF [airflow]"] [--details]

PHOTOS has a folder for each of two or more categories. Of each day (everything is new; more is new;
nothing is) the seconds of the clock and of the processors are shown, and their ratio to
`naturalist run`, which did the same day just before. Airflow's processor time is what all of its
processes took while the run lasted, less what they take in the same time when nothing runs.
`--details` says where the seconds of each task went.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from tests.airflow.server import Json, Server, running, wait_until

DAG_ID = "naturalist_overhead"
IDLE_S = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """What a day took; `instances` are Airflow's."""

    wall_s: float
    cpu_s: float
    instances: list[Json]

    @property
    def tasks(self) -> int:
        return sum(one["state"] == "success" and bool(one["pid"]) for one in self.instances)


def take(photos: Path, start: int, count: int, targets: list[Path]) -> None:
    """Copy so many photos of each category, evenly, into each of the folders."""
    names = categories(photos)
    for name in names:
        found = sorted(path for path in (photos / name).rglob("*") if path.is_file())
        each = count // len(names)
        first = start // len(names)
        for target in targets:
            (target / name).mkdir(parents=True, exist_ok=True)
            for k, path in enumerate(found[first : first + each], first):
                shutil.copyfile(path, target / name / f"{k:06d}{path.suffix}")


def categories(photos: Path) -> list[str]:
    return sorted(path.name for path in photos.iterdir() if path.is_dir())


def configure(folder: Path, names: list[str], more: str) -> None:
    folder.mkdir(parents=True)
    lines = ['name = "overhead"', "failure_budget = 1.0"]
    for label, name in enumerate(names):
        lines.append(f'[[category]]\nname = "{name}"\nlabel = {label}')
        lines.append(f'[[category.source]]\nname = "photos"\npath = "../sources/{name}"')
    lines.append('[publish]\nurl = "published"')
    lines.append(f'[airflow]\nschedule = ""\nretry_delay_s = 1\n{more}')
    (folder / "naturalist.toml").write_text("\n".join(lines) + "\n")


def by_hand(folder: Path) -> Cost:
    command = [sys.executable, "-m", "naturalist", "run", "-q", "-c", str(folder)]
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after, wall_s = os.times(), time.perf_counter() - start
    used = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return Cost(wall_s, used, [])


def cpu_of(server: Server) -> float:
    """Processor seconds so far of all processes of Airflow, those that have ended included."""
    groups = {process.pid for process in server.processes}
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        parents[pid] = int(fields[1])
        used[pid] = sum(map(int, fields[11:15]))

    def belongs(pid: int) -> bool:
        while pid > 1 and pid not in groups:
            pid = parents.get(pid, 0)
        return pid in groups

    return sum(ticks for pid, ticks in used.items() if belongs(pid)) / _TICKS


def by_airflow(server: Server, run: str) -> Cost:
    before, start = cpu_of(server), time.perf_counter()
    server.trigger(DAG_ID, run)
    state = server.finish(DAG_ID, run)
    wall_s = time.perf_counter() - start
    used = cpu_of(server) - before
    instances = server.instances(DAG_ID, run)
    assert state == "success", [(one["task_id"], one["state"]) for one in instances]
    return Cost(wall_s, used, instances)


def idle_share(server: Server) -> float:
    """Processor seconds that Airflow takes in a second in which nothing runs."""
    before = cpu_of(server)
    time.sleep(IDLE_S)
    return (cpu_of(server) - before) / IDLE_S


def digest(folder: Path) -> dict[str, bytes]:
    return {p.parent.name + p.name: p.read_bytes() for p in (folder / "tables").rglob("*.csv")}


def details(cost: Cost) -> None:
    """Where the seconds went: waiting for a slot or the scheduler, and running, task by task."""
    begun = min(one["start_date"] for one in cost.instances if one["start_date"])
    at = datetime.fromisoformat(begun)
    for one in sorted(cost.instances, key=lambda one: one["end_date"] or ""):
        if one["start_date"] and one["end_date"]:
            first, last = (datetime.fromisoformat(one[key]) for key in ("start_date", "end_date"))
            print(
                f"  {(first - at).total_seconds():6.1f} {(last - first).total_seconds():6.2f} s"
                f"  {one['state']:8} {one['task_id']}[{one['map_index']}]"
            )


def days(chosen: argparse.Namespace, folder: Path) -> list[tuple[str, Cost, Cost]]:
    names = categories(chosen.photos)
    hand, air = folder / "hand" / "collection", folder / "air" / "collection"
    sources = [one.parent / "sources" for one in (hand, air)]
    more = "\n".join(chosen.airflow)
    for one in (hand, air):
        configure(one, names, more)
    home = folder / "home"
    init = [sys.executable, "-m", "naturalist", "airflow", "init", "-c", str(air)]
    subprocess.run([*init, "--home", str(home)], check=True, capture_output=True)
    scheduler = dict(pair.split("=", 1) for pair in chosen.environment)
    slots = {"AIRFLOW__CORE__PARALLELISM": str(chosen.slots)}
    found = []
    take(chosen.photos, 0, chosen.first, sources)
    with running(home, home / "dags", **slots, **scheduler) as server:
        wait_until("the DAG is there", lambda: server.has_dag(DAG_ID))
        server.unpause(DAG_ID)
        idle = idle_share(server)
        prepared: tuple[tuple[str, str, Callable[[], None]], ...] = (
            (f"{chosen.first} pictures, all new", "first", lambda: None),
            (f"{chosen.new} new pictures", "second",
             lambda: take(chosen.photos, chosen.first, chosen.new, sources)),
            ("nothing is new", "empty", lambda: None),
        )  # fmt: skip
        for title, run, prepare in prepared:
            prepare()
            mine, theirs = by_hand(hand), by_airflow(server, run)
            theirs.cpu_s -= idle * theirs.wall_s
            assert digest(hand) == digest(air), "the tables differ"
            found.append((title, mine, theirs))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--first", type=int, default=900)
    parser.add_argument("--new", type=int, default=999)
    parser.add_argument("--slots", type=int, default=3)
    parser.add_argument("--airflow", action="append", default=[], help="a line of [airflow]")
    parser.add_argument("--environment", action="append", default=[], help="AIRFLOW__X__Y=VALUE")
    parser.add_argument("--details", action="store_true")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = days(chosen, Path(name))
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}, Python {platform.python_version()}, ", end="")
    print(f"Airflow {version('apache-airflow')}\n")
    print("| | tasks | `naturalist run` | Airflow | ratio | processor s | Airflow | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for title, mine, theirs in found:
        print(f"| {title} | {theirs.tasks} | {mine.wall_s:.1f} s | {theirs.wall_s:.1f} s | "
              f"{theirs.wall_s / mine.wall_s:.1f} | {mine.cpu_s:.1f} | {theirs.cpu_s:.1f} | "
              f"{theirs.cpu_s / mine.cpu_s:.1f} |")  # fmt: skip
        if chosen.details:
            details(theirs)
    if chosen.json:
        rows = [[title, vars(mine) | vars(theirs)] for title, mine, theirs in found]
        chosen.json.write_text(json.dumps(rows, default=str))


if __name__ == "__main__":
    main()
