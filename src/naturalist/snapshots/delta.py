"""A Delta Lake log beside the tables, so that query engines read `latest` where it lies.

``tables/_delta_log/`` in the store makes the folder ``tables`` a Delta table that holds the Parquet
tables of the snapshot `latest` points to. The format: https://github.com/delta-io/delta,
PROTOCOL.md. `latest` stays what counts; the log follows it with one commit per snapshot:

- Each commit names its snapshot and every table in it, so that the next one reads only this.
- A commit is written only if its number is free, and only while `latest` still points to its
  snapshot. Of two publishers, whoever moved `latest` last therefore also writes the last commit.
- A publisher that was killed in between leaves the log one snapshot behind; the next publish, also
  one with nothing new, brings it up to date.
- Commits that are gone or damaged are replaced by ones without tables, and the last commit holds
  the difference between all others and `latest`. So no intact commit changes, none is renumbered,
  and a repair that is killed can be done again.
"""

import json
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from naturalist.counting import counted
from naturalist.errors import Conflict, StoreError
from naturalist.schemas import table_schema
from naturalist.snapshots.reading import File
from naturalist.snapshots.schema import LATEST, MAX_DOCUMENT_BYTES, decode
from naturalist.stores import ObjectInfo, Store
from naturalist.stores.bounded import windows

ROOT = "tables/"
LOG = f"{ROOT}_delta_log/"
_COMMIT = re.compile(r"(\d{20})\.json")
_WRITER_FEATURE = "naturalist"
"""No other program has it, so none may write: a VACUUM would remove the CSV files."""
_TYPES = {"string": "string", "int32": "integer", "float": "float"}

_JOBS = 8
_WINDOW = 64
_NAMED = 3
_MAX_GAPS = 10_000

Action = dict[str, dict[str, Any]]


class _Damaged(StoreError):
    """A commit that is not what naturalist writes."""


class _NotOurs(_Damaged):
    """A commit that may be sound, but does not list its tables as ours do."""


@dataclass
class _Log:
    """What the commits of a log amount to."""

    commits: dict[int, ObjectInfo]
    held: dict[str, int] = field(default_factory=dict)
    """Paths and sizes of the tables after all commits that can be read."""
    faults: dict[int, StoreError] = field(default_factory=dict)
    snapshot: str = ""
    """What the last commit that can be read names."""

    @property
    def end(self) -> int:
        """Number of the next commit."""
        return max(self.commits, default=-1) + 1

    @property
    def gaps(self) -> list[int]:
        """Numbers below the last commit that no commit has."""
        return [number for number in range(self.end) if number not in self.commits]


def follow(store: Store, snapshot_id: str, files: Iterable[File]) -> bool:
    """Bring the log up to the snapshot that `latest` points to.

    A log with a gap or without a readable last commit is repaired.

    Args:
        store: where it is published.
        snapshot_id: the snapshot.
        files: its files; those that are no Parquet tables are passed over.

    Returns:
        Whether a commit was written. None is where the log names this snapshot already, where
        neither has tables, or where somebody else has moved `latest` on.

    Raises:
        StoreError: the store failed, or the log was not written by naturalist.
    """
    tables = _tables(files)
    log = _Log(_commits(store))
    before: dict[str, int] = {}
    if log.commits:
        try:
            info = _last_described(store, log)
        except _NotOurs:
            raise
        except _Damaged as error:
            log.faults[log.end - 1] = error
        if log.gaps or log.faults:
            return bool(_repair(store, snapshot_id, tables, _replayed(store, log.commits)))
        if info["snapshot"] == snapshot_id:
            return False
        before = {path: tables.get(path, 0) for path in info["tables"]}
    if not (tables or before) or not _is_latest(store, snapshot_id):
        return False
    return _write(store, log, _commit(snapshot_id, tables, before, is_first=not log.commits))


def fault(store: Store, snapshot_id: str, files: Iterable[File]) -> str:
    """What is wrong with the log of the snapshot that `latest` points to, and what to do.

    Nothing where all is well, where there is no log (the next publish begins one), or where
    `latest` points elsewhere.

    Raises:
        StoreError: the store failed.
    """
    log = _replayed(store, _commits(store))
    found = _fault(log, snapshot_id, _tables(files)) if log.commits else ""
    return found if found and _is_latest(store, snapshot_id) else ""


