"""A Delta Lake log beside the tables, so that query engines read `latest` where it lies.

``tables/_delta_log/`` in the store makes the folder ``tables`` a Delta table that holds the Parquet
tables of the snapshot `latest` points to. The format: https://github.com/delta-io/delta,
PROTOCOL.md. `latest` stays what counts; the log follows it with one commit per snapshot:

- Each commit names its snapshot and every table in it, so that the next one reads only this.
- A commit is written only if its number is free, and only while `latest` still points to its
  snapshot. Of two publishers, whoever moved `latest` last therefore also writes the last commit.
- A publisher that was killed in between leaves the log one snapshot behind; the next publish, also
  one with nothing new, brings it up to date.
"""

import json
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from naturalist.errors import Conflict
from naturalist.schemas import table_schema
from naturalist.snapshots.reading import File
from naturalist.snapshots.schema import LATEST, MAX_DOCUMENT_BYTES, decode, not_understood
from naturalist.stores import Store

ROOT = "tables/"
LOG = f"{ROOT}_delta_log/"
_COMMIT = re.compile(r"(\d{20})\.json")
_WRITER_FEATURE = "naturalist"
"""No other program has it, so none may write: a VACUUM would remove the CSV files."""
_TYPES = {"string": "string", "int32": "integer", "float": "float"}

Action = dict[str, dict[str, Any]]


def follow(store: Store, snapshot_id: str, files: Iterable[File]) -> bool:
    """Bring the log up to the snapshot that `latest` points to.

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
    tables = {file.key.removeprefix(ROOT): file.size_bytes for file in files if is_table(file.key)}
    number = _last_commit(store)
    before = {} if number is None else _described(store, number)
    if before.get("snapshot") == snapshot_id or not (tables or before):
        return False
    if decode(LATEST, store.get_bytes(LATEST, MAX_DOCUMENT_BYTES)[0])["snapshot"] != snapshot_id:
        return False
    actions = _commit(snapshot_id, tables, set(before.get("tables", ())), number is None)
    data = "".join(json.dumps(action) + "\n" for action in actions).encode()
    try:
        store.put_bytes(_key(0 if number is None else number + 1), data, if_absent=True)
    except Conflict:
        return False  # by the publisher who moved `latest` after us
    return True


def is_table(name: str) -> bool:
    """Whether a file with this name or key is one of the tables in the log."""
    return name.startswith(ROOT) and name.endswith(".parquet")


def _key(number: int) -> str:
    return f"{LOG}{number:020d}.json"


def _last_commit(store: Store) -> int | None:
    matches = (_COMMIT.fullmatch(PurePosixPath(info.key).name) for info in store.list(LOG))
    return max((int(match[1]) for match in matches if match), default=None)


def _described(store: Store, number: int) -> Mapping[str, Any]:
    """What the first line of a commit says of its snapshot and tables."""
    key = _key(number)
    first = store.get_bytes(key, MAX_DOCUMENT_BYTES)[0].partition(b"\n")[0]
    info = decode(key, first).get("commitInfo")
    if not isinstance(info, dict) or not isinstance(info.get("tables"), list):
        raise not_understood(key, "its first line does not list the tables")
    return info


def _commit(
    snapshot_id: str, tables: Mapping[str, int], before: set[str], is_first: bool
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
        for path in sorted(before - tables.keys())
    ]
    added: list[Action] = [
        {"add": _added(path, tables[path], now_ms)} for path in sorted(tables.keys() - before)
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
