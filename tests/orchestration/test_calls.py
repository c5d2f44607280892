"""Functions of tasks, called by the Python of another environment (here: by another process)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.orchestration.days import write_toml
from tests.tiny import write_picture

from naturalist.errors import NaturalistError
from naturalist.orchestration import calls

Rendered = dict[str, str]


@pytest.fixture
def request_(tmp_path: Path) -> Rendered:
    """A run on three plants, as Airflow's templates give it."""
    for seed in range(3):
        write_picture(tmp_path / f"plant/{seed}.png", seed)
    path = write_toml(tmp_path / "one", {"plant": "../plant"}, "[airflow]\nwait_s = 0")
    named = {"config_path": str(path), "run": "dag/first", "at": "", "new_images": ""}
    return named | dict.fromkeys(("dry_run", "rescan", "accept_failures"), "False")


def elsewhere(function: str, request: Rendered, **arguments: str) -> object:
    return calls.call_with(sys.executable, function, request, arguments)


def test_results_and_logs_come_back(request_: Rendered, capfd: pytest.CaptureFixture[str]) -> None:
    assert elsewhere("begin", request_) is None
    assert elsewhere("ingest", request_) == [1]
    assert elsewhere("plan_extraction", request_, category="plant") == [
        "000001-00000..000001-00000"
    ]
    assert "batches added: [1]" in capfd.readouterr().out


def test_errors_come_back_with_whether_trying_again_helps(request_: Rendered) -> None:
    with pytest.raises(calls.Hopeless, match="yesterday"):
        elsewhere("begin", request_ | {"at": "yesterday"})
    elsewhere("begin", request_)
    with pytest.raises(NaturalistError, match="dag/first") as error:
        elsewhere("begin", request_ | {"run": "dag/second"})
    assert not isinstance(error.value, calls.Hopeless)


def test_a_dry_run_does_nothing(request_: Rendered) -> None:
    with pytest.raises(calls.DryRun):
        calls.call("begin", request_ | {"dry_run": "True"}, {})
    assert calls.answer({"version": "0", "function": "", "request": {}})["kind"] == "hopeless"


def test_an_interpreter_that_is_not_there_or_says_nothing_is_named(request_: Rendered) -> None:
    with pytest.raises(calls.Hopeless, match="/nowhere/python cannot be started"):
        calls.call_with("/nowhere/python", "begin", request_, {})
    with pytest.raises(NaturalistError, match="exit code 0 and without an answer"):
        calls.call_with("/bin/true", "begin", request_, {})


def test_the_interpreter_ends_when_its_task_is_killed(tmp_path: Path) -> None:
    # It asks for its input and gets no more than the first line.
    script = "from naturalist.orchestration import calls; calls.main()"
    asked = {"version": calls.__version__, "function": "begin", "request": {}, "arguments": {}}
    waiting = (
        "import time, naturalist.orchestration.calls as c; c.answer = lambda _: time.sleep(90)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"{waiting}; {script}", str(tmp_path / "answer.json")],
        stdin=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.close()
    assert process.wait(60) == 1
    assert not (tmp_path / "answer.json").exists()
