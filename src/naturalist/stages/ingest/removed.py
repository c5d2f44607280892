"""Pictures whose files were removed from their sources: taken out of the tables, or put back.

A picture is gone when no file with its bytes is left in the sources that were looked through: also
when other bytes are in its file now. A source that is empty or cannot be read in full (a drive that
is not mounted, a folder without permission) removes nothing, and neither does one that is no longer
configured.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from naturalist import artifacts, ledger
from naturalist.layout import Layout
from naturalist.ledger import KnownFiles, Outcome
from naturalist.reasons import Reason
from naturalist.schemas import AMENDMENT
from naturalist.stages.ingest.amending import Row, Withdrawing, files_with
from naturalist.stages.ingest.listing import list_source
from naturalist.stages.ingest.options import Source
from naturalist.stages.ingest.withdrawals import Withdrawals

BY = "removal"
_UNREADABLE = (Reason.PERMISSION_DENIED, Reason.READ_ERROR, Reason.VANISHED)
_COLUMNS = ["source", "path", "outcome", "pic_id", "same_as", "sha256", "seen_key"]
_REMOVAL = Withdrawing(
    BY,
    Reason.REMOVED_FROM_SOURCE,
    leaves="no file with its bytes is left",
    returns="its file is back",
)


@dataclass(frozen=True)
class Changes:
    """How many pictures were retired, and how many of those came back; by nobody's hand."""

    retired: int = 0
    restored: int = 0


def amend(layout: Layout, sources: Sequence[Source], withdrawals: Withdrawals) -> Changes:
    """Compare the ledger with what is in the sources, and amend it.

    It costs a listing of all sources and a look at every ledger row.

    Raises:
        WithdrawalBudgetExceeded: too many pictures would be retired; none is.
    """
    result = {}
    for category in sorted({source.category for source in sources}):
        mine = [source for source in sources if source.category == category]
        present = _Present(layout, category, mine)
        result[category] = _amendments(layout, category, present)
    retired = {category: _count(rows, Outcome.REFUSED) for category, rows in result.items()}
    withdrawals.add(retired, "their files were removed from the sources")
    for category, rows in result.items():
        if rows:
            path = layout.amendments(category) / f"removed-{rows[0]['at_ns']}.parquet"
            artifacts.write_parquet(path, pa.Table.from_pylist(rows, AMENDMENT))
    restored = sum(_count(rows, Outcome.ACCEPTED) for rows in result.values())
    return Changes(sum(retired.values()), restored)


def _count(rows: Sequence[Row], outcome: Outcome) -> int:
    return sum(row["outcome"] == outcome for row in rows)


class _Present:
    """The files of the sources of a category; about 100 bytes of memory a file."""

    def __init__(self, layout: Layout, category: str, sources: Sequence[Source]) -> None:
        paths: list[bytes] = []
        seen: list[bytes] = []
        self._whole: set[str] = set()
        for source in sources:
            before, readable = len(paths), True
            for entry in list_source(source):
                paths.append(_key(source.name, entry.path))
                seen.append(entry.seen_key(source.name))
                readable = readable and entry.reason not in _UNREADABLE
            if readable and len(paths) > before:
                self._whole.add(source.name)
        known = KnownFiles.load(layout, category).contains(seen)
        # What is in these was not examined, or is to be examined again.
        self._unknown = {path for path, is_known in zip(paths, known, strict=True) if not is_known}
        self._paths, self._seen = KnownFiles(paths), KnownFiles(seen)
        self._touched = _bytes_of_touched(layout, category, self._seen)

    def report(self, rows: Sequence[Row]) -> list[bool | None]:
        """For each ledger row whether its file is there; None if its source cannot say."""
        keys = [_key(row["source"], row["path"].partition(b"\0")[0]) for row in rows]
        result = self._paths.contains(keys)
        as_seen = self._seen.contains([row["seen_key"] or bytes(16) for row in rows])
        return [
            self._has_its_bytes(row, key, is_as_seen)
            if is_there
            else (False if row["source"] in self._whole else None)
            for row, key, is_there, is_as_seen in zip(rows, keys, result, as_seen, strict=True)
        ]

    def _has_its_bytes(self, row: Row, path_key: bytes, is_as_seen: bool) -> bool:
        """Whether a file that is there has the bytes of a row; members go with their archive."""
        if row["seen_key"] is None or is_as_seen or path_key in self._unknown:
            return True
        return self._touched is None or row["sha256"] in self._touched


def _bytes_of_touched(layout: Layout, category: str, seen: KnownFiles) -> set[bytes] | None:
    """What is in known files whose time changed; None if that was not written down."""
    result: set[bytes] = set()
    for path in sorted(layout.touched(category).glob("*.parquet")):
        table = artifacts.read_parquet(path)
        if "sha256" not in table.column_names:
            return None
        is_there = seen.contains(table["seen_key"].to_pylist())
        result.update(table["sha256"].filter(pa.array(is_there)).to_pylist())
    return result


def _key(source: str, path: bytes) -> bytes:
    return hashlib.blake2b(source.encode() + b"\0" + path, digest_size=16).digest()


def _amendments(layout: Layout, category: str, present: _Present) -> list[Row]:
    latest = {row["pic_id"]: row for row in ledger.amendments(layout, category).to_pylist()}
    withdrawn = {pic for pic, row in latest.items() if row["outcome"] != Outcome.ACCEPTED}
    mine = {pic for pic in withdrawn if latest[pic]["by"] == BY}
    gone: dict[str, str] = {}
    back: dict[str, str] = {}
    for row, is_there in _files(layout, category, present, Outcome.ACCEPTED):
        pic = row["pic_id"]
        if is_there is False and (pic not in withdrawn or pic in mine):
            gone[pic] = row["source"]
        elif is_there and pic in mine:
            back[pic] = row["source"]
    if gone:
        for row, is_there in _files(layout, category, present, Outcome.DUPLICATE):
            if row["same_as"] in gone and is_there is not False:
                source = gone.pop(row["same_as"])
                if is_there and row["same_as"] in mine:
                    back[row["same_as"]] = source
    at_ns = ledger.amendment_time_ns(layout, category)
    leaving = {pic: source for pic, source in gone.items() if pic not in mine}
    return _REMOVAL.amendments(leaving, back, at_ns)


def _files(
    layout: Layout, category: str, present: _Present, outcome: Outcome
) -> Iterator[tuple[Row, bool | None]]:
    for rows in files_with(layout, category, outcome, _COLUMNS):
        yield from zip(rows, present.report(rows), strict=True)
