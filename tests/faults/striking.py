"""Runs a command and kills it when it is about to make its n-th system call that changes files.

`strace` sees the calls of every thread and process, those of compiled libraries too, and kills the
one that makes the call before it is carried out: between any two changes, and in the middle of what
is being written. Each process counts its own calls.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

CALLS = (
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,"
    "fsync,fdatasync,ftruncate,write,pwrite64,copy_file_range,sendfile,setxattr"
)
PROGRAM = "from naturalist.cli import main; main()"
DEADLINE_S = 600
_KILLED = (-9, 137)
_LINE = re.compile(r"^(\d+) +(\w+)\(")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def was_killed(self) -> bool:
        """Whether the command itself was killed (a worker of it may be, and the command go on)."""
        return self.code in _KILLED


def run(arguments: list[str], folder: Path) -> Ended:
    """Run a command undisturbed."""
    return _run([], arguments, folder)


def count_calls(arguments: list[str], folder: Path, trace: Path) -> int:
    """Run a command and count the calls of the process that makes most."""
    watching = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-e", "signal=none"]
    ended = _run([*watching, "-o", str(trace)], arguments, folder)
    assert ended.code == 0, ended.err
    lines = trace.read_text(errors="replace").splitlines()
    counts = Counter(found[1] for line in lines if (found := _LINE.match(line)))
    return max(counts.values())


def strike(arguments: list[str], folder: Path, at: int) -> Ended:
    """Run a command whose processes are killed at their call number `at` (from 1)."""
    kill = f"inject={CALLS}:signal=SIGKILL:when={at}"
    striking = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-e", "signal=none", "-e", kill]
    return _run([*striking, "-o", "/dev/null"], arguments, folder)


def _run(before: list[str], arguments: list[str], folder: Path) -> Ended:
    command = [*before, sys.executable, "-c", PROGRAM, *arguments]
    environment = os.environ | {
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def need_strace() -> None:
    """Skip where system calls cannot be watched."""
    if shutil.which("strace") is None:
        pytest.skip("no strace on this machine: apt-get install strace")
    tried = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False)
    if tried.returncode:
        pytest.skip("this machine does not let a process watch another one")
