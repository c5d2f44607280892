"""Calling the function of a task, in this process or in another environment's Python.

Airflow's environment may hold other versions of packages than naturalist needs. With
`airflow.python` the function is called by that interpreter: a line of JSON goes in, a file of JSON
comes out, and what is logged is printed, so that Airflow's log has it. The interpreter ends when
its parent does, however that ends. Nothing heavy is imported here, because Airflow's side needs
none of it.
"""

import contextlib
import importlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from naturalist import __version__
from naturalist.errors import (
    BackboneError,
    ConfigError,
    FailureBudgetExceeded,
    MissingExtra,
    NaturalistError,
    VerificationFailed,
)

_HOPELESS = (
    ConfigError,
    FailureBudgetExceeded,
    VerificationFailed,
    BackboneError,
    MissingExtra,
)


class Hopeless(NaturalistError):
    """An error of a task that trying again does not help."""


class DryRun(Exception):
    """Nothing was done, because the run was asked to do nothing."""


def call(function: str, request: Mapping[str, str], arguments: Mapping[str, str]) -> Any:
    """Call a function of `naturalist.orchestration.tasks` in this process.

    Raises:
        DryRun: what would be done was logged.
        Hopeless: trying again does not help.
    """
    tasks = importlib.import_module("naturalist.orchestration.tasks")
    requests = importlib.import_module("naturalist.orchestration.request")
    try:
        asked = requests.Request.of(request)
        if asked.dry_run:
            tasks.look(asked)
            raise DryRun
        return getattr(tasks, function)(asked, **arguments)
    except _HOPELESS as error:
        raise Hopeless(str(error)) from error


def call_with(
    python: str, function: str, request: Mapping[str, str], arguments: Mapping[str, str]
) -> Any:
    """Call it by the Python of another environment; a result travels as JSON values.

    Raises:
        DryRun, Hopeless: as `call`.
        NaturalistError: any other error of the task.
    """
    asked = {"version": __version__, "function": function, "request": dict(request)}
    with tempfile.TemporaryDirectory(prefix="naturalist-task-") as folder:
        answer = Path(folder) / "answer.json"
        command = [python, "-m", "naturalist.orchestration.calls", str(answer)]
        code = _run(command, json.dumps(asked | {"arguments": dict(arguments)}))
        if not answer.exists():
            raise NaturalistError(
                f"{python} ended with exit code {code} and without an answer: what it printed is "
                "in the log of this task"
            )
        return _read(json.loads(answer.read_text("utf-8")))


def _run(command: list[str], line: str) -> int:
    try:
        # The interpreter that the configuration names.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)  # noqa: S603
    except OSError as error:
        raise Hopeless(f"airflow.python: {command[0]} cannot be started: {error}") from error
    with process:
        try:
            if process.stdin is None:
                return process.wait()
            _tell(process.stdin, line)
            code = process.wait()
            # What it never read is flushed again by closing, which must not hide its exit code.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            return code
        except BaseException:
            process.kill()
            raise


def _tell(stdin: IO[str], line: str) -> None:
    # Left open: when this process ends, the other one sees the end of its input.
    with contextlib.suppress(BrokenPipeError):
        stdin.write(line + "\n")
        stdin.flush()


def _read(answer: Mapping[str, Any]) -> Any:
    match answer["kind"]:
        case "result":
            return answer["value"]
        case "dry run":
            raise DryRun
        case "hopeless":
            raise Hopeless(answer["value"])
    raise NaturalistError(answer["value"])


def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What becomes of a call, as JSON values."""
    if asked["version"] != __version__:
        said = (
            f"airflow.python has naturalist {__version__}, and Airflow's environment has "
            f"{asked['version']}: install the same version in both"
        )
        return {"kind": "hopeless", "value": said}
    try:
        value = call(asked["function"], asked["request"], asked["arguments"])
    except DryRun:
        return {"kind": "dry run"}
    except Hopeless as error:
        return {"kind": "hopeless", "value": str(error)}
    except NaturalistError as error:
        return {"kind": "error", "value": str(error)}
    return {"kind": "result", "value": value}


def main() -> None:
    """Do what the first line of stdin asks for; the answer goes to the file that is named."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    path = Path(sys.argv[1])
    path.write_text(json.dumps(answer(asked)), "utf-8")


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
