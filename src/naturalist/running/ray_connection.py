"""Joining a Ray cluster, or starting one on this machine: quiet, on loopback, without telemetry."""

import contextlib
import io
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from naturalist.errors import ConfigError, MissingExtra, NaturalistError

LOCAL = "local"
"""The address that stands for a cluster of this machine alone, which ends with the run."""

_KNOCK_S = 10.0
_LAST_ANSWER_S = 2.0
_SMALLEST_STORE_BYTES = 80_000_000
"""Ray keeps large values in memory that nodes share; none are sent here."""
_log = logging.getLogger(__name__)

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TQDM": "0",
    # Without its head, Ray ends the program after a minute, with a code and words of its own.
    # `ClusterWatch` tells sooner, and this leaves time to end in order.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}
_ENVIRONMENT_ALONE = {
    # Or every port of a cluster of one machine would be open to the network: Ray's own word for
    # "this machine joins no cluster", which is its default on other systems than Linux.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


@contextlib.contextmanager
def connected(address: str, workers: int) -> Iterator[ModuleType]:
    """Be a driver of the cluster at `address`; a local one is started, and ended afterwards.

    Where the caller's own program is connected already, that connection is used and kept.

    Args:
        address: `local`, `auto`, or host:port of the head node.
        workers: number of tasks at once in a local cluster.

    Raises:
        ConfigError: nobody answers at that address.
        MissingExtra: Ray is not installed.
        NaturalistError: it cannot be started, or refuses.
    """
    with contextlib.ExitStack() as ending:
        ending.enter_context(_environment(address))
        ray = _import_ray()
        if not ray.is_initialized():
            ending.enter_context(_stdout_kept_clean())
            options: dict[str, object] = {"address": address}
            if address == LOCAL:
                options |= _alone(ending, workers)
            _knock(address)
            ending.callback(ray.shutdown)
            _join(ray, options)
        yield ray


@contextlib.contextmanager
def _environment(address: str) -> Iterator[None]:
    """What Ray and the processes that it starts read from the environment."""
    expected = dict(_ENVIRONMENT)
    if address == LOCAL:
        expected |= _ENVIRONMENT_ALONE
        if os.environ.get("RAY_AUTH_MODE", "token") == "token":
            # Else Ray would write one to the user's home, for all clusters to come.
            expected |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    added = {name: value for name, value in expected.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _import_ray() -> ModuleType:
    try:
        import ray.exceptions
        import ray.util.scheduling_strategies

        import ray
    except ImportError as error:
        raise MissingExtra("Ray", "ray") from error
    module: ModuleType = ray
    return module


def _alone(ending: contextlib.ExitStack, workers: int) -> dict[str, object]:
    # Not in the workspace: names of sockets may have 107 bytes, and not on a network drive.
    folder = tempfile.mkdtemp(prefix="naturalist-ray-", dir="/tmp")
    ending.callback(shutil.rmtree, folder, ignore_errors=True)
    return {
        "num_cpus": workers,
        "include_dashboard": False,
        "object_store_memory": _SMALLEST_STORE_BYTES,
        "_temp_dir": folder,
    }


def _join(ray: ModuleType, options: dict[str, object]) -> None:
    try:
        with _sigterm_as_it_was():
            ray.init(**options, configure_logging=False, log_to_driver=False, logging_level="ERROR")
    # Ray raises plain exceptions, among others where a node does not come up in time.
    except Exception as error:
        raise NaturalistError(
            f"Ray cannot be used at {options['address']}: {error}. Python and Ray must have the "
            "same versions on all nodes; if the cluster requires a token, set "
            "RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) here too"
        ) from error


def _knock(address: str) -> None:
    """Find out in seconds what Ray would take minutes for: that nobody is there."""
    host, _, port = address.rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host, int(port)), _KNOCK_S).close()
    except OSError as error:
        raise ConfigError(
            f"no Ray cluster answers at {address} ({error.strerror or error}): start its head with "
            f" ray start --head --port={port} , or correct executor.ray_address"
        ) from error


@contextlib.contextmanager
def _sigterm_as_it_was() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Lines(io.TextIOBase):
    """Takes what is printed, and logs it."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                _log.info("Ray: %s", line)
        return len(text)


@contextlib.contextmanager
def _stdout_kept_clean() -> Iterator[None]:
    """Ray prints news of its nodes to stdout, which belongs to the caller's one document."""
    with contextlib.redirect_stdout(_Lines()):
        yield


@dataclass(frozen=True)
class ClusterState:
    """What the head said of its cluster, and when.

    Attributes:
        nodes: those that are there: id and name, in an order that stays.
        resources: of all nodes, by kind.
        at_s: by the clock of `time.monotonic`.
    """

    nodes: dict[str, str]
    resources: dict[str, float]
    at_s: float


class ClusterWatch:
    """Asks the head about its nodes, again and again, in a thread of its own.

    Ray's calls wait for a head that is gone, so that whoever has work to do must not make them.
    """

    def __init__(self, ray: ModuleType, every_s: float) -> None:
        self._ray, self._every_s = ray, every_s
        self._ended = threading.Event()
        self._error: Exception | None = None
        self._latest = self._asked()
        self._thread = threading.Thread(target=self._run, daemon=True, name="cluster watch")
        self._thread.start()

    @property
    def latest(self) -> ClusterState:
        """The newest answer.

        Raises:
            RayError: the last question was refused.
        """
        if self._error is not None:
            raise self._error
        return self._latest

    def _asked(self) -> ClusterState:
        return ClusterState(nodes(self._ray), self._ray.cluster_resources(), time.monotonic())

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                self._latest = self._asked()
            except self._ray.exceptions.RayError as error:
                self._error = error
                return

    def end(self) -> None:
        """Ask no more; a question that nobody answers is not waited for."""
        self._ended.set()
        self._thread.join(_LAST_ANSWER_S)


def nodes(ray: ModuleType) -> dict[str, str]:
    """The nodes that are there now: id and name, in an order that stays."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    return {node["NodeID"]: _name(node) for node in sorted(alive, key=lambda n: str(n["NodeID"]))}


def _name(node: dict[str, str]) -> str:
    given = node["NodeName"]
    return node["NodeManagerHostname"] if given == node["NodeManagerAddress"] else given
