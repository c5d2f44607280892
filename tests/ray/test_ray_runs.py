"""Whole runs on Ray nodes: equal to those of this machine's processes, whatever happens to a node.

The nodes are raylets on this machine, which share its file system as machines share a network
drive.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.pipeline.collections_of_pictures import Collection, write_collection
from tests.ray.conftest import Wanted
from tests.ray.ray_runs import DEADLINE_S, Run, on_ray

from ray_cluster import Cluster, Node, send, wait_until


@pytest.fixture
def third(ray_driver: Cluster) -> Iterator[Node]:
    """A node that a test may do anything to."""
    name = f"third-{len(ray_driver.nodes)}"
    node = ray_driver.add(name, 1)
    ray_driver.wait_for(name)
    yield node
    ray_driver.drop(name)


def stopped_at_work(run: Run, node: Node, pids: Callable[[], list[int]]) -> bool:
    """Stop processes of a node in the middle of a shard; False if it has none just now."""
    trails = run.collection.folder / ".scratch/breadcrumbs" / node.name
    if not list(trails.glob("*")):
        return False
    stopped = pids()
    send(stopped, signal.SIGSTOP)
    if stopped and list(trails.glob("*")):
        return True
    send(stopped, signal.SIGCONT)
    return False


def test_tables_and_ledger_are_those_of_a_run_without_a_cluster(
    ray_driver: Cluster, wanted: Wanted, tmp_path: Path
) -> None:
    collection = wanted.collection(tmp_path / "collection")
    ran = collection.run(*on_ray(ray_driver))
    wanted.check(collection)
    for stage in ("ingest", "place", "extract", "verify-features", "tables", "verify-tables"):
        assert f"{stage} by node: " in ran.err
    # Both nodes took part, and it is said how much each has done.
    (line,) = (line for line in ran.err.splitlines() if line.startswith("extract by node"))
    assert line.count("pictures (") == 2
    assert "first " in line
    assert "second " in line
    nodes = ran.json["nodes"]
    assert sum(done["pictures"] for done in nodes["extract"].values()) == 400
    assert all(done["per_s"] > 0 for done in nodes["extract"].values())
    assert nodes["tables"].keys() <= nodes["extract"].keys() == {"first", "second"}
    again = collection.run(*on_ray(ray_driver))
    assert again.json["changed"] is False
    assert "by node" not in again.err
    assert again.json["nodes"] == {}
    assert collection.call("verify", "--json", *on_ray(ray_driver)).code == 0


def test_a_node_that_is_much_slower_than_the_others_does_not_hold_up_a_run(
    ray_driver: Cluster, third: Node, wanted: Wanted, tmp_path: Path
) -> None:
    collection = wanted.collection(tmp_path / "collection")
    run = Run(collection, tmp_path / "notes", *on_ray(ray_driver))
    # The node answers, and its work stands still: a drive that hangs, a core that is taken.
    run.wait_for("the node is at work", lambda: stopped_at_work(run, third, third.workers))
    ran = run.finish()
    assert ran.code == 0, ran.err
    assert "takes much longer than the others" in ran.err
    assert collection.tables() == wanted.tables
    assert collection.outcomes() == wanted.outcomes


def test_what_a_node_was_doing_when_it_was_lost_is_done_again(
    ray_driver: Cluster, third: Node, wanted: Wanted, tmp_path: Path
) -> None:
    collection = wanted.collection(tmp_path / "collection")
    run = Run(collection, tmp_path / "notes", *on_ray(ray_driver))
    run.wait_for("the node is at work", lambda: stopped_at_work(run, third, third.members))
    third.kill()
    ran = run.finish()
    assert ran.code == 0, ran.err
    assert "a task is repeated: its" in ran.err
    assert ran.json["outcome"] == "done"
    assert collection.tables() == wanted.tables
    assert collection.outcomes() == wanted.outcomes
    # Unfinished files of the killed are cleared away by whoever writes next.
    assert collection.run().json["changed"] is False
    wanted.check(collection)


@pytest.mark.long
def test_all_photos_give_the_same_tables_on_two_nodes(
    ray_driver: Cluster, photos: Path, tmp_path: Path
) -> None:
    sources = {
        category: {path.name: path for path in sorted((photos / category).iterdir())}
        for category in ("plant", "animal", "human")
    }
    sizes = {"files_per_batch": 5000, "files_per_task": 100, "shard_size": 100}
    sizes |= {"rows_per_table": 1000, "workers": 2}
    alone, shared = (
        write_collection(
            tmp_path / name, sources, sizes=sizes, mode="reference",
            backbone="efficientnet_lite0_int8",
        )
        for name in ("alone", "shared")
    )  # fmt: skip
    alone.run()
    ran = shared.run(*on_ray(ray_driver))
    print("\n".join(line for line in ran.err.splitlines() if "by node" in line))
    assert shared.tables() == alone.tables()
    assert shared.outcomes() == alone.outcomes()
    assert sum(one["accepted"] for one in shared.status().values()) > 3900


def clusters() -> set[str]:
    """Folders of the clusters that were started for one run, and are running here."""
    found: set[str] = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().decode(errors="replace")
            found |= set(re.findall(r"/tmp/naturalist-ray-\w+", command))
    return found


def test_an_interrupted_run_ends_its_workers_everywhere_and_another_goes_on(
    ray_cluster: Cluster, wanted: Wanted, tmp_path: Path
) -> None:
    collection = wanted.collection(tmp_path / "collection")
    before = workers(ray_cluster)
    run = Run(collection, tmp_path / "on-nodes", *on_ray(ray_cluster))
    run.wait_for("the first shards", lambda: run.shards() >= 2)
    interrupt(run)
    wait_until("no worker of the run is left", lambda: workers(ray_cluster) <= before)
    # A cluster of this machine alone ends too.
    done = run.shards()
    run = begun_alone(collection, tmp_path, done + 2)
    (folder,) = clusters()
    interrupt(run)
    wait_until("every process is gone", lambda: not clusters())
    assert not Path(folder).exists()
    done = run.shards()
    assert 4 <= done < 50
    assert collection.run().json["stages"]["extract"]["shards"] == 50 - done
    wanted.check(collection)


def begun_alone(collection: Collection, notes: Path, shards: int) -> Run:
    """A run on a cluster of its own that has made so many shards."""
    for attempt in range(3):
        run = Run(collection, notes / f"alone-{attempt}", "--executor", "ray")
        wait_until(
            "more shards", lambda run=run: run.process.poll() is not None or run.shards() >= shards
        )
        if run.process.poll() is None:
            return run
        # Ray gives its own processes 30 s to start, whatever else the machine has to do.
        assert "timed out during startup" in run.told(), run.told()
    raise AssertionError(run.told())


def workers(cluster: Cluster) -> set[int]:
    return {pid for node in cluster.nodes.values() for pid in node.workers()}


def interrupt(run: Run) -> None:
    os.killpg(run.process.pid, signal.SIGINT)
    ran = run.finish()
    assert ran.code == 130, ran.err
    assert "interrupted: finished work is kept" in ran.err
    assert "Traceback" not in ran.err


def test_an_address_at_which_nobody_answers_is_said_at_once(
    ray_cluster: Cluster, wanted: Wanted, tmp_path: Path
) -> None:
    collection = wanted.collection(tmp_path / "collection")
    command = ["-m", "naturalist", "run", "-c", str(collection.folder), "--executor", "ray"]
    ran = subprocess.run(
        [sys.executable, *command, "--ray-address", "127.0.0.1:9"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert ran.returncode == 2
    assert "no Ray cluster answers at 127.0.0.1:9 (Connection refused)" in ran.stderr
    assert "ray start --head --port=9" in ran.stderr
    assert "Traceback" not in ran.stderr
