"""One long job at a time that a reviewer starts from the page: a command, in a process of its own.

A process, so that training neither slows down pages nor ends them, and has the memory limits, the
lock and the exit codes of the command line. Which commands there are is fixed here; nothing that a
browser sends becomes part of one.
"""

import collections
import datetime as dt
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from naturalist.dashboard.review_report import JobState
from naturalist.errors import ConfigError

JOBS: Mapping[str, str] = {
    "refine": "Refine the classifier",
    "label-issues": "Look for suspect labels",
    "duplicates": "Look for near duplicates",
    "cluster": "Update the clusters",
    "accuracy": "Estimate what pending decisions do to accuracy",
}
"""What may be started, with a name for people."""
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "accuracy": ("review", "--from-dashboard", "--dry-run", "--accuracy"),
}
"""The command of a job that has not the name of its command."""
_LINES = 12
_ENDS_WITHIN_S = 5.0


@dataclass(eq=False)
class Jobs:
    """Starts commands on one configuration; safe to use from several threads.

    Attributes:
        config: the configuration file that commands are given.
    """

    config: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _process: "subprocess.Popen[str] | None" = field(default=None, repr=False)
    _state: dict[str, Any] = field(default_factory=dict, repr=False)
    _lines: "collections.deque[str]" = field(
        default_factory=lambda: collections.deque(maxlen=_LINES), repr=False
    )
    _began: float = 0.0

    def start(self, kind: str, by: str) -> JobState:
        """Start a command.

        Raises:
            ConfigError: there is no such job, or one is running.
        """
        if kind not in JOBS:
            raise ConfigError(f"unknown job {kind!r}: choose from {', '.join(JOBS)}")
        with self._lock:
            if self._is_running():
                raise ConfigError(f"{self._state['title']} is still running: wait, or stop it")
            self._lines.clear()
            words = _COMMANDS.get(kind, (kind,))
            command = [sys.executable, "-m", "naturalist", *words, "-c", str(self.config)]
            self._process = subprocess.Popen(  # noqa: S603 - our own program, a kind of JOBS
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            self._began = time.monotonic()
            at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            self._state = {"kind": kind, "title": JOBS[kind], "by": by, "at": at}
            threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return self.state()

    def state(self) -> JobState:
        """What runs or ran last, with its last lines; `exit_code` is null while it runs."""
        if self._process is None:
            return {"kind": None, "jobs": dict(JOBS)}
        return {
            "kind": self._state["kind"],
            "title": self._state["title"],
            "by": self._state["by"],
            "at": self._state["at"],
            "jobs": dict(JOBS),
            "exit_code": self._state.get("exit_code"),
            "lines": list(self._lines),
            "for_s": round(self._state.get("for_s", time.monotonic() - self._began), 1),
        }

    def stop(self) -> JobState:
        """Interrupt what runs, as Ctrl-C does; what is finished is kept."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
        return self.state()

    def close(self) -> None:
        """Interrupt what runs, and wait a moment for it to end."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _is_running(self) -> bool:
        return self._process is not None and "exit_code" not in self._state

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        if process.stdout is not None:
            with process.stdout as lines:
                self._lines.extend(line.rstrip() for line in lines if line.strip())
        for_s = time.monotonic() - self._began
        self._state |= {"exit_code": process.wait(), "for_s": for_s}
