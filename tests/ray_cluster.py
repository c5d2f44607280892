"""Ray nodes on this machine, on a loopback that is theirs alone; see tools/on_loopback.py."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from tools.on_loopback import is_alone

from s3_server import ACCESS_KEY, SECRET_KEY

HERE = Path(__file__).parent
_MODULES = [str(HERE), str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
DEADLINE_S = 180.0
PORT = 6379
_POLL_S = 0.01


def wait_until(what: str, holds: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Ask again and again until something is true; give it."""
    end = time.monotonic() + deadline_s
    while not (found := holds()):
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(_POLL_S)
    return found


def send(pids: list[int], number: int) -> None:
    """Send a signal to processes; some may be gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@dataclass
class Node:
    """A raylet with its workers, which are its children and theirs."""

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> None:
        """Start it; a node that finds its head busy ends, and may be started again."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | _OF_NODES | self.environment,
            )

    def start_again_if_ended(self) -> None:
        """Start it again if it has found no head, or one that was too busy."""
        if self.process.poll() is not None:
            self.start()

    def members(self) -> list[int]:
        """Processes of the node."""
        return [self.process.pid, *_descendants(self.process.pid)]

    def workers(self) -> list[int]:
        """Processes in which its tasks run."""
        return [pid for pid in self.members() if "multiprocessing.spawn" in _command(pid)]

    def kill(self) -> None:
        """The machine is gone."""
        send(self.members(), signal.SIGKILL)
        self.process.wait()


@dataclass
class Cluster:
    """A head node, and others that come and go."""

    folder: Path
    nodes: dict[str, Node] = field(default_factory=dict)
    port: int = PORT
    worker_ports: int = 11_000

    @property
    def hidden(self) -> Path:
        """A folder that no node sees: there each finds an empty one of its own."""
        return self.folder.parent / "hidden"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _names(self) -> list[str]:
        """The nodes that the head knows and takes for alive."""
        import ray
        from naturalist.running import ray_connection

        return list(ray_connection.nodes(ray).values())

    def add(self, name: str, cpus: int, gpus: int = 0, **environment: str) -> Node:
        """Start a node; see `wait_for`."""
        ports = self.worker_ports + 100 * len(self.nodes)
        where = ["--head", f"--port={self.port}", "--include-dashboard=false"]
        where += [f"--temp-dir={self.folder}"]
        if self.nodes:
            where = [f"--address={self.address}"]
        started = [*_RAY, "start", "--block", *where, "--node-ip-address=127.0.0.1"]
        started += [f"--node-name={name}", f"--num-cpus={cpus}", f"--num-gpus={gpus}"]
        started += [f"--min-worker-port={ports}", f"--max-worker-port={ports + 99}"]
        started += ["--disable-usage-stats", "--object-store-memory=80000000"]
        # A machine of its own has a name of its own, and not all that others have.
        own = f'hostname {name} && mount -t tmpfs none {self.hidden} && exec "$@"'
        named = ["unshare", "--uts", "--mount", "sh", "-c", own, "sh"]
        log = self.folder.parent / f"{name}.log"
        node = self.nodes[name] = Node(name, [*named, *started], log, environment)
        node.start()
        return node

    @contextlib.contextmanager
    def running(self, head: str, cpus: int) -> Iterator[None]:
        """Start a head that answers; in the end all nodes are ended."""
        for made in (self.folder, self.hidden):
            made.mkdir(parents=True)
        try:
            self.start_head(head, cpus)
            yield
        finally:
            for name in reversed(list(self.nodes)):
                self.drop(name)

    def start_head(self, name: str, cpus: int) -> None:
        """Start a head, for the first time or anew, and wait until it answers."""
        self.nodes.clear()
        (self.folder.parent / f"{name}.log").unlink(missing_ok=True)
        self.add(name, cpus)
        wait_until(f"the head answers, see {self.nodes[name].log}", self._answers)

    def _answers(self) -> bool:
        for node in self.nodes.values():
            # Ray gives its own processes 30 s to start, whatever else the machine has to do.
            node.start_again_if_ended()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        # The head takes connections before it has a raylet to work with.
        return all("Ray runtime started" in node.log.read_text() for node in self.nodes.values())

    def wait_for(self, name: str) -> None:
        """Wait until the head knows a node; for connected drivers."""
        node = self.nodes[name]

        def is_there() -> bool:
            node.start_again_if_ended()
            return name in self._names()

        wait_until(f"node {name} is there, see {node.log}", is_there)

    def drop(self, name: str) -> None:
        """Forget a node, whatever state it is in."""
        node = self.nodes[name]
        if node.process.poll() is None:
            send(node.members(), signal.SIGCONT)
            node.kill()


_RAY = [sys.executable, "-m", "ray.scripts.scripts"]


_OF_NODES = {
    "PYTHONPATH": os.pathsep.join(_MODULES),
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
}
"""Each node has its own credentials; none travel with tasks."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "a-token-of-the-tests-that-is-as-long-as-real-ones-are",
}


def _command(pid: int) -> str:
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        return ""


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found, todo = [], [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            found.append(child)
            todo.append(child)
    return found


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes, `first` (the head) and `second`, with a CPU each."""
    # Ray reads some of them when it is imported, as looking for a part of it does.
    os.environ.update(SETTINGS)
    if not importlib.util.find_spec("ray") or not importlib.util.find_spec("ray.exceptions"):
        pytest.skip("Ray is not here: make test-ray")
    if not is_alone():
        pytest.skip(
            "no network namespace of its own (make test-ray makes one, where `unshare --net` is "
            "allowed): Ray's nodes would listen on this machine's network"
        )
    # Names of sockets are short.
    folder = Path(tempfile.mkdtemp(prefix="nr-", dir="/tmp"))
    cluster = Cluster(folder / "ray")
    with cluster.running("first", 1):
        cluster.add("second", 1)
        yield cluster
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def ray_driver(ray_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster of two nodes, and this process connected to it."""
    from naturalist.running import ray_connection

    # This process is a driver and, in some tests, the program itself: what Ray has to say of nodes
    # that tests take away would else land in the middle of what a command prints.
    silence = mock.patch("ray._private.worker.print_to_stdstream")
    with ray_connection.connected(ray_cluster.address, 1), silence:
        ray_cluster.wait_for("second")
        yield ray_cluster
