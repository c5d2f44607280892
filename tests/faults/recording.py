"""Runs a command and writes down every system call by which it changes files, with the bytes.

`strace` prints all strings as hexadecimal escapes and the path of every file handle, so that a line
can be cut at its commas.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from faults.forking import run_watched
from faults.striking import Ended, run_under

CALLS = (
    "open,openat,creat,write,writev,pwrite64,pwritev,copy_file_range,sendfile,ioctl,lseek,truncate,"
    "ftruncate,fallocate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,"
    "rmdir,mkdir,mkdirat,fsync,fdatasync,sync_file_range,syncfs,sync"
)
_BY_NAME = ("rename", "link", "symlink", "unlink", "rmdir", "mkdir", "truncate", "sync")
"""Calls whose path may be relative to the folder where the command runs."""
_BYTES_SHOWN = 1 << 26
_WATCHING = ("-y", "-xx", "-s", str(_BYTES_SHOWN), "-e", f"trace={CALLS}")
_BEGUN = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
_WHOLE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<([^>]*)>)?(.*)$")
_HANDLE = re.compile(r"^(-?\d+|AT_FDCWD)<([^>]*)>(\(deleted\))?$")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True)
class Handle:
    """A file handle: its number, and the path of its file if that still has one."""

    number: int
    path: bytes | None


@dataclass(frozen=True)
class Call:
    """A system call that succeeded.

    Attributes:
        name: of the call.
        arguments: as `strace` prints them.
        result: what it returned.
        path: of the file that it opened.
        begun: how many calls had ended when this one began.
    """

    name: str
    arguments: tuple[str, ...]
    result: int
    path: bytes | None
    begun: int

    @property
    def changes(self) -> bool:
        """Whether it changes or flushes something."""
        return self.name not in ("open", "openat", "lseek") or any(
            "O_CREAT" in text for text in self.arguments
        )

    def handle(self, at: int) -> Handle:
        """The file handle that is argument number `at`."""
        found = _HANDLE.match(self.arguments[at])
        if found is None:
            return Handle(-1, None)
        number = -1 if found[1] == "AT_FDCWD" else int(found[1])
        return Handle(number, None if found[3] else _unescaped(found[2]))

    def string(self, at: int) -> bytes:
        """The bytes that are argument number `at`; those of a vector one after another."""
        return b"".join(_unescaped(text) for text in _STRING.findall(self.arguments[at]))


def record(arguments: list[str], folder: Path, trace: Path) -> tuple[Ended, list[Call]]:
    """Run a command undisturbed; how it ended, and its calls in the order in which they ended."""
    ended = run_watched(arguments, folder, [*_WATCHING, "-o", str(trace)], is_alone=True)
    return ended, read_trace(trace, folder)


def record_program(program: str, folder: Path, trace: Path) -> tuple[Ended, list[Call]]:
    """The same for a program in Python."""
    watching = ["strace", "-f", "-qq", "-e", "signal=none", *_WATCHING, "-o", str(trace)]
    return run_under(watching, [], folder, program), read_trace(trace, folder)


def read_trace(trace: Path, folder: Path) -> list[Call]:
    """Calls of a trace that succeeded and may concern a folder."""
    inside = "".join(f"\\x{byte:02x}" for byte in os.fsencode(folder.resolve()))
    calls: list[Call] = []
    begun: dict[str, tuple[str, int]] = {}
    for line in trace.read_text("ascii", errors="replace").splitlines():
        at = len(calls)
        if opened := _BEGUN.match(line):
            begun[opened[1]] = (f"{opened[1]} {opened[2]}({opened[3]}", at)
            continue
        if resumed := _RESUMED.match(line):
            first, at = begun.pop(resumed[1])
            line = f"{first}{resumed[3]}"
        found = _WHOLE.match(line)
        if found and int(found[4]) >= 0 and (inside in line or found[2] in _BY_NAME):
            path = _unescaped(found[5]) if found[5] else None
            arguments = tuple(part.strip() for part in _cut(found[3]))
            calls.append(Call(found[2], arguments, int(found[4]), path, at))
    return calls


def _cut(text: str) -> list[str]:
    """Arguments, cut at commas outside of brackets."""
    parts, depth, begin = [], 0, 0
    for found in re.finditer(r"[\[\]{},]", text):
        if found[0] in "[{":
            depth += 1
        elif found[0] in "]}":
            depth -= 1
        elif depth == 0:
            parts.append(text[begin : found.start()])
            begin = found.end()
    return [*parts, text[begin:]]


def _unescaped(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()
