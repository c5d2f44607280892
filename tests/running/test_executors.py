"""One suite for every executor, and what only worker processes have to survive."""

import multiprocessing
import os
import struct
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from naturalist import breadcrumbs
from naturalist.errors import NaturalistError, SourceError
from naturalist.progress import Silent
from naturalist.running.executors import (
    Executor,
    InlineExecutor,
    ProcessExecutor,
    worker_count,
)
from naturalist.running.ray_executor import RayExecutor, RayOptions
from running.work import (
    Items,
    die,
    do_items,
    fail_at_three,
    has_pandas,
    process_id,
    square,
    variable,
)

Maker = Callable[[Path, float], Executor]


def processes(folder: Path, timeout_s: float = 60.0) -> ProcessExecutor:
    return ProcessExecutor(2, folder / "breadcrumbs", timeout_s)


def on_ray(address: str, folder: Path, timeout_s: float) -> RayExecutor:
    return RayExecutor(RayOptions(address), folder / "breadcrumbs", timeout_s, Silent())


@pytest.fixture(params=["inline", "processes", "ray"])
def executor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Executor]:
    made = InlineExecutor() if request.param == "inline" else maker(request)(tmp_path, 60.0)
    yield made
    made.close()


def maker(request: pytest.FixtureRequest) -> Maker:
    if request.param == "ray":
        return partial(on_ray, request.getfixturevalue("ray_driver").address)
    return processes


def test_worker_processes_start_without_pandas(tmp_path: Path) -> None:
    made = processes(tmp_path)
    try:
        assert [result for _, result in made.map(has_pandas, [1])] == [False]
    finally:
        made.close()


@pytest.fixture(params=["processes", "ray"])
def make(request: pytest.FixtureRequest) -> Maker:
    """Makes an executor that survives what its workers do; for a time limit."""
    return maker(request)


def children() -> set[int]:
    return {process.pid for process in multiprocessing.active_children() if process.pid}


def test_every_task_comes_back_once_with_its_own_result(executor: Executor) -> None:
    results = list(executor.map(square, range(25)))
    assert sorted(results) == [(n, n * n) for n in range(25)]


def test_no_tasks_give_no_results(executor: Executor) -> None:
    assert list(executor.map(square, [])) == []


def test_an_executor_can_map_again_and_again(executor: Executor) -> None:
    for start in range(3):
        assert sorted(executor.map(square, range(start))) == [(n, n * n) for n in range(start)]


def test_tasks_are_taken_as_they_are_needed(executor: Executor) -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for n in range(1000):
            taken.append(n)
            yield n

    results = executor.map(square, tasks())
    next(results)
    assert len(taken) < 100
    results.close()  # type: ignore[attr-defined]


def test_the_first_error_of_a_task_ends_the_map_as_it_was_raised(executor: Executor) -> None:
    with pytest.raises(SourceError, match=r"^the drive of number 3 is gone$"):
        list(executor.map(fail_at_three, range(1000)))


def test_after_an_error_the_executor_can_still_be_used(executor: Executor) -> None:
    with pytest.raises(SourceError):
        list(executor.map(fail_at_three, range(20)))
    assert sorted(executor.map(square, range(3))) == [(0, 0), (1, 1), (2, 4)]


def test_a_map_that_is_left_midway_leaves_nothing_in_the_next(executor: Executor) -> None:
    results = executor.map(square, range(50))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert sorted(executor.map(square, [100, 101])) == [(100, 10_000), (101, 10_201)]


def test_closing_ends_the_processes_it_started(executor: Executor) -> None:
    before = children()
    next(iter(executor.map(square, range(50))))
    executor.close()
    assert children() <= before
    executor.close()


def wait_until_told(connection: Connection) -> None:
    connection.recv()


@pytest.fixture
def other() -> Iterator[BaseProcess]:
    """A process of somebody else."""
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=wait_until_told, args=(theirs,))
    process.start()
    yield process
    assert process.is_alive()
    mine.send("end")
    process.join()
    assert process.exitcode == 0


def test_closing_ends_no_process_of_anybody_else(other: BaseProcess, tmp_path: Path) -> None:
    made = processes(tmp_path)
    assert list(made.map(square, [3])) == [(3, 9)]
    made.close()
    assert other.is_alive()


