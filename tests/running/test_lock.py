import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from naturalist.errors import WorkspaceLocked
from naturalist.layout import Layout
from naturalist.running import lock, workspace
from naturalist.running.lock import Claim
from tiny import in_memory

MINE = Claim("dag/mine")
WITH_OTHERS = Claim("dag/mine", shared=True)


@pytest.fixture
def layout() -> Iterator[Layout]:
    with in_memory() as root:
        layout = Layout(root / "work")
        layout.root.mkdir()
        yield layout


def take(layout: Layout, claim: Claim) -> None:
    with lock.held(layout, claim):
        pass


def refused(layout: Layout, claim: Claim) -> str:
    with pytest.raises(WorkspaceLocked) as caught:
        take(layout, claim)
    return str(caught.value)


def test_processes_of_one_run_work_side_by_side(layout: Layout) -> None:
    with ExitStack() as together:
        for _ in range(3):
            together.enter_context(lock.held(layout, WITH_OTHERS))
        assert lock.is_locked(layout)
        assert f"process {os.getpid()}" in refused(layout, Claim())
        assert "dag/mine" in refused(layout, Claim("dag/other", shared=True))


@pytest.mark.parametrize("host", [socket.gethostname(), "another-host"])
def test_a_number_that_a_living_process_has_now_keeps_nobody_out(layout: Layout, host: str) -> None:
    left = {"pid": os.getppid(), "host": host, "run": "before the machine was started again"}
    layout.lock.write_text(json.dumps(left))
    assert not lock.is_locked(layout)
    take(layout, Claim())


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"pid": 7}', "null", "\0\0"])
def test_whoever_holds_it_is_told_of_whatever_the_file_says(layout: Layout, text: str) -> None:
    with lock.held(layout, Claim()):
        layout.lock.write_text(text)
        assert "is locked by another process: wait" in refused(layout, Claim())


def test_one_process_of_a_run_can_ask_to_be_alone(layout: Layout) -> None:
    with lock.held(layout, WITH_OTHERS):
        assert "dag/mine" in refused(layout, MINE)
    with lock.held(layout, MINE):
        assert "dag/mine" in refused(layout, WITH_OTHERS)


def test_between_two_processes_of_a_run_the_workspace_stays_with_it(layout: Layout) -> None:
    take(layout, MINE)
    assert lock.is_locked(layout)
    said = refused(layout, Claim())
    assert "is locked by a run of several processes, dag/mine" in said
    assert str(layout.lease) in said
    assert "dag/mine" in refused(layout, Claim("dag/other"))
    take(layout, WITH_OTHERS)
    take(layout, MINE)


def test_a_run_that_ends_gives_the_workspace_back(layout: Layout) -> None:
    take(layout, MINE)
    lock.release(layout, "dag/other")
    assert lock.is_locked(layout)
    lock.release(layout, "dag/mine")
    assert not lock.is_locked(layout)
    take(layout, Claim())


def test_a_run_that_gives_no_sign_of_life_loses_the_workspace(layout: Layout) -> None:
    take(layout, Claim("dag/dead", keep_s=0))
    assert not lock.is_locked(layout)
    take(layout, MINE)
    assert "dag/mine" in refused(layout, Claim("dag/dead", shared=True))


def test_the_command_line_clears_away_the_lease_of_a_dead_run(layout: Layout) -> None:
    take(layout, Claim("dag/dead", keep_s=0))
    with lock.held(layout, Claim()):
        assert lock.read_lease(layout) is None
        assert f"process {os.getpid()}" in refused(layout, Claim("dag/dead", shared=True))
    take(layout, Claim("dag/dead"))


def test_a_process_that_works_longer_than_the_lease_keeps_the_workspace(layout: Layout) -> None:
    claim = Claim("dag/mine", shared=True, keep_s=0.2)
    with lock.held(layout, claim):
        first = lock.read_lease(layout)
        renewed = threading.Event()

        def look() -> None:
            while lock.read_lease(layout) == first:
                pass
            renewed.set()

        threading.Thread(target=look, daemon=True).start()
        assert renewed.wait(60)
        take(layout, claim)


def test_who_may_wait_gets_the_workspace_when_it_is_free(layout: Layout) -> None:
    got = threading.Event()

    def wait() -> None:
        take(layout, Claim("dag/patient", wait_s=60))
        got.set()

    with lock.held(layout, Claim()):
        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        assert not got.is_set()
    waiting.join(60)
    assert got.is_set()


HOLD = """
import sys
from pathlib import Path
from naturalist.layout import Layout
from naturalist.running import lock
with lock.held(Layout(Path(sys.argv[1])), lock.Claim("dag/mine", shared=sys.argv[2] == "shared")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["shared", "alone"])
def test_a_killed_process_of_a_run_leaves_the_workspace_to_the_rest_of_it(
    layout: Layout, how: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(layout.root), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
    assert "dag/mine" in refused(layout, Claim())
    take(layout, WITH_OTHERS)
    take(layout, MINE)


def test_only_a_process_that_is_alone_clears_away_what_killed_ones_left(layout: Layout) -> None:
    with workspace.held(layout, "tiny", ("images",), MINE):
        pass
    left = layout.root / "features" / ".part.parquet.1-2.tmp"
    left.parent.mkdir()
    left.touch()
    with workspace.held(layout, "tiny", ("images",), WITH_OTHERS):
        assert left.exists()
        assert layout.scratch.exists()
    assert layout.scratch.exists()
    with workspace.held(layout, "tiny", ("images",), MINE):
        assert not left.exists()
    assert not layout.scratch.exists()
