"""The dashboard of a workspace: seconds until it answers, and its answers to many at a time.

    python benchmarks/dashboard_load.py WORKSPACE [--clients 20] [--seconds 30]
    python benchmarks/dashboard_load.py RESULTS --table

Needs a workspace with a map, tables and an index. `naturalist dashboard --review` is started twice:

- as it begins to answer, Chromium (if there is one) opens the map: seconds until the first points;
- as it begins to answer again, one client asks for everything that a page needs, once: seconds of
  the first answer of each kind. Then `--clients` clients ask a mix for `--seconds`, each the next
  question as soon as the one before is answered, so that all cores are busy: milliseconds by kind
  of question, answers that were errors, processor seconds of the server for one answer. Clients
  share the machine with the server. Memory is the largest of the second start, of all its
  processes: what they hold for themselves (USS) and what is resident.

Prints one JSON document; `--table` prints the steps of RESULTS (of benchmarks/million.py) that have
one as Markdown.
"""

import argparse
import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

import numpy as np
import pyarrow.parquet as pq

import machine
import processes
from naturalist.config import load_config

WITHIN_S = 300
TILES = 48
"""Pictures of one strip, as many as the page asks for at most."""
AREAS = 200
WORDS = ("dog on grass", "a bird in the sky", "portrait of a person", "red flower", "tree in snow")
PARTS_OF_PATHS = ("rose", "dog", "000012", "oak")
REVIEWER = "benchmark"


@dataclass(frozen=True)
class Known:
    """What questions are made of."""

    map: str
    pictures: list[str]
    areas: list[str]
    """Ids of pictures that lie together on the map, joined by commas."""
    clusterings: list[str]
    queues: list[str]


class Answer(NamedTuple):
    """How one question went; a status of 0 is a broken connection."""

    question: str
    seconds: float
    status: int
    size: int


Question = Callable[[Known, random.Random], str]
QUESTIONS: dict[str, tuple[int, Question]] = {
    "page": (2, lambda known, rng: "/"),
    "map: points": (1, lambda known, rng: f"/api/maps/{known.map}/positions"),
    "map: colours": (1, lambda known, rng: f"/api/maps/{known.map}/columns/category"),
    "map: strip": (10, lambda known, rng: f"/api/sprites?ids={rng.choice(known.areas)}"),
    "thumbnail": (20, lambda known, rng: f"/api/pictures/{rng.choice(known.pictures)}/thumbnail"),
    "picture": (6, lambda known, rng: f"/api/pictures/{rng.choice(known.pictures)}"),
    "large picture": (6, lambda known, rng: f"/api/pictures/{rng.choice(known.pictures)}/large"),
    "list of pictures": (
        6,
        lambda known, rng: f"/api/pictures?limit=60&offset={60 * rng.randrange(20)}",
    ),
    "list by path": (2, lambda known, rng: f"/api/pictures?text={rng.choice(PARTS_OF_PATHS)}"),
    "facets": (1, lambda known, rng: "/api/facets"),
    "words": (2, lambda known, rng: f"/api/words?text={quote(rng.choice(WORDS))}"),
    "similar": (4, lambda known, rng: f"/api/pictures/{rng.choice(known.pictures)}/similar"),
    "clusters": (1, lambda known, rng: f"/api/clusterings/{rng.choice(known.clusterings)}"),
    "health": (1, lambda known, rng: "/api/health"),
    "review: queues": (1, lambda known, rng: "/api/review/queues"),
    "review: a queue": (2, lambda known, rng: f"/api/review/queues/{rng.choice(known.queues)}"),
}
"""The mix: how often each is asked, and its address."""


