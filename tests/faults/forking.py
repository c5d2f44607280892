"""Starts commands as processes that have every module already, and kills or watches them.

A server imports the program once; each command is forked from it, which takes milliseconds instead
of seconds. A command is a process of its own all the same: it can be killed, holds locks and open
files of its own, and ends with its exit code.

`strace` sees the calls of every thread and process, those of compiled libraries too, and kills the
one that makes its n-th call of a name before it is carried out: between any two changes, and in the
middle of what is being written. Each thread counts its own calls, each name for itself.

Nothing of the process that asks is changed, not even for a moment, for several threads may ask: one
that puts the environment or the modules back as it found them would undo what another one did.
"""

import atexit
import functools
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from faults.striking import CALLS, DEADLINE_S, Asked, Ended, environment_of

TESTS = Path(__file__).parents[1]
STUDIES = ("map", "cluster", "train", "duplicates", "refine")
"""They compile a part of what they do when they are run first, which takes most of their time."""
_ALWAYS = ("run -c collection -q", "takedown plant_id_1 --why warm -c collection")
_WITH_STUDIES = tuple(f"{name} -c collection -q" for name in STUDIES)
_LINE = re.compile(r"^(\d+) +(\w+)\(")
_numbers = itertools.count()
_starting = threading.Lock()


@dataclass(frozen=True)
class Call:
    """A system call at which a thread is killed: of its calls of this name, which one (from 1)."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


@dataclass
class Started:
    """A command that is running, or has ended; nobody else has its number before `wait` is over."""

    pid: int
    printed: tuple[Path, Path]
    _talk: Connection = field(repr=False)
    _code: int | None = None

    def send(self, number: int) -> None:
        """Send a signal; nothing happens if the command has ended."""
        if not self._talk.closed:
            os.kill(self.pid, number)

    def has_ended(self, within_s: float = 0.0) -> bool:
        """Whether it has, after waiting for at most so long."""
        if self._code is None and self._talk.poll(within_s):
            self._code = self._talk.recv()
        return self._code is not None

    def wait(self, timeout_s: float = DEADLINE_S) -> Ended:
        """Wait for its end, and kill it after the deadline."""
        if not self.has_ended(timeout_s):
            self.send(signal.SIGKILL)
            assert self.has_ended(DEADLINE_S)
        self._talk.close()
        assert self._code is not None
        out, err = (path.read_text("utf-8", errors="replace") for path in self.printed)
        return Ended(self._code, out, err)


@dataclass(frozen=True)
class _Server:
    control: socket.socket
    folder: Path

    def start(self, asked: Asked) -> Started:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.control, [b"x"], [theirs.fileno()])
        talk = Connection(ours.detach())
        talk.send(asked)
        return Started(talk.recv(), asked.printed, talk)


def start(
    arguments: Sequence[str], folder: Path, *, is_alone: bool = True, is_stopped: bool = False
) -> Started:
    """Start a command in a folder; see `Asked`."""
    with _starting:
        server = _server(arguments[0] in STUDIES)
        number = next(_numbers)
    out, err = (server.folder / f"{number}.{name}" for name in ("out", "err"))
    for path in (out, err):
        path.touch()
    environment = environment_of(folder)
    return server.start(Asked(arguments, folder, environment, (out, err), is_alone, is_stopped))


@functools.cache
def _server(has_studies: bool) -> _Server:
    """The server, begun where there is none; one thread, so that a fork finds no lock taken."""
    folder = TemporaryDirectory(prefix="forking-")
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        commands = _ALWAYS + (_WITH_STUDIES if has_studies else ())
        process = subprocess.Popen(
            [sys.executable, "-m", "faults.fork_server", str(theirs.fileno()), *commands],
            env=environment_of(Path(folder.name)) | one | {"PYTHONPATH": path},
            cwd=TESTS,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.wait()
        folder.cleanup()

    atexit.register(end)
    return _Server(ours, Path(folder.name))


def run_forked(arguments: Sequence[str], folder: Path, *, is_alone: bool = True) -> Ended:
    """Run a command and wait for its end."""
    return start(arguments, folder, is_alone=is_alone).wait()


def run_watched(
    arguments: Sequence[str], folder: Path, options: Sequence[str], *, is_alone: bool = False
) -> Ended:
    """Run a command that `strace` watches with these options, and its workers."""
    started = start(arguments, folder, is_alone=is_alone, is_stopped=True)
    _wait_for(started.pid, "State", "T")
    watching = ["strace", "-f", "-qq", "-e", "signal=none", *options, "-p", str(started.pid)]
    with subprocess.Popen(watching) as strace:
        _wait_for(started.pid, "TracerPid", str(strace.pid))
        started.send(signal.SIGCONT)
        return started.wait()


def list_calls(arguments: Sequence[str], folder: Path, trace: Path) -> list[Call]:
    """Run a command and list at which calls `strike` can kill it or a worker of it."""
    ended = run_watched(arguments, folder, ["-e", f"trace={CALLS}", "-o", str(trace)])
    assert ended.code == 0, ended.err
    lines = trace.read_text(errors="replace").splitlines()
    made = Counter(found.groups() for line in lines if (found := _LINE.match(line)))
    most: Counter[str] = Counter()
    for (_, name), count in made.items():
        most[name] = max(most[name], count)
    return [Call(name, k + 1) for name, count in sorted(most.items()) for k in range(count)]


def strike(arguments: Sequence[str], folder: Path, at: Call) -> bool:
    """Run a command of which each thread and process that comes to this call is killed by it.

    Returns:
        Whether the command itself was killed; a worker of it may be, and the command go on.
    """
    kill = f"inject={at.name}:signal=SIGKILL:when={at.number}"
    options = ["-e", f"trace={CALLS}", "-e", kill, "-o", os.devnull]
    return run_watched(arguments, folder, options).was_killed


def _wait_for(pid: int, name: str, value: str) -> None:
    """Wait until the system says so of a process."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        if any(line.split()[:2] == [f"{name}:", value] for line in lines):
            return
        assert time.monotonic() < deadline, f"process {pid} never had {name} {value}"
        time.sleep(0.005)
