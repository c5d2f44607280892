"""Two versions of the program on the same pictures, in turn: rate and processor time of each stage.

    git worktree add ../before COMMIT
    python benchmarks/versions.py ../before --photos DIR [--pictures 100000] [--rounds 2]

DIR has one folder for each category. Each round makes a new workspace for both versions, in
alternating order, and runs `ingest` and `extract` as a person would. Other work on the machine
disturbs the seconds of both; the ratio of processor times says more then. Both versions run in the
environment of this program, whose dependencies must suffice for both.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from stages import multiply

STAGES = ("ingest", "extract")
HERE = Path(__file__).resolve().parent.parent


class Cost(NamedTuple):
    """Seconds by the clock, and of the processor over all processes of a command."""

    wall_s: float
    processor_s: float


def processor_s() -> float:
    """Processor seconds of all children that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def call(checkout: Path, *arguments: str | Path) -> Cost:
    """Run one command of a version."""
    start, used = time.perf_counter(), processor_s()
    subprocess.run(
        [sys.executable, "-m", "naturalist", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(checkout / "src")},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Cost(time.perf_counter() - start, processor_s() - used)


def measure(checkout: Path, photos: Path, workspace: Path, backbone: str) -> dict[str, Cost]:
    """Cost of each stage of one version on a new workspace, which is removed afterwards."""
    categories = [
        f"{path.name}={label}:{path}"
        for label, path in enumerate(sorted(path for path in photos.iterdir() if path.is_dir()))
    ]
    options = [word for category in categories for word in ("--category", category)]
    call(checkout, "init", workspace, *options, "--backbone", backbone)
    costs = {stage: call(checkout, stage, "-c", workspace) for stage in STAGES}
    shutil.rmtree(workspace)
    return costs


def compare(before: Path, photos: Path, scratch: Path, rounds: int, backbone: str) -> list[dict]:
    """One row for each round and version."""
    rows = []
    versions = [("before", before), ("now", HERE)]
    for number in range(rounds):
        for name, checkout in versions if number % 2 == 0 else reversed(versions):
            costs = measure(checkout, photos, scratch / "workspace", backbone)
            row = {"round": number, "version": name}
            row |= {stage: cost._asdict() for stage, cost in costs.items()}
            print(json.dumps(row), file=sys.stderr, flush=True)
            rows.append(row)
    return rows


def summary(rows: list[dict], pictures: int) -> dict:
    """Medians of each version, and now over before: below 1 is faster now."""
    result: dict = {"pictures": pictures}
    for stage in STAGES:
        for kind in Cost._fields:
            by_version = {
                version: statistics.median(
                    row[stage][kind] for row in rows if row["version"] == version
                )
                for version in ("before", "now")
            }
            result[f"{stage}_{kind}"] = {
                **by_version,
                "ratio": by_version["now"] / by_version["before"],
            }
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("before", type=Path, help="checkout of the other version")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--backbone", default="efficientnet_lite0_int8")
    options = parser.parse_args()
    photos = options.photos.resolve()
    there = sum(path.is_file() for path in photos.rglob("*"))
    with tempfile.TemporaryDirectory(prefix="versions-") as folder:
        copies = -(-options.pictures // there)
        many = multiply(photos, Path(folder) / "copies", copies)
        rows = compare(
            options.before.resolve(), many, Path(folder), options.rounds, options.backbone
        )
    print(json.dumps(summary(rows, there * copies), indent=1))


if __name__ == "__main__":
    main()
