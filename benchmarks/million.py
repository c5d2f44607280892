"""The whole job at the size that naturalist was made for: 1,010,408 pictures, by its own commands.

    python benchmarks/million.py FOLDER --photos DIR [--photos DIR] [--share 1.0] [--only STEP]
    python benchmarks/million.py FOLDER --table
    python benchmarks/million.py benchmarks/million-results.jsonl --table

Makes the collection (million_pictures.py), then runs every command that a person would run, from
`init` to a day with 1,000 new pictures, a takedown and a renamed category, with a real S3 server,
the dashboard under load and one `kill -9` in each long stage. A step that has ended is not run
again, so that hours can be spread over several sittings: results are lines of FOLDER/results.jsonl.
`--table` prints them as Markdown. `--share 0.01` tries all of it in minutes. `--only one:`, after
`--only bucket`, takes the same pictures from folders to tables on the server in one `run`.

Memory is the sum of what all processes of a command hold for themselves (USS, every half second),
and beside it the resident memory with pages of mapped files, which the system can take back.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dashboard_load
import machine
import million_pictures
from processes import MIB, PROGRAM, Memory, ended_processor_s

S3_SERVER = Path(__file__).resolve().parent.parent / "tools" / "s3_server.py"
BUCKET = "million"
STOP_WITHIN_S = 30.0
_REQUESTS = re.compile(
    r'SeaweedFS_s3_request_total\{.*type="(?P<kind>\w+)".*\} (?P<count>[\d.e+]+)'
)
DAY_PICTURES = 999
CLIENTS, LOAD_S = 20, 30.0
COLUMNS = (
    "step", "load", "first attempt", "s", "processor s", "MB of its own", "MB resident",
    "MB of disk", "requests to S3",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One command: its words, and after how many seconds it is killed once (0: never).

    `measure` runs a command that does not end by itself, and gives what `run_command` gives.
    """

    name: str
    words: tuple[str, ...]
    kill_after_s: float = 0.0
    before: Callable[["Place"], None] | None = None
    ends_with: tuple[int, ...] = (0,)
    measure: Callable[["Place"], dict[str, Any]] | None = None


