"""Blocks of rows: what comes of them is the same whoever works on them, in the order of blocks."""

import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests import tiny

from naturalist.config import Config
from naturalist.features import blocks
from naturalist.features.blocks import IN_THIS_PROCESS, BlockMapper
from naturalist.pipeline import studies, words
from naturalist.pipeline.steps import Job
from naturalist.progress import Silent
from naturalist.running import ray_worker, workspace
from naturalist.running.executors import InlineExecutor, ProcessExecutor
from naturalist.studies.maps.methods import drawing
from naturalist.studies.study import Study, bring_up_to_date
from study_arrays import arrays

T = TypeVar("T")
R = TypeVar("R")


def times(factor: int, block: int) -> int:
    return factor * block


class Backwards(InlineExecutor):
    """Gives the results of all tasks in the wrong order."""

    def map(self, run: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        yield from reversed(list(super().map(run, tasks)))


def test_results_come_in_the_order_of_blocks_and_what_they_share_is_written_once(
    tmp_path: Path,
) -> None:
    mapper = BlockMapper(Backwards(), tmp_path / "scratch")
    assert list(mapper.map(times, 3, range(5), fewest=1)) == [0, 3, 6, 9, 12]
    assert len(list((tmp_path / "scratch").iterdir())) == 1
    assert list(IN_THIS_PROCESS.map(times, 3, range(5))) == [0, 3, 6, 9, 12]


class AsBytes(InlineExecutor):
    """Hands tasks and results over as the executor of a cluster does: as bytes."""

    def map(self, run: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R]]:
        for task in tasks:
            yield task, pickle.loads(ray_worker.run_packed((), ray_worker.pack(run, task)))


def test_few_blocks_start_no_worker(tmp_path: Path) -> None:
    mapper = BlockMapper(ProcessExecutor(2, tmp_path, 60), tmp_path / "scratch")
    assert list(mapper.map(times, 2, range(blocks.FEWEST - 1))) == [
        2 * k for k in range(blocks.FEWEST - 1)
    ]
    assert not (tmp_path / "scratch").exists()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("blocks")
    seeds = {"plant": range(70), "animal": range(100, 170)}
    sources = tiny.make_sources(folder / "in", seeds)
    how = {"clusters": {"rows": 100}, "duplicates": {"invariant": ["border"]}}
    made = tiny.collection(folder, sources, **how)
    tiny.make_all(made)
    return made


def clear(config: Config) -> None:
    for made in ("duplicates", "index", "clusters", "maps"):
        shutil.rmtree(config.layout.root / made, ignore_errors=True)


def flat_map(config: Config, progress: Silent) -> Study[Any]:
    made = studies.one_map(config, progress, request=studies.MapRequest(config.map, 2))
    return replace(made, how=replace(made.how, sample=60))


Make = Callable[[Config, Silent], Study[Any]]


def test_a_study_by_nodes_gets_what_it_needs_as_bytes(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "FEWEST", 1)
    clear(config)
    bring_up_to_date(words.index(config, Silent()))
    alone = arrays(config.layout.root)
    clear(config)
    with workspace.writing(config):
        job = Job(config, AsBytes(), Silent())
        bring_up_to_date(studies.divided(words.index(config, Silent()), job))
    assert arrays(config.layout.root) == alone


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(studies.duplicates, id="duplicates"),
        pytest.param(words.index, id="index"),
        pytest.param(studies.clusters, id="clusters"),
        pytest.param(flat_map, id="map"),
    ],
)
def test_a_study_by_worker_processes_has_the_numbers_of_one_in_this_process(
    config: Config, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "FEWEST", 1)
    monkeypatch.setattr(drawing, "PLACED_AT_ONCE", 20)
    clear(config)
    assert bring_up_to_date(make(config, Silent())).changed
    alone = arrays(config.layout.root)
    assert alone
    clear(config)
    executor = ProcessExecutor(2, config.layout.breadcrumbs, 60)
    with workspace.writing(config):
        job = Job(config, executor, Silent())
        study = studies.divided(make(config, Silent()), job)
        try:
            assert bring_up_to_date(study).changed
            assert list(config.layout.scratch.glob("shared-*"))
        finally:
            executor.close()
    assert arrays(config.layout.root) == alone
