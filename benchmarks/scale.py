"""What each stage costs in time, memory and bytes, against the number of pictures.

    python benchmarks/scale.py --rows 1e4 1e5 1e6 --planned 1e7 --folder /tmp/scale

Workspaces of `--rows` pictures have all their rows; of `--planned` pictures, a ledger and receipts,
with one features part and one table standing for all and no files in their sources, so that only
what plans and looks up is measured. Every measurement is a process of its own. CPU seconds count
all its processes; on a machine that others use they say more than seconds. Memory is that of the
largest process. What was measured is kept as JSON, so that a stopped benchmark goes on.
"""

import argparse
import functools
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import machine
import synthetic
from naturalist.config import Config, load_config
from naturalist.ledger import KnownFiles, LazilyKnownFiles
from naturalist.pipeline import runner, status, steps, studies
from naturalist.progress import Silent
from naturalist.schemas import FINDINGS
from naturalist.stages.ingest import batches, folder_states
from naturalist.stages.ingest.listing import list_new

TARGET = 10**8
NEW = 1_000
Facts = dict[str, Any]


# what is measured; each in a process of its own


def make(folder: Path, rows: int) -> None:
    """A workspace that has all its rows."""
    synthetic.make(synthetic.Synthetic(folder, rows))


def make_planned(folder: Path, rows: int) -> None:
    """A workspace to plan from and look up in."""
    synthetic.make(synthetic.Synthetic(folder, rows, sources=False, shared=True))


def _stage(stage: Callable[[steps.Job], object], config: Config) -> None:
    with runner.opened(config, Silent()) as job:
        stage(job)


def run(config: Config) -> None:
    """A run, as the command does it: with the counts at its end."""
    runner.run(config, Silent(), runner.RunOptions())
    status.collection_status(config)


def run_with_new(config: Config) -> None:
    """A run that finds new pictures in one source."""
    run(config)


def _list(config: Config, *, known: str) -> None:
    for source in config.sources:
        layout, category = config.layout, source.category
        if known == "each":
            entries = list(list_new(source, KnownFiles.load(layout, category)))
        else:
            trust = known == "trust"
            states = folder_states.load(layout, category, source.name, trust=trust)
            entries = list(list_new(source, LazilyKnownFiles(layout, category), states))
            batch = folder_states.last_batch(layout, category)
            folder_states.save(layout, category, source.name, states, batch)
        assert not entries


def bare_listing(config: Config) -> None:
    """The system's listing and `stat`, and nothing else."""
    waiting: list[str | os.DirEntry[str]] = [str(source.path) for source in config.sources]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry)


def look_up_bytes(config: Config) -> None:
    """What the ledger knows of 1,000 new files, half of which have bytes that it has."""
    table = pa.Table.from_pylist([_finding(k) for k in range(NEW)], FINDINGS)
    found = batches._prior(config.layout, batches._asked([("plant", table)]), ())
    assert len(found.by_sha256) == NEW // 2


def _finding(k: int) -> Facts:
    category = "plant" if k % 2 else "nothing"
    facts = dict.fromkeys(FINDINGS.names)
    return facts | {
        "source": "plant", "path": b"new/%d.jpg" % k, "occurrence": 0, "kind": "picture",
        "size_bytes": 5, "mtime_ns": 1, "sha256": synthetic.sha256_of(category, k + 1),
        "format": "jpeg", "width": 1, "height": 1, "seen_key": b"%016d" % k, "staged": False,
    }  # fmt: skip


def sorted_keys(config: Config) -> None:
    """The way not taken: all hashes in one sorted file, made once (not counted) and searched."""
    keys = np.load(_key_file(config), mmap_mode="r")
    asked = np.frombuffer(b"".join(_finding(k)["sha256"][:8] for k in range(NEW)), ">u8")
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    assert int((keys[at] == asked).sum()) == NEW // 2


