"""What the folders of a source held when every file in them was known to the ledger.

A folder whose files have the names, sizes and times that were written down then needs no look at
the ledger. That is as good as looking each file up: size and time are what a file is known by.

With `trust` a folder that has the inode and the time of last change that were written down is not
even opened. That is faster by orders of magnitude and not quite as good: the time of a folder
changes when a file is added, renamed or removed (and when one is replaced by renaming, as most
programs do), but not when bytes are written into a file that stays. What is missed so is found by
the next look without `trust`.
"""

import hashlib
import os
import stat
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from naturalist import artifacts
from naturalist.layout import Layout, receipt_path
from naturalist.schemas import FOLDER_STATES
from naturalist.small_files import SETTLED_NS

_FORMAT = "1"


@dataclass(frozen=True)
class FolderState:
    """One folder: a digest of its files' names, sizes and times, and how to tell that it changed.

    `mtime_ns` is -1 if it says nothing, because the folder had just changed.
    """

    digest: bytes
    inode: int
    mtime_ns: int
    folders: tuple[bytes, ...]
    """Names of the folders inside."""


@dataclass
class FolderStates:
    """The folders of one source: those written down, and those seen since.

    Keys are paths inside the source that end with a slash; the source itself is the empty path.
    """

    before: dict[bytes, FolderState] = field(default_factory=dict)
    trust: bool = False
    now: dict[bytes, FolderState] = field(default_factory=dict)

    def inside_unchanged(self, prefix: bytes, folder: bytes) -> Sequence[bytes] | None:
        """With `trust`, the names of the folders inside if the folder did not change; else None."""
        state = self.before.get(prefix)
        if not self.trust or state is None:
            return None
        status = os.stat(folder)
        if (status.st_ino, status.st_mtime_ns) != (state.inode, state.mtime_ns):
            return None
        self.now[prefix] = state
        return state.folders

    def is_known(
        self, prefix: bytes, status: os.stat_result, entries: Sequence[os.DirEntry[bytes]]
    ) -> bool:
        """Tell whether a folder holds what was written down, and remember what it holds now.

        Args:
            prefix: path of the folder inside the source.
            status: of the folder, taken before it was listed.
            entries: what is in it, in any order that does not change.

        Raises:
            OSError: an entry vanished; nothing is remembered.
        """
        state = _state_of(status, entries)
        if state is None:
            return False
        self.now[prefix] = state
        before = self.before.get(prefix)
        return before is not None and before.digest == state.digest

    def doubt(self, path: bytes) -> None:
        """A file is not known to the ledger: its folder must be looked at again next time."""
        self.now.pop(path[: path.rfind(b"/") + 1], None)


def _state_of(status: os.stat_result, entries: Sequence[os.DirEntry[bytes]]) -> FolderState | None:
    """The state of a folder; None if a file is known by more than its own size and time (links)."""
    names, folders, numbers = [], [], array("q")
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
            continue
        one = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(one.st_mode):
            return None
        names.append(entry.name)
        numbers.append(one.st_size)
        numbers.append(one.st_mtime_ns)
    digest = hashlib.blake2b(b"\0".join(names), digest_size=16)
    digest.update(numbers.tobytes())
    settled = status.st_mtime_ns < time.time_ns() - SETTLED_NS
    mtime_ns = status.st_mtime_ns if settled else -1
    return FolderState(digest.digest(), status.st_ino, mtime_ns, tuple(folders))


def load(
    layout: Layout, category: str, source: str, *, trust: bool, selection: bytes = b""
) -> FolderStates:
    """Read what was written down about a source; nothing if the ledger is another one since.

    Nor if it was written down with another `selection`, which is the fingerprint of one.
    """
    path = layout.folder_states(category, source)
    if not path.exists():
        return FolderStates(trust=trust)
    rows = artifacts.read_parquet(path)
    digests = rows.schema.metadata or {}
    is_same = digests.get(b"selection", b"") == selection.hex().encode()
    if (
        digests.get(b"format") != _FORMAT.encode()
        or not is_same
        or not _ledger_has(layout, category, digests)
    ):
        return FolderStates(trust=trust)
    columns = [rows[name].to_pylist() for name in FOLDER_STATES.names]
    before = {
        folder: FolderState(digest, inode, mtime_ns, tuple(folders))
        for folder, digest, inode, mtime_ns, folders in zip(*columns, strict=True)
    }
    return FolderStates(before, trust)


def _ledger_has(layout: Layout, category: str, digests: dict[bytes, bytes]) -> bool:
    """Whether the batch that was the last one then is still there, as it was."""
    summary = _summary_path(layout, category, int(digests[b"batch"]))
    value = artifacts.read_json(summary)
    return value is not None and value["sha256"].encode() == digests[b"sha256"]


def _summary_path(layout: Layout, category: str, batch: int) -> Path:
    return receipt_path(layout.batch(category, batch))


def save(
    layout: Layout,
    category: str,
    source: str,
    states: FolderStates,
    batch: int,
    selection: bytes = b"",
) -> None:
    """Write down the folders whose files are all known.

    Args:
        layout: the workspace.
        category: of the source.
        source: its name.
        states: after the whole source was listed.
        batch: last batch of the category when the listing began.
        selection: fingerprint of the source's selection, empty for the default one.
    """
    if states.now == states.before or not batch:
        return
    items = sorted(states.now.items())
    columns = [
        [path for path, _ in items],
        *([getattr(state, name) for _, state in items] for name in FOLDER_STATES.names[1:]),
    ]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, FOLDER_STATES, strict=True)]
    summary = artifacts.read_json(_summary_path(layout, category, batch))
    artifacts.write_parquet(
        layout.folder_states(category, source),
        pa.Table.from_arrays(arrays, schema=FOLDER_STATES),
        metadata={
            "format": _FORMAT,
            "batch": str(batch),
            "sha256": summary["sha256"],
            "selection": selection.hex(),
        },
    )


def last_batch(layout: Layout, category: str) -> int:
    """Number of the newest batch of a category; 0 if it has none."""
    result = (layout.ledger / category).glob("[0-9]*.json")
    return max((int(path.stem) for path in result), default=0)