@dataclass
class Place:
    """The folder of one benchmark."""

    folder: Path
    photos: list[Path]
    share: float
    port: int = 18_400
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Path:
        """The collection."""
        return self.folder / "workspace"

    @property
    def pictures(self) -> Path:
        """The sources."""
        return self.folder / "sources"

    @property
    def endpoint(self) -> str:
        """Where its S3 server listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def metrics(self) -> str:
        """Where it counts the requests that it got."""
        return f"http://127.0.0.1:{self.port + 5}/metrics"

    @property
    def results(self) -> Path:
        """A line for each step; `folder` may be such a file too, of which to print the table."""
        return self.folder if self.folder.is_file() else self.folder / "results.jsonl"


def run_command(place: Place, words: tuple[str, ...], kill_after_s: float = 0.0) -> dict[str, Any]:
    """Run one command; its output is kept in the folder, its costs are returned."""
    asked = count_requests(place)
    start, used = time.perf_counter(), ended_processor_s()
    with (place.folder / "last-output.json").open("wb") as out:
        process = subprocess.Popen(
            [*PROGRAM, *words], stdout=out, env=place.environment, start_new_session=True
        )
        with Memory(process.pid) as memory:
            try:
                process.wait(kill_after_s or None)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            except KeyboardInterrupt:
                os.killpg(process.pid, signal.SIGINT)
                process.wait()
                raise
    return {
        "code": process.returncode,
        "wall_s": time.perf_counter() - start,
        "processor_s": ended_processor_s() - used,
        "own_mib": memory.own_mib,
        "resident_mib": memory.resident_mib,
        "requests": count_requests(place) - asked,
    }


def count_requests(place: Place) -> Counter[str]:
    """Requests by kind that the S3 server has answered since it was started."""
    with urllib.request.urlopen(place.metrics, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    counts: Counter[str] = Counter()
    for line in lines:
        if found := _REQUESTS.match(line):
            counts[found["kind"]] += int(float(found["count"]))
    return counts


def run_step(place: Place, step: Step) -> dict[str, Any]:
    """Run a step, killed once where it says so, and give its row.

    Raises:
        SystemExit: the command failed.
    """
    if step.before:
        step.before(place)
    row: dict[str, Any] = {"step": step.name, "command": " ".join(("naturalist", *step.words))}
    row["load"] = os.getloadavg()[0]
    if step.kill_after_s:
        row["killed"] = run_command(place, step.words, step.kill_after_s * max(0.1, place.share))
    row |= step.measure(place) if step.measure else run_command(place, step.words)
    row["disk_mib"] = sum(p.stat().st_blocks * 512 for p in _tree(place.workspace)) / MIB
    if row["code"] not in step.ends_with:
        raise SystemExit(f"{row['command']}  ended with {row['code']}")
    return row


def _tree(folder: Path) -> Iterator[Path]:
    """Files of a workspace without its pictures, which are links."""
    for root, folders, files in os.walk(folder):
        if Path(root) == folder and "images" in folders:
            folders.remove("images")
        yield from (Path(root, name) for name in files)


def steps(place: Place) -> list[Step]:
    """All steps, in order."""
    here = ("-c", str(place.workspace))
    categories = [
        word
        for label, name in enumerate(("plant", "animal", "human"))
        for word in ("--category", f"{name}={label}:{place.pictures / name}")
    ]
    publish = ("--publish", f"s3://{BUCKET}/all", "--endpoint-url", place.endpoint)
    sample_size = str(max(100, int(30_000 * min(1.0, 4 * place.share))))
    # A hundred queries would say little more: each command is a person's, with its start.
    studies = [
        Step("near duplicates", ("duplicates", *here, "--json"), 20),
        Step("index", ("index", *here, "--json"), 12),
        Step("clusters", ("cluster", *here, "--json"), 15),
        Step("sample", ("sample", *here, "--size", sample_size, "--json"), 30),
        Step("map in 2D", ("map", *here, "--json"), 120),
        Step("map in 3D", ("map", *here, "--dims", "3", "--json"), 120),
        Step("names", ("names", "clusters", *here, "--json"), 60),
        Step("search", ("search", "dog on grass", *here, "--json")),
        Step("similar", ("similar", "animal_id_77", *here, "--json")),
        Step("train", ("train", *here, "--json"), 60),
        Step("evaluate", ("evaluate", *here, "--json"), 60),
        Step("label issues", ("label-issues", *here, "--json"), 20),
        Step("drift", ("drift", *here, "--json"), 10),
        Step("dashboard export", ("dashboard", *here, "--export", str(place.folder / "site"))),
        Step("dashboard under load", ("dashboard", *here, "--review"), measure=_dashboard),
    ]
    day = [
        Step("1,000 new: run", ("run", *here, "--json"), before=_new_day),
        Step("1,000 new: near duplicates", ("duplicates", *here, "--json")),
        Step("1,000 new: index", ("index", *here, "--json")),
        Step("1,000 new: clusters", ("cluster", *here, "--json")),
        Step("1,000 new: map in 2D", ("map", *here, "--json")),
        Step("1,000 new: map in 3D", ("map", *here, "--dims", "3", "--json")),
        Step("1,000 new: refine", ("refine", *here, "--json"), 100),
        Step("1,000 new: drift", ("drift", *here, "--json")),
        Step("nothing new", ("run", *here, "--json")),
    ]
    one = str(place.folder / "one")
    at_once = ("--publish", f"s3://{BUCKET}/one")
    return [
        Step("init", ("init", str(place.workspace), *categories, "--each-folder", "--yes")),
        Step("ingest", ("ingest", *here, "--json"), 30),
        Step("extract", ("extract", *here, "--json"), 200),
        Step("verify", ("verify", *here, "--json"), 20),
        Step("tables", ("tables", *here, "--json"), 10),
        Step("run to the end", ("run", *here, "--json"), 20),
        Step("status", ("status", *here, "--json")),
        *studies,
        Step("bucket", ("bucket", "create", BUCKET, *publish[2:], "--json")),
        Step("publish", ("publish", *here, "--json"), 30, before=publish_to),
        Step("pull", ("pull", publish[1], str(place.folder / "pulled"), *publish[2:]), 4),
        Step("publish pictures", ("publish", *here, "--json"), 60, before=publish_pictures),
        *day,
        Step("takedown", ("takedown", "plant_id_7", "--why", "asked by the owner", *here)),
        Step("takedown: run", ("run", *here, "--json")),
        Step("rename", ("category", "rename", "plant", "flora", *here)),
        Step("rename: run", ("run", *here, "--json")),
        Step("verify again", ("verify", *here, "--json")),
        Step("one: init", ("init", one, *categories, "--each-folder", "--yes", *at_once)),
        Step("one: run", ("run", "-c", one, "--json")),
    ]


def _dashboard(place: Place) -> dict[str, Any]:
    return dashboard_load.measure(place.workspace, place.environment, CLIENTS, LOAD_S) | {"code": 0}


def _new_day(place: Place) -> None:
    million_pictures.make_day(place.pictures, place.photos, 1, DAY_PICTURES)
    for category in million_pictures.COUNTS:
        source = million_pictures.Source(category, 51, 0, 1)
        add_source(place, category, source.name, place.pictures / category / source.name)


def add_source(place: Place, category: str, name: str, path: Path) -> None:
    """Name one more source of a category in the configuration."""
    source = f'  [[category.source]]\n  name = "{name}"\n  path = "{path}"\n'
    head = rf'^\[\[category\]\]\nname = "{category}"\nlabel = \d+\n\n'
    configure(place, head, lambda found: found[0] + source, done=source)


def publish_to(place: Place) -> None:
    """Name the S3 server in the configuration."""
    for name, value in (("url", f"s3://{BUCKET}/all"), ("endpoint_url", place.endpoint)):
        line = f'{name} = "{value}"'
        configure(place, rf'^{name} = ""', lambda _, line=line: line, done=line)


def publish_pictures(place: Place) -> None:
    """From now on pictures are published too, as tar files."""
    line = 'pictures = "tars"'
    configure(place, r'^pictures = "none"', lambda _: line, done=line)


def configure(place: Place, where: str, change: Callable[[re.Match[str]], str], done: str) -> None:
    """Change the first match in the configuration, unless it has what is to be there.

    Raises:
        SystemExit: nothing matches: `init` writes another form by now.
    """
    config = place.workspace / "naturalist.toml"
    text = config.read_text()
    if done in text:
        return
    text, count = re.subn(where, change, text, count=1, flags=re.MULTILINE)
    if not count:
        raise SystemExit(f"{config} has no {where}")
    config.write_text(text)


@contextlib.contextmanager
def s3_server(place: Place) -> Iterator[None]:
    """A real server while steps run; one that a killed benchmark left in the folder goes on."""
    folder = place.folder / "s3"
    folder.mkdir(exist_ok=True)
    if _is_listening(place):
        if not (folder / "keys.json").exists():
            raise SystemExit(
                f"port {place.port} is in use, and not by a server of {folder}: end it first"
            )
        place.environment |= _s3_environment(place)
        yield
        return
    words = [sys.executable, str(S3_SERVER), str(folder), "--port", str(place.port)]
    words += ["--metrics-port", str(place.port + 5)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        while not _is_listening(place):
            if server.poll() is not None:
                raise SystemExit(f"the S3 server ended with {server.returncode}")
            time.sleep(0.2)
        place.environment |= _s3_environment(place)
        yield
    finally:
        _stop(server)


def _is_listening(place: Place) -> bool:
    """Whether a server answers, be it that it refuses who has no keys."""
    try:
        urllib.request.urlopen(place.endpoint, timeout=10).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


def _s3_environment(place: Place) -> dict[str, str]:
    keys: dict[str, str] = json.loads((place.folder / "s3" / "keys.json").read_text())
    return keys | {"AWS_ENDPOINT_URL": place.endpoint, "AWS_REGION": "us-east-1"}


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End a server; one that was halted hears nothing but a kill."""
    server.terminate()
    try:
        server.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def done_steps(place: Place) -> dict[str, dict[str, Any]]:
    """Rows of the steps that have ended."""
    if not place.results.exists():
        return {}
    rows = [json.loads(line) for line in place.results.read_text().splitlines()]
    return {row["step"]: row for row in rows}


