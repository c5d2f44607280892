"""Pictures whose stored bytes were overwritten through their source.

A hard link shares its bytes with the file in the source, and a picture that is kept by reference
has no others. A program that writes into that file (as unpacking a new version of a data set over
the old one does) also changes what is stored under the old id. Here this is noticed when the file
is examined again:

- the old picture is repaired from any other file with its bytes, if there is one;
- else its row says `changed_after_ingest`, and the link that shows another picture is removed. Its
  features, preview and id stay, and it stays accepted unless `ingest.removed` retires it;
- a picture whose bytes are found again is put back, and its row says so.
"""

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from naturalist import artifacts, ledger
from naturalist.errors import PictureError
from naturalist.layout import Layout
from naturalist.ledger import Outcome
from naturalist.reasons import Reason
from naturalist.schemas import AMENDMENT
from naturalist.stages.ingest.assign import Prior
from naturalist.stages.ingest.options import Mode, Source
from naturalist.stages.ingest.place import put_back
from naturalist.stages.pictures import path_in_source, placed_path

BY = "overwriting"
_OVERWRITTEN = "its bytes were overwritten in the source; features and preview show the old bytes"
_MENDED = "its bytes are restored"

Row = dict[str, Any]


@dataclass(frozen=True)
class Changes:
    """Pictures whose bytes are gone now, and pictures whose bytes are there again."""

    overwritten: int = 0
    repaired: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        """Sum of both."""
        return Changes(self.overwritten + other.overwritten, self.repaired + other.repaired)


def reconcile(
    layout: Layout,
    findings: Sequence[tuple[str, pa.Table]],
    prior: Prior,
    sources: Sequence[Source],
    mode: Mode,
) -> Changes:
    """Compare what is stored with what a batch found, before the batch is written down.

    It costs nothing where every file of a batch is new, and else a look at the stored pictures that
    its files stood for. Repeating it after a kill does no harm.

    Args:
        layout: the workspace.
        findings: category and findings (schema FINDINGS).
        prior: what the ledger knows about them.
        sources: every known source.
        mode: how pictures are placed.

    Raises:
        StorageFull: a drive is full.
    """
    changes = Changes()
    rows = _concerned(layout, prior)
    if not rows:
        return changes
    at_hand = _AtHand(findings, sources)
    states = [(row, _state(layout, row, at_hand)) for row in rows]
    at_hand.add_known(layout, [row for row, state in states if state is False])
    amendments = defaultdict(list)
    for row, state in states:
        if state is None:
            continue
        is_intact = state or _repair(layout, row, at_hand, mode)
        if not is_intact:
            _remove_link(layout, row)
        was_overwritten = row["reason"] == Reason.CHANGED_AFTER_INGEST
        if row["outcome"] == Outcome.ACCEPTED and is_intact is was_overwritten:
            amendments[row["category"]].append(_amendment(row, is_intact=is_intact))
            changes += Changes(not is_intact, is_intact)
    _write(layout, amendments)
    return changes


def _concerned(layout: Layout, prior: Prior) -> list[Row]:
    """Pictures that the files of a batch stood for, and overwritten ones that it has bytes of."""
    of_files = {row["pic_id"] or row["same_as"] for rows in prior.by_file.values() for row in rows}
    of_bytes = {known.pic_id for many in prior.by_sha256.values() for known in many}
    if not of_files | of_bytes:
        return []
    with ledger.connect(layout) as connection:
        for name, ids in (("of_files", of_files), ("of_bytes", of_bytes)):
            column = pa.array(sorted(filter(None, ids)), pa.string())
            connection.register(name, pa.table({"pic_id": column}))
        rows: list[Row] = ledger.query(connection, _CONCERNED).to_pylist()
    return rows


_CONCERNED = f"""
SELECT category, source, path, occurrence, pic_id, outcome, reason, same_as, size_bytes, mtime_ns,
    sha256, format, image_root
FROM ledger WHERE occurrence >= 0 AND (
    pic_id IN (SELECT pic_id FROM of_files)
    OR (pic_id IN (SELECT pic_id FROM of_bytes) AND outcome = 'accepted'
        AND reason = '{Reason.CHANGED_AFTER_INGEST.value}'))
ORDER BY category, pic_id
"""  # noqa: S608


