"""The journal of reviewers' decisions: a file that only grows, one line an entry.

A line is a checksum over all lines so far, a space, and the entry as JSON. An entry counts once its
line is whole on the disk; only then is it acknowledged. A line that a kill or a power cut left torn
at the end was never acknowledged: readers leave it out and the next writer cuts it off. Anything
else that does not fit is damage and is reported.

Several processes may write: each holds a lock on the file from reading the last entry to the end of
its own. It is no lock of the workspace, so that people can decide while a run is writing.
"""

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

from naturalist import artifacts, chained_lines
from naturalist.curation.reviewing.history import Entry, History, from_json, to_json
from naturalist.errors import WorkspaceError
from naturalist.layout import REVIEW_JOURNAL_START
from naturalist.locked_files import locked


class Journal:
    """One journal; safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._history, self._offset, self._sum = History(), 0, REVIEW_JOURNAL_START

    def history(self) -> History:
        """Everything that was acknowledged so far; only to be read.

        Raises:
            WorkspaceError: the file is damaged.
        """
        with self._lock:
            if not self._path.exists():
                self._forget()
            elif self._path.stat().st_size != self._offset:
                with locked(self._path, os.O_RDONLY, fcntl.LOCK_SH) as handle:
                    self._catch_up(handle)
            return self._history

    def append(self, make: Callable[[History], Entry | None]) -> Entry | None:
        """Write the entry that `make` gives for the history as it is now; None writes nothing.

        Raises:
            WorkspaceError: the file is damaged, or the drive refuses.
            StorageFull: there is no space left. In both cases nothing was written.
        """
        with self._lock, artifacts.storage_errors(str(self._path)):
            artifacts.make_folder(self._path.parent)
            is_new = not self._path.exists()
            with locked(self._path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX) as handle:
                self._catch_up(handle)
                entry = make(self._history)
                if entry is None:
                    return None
                self._write(handle, entry)
                if is_new:
                    artifacts.sync(self._path.parent)
                self._history.add(entry)
                return entry

    def _write(self, handle: int, entry: Entry) -> None:
        text = json.dumps(to_json(entry), ensure_ascii=False, separators=(",", ":"))
        total, line = chained_lines.chained(self._sum, text)
        try:
            # What lies behind the last whole line was never acknowledged.
            os.ftruncate(handle, self._offset)
            written = 0
            while written < len(line):
                written += os.pwrite(handle, line[written:], self._offset + written)
            os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, self._offset)
            raise
        self._offset += len(line)
        self._sum = total

    def _catch_up(self, handle: int) -> None:
        if os.fstat(handle).st_size < self._offset:
            self._forget()
        data = b""
        while part := os.pread(handle, 1 << 20, self._offset + len(data)):
            data += part
        for line in data.split(b"\n")[:-1]:
            self._take(line)
            self._offset += len(line) + 1

    def _take(self, line: bytes) -> None:
        try:
            total, text = chained_lines.split(line)
            is_whole = chained_lines.fits(self._sum, total, text)
            entry = from_json(json.loads(text)) if is_whole else None
        except (ValueError, TypeError, KeyError) as error:
            raise self._damaged() from error
        if entry is None or entry.number != len(self._history) + 1:
            raise self._damaged()
        self._history.add(entry)
        self._sum = total

    def _damaged(self) -> WorkspaceError:
        return WorkspaceError(
            f"{self._path} is damaged at entry {len(self._history) + 1}: restore it from a backup "
            "(`naturalist verify` lists what is damaged). Decisions that were applied are in the "
            "ledger and are not affected"
        )