def test_workers_are_kept_from_task_to_task(make: Maker, tmp_path: Path) -> None:
    made = make(tmp_path, 60.0)
    used = {pid for _ in range(2) for _, (_, pid) in made.map(process_id, range(10))}
    made.close()
    assert len(used) <= 2
    assert os.getpid() not in used


def test_linear_algebra_in_a_worker_has_one_thread_unless_told_otherwise(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each worker would use every core, and they would wait for each other by spinning."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    executor = make(tmp_path, 60.0)
    assert list(executor.map(variable, ["OPENBLAS_NUM_THREADS"])) == [("OPENBLAS_NUM_THREADS", "1")]
    executor.close()
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_the_number_of_threads_that_the_user_has_set_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    executor = processes(tmp_path)
    assert list(executor.map(variable, ["OMP_NUM_THREADS"])) == [("OMP_NUM_THREADS", "3")]
    executor.close()


def items(folder: Path, key: str, *what: str) -> Items:
    return Items(key, folder / "breadcrumbs", what)


def results_of(made: Executor, tasks: list[Items]) -> dict[str, list[str]]:
    results = {task.key: done for task, done in made.map(do_items, tasks)}
    made.close()
    return results


def test_an_item_that_takes_its_worker_down_is_refused_and_all_others_are_done(
    make: Maker, tmp_path: Path
) -> None:
    tasks = [
        items(tmp_path, "a", "1", "2"),
        items(tmp_path, "b", "3", "crash", "4"),
        items(tmp_path, "c", "5"),
    ]
    assert results_of(make(tmp_path, 60.0), tasks) == {
        "a": ["1", "2"],
        "b": ["3", "decoder_crashed", "4"],
        "c": ["5"],
    }


def test_every_bad_item_of_a_task_is_found(make: Maker, tmp_path: Path) -> None:
    task = items(tmp_path, "a", "crash", "1", "crash")
    found = results_of(make(tmp_path, 60.0), [task])
    assert found == {"a": ["decoder_crashed", "1", "decoder_crashed"]}


def test_an_item_that_hangs_its_worker_is_refused_and_all_others_are_done(
    make: Maker, tmp_path: Path
) -> None:
    tasks = [items(tmp_path, "a", "1", "hang", "2"), items(tmp_path, "b", "3")]
    assert results_of(make(tmp_path, 0.5), tasks) == {
        "a": ["1", "decoder_timed_out", "2"],
        "b": ["3"],
    }


def test_an_item_whose_bytes_come_slowly_is_no_item_that_hangs(make: Maker, tmp_path: Path) -> None:
    assert results_of(make(tmp_path, 0.5), [items(tmp_path, "a", "1", "slow", "2")]) == {
        "a": ["1", "slow", "2"]
    }


def test_a_trail_that_a_dead_worker_left_leads_to_nobody(
    other: BaseProcess, tmp_path: Path
) -> None:
    """The number of its process may be anybody's by now."""
    made = processes(tmp_path, timeout_s=0.1)
    list(made.map(square, [3]))
    task = items(tmp_path, "a", "1")
    trail = breadcrumbs.place(task.folder, "a")
    trail.parent.mkdir(parents=True)
    for pid in (other.pid, 2**22 - 1):
        assert pid
        trail.write_bytes(struct.pack("<qqd", pid, 0, -1e6))
        assert made._end_hung([task]) is False
    made.close()


def test_a_worker_that_ends_for_no_picture_ends_the_run_with_advice(
    make: Maker, tmp_path: Path
) -> None:
    made = make(tmp_path, 60.0)
    with pytest.raises(NaturalistError, match=r"killed \(out of memory\?\).*fewer workers"):
        list(made.map(die, [1]))
    made.close()


@pytest.mark.parametrize("asked", [1, 2, 64])
def test_as_many_workers_as_asked(asked: int) -> None:
    assert worker_count(asked) == asked


def test_unless_asked_a_worker_for_each_core_that_may_be_used() -> None:
    assert worker_count(0) == len(os.sched_getaffinity(0))