def keep(place: Place, row: dict[str, Any]) -> None:
    """Write down a row."""
    with place.results.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


def measure(place: Place, only: str) -> None:
    """Run all steps that have not ended."""
    place.folder.mkdir(parents=True, exist_ok=True)
    done = done_steps(place)
    if "make" not in done:
        start = time.perf_counter()
        made = million_pictures.make(place.pictures, place.photos, place.share)
        keep(
            place,
            {"step": "make", "wall_s": time.perf_counter() - start, **made, **machine.facts()},
        )
    with s3_server(place):
        for step in steps(place):
            if step.name not in done and only in step.name:
                keep(place, run_step(place, step))


def table(results: Path) -> str:
    """All measured rows as Markdown, in their order; a collection made again begins a table."""
    lines: list[str] = []
    for row in map(json.loads, results.read_text().splitlines()):
        if row["step"] == "make":
            lines += ["", f"{row['processor']}, {row['cores']} cores, Python {row['python']}", ""]
            lines += [f"| {' | '.join(COLUMNS)} |", "|---" + "|---:" * (len(COLUMNS) - 1) + "|"]
        elif "own_mib" in row:
            costs = [
                f"{row[key]:,.1f}" for key in ("wall_s", "processor_s", "own_mib", "resident_mib")
            ]
            cells = [row["step"], f"{row['load']:.1f}", first_attempt(row), *costs]
            disk = f"{row['disk_mib']:,.0f}" if "disk_mib" in row else ""
            cells += [disk, requests_of(row)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines[1:])


def requests_of(row: dict[str, Any]) -> str:
    """Requests by kind, where they were counted."""
    return ", ".join(f"{count:,} {kind}" for kind, count in row.get("requests", {}).items())


def first_attempt(row: dict[str, Any]) -> str:
    """How the attempt that was to be killed went, if there was one."""
    first = row.get("killed")
    if first is None:
        return ""
    return f"{'killed' if first['code'] else 'ended'} after {first['wall_s']:,.0f} s"


def main() -> None:
    """Measure what is left, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=Path, action="append", default=[])
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--port", type=int, default=18_400, help="where the S3 server listens")
    parser.add_argument("--only", default="", help="steps whose name has this in it")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    photos = [folder.resolve() for folder in options.photos]
    place = Place(options.folder.resolve(), photos, options.share, options.port, dict(os.environ))
    if options.table:
        print(table(place.results))
        return
    measure(place, options.only)


if __name__ == "__main__":
    main()