class _AtHand:
    """The files of a batch, by their bytes and by their path, and where their sources are."""

    def __init__(self, findings: Sequence[tuple[str, pa.Table]], sources: Sequence[Source]) -> None:
        self.locations = {(source.category, source.name): source.path for source in sources}
        self._by_bytes = defaultdict(list)
        self._by_file: dict[tuple[str, str, bytes], Row] = {}
        rows = ((category, row) for category, table in findings for row in table.to_pylist())
        for category, row in rows:
            self._by_file[category, row["source"], row["path"]] = row
            if row["kind"] == "picture":
                self._by_bytes[category, row["sha256"]].append(row)

    def add_known(self, layout: Layout, pictures: Sequence[Row]) -> None:
        """Add the files of the ledger that have the bytes of some pictures."""
        if not pictures:
            return
        columns = [[row["category"] for row in pictures], [row["sha256"] for row in pictures]]
        missed = pa.table(columns, names=["category", "sha256"])
        with ledger.connect(layout) as connection:
            connection.register("missed", missed)
            for row in ledger.query(connection, _TWINS).to_pylist():
                if b"\0" not in row["path"]:
                    self._by_bytes[row["category"], row["sha256"]].append(row)

    def now_at(self, row: Row) -> Row | None:
        """What the batch found where a picture's file was."""
        return self._by_file.get((row["category"], row["source"], row["path"]))

    def twins(self, row: Row) -> Sequence[Row]:
        """Files with the bytes of a picture: those of the batch, then those of the ledger."""
        return self._by_bytes[row["category"], row["sha256"]]


_TWINS = """
SELECT category, sha256, source, path, mtime_ns
FROM ledger_rows SEMI JOIN missed USING (category, sha256)
WHERE occurrence >= 0 ORDER BY batch DESC
"""


def _state(layout: Layout, row: Row, at_hand: _AtHand) -> bool | None:
    """Whether a picture's own bytes are stored; None if that is not known here."""
    now = at_hand.now_at(row)
    is_changed = now is not None and now["sha256"] != row["sha256"]
    if row["image_root"] is None:
        return None if now is None else not is_changed
    stored = placed_path(layout, row)
    try:
        status = stored.lstat()
        if is_changed and _is_same_file(status, at_hand, row):
            return False
        if (status.st_size, status.st_mtime_ns) == (row["size_bytes"], row["mtime_ns"]):
            return True
        same: bool = artifacts.sha256_file(stored) == row["sha256"].hex()
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return same


def _is_same_file(status: os.stat_result, at_hand: _AtHand, row: Row) -> bool:
    location = at_hand.locations.get((row["category"], row["source"]))
    if not isinstance(location, Path) or b"\0" in row["path"]:
        return False
    with contextlib.suppress(OSError):
        return os.path.samestat(status, path_in_source(location, row["path"]).stat())
    return False


def _repair(layout: Layout, row: Row, at_hand: _AtHand, mode: Mode) -> bool:
    """Store a picture again from a file that has its bytes; whether there was one."""
    if row["image_root"] is None:
        return False
    # Repairing takes no file out of a source.
    mode = Mode.COPY if mode is Mode.MOVE else mode
    for twin in at_hand.twins(row):
        location = at_hand.locations.get((row["category"], twin["source"]))
        there = {key: twin[key] for key in ("source", "path", "mtime_ns")}
        with contextlib.suppress(PictureError):
            if location is not None:
                put_back(layout, location, row | there, mode)
                return True
    return False


def _remove_link(layout: Layout, row: Row) -> None:
    """Remove a stored name that shows another picture, whose bytes have another name."""
    if row["image_root"] is None:
        return
    stored = placed_path(layout, row)
    with contextlib.suppress(FileNotFoundError), artifacts.storage_errors(str(stored)):
        if stored.exists() and stored.lstat().st_nlink > 1:
            stored.unlink()


def _amendment(row: Row, *, is_intact: bool) -> Row:
    return {
        "pic_id": row["pic_id"],
        "source": row["source"],
        "outcome": Outcome.ACCEPTED.value,
        "reason": None if is_intact else Reason.CHANGED_AFTER_INGEST.value,
        "detail": _MENDED if is_intact else _OVERWRITTEN,
        "same_as": None,
        "by": BY,
    }


def _write(layout: Layout, amendments: Mapping[str, Iterable[Row]]) -> None:
    for category, rows in amendments.items():
        at_ns = ledger.amendment_time_ns(layout, category)
        path = layout.amendments(category) / f"overwritten-{at_ns}.parquet"
        table = pa.Table.from_pylist([row | {"at_ns": at_ns} for row in rows], AMENDMENT)
        artifacts.write_parquet(path, table)