class Client:
    """One person's connection."""

    def __init__(self, address: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=WITHIN_S)
        self._headers = {"x-reviewer-token": token, "accept-encoding": "gzip"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, question: str, path: str) -> tuple[Answer, bytes]:
        """Ask once."""
        start = time.perf_counter()
        try:
            self._connection.request("GET", path, headers=self._headers)
            answer = self._connection.getresponse()
            data, status = answer.read(), answer.status
        except (OSError, http.client.HTTPException):
            self._connection.close()
            data, status = b"", 0
        return Answer(question, time.perf_counter() - start, status, len(data)), data

    def document(self, path: str) -> Any:
        """An answer in JSON."""
        answer, data = self.ask(path, path)
        if answer.status != 200:
            raise SystemExit(f"{path} was answered with {answer.status}: {data[:300]!r}")
        return json.loads(data)


def measure(
    workspace: Path, environment: Mapping[str, str], clients: int, seconds: float
) -> dict[str, Any]:
    """Start the dashboard and ask; give all that was measured."""
    token = make_reviewer(workspace, environment)
    found: dict[str, Any] = {"in_browser": first_points(workspace, environment)}
    used, begin = processes.ended_processor_s(), time.perf_counter()
    with (
        processes.dashboard(workspace, "--review", environment=environment) as (address, pid),
        processes.Memory(pid) as memory,
    ):
        connect = partial(Client, address, token)
        with connect() as client:
            found["first_answer_s"] = wait_until_it_answers(client, begin)
            known = look(client, workspace)
        # The server has closed a connection that was idle while areas of the map were sought.
        with connect() as client:
            found["alone"] = ask_alone(client, known)
        found["together"] = ask_together(connect, known, clients, seconds, pid)
    return found | {
        "wall_s": time.perf_counter() - begin,
        "processor_s": processes.ended_processor_s() - used,
        "own_mib": memory.own_mib,
        "resident_mib": memory.resident_mib,
    }


def make_reviewer(workspace: Path, environment: Mapping[str, str]) -> str:
    """The token of somebody who may decide."""
    words = [*processes.PROGRAM, "reviewers", "add", REVIEWER, "-c", str(workspace), "--json"]
    answer = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True)
    return str(json.loads(answer.stdout)["token"])


def wait_until_it_answers(client: Client, begin: float) -> float:
    """Seconds from the start of the process to the first answer."""
    while client.ask("first", "/healthz")[0].status != 200:
        if time.perf_counter() - begin > WITHIN_S:
            raise SystemExit(f"the dashboard did not answer within {WITHIN_S} s")
        time.sleep(0.02)
    return time.perf_counter() - begin


