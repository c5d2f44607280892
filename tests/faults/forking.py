"""Starts commands as processes that have every module already.

A server imports the commands once; each command is forked from it, which takes milliseconds instead
of a second. A command is a process of its own all the same: it can be killed, holds locks and open
files of its own, and ends with its exit code. Only the worker processes of `extract` are missing:
its tasks run in the command itself.
"""

import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from faults.striking import DEADLINE_S, Ended, environment_of


@dataclass(frozen=True)
class Started:
    """A command that is running, or has ended."""

    process: BaseProcess
    printed: tuple[Path, Path]

    def send(self, number: int) -> None:
        """Send a signal; nothing happens if the command has ended."""
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, number)

    def wait(self, timeout_s: float = DEADLINE_S) -> Ended:
        """Wait for its end, and kill it after the deadline."""
        self.process.join(timeout_s)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode
        assert code is not None
        out, err = (path.read_text("utf-8", errors="replace") for path in self.printed)
        return Ended(code, out, err)


_count = 0


def start(arguments: list[str], folder: Path) -> Started:
    """Start a command in a folder."""
    global _count
    _count += 1
    context = multiprocessing.get_context("forkserver")
    _start_server(context)
    home = environment_of(folder)
    printed = folder / "tmp" / f"{_count}.out", folder / "tmp" / f"{_count}.err"
    for path in printed:
        path.touch()
    process = context.Process(target=_command, args=(arguments, folder, printed, home))
    # Or the child would import the program of whoever calls: pytest.
    with patch.dict(sys.modules, {"__main__": ModuleType("__main__")}):
        process.start()
    return Started(process, printed)


def _start_server(context: ForkServerContext) -> None:
    """Start the server if there is none; one thread each, so that a fork finds no lock taken."""
    context.set_forkserver_preload(["faults.preloading"])
    tests = Path(__file__).parents[1]
    path = [str(tests), os.environ.get("PYTHONPATH", "")]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with patch.dict(os.environ, one | {"PYTHONPATH": os.pathsep.join(filter(None, path))}):
        ensure_running()


def run_forked(arguments: list[str], folder: Path) -> Ended:
    """Run a command and wait for its end."""
    return start(arguments, folder).wait()


def _command(
    arguments: list[str], folder: Path, printed: tuple[Path, Path], home: dict[str, str]
) -> None:
    os.setsid()
    os.environ.update(home)
    os.chdir(folder)
    for number, path in enumerate(printed, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["naturalist", *arguments]

    from naturalist.cli import main
    from naturalist.pipeline import runner
    from naturalist.running.executors import InlineExecutor

    runner.__dict__["ProcessExecutor"] = lambda *_: InlineExecutor()
    main()
