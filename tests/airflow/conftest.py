"""Collections, DAG files written by the program, and Airflow homes, for tests on real Airflow."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.airflow.server import environment
from tests.pipeline.collections_of_pictures import Collection, command, take, write_collection

HERE = Path(__file__).parent
CATEGORIES = ("plant", "animal")
DAG_ID = "naturalist_test"
SMALL = "[airflow]\nretry_delay_s = 1\nmax_retry_delay_s = 1\nmax_map_length = 2"
QUICK = f"{SMALL}\nsingle_task_pictures = 0"
"""Work is shared among tasks however little it is."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs Airflow where there is none."""
    # A folder named airflow (this one) can pass for the package; its parts cannot.
    if importlib.util.find_spec("airflow") and importlib.util.find_spec("airflow.sdk"):
        return
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.skip(reason="Airflow is not here: make test-airflow"))


@dataclass(frozen=True)
class Home:
    """An Airflow home, and a collection whose DAG lies in its folder of DAGs."""

    home: Path
    collection: Collection
    sources: dict[str, dict[str, Path]]
    told: dict[str, Any]

    @property
    def dags(self) -> Path:
        return self.home / "dags"

    @property
    def dag_file(self) -> Path:
        return Path(self.told["dag_file"])

    def python(self, script: str, *arguments: str, check: bool = True) -> str:
        """Run a script of this folder, or text, beside this Airflow; what it printed."""
        path = HERE / script
        told = [str(path)] if path.suffix == ".py" else ["-c", script]
        done = subprocess.run(
            [sys.executable, "-W", "error::DeprecationWarning:__main__", *told, *arguments],
            env=environment(self.home, self.dags),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


def make_home(folder: Path, photos: Path, each: int, *, more: str = QUICK) -> Home:
    """A collection of real photos, nothing done yet, and `naturalist airflow init` on it."""
    sources = {
        category: {"photos": take(photos, category, each, folder / "sources" / category)}
        for category in CATEGORIES
    }
    collection = write_collection(folder / "collection", sources, more=more)
    home = folder / "home"
    ran = command(["airflow", "init", "--json", "-c", str(collection.folder), "--home", str(home)])
    assert ran.code == 0, ran.err
    return Home(home, collection, sources, ran.json)


def by_hand(home: Home, code: int = 0) -> Collection:
    """The same sources in a collection of its own, done by `naturalist run`."""
    folder = home.home.parent / "by_hand" / "collection"
    collection = Collection(folder)
    if not (folder / "naturalist.toml").exists():
        write_collection(folder, home.sources)
    collection.run(code=code)
    return collection


@pytest.fixture(scope="module")
def home(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """An Airflow home with its database, for tests that start no server."""
    made = make_home(tmp_path_factory.mktemp("airflow"), photos, 18)
    subprocess.run(
        [str(Path(sys.executable).with_name("airflow")), "db", "migrate"],
        env=environment(made.home, made.dags),
        capture_output=True,
        check=True,
    )
    return made


def states(output: str) -> dict[str, list[str]]:
    """States of the instances of each task, from what a script printed."""
    line = [one for one in output.splitlines() if one.startswith("STATES ")][-1]
    found: dict[str, list[str]] = {}
    for task, _, state in json.loads(line.removeprefix("STATES ")):
        found.setdefault(task, []).append(state)
    return found
