"""Every stage and study that is shared out loses what does it: nothing that is made is different.

The tasks of a stage do all of their work before worker or node is lost, which is the hardest case:
their files are there, and are written again.
"""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests import tiny
from tests.running import work

from naturalist.config import Config
from naturalist.features import blocks
from naturalist.pipeline import runner, studies
from naturalist.progress import Silent
from naturalist.running.executors import Executor, InlineExecutor
from naturalist.running.ray_executor import RayExecutor, RayOptions
from naturalist.stages.ingest import batches
from naturalist.studies.maps.methods import drawing
from ray_cluster import Cluster, wait_until
from study_arrays import arrays

T = TypeVar("T")
R = TypeVar("R")
Losing = Callable[[str], Callable[..., Any] | None]
"""Gives for a stage what is called in place of its function, with that and a task; or None."""

SHARED_OUT = {
    "stages.ingest.examine.examine",
    "stages.ingest.place.place",
    "stages.extract.run",
    "stages.verify.features.run",
    "stages.tables.run",
    "stages.verify.tables.run",
    "studies.duplicates.steps._hashes_of",
    "studies.similar.study._write_part",
    "studies.clusters.study._assigned_rows",
    "studies.maps.methods.drawing.place_some",
    "stages.sending.run",
}
"""Functions of stages and studies that executors are given; all else is the driver's."""


@dataclass
class Loses:
    """An executor whose stages lose something, each once."""

    executor: Executor
    losing: Losing
    stages: set[str] = field(default_factory=set)

    @property
    def latest_node(self) -> str:
        return self.executor.latest_node

    def map(self, run: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        waiting = iter(tasks)
        for first in waiting:
            name = _name(getattr(first, "work", run))
            self.stages.add(name)
            around = self.losing(name)
            tasks = itertools.chain([first], waiting)
            yield from self.executor.map(partial(around, run) if around else run, tasks)

    def close(self) -> None:
        self.executor.close()


def _name(function: Any) -> str:
    function = getattr(function, "func", function)
    return f"{function.__module__}.{function.__name__}".removeprefix("naturalist.")


@dataclass
class Heard(Silent):
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def sharing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even what is too small to be shared out is."""
    monkeypatch.setattr(blocks, "FEWEST", 1)
    monkeypatch.setattr(drawing, "PLACED_AT_ONCE", 10)
    monkeypatch.setattr(batches, "PICTURES_PER_PLACE_TASK", 12)
    made = studies.one_map

    def of_few(*arguments: Any, **more: Any) -> Any:
        study = made(*arguments, **more)
        return replace(study, how=replace(study.how, sample=60))

    monkeypatch.setattr(studies, "one_map", of_few)


WITHOUT_MAP = ("duplicates", "index", "clusters")
"""What makes maps takes long to compile."""
STUDIES = (*WITHOUT_MAP, "map")


def collection(folder: Path, *steps: str) -> Config:
    sources = tiny.make_sources(folder / "in", {"plant": range(70), "animal": range(100, 170)})
    return tiny.collection(
        folder,
        sources,
        ingest={"files_per_task": 10},
        clusters={"rows": 100},
        duplicates={"invariant": ["border"]},
        map={"dims": [2]},
        analyse={"steps": list(steps)},
        publish={"url": "published", "pictures": "tars"},
    )


def results(config: Config) -> dict[str, Any]:
    """Tables and packed pictures as bytes, and what studies have found."""
    root = config.layout.root
    files = [*(root / "tables").rglob("*.*"), *Path(config.publish_url).rglob("*.tar")]
    made = {path.name: path.read_bytes() for path in files if path.suffix != ".json"}
    assert {name.rpartition(".")[2] for name in made} == {"csv", "parquet", "tar"}
    return made | arrays(root)


def run_by(
    executor: Executor, config: Config, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    monkeypatch.setattr(runner, "make_executor", lambda _config, _progress: executor)
    runner.run(config, heard, runner.RunOptions())
    return results(config)


def on_ray(cluster: Cluster, config: Config, heard: Heard) -> RayExecutor:
    return RayExecutor(RayOptions(cluster.address), config.layout.breadcrumbs, 60.0, heard)


def test_a_worker_that_is_lost_with_its_answer_changes_nothing(
    ray_driver: Cluster, sharing: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = run_by(
        InlineExecutor(), collection(tmp_path / "alone", *WITHOUT_MAP), Heard(), monkeypatch
    )
    config, heard = collection(tmp_path / "shared", *WITHOUT_MAP), Heard()
    lost = ("stages.tables.run", "studies.similar.study._write_part", "stages.sending.run")

    def losing(stage: str) -> Callable[..., Any] | None:
        return partial(work.lose_worker, tmp_path / stage) if stage in lost else None

    executor = Loses(on_ray(ray_driver, config, heard), losing)
    assert run_by(executor, config, heard, monkeypatch) == wanted
    assert executor.stages == SHARED_OUT - {"studies.maps.methods.drawing.place_some"}
    assert heard.notes.count("a task is repeated: its worker ended") == len(lost)


@pytest.mark.long
def test_a_node_that_is_lost_in_every_stage_changes_nothing(
    ray_driver: Cluster, sharing: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = run_by(
        InlineExecutor(), collection(tmp_path / "alone", *STUDIES), Heard(), monkeypatch
    )
    config, heard = collection(tmp_path / "shared", *STUDIES), Heard()
    ending: list[threading.Thread] = []

    def losing(stage: str) -> Callable[..., Any] | None:
        if any((tmp_path / "gone" / stage).glob("*")):
            return None
        name = f"lost-{len(ray_driver.nodes)}"
        going = tmp_path / "gone" / stage / name
        going.parent.mkdir(parents=True)
        node = ray_driver.add(name, 1)
        ray_driver.wait_for(name)

        def end_node() -> None:
            wait_until(f"a task of {stage} is on {name}", going.exists)
            node.kill()

        ending.append(threading.Thread(target=end_node))
        ending[-1].start()
        return partial(work.wait_for_the_end, going)

    executor = Loses(on_ray(ray_driver, config, heard), losing)
    assert run_by(executor, config, heard, monkeypatch) == wanted
    for thread in ending:
        thread.join()
    assert executor.stages == SHARED_OUT
    assert {path.name for path in (tmp_path / "gone").glob("*")} == SHARED_OUT
    assert len(list((tmp_path / "gone").glob("*/*"))) == len(SHARED_OUT)
    assert heard.notes.count("a task is repeated: its node was lost") >= len(SHARED_OUT)


@pytest.mark.long
def test_a_node_on_which_every_task_runs_out_of_memory_does_not_end_the_run(
    ray_driver: Cluster, sharing: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = run_by(InlineExecutor(), collection(tmp_path / "alone"), Heard(), monkeypatch)
    config, heard = collection(tmp_path / "shared"), Heard()
    name = f"small-{len(ray_driver.nodes)}"
    # Ray ends the workers of a node that uses more than a hundredth of the machine's memory.
    limit = {"RAY_memory_monitor_refresh_ms": "100", "RAY_memory_usage_threshold": "0.01"}
    node = ray_driver.add(name, 1, **limit)
    ray_driver.wait_for(name)

    def losing(stage: str) -> Callable[..., Any] | None:
        return work.take_time if stage == "stages.extract.run" else None

    executor = Loses(on_ray(ray_driver, config, heard), losing)
    assert run_by(executor, config, heard, monkeypatch) == wanted
    assert node.process.poll() is None
    ray_driver.drop(name)
    assert heard.notes.count("a task is repeated: its node is short of memory") >= 1
