"""A run that the machine lets down says so, with its exit code and no traceback, and goes on later.

Each trouble is a real one: a full drive, limits of the system, a drive that only reads, missing
rights, files that change while they are read. Afterwards the run ends at the tables of a run that
had no trouble. Some in every test run, all by `pytest tests/faults/test_resources.py --long`.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import tiny
from faults.outcomes import Outcome, of_run
from faults.starts import COLLECTION, ON_COLLECTION, config_of, make_sources
from faults.striking import Ended, run_here, run_under
from naturalist import artifacts

# Into a full drive, too: the estimate before the first file would not let a run come so far.
RUN = ["run", "--accept-low-space", *ON_COLLECTION]
WORK = f"{COLLECTION}/work"
STALLED = "sources/plant/0002.png"
STALL_S, DECODING_S = 25, 10
UNPRIVILEGED = [
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
]
"""Before a command: root without the right to pass over permissions."""


@dataclass(frozen=True)
class Trouble:
    """What is wrong with the machine, and how a run has to end then.

    Attributes:
        codes: exit codes that say it.
        said: a piece of the message.
        during: what is wrong while the command runs; gets the folder of the collection.
        wrapper: what to put before the command.
    """

    codes: tuple[int, ...]
    said: str
    during: Callable[[Path], contextlib.AbstractContextManager[object]] = field(
        default=lambda _: contextlib.nullcontext()
    )
    wrapper: tuple[str, ...] = ()


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection that nothing was made of yet."""
    folder = tmp_path_factory.mktemp("resources") / "start"
    make_sources(folder, "copy")
    return folder


@pytest.fixture(scope="session")
def expected(start: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What a run without trouble makes of it."""
    folder = tmp_path_factory.mktemp("undisturbed") / "folder"
    shutil.copytree(start, folder)
    tiny.make_all(config_of(folder))
    return of_run(folder)


@pytest.fixture
def folder(start: Path, tmp_path: Path) -> Path:
    """A copy for one trouble."""
    return Path(shutil.copytree(start, tmp_path / "folder"))


@contextlib.contextmanager
def drive(at: Path, options: str) -> Iterator[None]:
    """A small drive of its own at a folder, while the command runs; what is on it is kept."""
    need_mount()
    at.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], check=True)
    try:
        yield
        kept = shutil.copytree(at, at.with_name(f"{at.name}.kept"), symlinks=True)
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)
    at.rmdir()
    kept.rename(at)


def need_mount() -> None:
    """Skip where drives cannot be made."""
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        check=False,
    )
    if os.geteuid() or tried.returncode:
        pytest.skip("only root can make a small drive")


def full(where: str, size_kb: int) -> Callable[[Path], contextlib.AbstractContextManager[object]]:
    """A drive of so many kilobytes at a folder."""
    return lambda folder: drive(folder / where, f"size={size_kb}k")


@contextlib.contextmanager
def only_reading(folder: Path) -> Iterator[None]:
    """The workspace is on a drive that was mounted for reading."""
    work = folder / WORK
    with drive(work, "size=20m"):
        subprocess.run(["mount", "-o", "remount,ro", str(work)], check=True)
        yield
        subprocess.run(["mount", "-o", "remount,rw", str(work)], check=True)


@contextlib.contextmanager
def no_permission(path: Path) -> Iterator[None]:
    """Nobody may write to a folder; root may, without its privilege to do so."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o555)
    yield
    path.chmod(0o755)


def failing(calls: str, error: str, first: int, *options: str) -> tuple[str, ...]:
    """Calls of the system fail from number `first` of each process on."""
    inject = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}:when={first}+"]
    return ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none", *inject, *options)


@contextlib.contextmanager
def hurried(folder: Path) -> Iterator[None]:
    """A decoder has less time than a read of the slow files takes."""
    path = folder / COLLECTION / "naturalist.toml"
    text = path.read_text("utf-8")
    path.write_text(f"limits = {{decode_timeout_s = {DECODING_S}}}\n{text}", "utf-8")
    yield
    path.write_text(text, "utf-8")