def make_sorted_keys(config: Config) -> None:
    """Make that file."""
    hashes = [
        np.frombuffer(synthetic.sha256_of(category, number)[:8], ">u8")
        for category, (first, count) in synthetic.ranges(_rows(config)).items()
        for number in range(first, first + count)
    ]
    np.save(_key_file(config), np.sort(np.concatenate(hashes)).astype("<u8"))


def _key_file(config: Config) -> Path:
    return config.layout.root.parent / "keys.npy"


def _rows(config: Config) -> int:
    counted = status.collection_status(config)["categories"].values()
    return sum(int(one["accepted"]) for one in counted)


def _duplicates(config: Config) -> None:
    studies.study(config, Silent(), studies.duplicates)


ON_ROWS: dict[str, Callable[[Config], None]] = {
    "verify features": functools.partial(_stage, steps.verify_features),
    "tables": functools.partial(_stage, steps.write_tables),
    "verify tables": functools.partial(_stage, steps.verify_tables),
    "near duplicates, all": _duplicates,
}
PLANNING: dict[str, Callable[[Config], None]] = {
    "listing alone (os.scandir, stat)": bare_listing,
    "listing, each file looked up": functools.partial(_list, known="each"),
    "listing, folders compared": functools.partial(_list, known="look"),
    "listing, folders trusted": functools.partial(_list, known="trust"),
    "run, nothing new": run,
    "status": lambda config: print(len(status.collection_status(config)), file=sys.stderr),
    "exact duplicates of 1,000 new": look_up_bytes,
}
AFTER_NEW: dict[str, Callable[[Config], None]] = {
    "run, 1,000 new": run_with_new,
    "near duplicates, 1,000 new": _duplicates,
}
MADE_ONCE: dict[str, Callable[[Config], None]] = {"sorted keys": make_sorted_keys}
COMPARED: dict[str, Callable[[Config], None]] = {"exact duplicates by sorted keys": sorted_keys}
ALL = ON_ROWS | PLANNING | MADE_ONCE | COMPARED | AFTER_NEW


# measuring


