"""Processes that a benchmark starts: their memory, their processor time, and a dashboard."""

import contextlib
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import psutil

PROGRAM = [sys.executable, "-m", "naturalist"]
MIB = 2**20
_EVERY_S = 0.5


class Sampler:
    """Looks every so often from a thread of its own, until the end of a `with` block."""

    def __init__(self, every_s: float = 0.5) -> None:
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            self.look()

    def look(self) -> None:
        """Take one sample."""
        raise NotImplementedError


class Memory(Sampler):
    """The greatest memory of a process and all below it."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.own_mib = self.resident_mib = 0.0
        self._pid = pid

    def look(self) -> None:
        """Take one sample."""
        own = resident = 0
        for process in family(self._pid):
            with contextlib.suppress(psutil.Error):
                used = process.memory_full_info()
                own, resident = own + used.uss, resident + used.rss
        self.own_mib = max(self.own_mib, own / MIB)
        self.resident_mib = max(self.resident_mib, resident / MIB)


def resident_bytes(pid: int) -> list[int]:
    """Resident memory of a process and of each below it; never empty."""
    sizes = []
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            sizes.append(int(process.memory_info().rss))
    return sizes or [0]


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it; nothing once it has ended."""
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def ended_processor_s() -> float:
    """Processor seconds of all processes that were started here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def processor_s(pid: int) -> float:
    """Processor seconds of a running process and all below it, so far."""
    seconds = 0.0
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


@contextlib.contextmanager
def dashboard(
    folder: Path, *words: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, int]]:
    """The dashboard over a workspace: its address and the id of its process."""
    command = [*PROGRAM, "dashboard", "-c", str(folder), "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(command)}  ended with {process.wait()}")
        try:
            yield line.split()[0], process.pid
        finally:
            process.terminate()
