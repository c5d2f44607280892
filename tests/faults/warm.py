"""Kills a command when one of its processes is about to make its n-th call that changes files.

`strace` sees the calls of every thread and process, those of compiled libraries too, and kills the
one that makes the call before it is carried out: between any two changes, and in the middle of what
is being written. Each process counts its own calls.

Starting Python and importing takes most of the time of a command on a tiny collection, so that
one process imports the program once and forks itself for each command; the fork stops until
`strace` watches it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from faults.striking import CALLS, DEADLINE_S, environment_of

PROGRAM = """
import importlib, json, os, pkgutil, signal, sys
import naturalist.cli, naturalist.curation, naturalist.pipeline
for package in (naturalist.cli, naturalist.curation, naturalist.pipeline):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
for name in ("boto3", "duckdb", "naturalist.consume.pulling", "pyarrow.parquet"):
    importlib.import_module(name)
from naturalist.cli import main
for line in sys.stdin:
    arguments, folder, environment = json.loads(line)
    pid = os.fork()
    if not pid:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        nothing = os.open(os.devnull, os.O_RDWR)
        for handle in range(3):
            os.dup2(nothing, handle)
        sys.argv = ["naturalist", *arguments]
        os.kill(os.getpid(), signal.SIGSTOP)
        main()
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Warm:
    """The process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def strike(self, arguments: list[str], folder: Path, at: int) -> bool:
        """Run a command whose processes are killed at their call number `at` (from 1).

        Returns:
            Whether the command itself was killed; a worker of it may be, and the command go on.
        """
        self._say(json.dumps([arguments, str(folder), environment_of(folder)]))
        pid = int(self._heard())
        _wait_for(pid, "State", "T")
        kill = f"inject={CALLS}:signal=SIGKILL:when={at}"
        watching = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-e", "signal=none", "-e", kill]
        with subprocess.Popen([*watching, "-o", "/dev/null", "-p", str(pid)]) as strace:
            _wait_for(pid, "TracerPid", str(strace.pid))
            os.kill(pid, signal.SIGCONT)
            return int(self._heard()) == -signal.SIGKILL

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=DEADLINE_S)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _heard(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextlib.contextmanager
def warmed() -> Iterator[Warm]:
    """Start the process, and end it."""
    warm = Warm()
    try:
        yield warm
    finally:
        warm.close()


def _wait_for(pid: int, name: str, value: str) -> None:
    """Wait until the system says so of a process."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        if any(line.split()[:2] == [f"{name}:", value] for line in lines):
            return
        assert time.monotonic() < deadline, f"process {pid} never had {name} {value}"
        time.sleep(0.005)
