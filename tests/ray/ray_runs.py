"""A run on the cluster as a person starts it, in a process of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.pipeline.collections_of_pictures import Collection, Ran, begin, finish

from ray_cluster import Cluster, wait_until

DEADLINE_S = 240.0


def on_ray(cluster: Cluster) -> list[str]:
    return ["--executor", "ray", "--ray-address", cluster.address]


class Run:
    """One such run."""

    def __init__(self, collection: Collection, notes: Path, *arguments: str) -> None:
        notes.mkdir()
        self.collection, self.notes = collection, notes
        command = ["run", "-c", str(collection.folder), "--json", *arguments]
        self.process, self.out, self.err = begin(command, notes)

    def told(self) -> str:
        return self.err.read_text()

    def shards(self) -> int:
        """Shards that are done: their receipt comes last, so a kill may leave features without."""
        return len(list(self.collection.folder.glob("features/*/*/*.json")))

    def wait_for(self, what: str, holds: Callable[[], Any]) -> None:
        """Wait until something is true while the run goes on."""
        wait_until(what, lambda: self.process.poll() is not None or holds(), DEADLINE_S)
        assert self.process.poll() is None, f"ended before {what}:\n{self.told()}"

    def finish(self) -> Ran:
        return finish(self.process, self.out, self.err, self.notes, DEADLINE_S)