def measured_here(name: str, folder: Path) -> Facts:
    """Do one thing in this process and tell what it cost."""
    config = load_config(folder / "collection")
    start, before = time.perf_counter(), _cpu_s()
    ALL[name](config)
    seconds, cpu_s = time.perf_counter() - start, _cpu_s() - before
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(one).ru_maxrss for one in who)
    return {"seconds": seconds, "cpu_s": cpu_s, "memory_mb": peak / 1e3}


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def in_a_process(*arguments: str) -> str:
    """Call this program for one thing."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def measure(folder: Path, found: Facts, keep: Callable[[], None]) -> None:
    """All costs at one number of rows; what `found` has already is not measured again."""
    rows, planned = found["rows"], found["planned"]
    place = folder / f"{rows}{'-planned' if planned else ''}"
    if not (place / "made").exists():
        shutil.rmtree(place, ignore_errors=True)
        print(f"{rows:>12,}  make", file=sys.stderr, flush=True)
        in_a_process("make-planned" if planned else "make", str(place), str(rows))
        (place / "made").touch()
    for name in ALL:
        needs_files = name in ON_ROWS | AFTER_NEW or name.startswith("listing")
        if name in found["stages"] or (planned and needs_files):
            continue
        if name == "run, 1,000 new":
            synthetic.add_pictures(place / "sources" / "plant" / "new", NEW, rows)
        # What is written down once (folders, findings over all) is no part of the cost.
        for _ in range(2 if name in ("run, nothing new", "listing, folders compared") else 1):
            print(f"{rows:>12,}  {name}", file=sys.stderr, flush=True)
            found["stages"][name] = json.loads(in_a_process("one", name, str(place)))
        found["load"] = os.getloadavg()
        if name == "status":
            found["bytes"] = bytes_of(place / "collection", rows)
        keep()
    shutil.rmtree(place)


def bytes_of(root: Path, rows: int) -> dict[str, float]:
    """Bytes of each kind of file for each row."""
    kinds: dict[str, int] = {}
    for path in root.rglob("*"):
        if path.is_file():
            top = path.relative_to(root).parts[0]
            kind = f"{top}, receipts" if path.suffix == ".json" else f"{top}, {path.suffix[1:]}"
            kinds[kind] = kinds.get(kind, 0) + path.stat().st_size
    return {kind: round(size / rows, 2) for kind, size in sorted(kinds.items())}


# what follows from it


def exponent(points: list[tuple[int, float]]) -> float:
    """How a cost grows: the slope between the two largest numbers of rows, on log-log paper."""
    (fewer, less), (more, much) = sorted(points)[-2:]
    return math.log(max(much, 1e-9) / max(less, 1e-9)) / math.log(more / fewer)


def table(results: list[Facts]) -> str:
    """Markdown: a row for each stage; CPU seconds, seconds of the clock, memory."""
    rows = sorted({(r["rows"], r["planned"]) for r in results})
    head = "| stage | " + " | ".join(f"{n:,}" for n, _ in rows)
    lines = [f"{head} | exponent | at 100 million |", "|---|" + "---:|" * (len(rows) + 2)]
    for name in ALL:
        cells, points, memory = [], [], []
        if name in MADE_ONCE:
            continue
        for key in rows:
            result = next(r for r in results if (r["rows"], r["planned"]) == key)
            cost = result["stages"].get(name)
            cells.append(_cell(cost) if cost else "")
            if cost:
                points.append((key[0], cost["cpu_s"]))
                memory.append((key[0], cost["memory_mb"]))
        if len(points) < 2:
            continue
        grows = exponent(points)
        largest, seconds = max(points)
        projected = seconds * (TARGET / largest) ** max(grows, 1.0)
        lines.append(
            f"| {name} | {' | '.join(cells)} | {grows:.2f}, memory {exponent(memory):.2f} "
            f"| {_time(projected)} |"
        )
    return "\n".join(lines)


def _cell(cost: Facts) -> str:
    return f"{cost['cpu_s']:.1f} s ({cost['seconds']:.1f}), {cost['memory_mb']:.0f} MB"


def _time(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def bytes_table(results: list[Facts]) -> str:
    """Markdown: bytes for each row of the largest workspace that has all its rows."""
    whole = [r for r in results if not r["planned"]]
    if not whole:
        return "only planned workspaces: no bytes to tell"
    largest = max(whole, key=lambda r: r["rows"])
    lines = ["| files | bytes a picture | at 100 million |", "|---|---:|---:|"]
    for kind, size in largest["bytes"].items():
        if size >= 0.01:
            lines.append(f"| {kind} | {size:,.2f} | {size * TARGET / 1e9:,.1f} GB |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print tables as Markdown, and write all numbers as JSON if asked."""
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measured_here(sys.argv[2], Path(sys.argv[3]))))
        return
    if sys.argv[1:2] in (["make"], ["make-planned"]):
        maker = make if sys.argv[1] == "make" else make_planned
        maker(Path(sys.argv[2]), int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=float, nargs="*", default=[1e4, 1e5])
    parser.add_argument("--planned", type=float, nargs="*", default=[])
    parser.add_argument("--folder", type=Path, required=True, help="a drive with room")
    parser.add_argument(
        "--json", type=Path, default=Path("scale.json"), help="all numbers; what it has is kept"
    )
    asked = parser.parse_args()
    results = json.loads(asked.json.read_text()) if asked.json.exists() else []

    def keep() -> None:
        asked.json.write_text(json.dumps(results, indent=1))

    wanted = [(int(n), False) for n in asked.rows] + [(int(n), True) for n in asked.planned]
    for rows, planned in wanted:
        mine = [r for r in results if (r["rows"], r["planned"]) == (rows, planned)]
        if not mine:
            mine = [{"rows": rows, "planned": planned, "stages": {}}]
            results += mine
        measure(asked.folder, mine[0], keep)
    print(machine.line("duckdb", "pyarrow", "numpy"), "\n", sep="")
    print(table(results), "\n\n", bytes_table(results), sep="")


if __name__ == "__main__":
    main()