def repair(store: Store, snapshot_id: str, files: Iterable[File]) -> int:
    """Repair whatever `fault` finds, also in a log that was not written by naturalist.

    Returns:
        How many commits were damaged or gone; 1 where all are there, but amount to other tables.

    Raises:
        StoreError: the store failed.
    """
    log, tables = _replayed(store, _commits(store)), _tables(files)
    if not log.commits or not _fault(log, snapshot_id, tables):
        return 0
    return _repair(store, snapshot_id, tables, log)


def _fault(log: _Log, snapshot_id: str, tables: Mapping[str, int]) -> str:
    advice = "run `naturalist publish --repair`"
    if log.gaps:
        gaps = f"{counted(len(log.gaps), 'commit')} missing, the first {log.gaps[0]:020d}.json"
        return f"{gaps}: no engine can read the tables; {advice}"
    if log.faults:
        return "; ".join(map(str, list(log.faults.values())[:_NAMED]))
    if log.snapshot != snapshot_id:
        return f"it is at snapshot {log.snapshot}, and `latest` at {snapshot_id}: publish again"
    if log.held != tables:
        return (
            f"its commits amount to {counted(len(log.held), 'table')}, not to the "
            f"{counted(len(tables), 'table')} of snapshot {snapshot_id}: {advice}"
        )
    return ""


def _repair(store: Store, snapshot_id: str, tables: Mapping[str, int], log: _Log) -> int:
    """Write the difference as the last commit, then fill the numbers below."""
    if not _is_latest(store, snapshot_id):
        return 0
    bad = sorted({*log.gaps, *log.faults})
    is_last_bad = bool(bad) and bad[-1] == log.end - 1
    first = log.end == 1 and is_last_bad
    actions = _commit(snapshot_id, tables, log.held, is_first=first)
    if not _write(store, log, actions, replace_last=is_last_bad):
        return 0
    for number in bad[:-1] if is_last_bad else bad:
        _replace(store, number, log.commits.get(number), _commit("", {}, {}, is_first=number == 0))
    return max(1, len(bad))


def _write(store: Store, log: _Log, actions: list[Action], *, replace_last: bool = False) -> bool:
    """Write the last commit; False if the publisher who moved `latest` after us was faster."""
    number = log.end - replace_last
    try:
        _replace(store, number, log.commits.get(number), actions)
    except Conflict:
        return False
    return True


def _replace(store: Store, number: int, old: ObjectInfo | None, actions: list[Action]) -> None:
    data = "".join(json.dumps(action) + "\n" for action in actions).encode()
    if old is None:
        store.put_bytes(_key(number), data, if_absent=True)
    else:
        info = store.head(old.key)
        store.put_bytes(old.key, data, if_match=info.version if info else None)


def _is_latest(store: Store, snapshot_id: str) -> bool:
    pointer = decode(LATEST, store.get_bytes(LATEST, MAX_DOCUMENT_BYTES)[0])
    return bool(pointer["snapshot"] == snapshot_id)


def _tables(files: Iterable[File]) -> dict[str, int]:
    return {file.key.removeprefix(ROOT): file.size_bytes for file in files if is_table(file.key)}


def is_table(name: str) -> bool:
    """Whether a file with this name or key is one of the tables in the log."""
    return name.startswith(ROOT) and name.endswith(".parquet")


def _key(number: int) -> str:
    return f"{LOG}{number:020d}.json"


def _commits(store: Store) -> dict[int, ObjectInfo]:
    found = ((_COMMIT.fullmatch(PurePosixPath(i.key).name), i) for i in store.list(LOG))
    commits = {int(match[1]): info for match, info in found if match}
    last = max(commits, default=-1)
    if last >= len(commits) + _MAX_GAPS:
        raise StoreError(
            f"{_key(last)} comes after more missing commits than can be filled: delete {LOG} in "
            "the store, then publish again"
        )
    return commits


def _last_described(store: Store, log: _Log) -> Mapping[str, Any]:
    """What the last commit says of its snapshot and tables."""
    return _read(store, log.end - 1, log.commits[log.end - 1])[0]["commitInfo"]


def _replayed(store: Store, commits: dict[int, ObjectInfo]) -> _Log:
    log = _Log(commits)
    with ThreadPoolExecutor(_JOBS, "naturalist-log") as threads:
        for window in windows(sorted(commits.items()), _WINDOW):
            results = threads.map(partial(_tried, store), *zip(*window, strict=True))
            for (number, _), result in zip(window, results, strict=True):
                if isinstance(result, StoreError):
                    log.faults[number] = result
                else:
                    _apply(log, result)
    return log


