"""Ends, stops or interrupts a run at an exact change to its files. Imported by Python at its start.

An audit hook hears of every file that is renamed, linked, removed, made or opened, in the run and
in its workers. It counts the changes of each stage, over all processes, and at the one that
`SABOTAGE` names it strikes, just before the change is made. So every state that a kill can leave
between two changes is within reach, and a number says which.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

PLAN = json.loads(os.environ["SABOTAGE"])
PARENT = int(os.environ.setdefault("SABOTAGE_PARENT", str(os.getpid())))
STAGES = (
    ("/published/", "publish"),
    ("/outbox/", "publish"),
    ("/ledger/.open", "examine"),
    ("/images/.staging", "examine"),
    ("/ledger/.pending", "assign"),
    ("/images/", "place"),
    ("/features/", "extract"),
    ("/previews/", "extract"),
    ("/amendments/", "extract"),
    ("/ledger/", "commit"),
    ("/checks/", "verify"),
    ("/reports/", "verify"),
    ("/tables/", "tables"),
)
CHANGES = {
    "os.rename": (1, 3),
    "os.link": (1, 3),
    "os.remove": (0, 1),
    "os.mkdir": (0, 2),
    "os.rmdir": (0, 1),
}
"""Audit events that change the file tree: which arguments name the file, and its open folder."""


def strike(action: str) -> None:
    """Do what the plan says."""
    if action == "kill-group":
        os.killpg(0, signal.SIGKILL)
    elif action == "kill-parent":
        os.kill(PARENT, signal.SIGKILL)
    elif action == "stop-parent":
        os.kill(PARENT, signal.SIGSTOP)
    elif action == "term-parent":
        os.kill(PARENT, signal.SIGTERM)
    elif action == "int-group":
        os.killpg(0, signal.SIGINT)
    elif action == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif action == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "hang":
        hang_in_decoding()
    elif action == "slow":
        time.sleep(1)


def hang_in_decoding() -> None:
    """Stand still once the bytes of the picture that is being opened were read."""
    from naturalist.breadcrumbs import Trail

    noted = Trail.at

    def at(trail: Trail, index: int) -> None:
        noted(trail, index)
        while True:
            signal.pause()

    Trail.at = at  # type: ignore[method-assign]


def count(stage: str) -> int:
    """Count one more change of a stage, over all processes."""
    handle = os.open(f"{PLAN['notes']}/changes.{stage}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(handle, b"x")
        return os.lseek(handle, 0, os.SEEK_CUR)
    finally:
        os.close(handle)


def full_name(name: str | bytes, folder: int) -> str:
    """The path of a file that may be named relative to an open folder."""
    above = Path(f"/proc/self/fd/{folder}").readlink() if folder >= 0 else Path()
    return str(above / os.fsdecode(name))


def hear(event: str, arguments: tuple[Any, ...]) -> None:
    """See the module."""
    if event == "open":
        path = arguments[0]
        name = os.fsdecode(path) if isinstance(path, str | bytes) else ""
        for piece, action in PLAN["files"].items():
            if piece in name:
                strike(action)
        return
    if event not in CHANGES:
        return
    name = full_name(*(arguments[at] for at in CHANGES[event]))
    stage = next((stage for part, stage in STAGES if part in name), "")
    if stage and count(stage) == PLAN["at"] and stage == PLAN["stage"]:
        strike(PLAN["action"])


sys.addaudithook(hear)
