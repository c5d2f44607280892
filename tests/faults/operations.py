"""What people and programs do with one workspace at the same time."""

import http.client
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tiny
from faults.forking import Started, run_forked, start
from faults.outcomes import of_run
from faults.starts import COLLECTION, config_of, make_collection
from faults.striking import DEADLINE_S, Ended
from naturalist import categories
from naturalist.curation.reviewing import people

ON = ["-c", COLLECTION, "-q"]
REVIEWER = "anna"
DECISIONS = "picID,decision,category\nplant_id_2,retire,\nanimal_id_1,relabel,plant\n"
_AGAIN_S = 0.05
_REFUSED = 5


Operation = Callable[[Path], Ended]
"""Something that is done with the collection of a folder, and how it ended."""


def command(*arguments: str) -> Operation:
    """A command, as a process."""
    return lambda folder: run_forked(list(arguments), folder)


def prepare(folder: Path) -> None:
    """A collection with two snapshots, new pictures, decisions in a file, and a reviewer."""
    config = make_collection(folder, withdrawal_budget=1.0)
    ended = run_forked(["run", *ON], folder)
    assert ended.code == 0, ended.err
    for seed in range(30, 34):
        tiny.write_picture(folder / f"sources/plant/{seed:04d}.png", seed)
        tiny.write_picture(folder / f"sources/human/{seed + 200:04d}.png", seed + 200)
    (folder / "decisions.csv").write_text(DECISIONS)
    (folder / "token").write_text(people.add(config.layout.reviewers, REVIEWER))


class Refused(Exception):
    """An answer of the dashboard that says that something could not be done."""

    def __init__(self, path: str, status: int, body: bytes) -> None:
        super().__init__(f"{path}: {status} {body[:300]!r}")
        self.status = status


@dataclass
class Dashboard:
    """A dashboard that is served, and what its reader or reviewer asks."""

    host: str
    token: str

    def ask(self, path: str, body: Any = None) -> Any:
        """Get a document, or post one.

        Raises:
            Refused: the answer is no success.
        """
        connection = http.client.HTTPConnection(self.host, timeout=DEADLINE_S)
        headers = {"x-reviewer-token": self.token} if path.startswith("/api/review") else {}
        if body is not None:
            headers |= {"origin": f"http://{self.host}", "content-type": "application/json"}
        try:
            method = "GET" if body is None else "POST"
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        assert answer.status != http.HTTPStatus.INTERNAL_SERVER_ERROR, f"{path}: {data!r}"
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Refused(path, answer.status, data)
        return json.loads(data) if "json" in answer.getheader("content-type", "") else data


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[Started, Dashboard]]:
    """A dashboard in a process of its own; it is interrupted at the end."""
    running = start(["dashboard", "-c", COLLECTION, "--port", "0", *options], folder)
    try:
        address = _address(running)
        token = (folder / "token").read_text()
        yield running, Dashboard(address, token)
    finally:
        running.send(signal.SIGINT)
        running.has_ended(DEADLINE_S)


def _address(running: Started) -> str:
    deadline = time.monotonic() + DEADLINE_S
    while not (said := running.printed[0].read_text()):
        if running.has_ended() or time.monotonic() > deadline:
            raise NotServed(running.wait())
        time.sleep(_AGAIN_S)
    return said.partition("//")[2].partition("/")[0]


class NotServed(Exception):
    """The dashboard ended before it was ready."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(ended.err)
        self.ended = ended


def _with_dashboard(act: Callable[[Dashboard], None], *options: str) -> Operation:
    def run(folder: Path) -> Ended:
        refused = ""
        try:
            with served(folder, *options) as (running, dashboard):
                refused = _refusal(act, dashboard)
        except NotServed as error:
            return error.ended
        ended = running.wait()
        return Ended(ended.code or (_REFUSED if refused else 0), ended.out, refused + ended.err)

    return run


def _refusal(act: Callable[[Dashboard], None], dashboard: Dashboard) -> str:
    try:
        act(dashboard)
    except Refused as error:
        return f"refused: {error}\n"
    return ""


def read_everything(dashboard: Dashboard) -> None:
    """Every address without parameters, one after another."""
    paths = dashboard.ask("/api/openapi.json")["paths"]
    for path, methods in paths.items():
        needed = [one for one in methods.get("get", {}).get("parameters", ()) if one["required"]]
        if "get" in methods and not needed and "{" not in path:
            dashboard.ask(path)


def decide(dashboard: Dashboard) -> None:
    """Two decisions in the page, and applying them."""
    wanted = {"plant_id_5": ("retire", ""), "animal_id_3": ("relabel", "human")}
    for key, (decision, category) in wanted.items():
        item = dashboard.ask("/api/review/items", {"keys": [key]})["items"][0]
        picture = {"key": key, "version": item["standing"]["version"], "seen": item["state"]}
        picture |= {"decision": decision, "category": category}
        request = {"request": f"decide-{key.replace('_', '-')}", "pictures": [picture]}
        dashboard.ask("/api/review/decisions", request)
    upto = dashboard.ask("/api/review/pending")["upto"]
    dashboard.ask("/api/review/apply", {"request": "apply-all-of-it", "upto": upto})


OPERATIONS = {
    "run": command("run", *ON),
    "ingest": command("ingest", *ON),
    "review": command("review", "decisions.csv", *ON),
    "desk": _with_dashboard(decide, "--review"),
    "takedown": command("takedown", "plant_id_3", "--why", "asked for", "-c", COLLECTION),
    "rename": command("category", "rename", "animal", "fauna", "-c", COLLECTION),
    "retire": command("category", "retire", "human", "-c", COLLECTION),
    "publish": command("publish", *ON),
    "prune": command("snapshots", "prune", "--keep", "1", "--grace-days", "0", "--yes", *ON),
    "rollback": command("snapshots", "rollback", "000001", "-c", COLLECTION),
    "pull": command("pull", "published", "here", "-q"),
    "verify": command("verify", *ON),
    "map": command("map", *ON),
    "cluster": command("cluster", *ON),
    "duplicates": command("duplicates", *ON),
    "train": command("train", *ON),
    "dashboard": _with_dashboard(read_everything),
}


def outcome(folder: Path) -> dict[str, Any]:
    """Tables, ledger and categories of the collection, and the tables that are published."""
    known = categories.read(config_of(folder).layout).known
    names = [(one.key, one.name, one.label, one.is_active) for one in known]
    return {**of_run(folder), "categories": names}