SLOW = ("-e", "trace=read,pread64", "-e", f"inject=read,pread64:delay_enter={STALL_S}s:when=1")
WRITES = "mkdir,link,linkat,rename,fsync,fdatasync"
"""None of them is how a message gets to the terminal."""
TROUBLES = {
    "a workspace that takes 96 kB": Trouble((10,), "no space left", full(WORK, 96)),
    "files of 2 kB at most": Trouble((5,), "File too large", wrapper=("prlimit", "--fsize=2000")),
}
MORE_TROUBLES = {
    "no right to write": Trouble(
        (5,),
        "Permission denied",
        lambda folder: no_permission(folder / WORK),
        tuple(UNPRIVILEGED),
    ),
    **{
        f"a workspace that takes {size_kb} kB": Trouble((10,), "no space left", full(WORK, size_kb))
        for size_kb in (4, 16, 32, 48, 64, 128, 160, 192, 224, 256, 288, 320)
    },
    **{
        f"a place to publish that takes {size_kb} kB": Trouble(
            (10,), "no space left|are free", full("published", size_kb)
        )
        for size_kb in (4, 136, 148, 160)
    },
    "a full temporary folder": Trouble((0, 10), "", full("tmp", 4)),
    "a workspace that can only be read": Trouble((5,), "Read-only file system", only_reading),
    **{
        f"files of {size} bytes at most": Trouble(
            (5,), "File too large", wrapper=("prlimit", f"--fsize={size}")
        )
        for size in (50, 500, 5000)
    },
    **{
        f"{count} open files at most": Trouble(
            (0, 5),
            "too many open files|Too many open files",
            wrapper=("prlimit", f"--nofile={count}"),
        )
        for count in (12, 16, 20, 24, 32)
    },
    **{
        f"a quota that is used up at call {first}": Trouble(
            (10,), "no space left", wrapper=failing(WRITES, "EDQUOT", first)
        )
        for first in (5, 20, 60)
    },
    **{
        f"a drive that fails at call {first}": Trouble(
            (5,), "Input/output error", wrapper=failing(WRITES, "EIO", first)
        )
        for first in (5, 20, 60)
    },
    "a drive that stands still": Trouble(
        (0,),
        "",
        hurried,
        ("strace", "-f", "-qq", "-o", "/dev/null", "-P", STALLED, *SLOW),
    ),
    "no right to publish": Trouble(
        (7,),
        "no permission",
        lambda folder: no_permission(folder / "published"),
        tuple(UNPRIVILEGED),
    ),
    "no home": Trouble((0,), "", wrapper=("env", "-u", "HOME", "-u", "XDG_CACHE_HOME")),
    "a home that is not there": Trouble((0,), "", wrapper=("env", "HOME=/not/there")),
}


def run_in(trouble: Trouble, folder: Path) -> Ended:
    """Run in trouble."""
    with trouble.during(folder):
        return run_under(list(trouble.wrapper), RUN, folder)


def check(trouble: Trouble, folder: Path, expected: Outcome) -> None:
    """A run in trouble says so, and the next one makes what a run without trouble makes."""
    ended = run_in(trouble, folder)
    assert "Traceback" not in ended.err, ended.err
    assert ended.code in trouble.codes, (ended.code, ended.err)
    if ended.code:
        assert re.search(trouble.said, ended.err), ended.err
    artifacts.forget_folders()
    tiny.make_all(config_of(folder))
    assert of_run(folder) == expected


@pytest.mark.parametrize("name", TROUBLES)
def test_a_run_in_trouble_says_so_and_goes_on_later(
    folder: Path, expected: Outcome, name: str
) -> None:
    check(TROUBLES[name], folder, expected)


@pytest.mark.long
@pytest.mark.parametrize("name", MORE_TROUBLES)
def test_a_run_in_more_kinds_of_trouble_says_so_and_goes_on_later(
    folder: Path, expected: Outcome, name: str
) -> None:
    check(MORE_TROUBLES[name], folder, expected)


HOLD = """
import sys
from pathlib import Path
from naturalist.layout import Layout
from naturalist.running import lock
layout = Layout(Path(sys.argv[1]))
layout.root.mkdir(parents=True)
with lock.held(layout, lock.Claim()):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_writer_on_another_host_is_named_and_its_death_frees_the_folder(
    folder: Path, expected: Outcome
) -> None:
    """The host is this machine under another name, as both see the folder and its locks."""
    other = ["unshare", "--uts", "sh", "-c", 'hostname far-away && exec "$@"', "sh"]
    if subprocess.run([*other, "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root can give a process another host name")
    holding = subprocess.Popen(
        [*other, sys.executable, "-c", HOLD, str(folder / WORK)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "held\n"
        ended = run_here(RUN, folder)
        holding.kill()
    assert ended.code == 5
    assert f"process {holding.pid} on far-away" in ended.err
    assert "Traceback" not in ended.err
    tiny.make_all(config_of(folder))
    assert of_run(folder) == expected