def _apply(log: _Log, actions: list[Action]) -> None:
    for action in actions:
        if "remove" in action:
            log.held.pop(action["remove"]["path"], None)
        elif "add" in action:
            log.held[action["add"]["path"]] = action["add"]["size"]
    log.snapshot = actions[0]["commitInfo"]["snapshot"]


def _tried(store: Store, number: int, info: ObjectInfo) -> list[Action] | StoreError:
    try:
        return _read(store, number, info)
    except StoreError as error:
        # Is it this object? If the store is away as a whole, nothing is known of the log.
        store.head(LATEST)
        return error


def _read(store: Store, number: int, info: ObjectInfo) -> list[Action]:
    """The actions of a commit.

    Raises:
        StoreError: it cannot be read, or is not what naturalist writes.
    """
    data = store.get_bytes(info.key, MAX_DOCUMENT_BYTES)[0]
    try:
        actions = [decode(info.key, line) for line in data.splitlines()]
    except StoreError as error:
        raise _Damaged(_why(info.key, "a line of it is not JSON")) from error
    if not actions:
        raise _Damaged(_why(info.key, "it is empty"))
    about = actions[0].get("commitInfo")
    if not isinstance(about, dict) or not isinstance(about.get("tables"), list):
        raise _NotOurs(_why(info.key, "its first line does not list the tables"))
    kinds = {kind for action in actions for kind in action}
    if not isinstance(about.get("snapshot"), str) or not all(map(_is_understood, actions)):
        raise _Damaged(_why(info.key, "a line of it is not what naturalist writes"))
    if number == 0 and not kinds >= {"protocol", "metaData"}:
        raise _Damaged(_why(info.key, "it does not describe the columns"))
    return actions


def _is_understood(action: Action) -> bool:
    entries = [action[kind] for kind in ("add", "remove") if kind in action]
    return all(isinstance(entry, dict) and "path" in entry for entry in entries) and (
        "add" not in action or isinstance(action["add"].get("size"), int)
    )


def _why(key: str, why: str) -> str:
    return (
        f"{key} is not valid ({why}): it was not written by naturalist, or has been changed; "
        "run `naturalist publish --repair`, or ask the publisher to"
    )


def _commit(
    snapshot_id: str, tables: Mapping[str, int], before: Mapping[str, int], *, is_first: bool
) -> list[Action]:
    now_ms = time.time_ns() // 1_000_000
    info = {
        "timestamp": now_ms,
        "operation": "WRITE",
        "snapshot": snapshot_id,
        "tables": sorted(tables),
    }
    removed: list[Action] = [
        {"remove": {"path": path, "deletionTimestamp": now_ms, "dataChange": True}}
        for path in sorted(before.keys() - tables.keys())
    ]
    added: list[Action] = [
        {"add": _added(path, size_bytes, now_ms)}
        for path, size_bytes in sorted(tables.items())
        if before.get(path) != size_bytes
    ]
    return [{"commitInfo": info}, *(_beginning(now_ms) if is_first else ()), *removed, *added]


def _added(path: str, size_bytes: int, now_ms: int) -> dict[str, Any]:
    return {
        "path": path,
        "partitionValues": {},
        "size": size_bytes,
        "modificationTime": now_ms,
        "dataChange": True,
    }


def _beginning(now_ms: int) -> list[Action]:
    """Who may read and write, and the columns; in the first commit only."""
    protocol = {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": [_WRITER_FEATURE]}
    about = {
        "id": str(uuid.uuid4()),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(_schema()),
        "partitionColumns": [],
        "configuration": {},
        "createdTime": now_ms,
    }
    return [{"protocol": protocol}, {"metaData": about}]


def _schema() -> dict[str, Any]:
    # The number of features is no part of Delta's type.
    fields = [
        {"name": field.name, "type": _type(field.type), "nullable": True, "metadata": {}}
        for field in table_schema(1)
    ]
    return {"type": "struct", "fields": fields}


def _type(kind: pa.DataType) -> str | dict[str, Any]:
    if pa.types.is_fixed_size_list(kind):
        return {"type": "array", "elementType": _type(kind.value_type), "containsNull": True}
    return _TYPES[str(kind)]
