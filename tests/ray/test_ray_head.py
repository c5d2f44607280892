"""A cluster that has no node yet, and one whose head goes away and comes back."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ray.conftest import Wanted
from tests.ray.ray_runs import Run, on_ray

from ray_cluster import PORT, Cluster


@pytest.fixture
def another(ray_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster beside the one of all tests. Its head does no tasks, and there is no other node."""
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder:
        made = Cluster(Path(folder) / "ray", port=PORT + 20, worker_ports=21_000)
        with made.running("head", 0):
            yield made


def is_at_work(cluster: Cluster, run: Run, shards: int) -> bool:
    for node in cluster.nodes.values():
        node.start_again_if_ended()
    return run.shards() >= shards


@pytest.mark.long
def test_a_run_waits_for_nodes_ends_with_the_head_and_goes_on_with_a_new_one(
    another: Cluster, wanted: Wanted, tmp_path: Path
) -> None:
    collection = wanted.collection(tmp_path / "collection")
    run = Run(collection, tmp_path / "first", *on_ray(another))
    said = "a task asked for 1 CPU, the cluster has none; waiting, 0 s of 600 s"
    run.wait_for("it says what is missing", lambda: said in run.told())
    another.add("worker", 1)
    run.wait_for("the first shards", lambda: is_at_work(another, run, 2))
    another.nodes["head"].kill()
    ran = run.finish()
    assert ran.code == 11
    assert "the Ray cluster no longer answers" in ran.err
    assert "restart its head node" in ran.err
    assert "Traceback" not in ran.err
    done = run.shards()
    assert 2 <= done < 50
    another.drop("worker")
    another.start_head("head", 0)
    another.add("worker", 1)
    run = Run(collection, tmp_path / "second", *on_ray(another))
    run.wait_for("another shard", lambda: is_at_work(another, run, done + 1))
    ran = run.finish()
    assert ran.code == 0, ran.err
    assert ran.json["stages"]["extract"]["shards"] == 50 - done
    wanted.check(collection)
