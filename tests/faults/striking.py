"""What a command that is run gets, how it ended, and the ways to run it in no fork."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

import planted
from inline_work import in_this_process
from naturalist.cli import main

CALLS = (
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,"
    "fsync,fdatasync,ftruncate,write,pwrite64,copy_file_range,sendfile,setxattr"
)
PROGRAM = "from naturalist.cli import main; main()"
DEADLINE_S = 600
_KILLED = (-9, 137)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        planted.check(self.out, self.err)

    @property
    def was_killed(self) -> bool:
        """Whether the command itself was killed; a worker of it may be, and the command go on."""
        return self.code in _KILLED


@dataclass(frozen=True)
class Asked:
    """A command.

    Attributes:
        arguments: of the command line.
        folder: where it runs.
        environment: its variables.
        printed: files for its standard output and its errors.
        is_alone: whether what others give to worker processes is done in the command itself.
        is_stopped: whether it waits for SIGCONT before it begins.
    """

    arguments: Sequence[str]
    folder: Path
    environment: dict[str, str]
    printed: tuple[Path, Path]
    is_alone: bool
    is_stopped: bool


def run_here(arguments: list[str], folder: Path) -> Ended:
    """Run a command in this process, which saves the time in which a new one would start."""
    printed = [folder.parent / f"{folder.name}.{name}" for name in ("out", "err")]
    handler = signal.getsignal(signal.SIGTERM)
    with contextlib.ExitStack() as stack:
        out, err = (stack.enter_context(path.open("w", encoding="utf-8")) for path in printed)
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        stack.enter_context(patch.object(sys, "argv", ["naturalist", *arguments]))
        stack.callback(signal.signal, signal.SIGTERM, handler)
        stack.enter_context(in_this_process())
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Ended(code, *(path.read_text("utf-8") for path in printed))


def run_under(
    before: list[str], arguments: list[str], folder: Path, program: str = PROGRAM
) -> Ended:
    """Run a command as the child of another one, such as `strace` with its options."""
    command = [*before, sys.executable, "-c", program, *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment_of(folder),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def environment_of(folder: Path) -> dict[str, str]:
    """Variables of a command that leaves nothing outside its folder."""
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    return os.environ | {
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def need_strace() -> None:
    """Skip where system calls cannot be watched."""
    if shutil.which("strace") is None:
        pytest.skip("no strace on this machine: apt-get install strace")
    tried = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False)
    if tried.returncode:
        pytest.skip("this machine does not let a process watch another one")
