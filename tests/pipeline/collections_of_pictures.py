"""Small collections of real photos, and the program run on them as a person runs it.

Everything here goes through the command line, with a deadline: what hangs fails. A `Sabotage` makes
the process (or one of its workers) end, stop or be interrupted at an exact change to the files; see
`saboteur/sitecustomize.py`.
"""

import contextlib
import hashlib
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from inline_work import in_this_process
from naturalist.cli import main
from naturalist.config import load_config
from naturalist.curation import ledger_query
from naturalist.curation.ledger_query import Filter
from naturalist.pipeline.status import collection_status

SABOTEUR = Path(__file__).parent / "saboteur"
STAGES = ("examine", "assign", "place", "commit", "extract", "verify", "tables", "publish")
DEADLINE_S = 240.0
_SAMPLE_S = 0.05

Categories = Mapping[str, Mapping[str, Path]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Sabotage:
    """What is to happen to a run, and at which change to the files of which stage (from 1).

    `files` says what happens to a process that opens a file with such a piece in its path.
    """

    action: str = ""
    stage: str = ""
    at: int = 0
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ran:
    """How a command ended; `peak_mb` is that of its largest process."""

    code: int
    out: str
    err: str
    peak_mb: float
    changes: dict[str, int] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


def command(
    arguments: Sequence[str],
    *,
    sabotage: Sabotage | None = None,
    wrapper: Sequence[str] = (),
    alone: bool = False,
) -> Ran:
    """Run `naturalist` with arguments; a deadline that passes fails the test.

    In a process of its own if the test asks for that; else in the one of the tests, for what
    Python's start costs, without workers unless the test has the fixture `with_workers`.
    """
    if not (alone or wrapper or sabotage):
        return _command_here(arguments)
    with tempfile.TemporaryDirectory() as notes:
        process, out, err = begin(arguments, Path(notes), sabotage=sabotage, wrapper=wrapper)
        return finish(process, out, err, Path(notes), DEADLINE_S)


def _command_here(arguments: Sequence[str]) -> Ran:
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in range(2))
    with (
        _deadline(),
        in_this_process(),
        mock.patch.object(sys, "argv", ["naturalist", *arguments]),
        mock.patch.dict(os.environ, COLUMNS="200"),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    return Ran(int(str(ended.value.code)), _text(out), _text(err), 0)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


@contextlib.contextmanager
def _deadline() -> Iterator[None]:
    """Fail what takes too long, and give signals back as they were."""
    term = signal.getsignal(signal.SIGTERM)
    alarm = signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(round(DEADLINE_S))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGTERM, term)


def _too_late(*_: object) -> None:
    raise AssertionError(f"no end after {DEADLINE_S} s")


