"""One long job at a time that a reviewer starts from the page: a command, in a process of its own.

A process, so that training neither slows down pages nor ends them, and has the memory limits, the
lock and the exit codes of the command line. Which commands there are is fixed here; of what a
browser sends, only the checked name of a concept and ids of pictures become part of one.
"""

import collections
import datetime as dt
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, get_type_hints

from naturalist.curation.concept_reports import DroppedConcept, MadeConcept
from naturalist.dashboard.review_report import ConceptApplied, JobState
from naturalist.errors import ConfigError
from naturalist.studies.words.concept_files import checked_name
from naturalist.suggestions import choose_one_of

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
CONCEPT = "concept"
"""The job that teaches a concept; it has a name and examples, so `start` does not know it."""
APPLY, DROP = "concept-apply", "concept-drop"
_DOCUMENTS: Mapping[str, tuple[str, type[Any]]] = {
    CONCEPT: ("result", MadeConcept),
    APPLY: ("applied", ConceptApplied),
    DROP: ("dropped", DroppedConcept),
}
"""Under which key the state has the document of a job, and which values of it."""
_ASKED = 12
"""Pictures that a taught concept asks about next."""
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
            raise ConfigError(f"unknown job {kind!r}: {choose_one_of(kind, JOBS)}")
        return self._begin(kind, JOBS[kind], _COMMANDS.get(kind, (kind,)), by)

    def teach(self, name: str, yes: Sequence[str], no: Sequence[str], by: str) -> JobState:
        """Make a concept or add examples to it; the state has a `result` once it is done.

        Args:
            name: of the concept.
            yes: ids of pictures that show it.
            no: ids of pictures that do not.
            by: the reviewer.

        Raises:
            ConfigError: the name cannot be one of a concept, or a job is running.
        """
        # A checked name begins with a letter or a digit: no option can be made of it.
        name = checked_name(name)
        examples = (f"--yes={','.join(yes)}", f"--no={','.join(no)}")
        words = (CONCEPT, "make", name, *examples, f"--by={by}", "--ask", str(_ASKED), "--json")
        return self._begin(CONCEPT, f"Teach the concept {name}", words, by)

    def apply_concept(self, name: str, by: str) -> JobState:
        """Score all pictures by a concept; the state has what was `applied` once it is done.

        Raises:
            ConfigError: the name cannot be one of a concept, or a job is running.
        """
        name = checked_name(name)
        words = (CONCEPT, "apply", name, "--json")
        return self._begin(APPLY, f"Apply the concept {name}", words, by)

    def drop_concept(self, name: str, by: str) -> JobState:
        """Delete a concept; the state has what was `dropped` once it is done.

        Raises:
            ConfigError: the name cannot be one of a concept, or a job is running.
        """
        name = checked_name(name)
        return self._begin(
            DROP, f"Delete the concept {name}", (CONCEPT, "drop", name, "--json"), by
        )

    def _begin(self, kind: str, title: str, words: Sequence[str], by: str) -> JobState:
        with self._lock:
            if self._is_running():
                raise ConfigError(f"{self._state['title']} is still running: wait, or stop it")
            self._lines.clear()
            # A document goes into a file of its own, apart from what is said meanwhile.
            document = tempfile.TemporaryFile("w+") if kind in _DOCUMENTS else None  # noqa: SIM115
            command = [sys.executable, "-m", "naturalist", *words, "-c", str(self.config)]
            self._process = subprocess.Popen(  # noqa: S603 - our own program and checked words
                command,
                stdin=subprocess.DEVNULL,
                stdout=document or subprocess.PIPE,
                stderr=subprocess.PIPE if document else subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            self._began = time.monotonic()
            at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            self._state = {"kind": kind, "title": title, "by": by, "at": at}
            streams = (self._process, document)
            threading.Thread(target=self._listen, args=streams, daemon=True).start()
        return self.state()

    def state(self) -> JobState:
        """What runs or ran last, with its last lines; `exit_code` is null while it runs."""
        if self._process is None:
            return {"kind": None, "jobs": dict(JOBS)}
        state: JobState = {
            "kind": self._state["kind"],
            "title": self._state["title"],
            "by": self._state["by"],
            "at": self._state["at"],
            "jobs": dict(JOBS),
            "exit_code": self._state.get("exit_code"),
            "lines": list(self._lines),
            "for_s": round(self._state.get("for_s", time.monotonic() - self._began), 1),
        }
        if "result" in self._state:
            state["result"] = self._state["result"]
        if "applied" in self._state:
            state["applied"] = self._state["applied"]
        if "dropped" in self._state:
            state["dropped"] = self._state["dropped"]
        return state

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

    def _listen(self, process: "subprocess.Popen[str]", document: IO[str] | None) -> None:
        messages = process.stderr or process.stdout
        if messages is not None:
            with messages as lines:
                self._lines.extend(line.rstrip() for line in lines if line.strip())
        code, for_s = process.wait(), time.monotonic() - self._began
        if document is not None:
            with document:
                self._take(document)
        self._state |= {"exit_code": code, "for_s": for_s}

    def _take(self, document: IO[str]) -> None:
        """Keep what a concept's document says; of an error, its message."""
        document.seek(0)
        try:
            found = json.load(document)
        except json.JSONDecodeError:
            return
        if found["ok"]:
            key, kind = _DOCUMENTS[self._state["kind"]]
            self._state[key] = {name: found[name] for name in get_type_hints(kind)}
        else:
            self._lines.append(found["error"]["message"])