def first_points(workspace: Path, environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Of a dashboard that has just begun to answer, in Chromium; None without one."""
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        return None
    import dashboard

    with (
        dashboard.chromium() as browser,
        processes.dashboard(workspace, environment=environment) as (address, pid),
    ):
        with Client(address, "") as client:
            wait_until_it_answers(client, time.perf_counter())
        found = dashboard.first_points(browser, f"{address}#/map")[2]
        return found | {"server_mb": dashboard.peak_mb(pid)}


def look(client: Client, workspace: Path) -> Known:
    """What there is to ask for; reads the map from its file, and asks only for what is small."""
    about = client.document("/api/about")
    if not about["maps"] or not about["clusterings"]:
        raise SystemExit(f"{workspace} needs a map and clusters")
    queues = [one["name"] for one in client.document("/api/review/queues")]
    name = min(about["maps"])
    path = load_config(workspace).layout.map(name) / "points.parquet"
    table = pq.read_table(path, columns=["picID", "x", "y"])
    rng = np.random.default_rng(0)
    return Known(
        map=name,
        pictures=[str(table["picID"][int(at)]) for at in rng.integers(0, len(table), 2_000)],
        areas=list(areas(table, rng)),
        clusterings=about["clusterings"],
        queues=queues,
    )


def areas(table: Any, rng: np.random.Generator) -> Iterator[str]:
    """Pictures that lie together on the map, as it asks for them when one comes near."""
    at = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)
    count = min(TILES, len(at))
    for middle in rng.integers(0, len(at), AREAS):
        away = ((at - at[middle]) ** 2).sum(axis=1)
        yield ",".join(
            str(table["picID"][int(row)]) for row in np.argpartition(away, count - 1)[:count]
        )


def ask_alone(client: Client, known: Known) -> dict[str, dict[str, Any]]:
    """Each question twice, one after the other; bytes, and seconds of both."""
    rng = random.Random(0)
    found = {}
    for name, (_, path) in QUESTIONS.items():
        asked = path(known, rng)
        first, again = (client.ask(name, asked)[0] for _ in range(2))
        found[name] = {
            "status": first.status,
            "bytes": first.size,
            "first_s": round(first.seconds, 4),
            "again_s": round(again.seconds, 4),
        }
    return found


def ask_together(
    connect: Callable[[], Client], known: Known, clients: int, seconds: float, pid: int
) -> dict[str, Any]:
    """Many clients at a time, until so many seconds have passed."""
    answers: list[Answer] = []
    used, begin = processes.processor_s(pid), time.perf_counter()
    threads = [
        threading.Thread(target=ask_on, args=(connect, known, number, begin + seconds, answers))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, used = time.perf_counter() - begin, processes.processor_s(pid) - used
    return {
        "clients": clients,
        "seconds": round(took, 2),
        "answers": len(answers),
        "answers_a_second": round(len(answers) / took, 1),
        "bytes": sum(one.size for one in answers),
        "server_processor_s": round(used, 2),
        "by_question": by_question(answers),
    }


def ask_on(
    connect: Callable[[], Client], known: Known, seed: int, until: float, answers: list[Answer]
) -> None:
    """One client: the next question as soon as the one before is answered."""
    rng = random.Random(seed)
    names, weights = list(QUESTIONS), [weight for weight, _ in QUESTIONS.values()]
    with connect() as client:
        while time.perf_counter() < until:
            (name,) = rng.choices(names, weights)
            answers.append(client.ask(name, QUESTIONS[name][1](known, rng))[0])


def by_question(answers: list[Answer]) -> dict[str, dict[str, Any]]:
    """Milliseconds and errors of each kind."""
    asked: dict[str, list[Answer]] = defaultdict(list)
    for one in answers:
        asked[one.question].append(one)
    return {name: summed_up(asked[name]) for name in QUESTIONS if name in asked}


def summed_up(answers: list[Answer]) -> dict[str, Any]:
    """Median and 95th percentile, and how many answers were none."""
    took = [one.seconds * 1000 for one in answers]
    return {
        "answers": len(answers),
        "errors": sum(one.status != 200 for one in answers),
        "statuses": sorted({one.status for one in answers}),
        "median_ms": round(statistics.median(took), 1),
        "p95_ms": round(float(np.percentile(took, 95)), 1),
        "worst_ms": round(max(took), 1),
    }


def table(row: Mapping[str, Any]) -> str:
    """What was measured as Markdown."""
    together = row["together"]
    title = (
        f"{together['answers']:,} answers to {together['clients']} clients in "
        f"{together['seconds']} s ({together['answers_a_second']} a second), "
        f"{together['server_processor_s']} processor seconds of the server; first answer "
        f"{row['first_answer_s']:.2f} s after its start"
    )
    head = ("question", "bytes", "first, ms", "again, ms", "answers", "errors", "median", "p95, ms")
    lines = [title, "", f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for name, alone in row["alone"].items():
        busy = together["by_question"].get(name, defaultdict(int))
        cells = [f"{alone['bytes']:,}"]
        cells += [f"{alone[key] * 1000:,.0f}" for key in ("first_s", "again_s")]
        cells += [f"{busy[key]:,}" for key in ("answers", "errors", "median_ms", "p95_ms")]
        lines.append(f"| {' | '.join((name, *cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, or print the tables of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        rows = map(json.loads, options.workspace.read_text().splitlines())
        print("\n\n".join(table(row) for row in rows if "together" in row))
        return
    found = measure(options.workspace, os.environ, options.clients, options.seconds)
    print(json.dumps(found | {"machine": machine.facts()}))


if __name__ == "__main__":
    main()