def begin(
    arguments: Sequence[str],
    notes: Path,
    *,
    sabotage: Sabotage | None = None,
    wrapper: Sequence[str] = (),
) -> tuple["subprocess.Popen[bytes]", Path, Path]:
    """Start the program in a process group of its own."""
    out, err = notes / "out", notes / "err"
    environment = os.environ | {"COLUMNS": "200"}
    if sabotage is not None:
        plan = asdict(sabotage) | {"notes": str(notes)}
        path = os.pathsep.join([str(SABOTEUR), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment |= {"SABOTAGE": json.dumps(plan), "PYTHONPATH": path}
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [*wrapper, sys.executable, "-W", "error", "-m", "naturalist", *arguments],
            stdout=stdout,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    return process, out, err


def finish(
    process: "subprocess.Popen[bytes]", out: Path, err: Path, notes: Path, deadline_s: float
) -> Ran:
    """Wait for a program that was begun."""
    ended, peak_mb = _watch(process.pid, deadline_s)
    if not ended:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise AssertionError(f"no end after {deadline_s} s:\n{err.read_text()}")
    process.wait()
    changes = {path.suffix[1:]: path.stat().st_size for path in notes.glob("changes.*")}
    return Ran(
        process.returncode,
        out.read_text(),
        err.read_text("utf-8", "backslashreplace"),
        peak_mb,
        changes,
    )


def _watch(session: int, deadline_s: float) -> tuple[bool, float]:
    """Whether a session's first process ended in time, and the peak memory of any in MB.

    Peaks are sampled: what the system tells of an ended child counts its parent's memory too.
    """
    handle = os.pidfd_open(session)
    deadline = time.monotonic() + deadline_s
    peak_mb = 0.0
    try:
        while time.monotonic() < deadline:
            if select.select([handle], [], [], _SAMPLE_S)[0]:
                return True, peak_mb
            peak_mb = max([peak_mb, *map(_peak_mb, _members(session))])
    finally:
        os.close(handle)
    return False, peak_mb


def _peak_mb(process: Path) -> float:
    with contextlib.suppress(OSError):
        # A process that is not yet the program it is to become has this one's memory.
        if (process / "cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes():
            return 0.0
        for line in (process / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def session_is_empty(session: int) -> bool:
    """Whether no process of a session is left (zombies, which nobody here can reap, aside)."""
    return not list(_members(session))


def _members(session: int) -> Iterator[Path]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            yield path.parent


@dataclass(frozen=True)
class Collection:
    """A folder with `naturalist.toml`, which is the workspace too; `published` lies beside it."""

    folder: Path

    @property
    def published(self) -> Path:
        return self.folder.parent / "published"

    def call(self, name: str, *arguments: str, **options: Any) -> Ran:
        """Run one command on this collection."""
        return command([name, "-c", str(self.folder), *arguments], **options)

    def run(self, *arguments: str, code: int = 0, **options: Any) -> Ran:
        """`naturalist run --json`, which must end with `code`."""
        ran = self.call("run", "--json", *arguments, **options)
        assert ran.code == code, f"exit code {ran.code}:\n{ran.out}\n{ran.err}"
        return ran

    def status(self) -> dict[str, Any]:
        """`categories` of what `naturalist status --json` prints."""
        categories: dict[str, Any] = collection_status(load_config(self.folder))["categories"]
        return categories

    def ledger(self, **wanted: str) -> list[Row]:
        """What `naturalist ledger --json` prints."""
        return list(ledger_query.rows(load_config(self.folder), Filter(**wanted), 0))

    def outcomes(self) -> list[tuple[Any, ...]]:
        """The ledger without anything that depends on when a batch was cut."""
        columns = ("category", "source", "path_text", "occurrence", "outcome", "reason", "detail")
        columns += ("pic_id", "same_as", "size_bytes", "sha256", "format", "width", "height")
        return sorted((tuple(row[c] for c in columns) for row in self.ledger()), key=repr)

    def outcome_of(self, category: str) -> dict[str, tuple[str, str | None]]:
        """For each path of a category: the outcome, and the reason or the picture that it names."""
        return {
            row["path_text"]: (row["outcome"], row["reason"] or row["same_as"] or row["pic_id"])
            for row in self.ledger(category=category)
        }

    def pictures(self) -> list[Path]:
        """Placed pictures."""
        return sorted(
            p for p in (self.folder / "images").rglob("*") if p.is_file() and p.name[0] != "."
        )

    def tables(self) -> dict[str, str]:
        """sha256 of every table, CSV and Parquet."""
        return {
            name: digest
            for name, digest in digests(self.folder / "tables").items()
            if name.endswith((".csv", ".parquet"))
        }

    def snapshot(self) -> dict[str, str]:
        """Name and sha256 of every file of the published snapshot, checked against the bytes."""
        pointer = json.loads((self.published / "latest.json").read_bytes())
        body = (self.published / pointer["key"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == pointer["sha256"]
        files = json.loads(body)["files"]
        for one in files:
            data = (self.published / one["key"]).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (
                one["size_bytes"],
                one["sha256"],
            )
        return {one["name"]: one["sha256"] for one in files}

    def leftovers(self) -> list[str]:
        """Files and folders that only a run under way may have."""
        hidden = (".scratch", "images/.staging", "ledger/.open", "ledger/.pending")
        found = [name for name in hidden if (self.folder / name).exists()]
        found += [p.name for p in (self.folder / "ledger").glob(".pending.*")]
        found += [str(p) for p in self.folder.rglob("*.tmp")]
        # In its hidden folder a store keeps what may be another publisher's for a day.
        shown = [p for p in self.published.rglob("*.tmp") if ".naturalist" not in p.parts]
        return found + [str(p) for p in shown]

    def set(self, before: str, after: str) -> None:
        """Edit the configuration."""
        path = self.folder / "naturalist.toml"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))


SMALL = {
    "files_per_batch": 60,
    "files_per_task": 15,
    "shard_size": 12,
    "rows_per_table": 25,
    "workers": 1,
}
"""Several batches, tasks, shards and tables of everything in a collection of a hundred photos."""


def write_collection(
    folder: Path,
    categories: Categories,
    *,
    mode: str = "hardlink",
    backbone: str = "colour_histogram",
    failure_budget: float = 0.01,
    publish: bool = True,
    more: str = "",
    sizes: Mapping[str, int] = SMALL,
) -> Collection:
    """Write a `naturalist.toml`; labels count from 0 in the order of the categories."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f'name = "test"\nfailure_budget = {failure_budget}']
    for label, (name, sources) in enumerate(categories.items()):
        lines.append(f'[[category]]\nname = "{name}"\nlabel = {label}')
        for source, path in sources.items():
            lines.append(
                f'  [[category.source]]\n  name = "{source}"\n  path = {json.dumps(str(path))}'
            )
    lines += [
        f'[images]\nmode = "{mode}"',
        f"[ingest]\nfiles_per_batch = {sizes['files_per_batch']}",
        f"files_per_task = {sizes['files_per_task']}",
        f'[extract]\nbackbone = "{backbone}"\nshard_size = {sizes["shard_size"]}',
        f"workers = {sizes['workers']}",
        f"[tables]\nrows_per_table = {sizes['rows_per_table']}",
        f'[publish]\nurl = "{"../published" if publish else ""}"',
        more,
    ]
    (folder / "naturalist.toml").write_text("\n".join(lines) + "\n")
    return Collection(folder)


def take(photos: Path, category: str, count: int, target: Path, *, skip: int = 0) -> Path:
    """Copy `count` different photos of a category, evenly from all its sources, into folders."""
    sources = sorted((photos / category).iterdir())
    listings = [sorted(p for p in s.rglob("*") if p.is_file()) for s in sources]
    taken: set[str] = set()
    for path in _in_turn(listings):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest in taken:
            continue
        taken.add(digest)
        if len(taken) <= skip:
            continue
        place = target / f"{len(taken) % 3}" / f"{digest[:8]}{path.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        if len(taken) == skip + count:
            break
    return target


def _in_turn(listings: Sequence[Sequence[Path]]) -> Iterator[Path]:
    for k in range(max(map(len, listings))):
        yield from (listing[k] for listing in listings if k < len(listing))


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every regular file below a folder."""
    return {
        os.fsencode(p.relative_to(folder)).decode("utf-8", "backslashreplace"): hashlib.sha256(
            p.read_bytes()
        ).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.is_symlink()
    }


def identities(folder: Path) -> dict[str, tuple[int, int, int]]:
    """inode, mtime and size of every file below a folder: equal means not rewritten.

    Without what a workspace remembers of the folders of its sources and of small files: a run that
    finds nothing new may learn that it need not look again.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.parent.name == "folders" or "read-before" in path.parts:
            continue
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            found[str(path.relative_to(folder))] = (
                status.st_ino,
                status.st_mtime_ns,
                status.st_size,
            )
    return found


def tree(folder: Path) -> dict[bytes, tuple[Any, ...]]:
    """Everything below a folder, of any kind, without opening it: for finding what changed."""
    found: dict[bytes, tuple[Any, ...]] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        size = 0 if path.is_dir() and not path.is_symlink() else status.st_size
        found[os.fsencode(path.relative_to(folder))] = (
            status.st_mode,
            status.st_ino,
            size,
            status.st_mtime_ns,
        )
    return found
