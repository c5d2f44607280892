"""Commands that are forked, from several threads, and what is left of the process that asks."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faults.forking import run_forked, start
from faults.striking import DEADLINE_S
from naturalist import __version__


def test_threads_start_commands_at_once_and_nothing_changes_here(tmp_path: Path) -> None:
    environment, program = dict(os.environ), sys.modules["__main__"]
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda n: run_forked(["--version"], tmp_path / str(n)), range(12)))
    assert {(one.code, one.out, one.err) for one in ended} == {
        (0, f"naturalist {__version__}\n", "")
    }
    assert dict(os.environ) == environment
    assert sys.modules["__main__"] is program


def test_a_command_that_has_ended_keeps_its_number_until_somebody_has_waited_for_it(
    tmp_path: Path,
) -> None:
    started = start(["--version"], tmp_path)
    assert started.has_ended(DEADLINE_S)
    assert Path(f"/proc/{started.pid}").exists()
    started.send(signal.SIGKILL)
    assert started.wait().code == 0
    started.send(signal.SIGKILL)


def test_a_command_is_killed_like_any_process(tmp_path: Path) -> None:
    started = start(["--version"], tmp_path, is_stopped=True)
    assert not started.has_ended()
    started.send(signal.SIGKILL)
    assert started.wait().was_killed
