"""What only an executor on a cluster has to do; all else is in the suite for all executors."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from naturalist.errors import ClusterError, NaturalistError
from naturalist.progress import Silent
from naturalist.running import ray_executor
from naturalist.running.ray_executor import RayExecutor, RayOptions
from ray_cluster import Cluster
from running.work import WithNetwork, end_the_watcher, gpus, square

Make = Callable[..., RayExecutor]


@pytest.fixture
def make(ray_driver: Cluster, tmp_path: Path) -> Iterator[Make]:
    made: list[RayExecutor] = []

    def make(progress: Silent | None = None, **options: float) -> RayExecutor:
        chosen = RayOptions(ray_driver.address, **options)  # type: ignore[arg-type]
        folder = tmp_path / "breadcrumbs"
        made.append(RayExecutor(chosen, folder, 60.0, progress or Silent()))
        return made[-1]

    yield make
    for one in made:
        one.close()


class AddsNode(Silent):
    """The node with a GPU comes when it is missed. The GPU is only in Ray's books."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
        if "the cluster has none; waiting" in text:
            self.cluster.add("with-gpu", 1, gpus=1)


@pytest.fixture
def adds_node(ray_driver: Cluster) -> Iterator[AddsNode]:
    yield AddsNode(ray_driver)
    if "with-gpu" in ray_driver.nodes:
        ray_driver.drop("with-gpu")


def test_what_no_node_has_is_waited_for_no_longer_than_allowed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATURALIST_DEVICE", "cuda")
    executor = make(gpus_per_task=0.5, wait_s=1.0)
    said = r"asked for 0.5 GPUs, the cluster has none, for . s \(executor.wait_s\): start a node"
    with pytest.raises(ClusterError, match=said):
        list(executor.map(gpus, [WithNetwork()]))


def test_a_task_with_a_network_waits_for_a_gpu_and_gets_it(
    make: Make, adds_node: AddsNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATURALIST_DEVICE", "cuda")
    executor = make(adds_node, gpus_per_task=0.5)
    ((_, found),) = executor.map(gpus, [WithNetwork()])
    said = "a task asked for 0.5 GPUs, the cluster has none; waiting, 0 s of 600 s"
    assert adds_node.notes[0] == said
    assert found == ("0", "cuda")
    assert executor.latest_node == "with-gpu"
    # What runs no network asks for none, and goes to the other nodes too.
    others = {executor.latest_node for _ in executor.map(square, range(12))}
    assert others & {"first", "second"}


def test_a_node_with_another_version_of_the_program_ends_the_run(make: Make) -> None:
    executor = make()
    executor._terms = replace(executor._terms, version="0.0.0")
    with pytest.raises(NaturalistError, match=r"the run uses 0\.0\.0: install the same version"):
        list(executor.map(square, range(3)))


def test_a_task_that_loses_its_worker_again_and_again_ends_the_run(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_executor, "_LOSSES", 1)
    with pytest.raises(NaturalistError, match=r"a task was lost 2 times .* fewer CPUs"):
        list(make().map(end_the_watcher, [1]))
