"""Reading the ledger: one row for every file ever seen, and the amendments that came later.

Ledger files never change. A batch adds one file to each category that saw something new, with a
summary beside it, so that counts and plans need not read rows. What is learnt later about an
accepted picture (it cannot be decoded, its bytes turn up in another category, a person retired it)
is an *amendment*; the latest one holds. A refused row is *superseded* when a later batch sees the
same path again (a picture that could not be read yesterday and can be read today).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from naturalist import artifacts
from naturalist.errors import PictureError
from naturalist.layout import Layout, pic_number, receipt_path
from naturalist.reasons import Reason
from naturalist.schemas import AMENDMENT, LEDGER

DUCKDB_MEMORY = "1GB"
_HALVES = np.dtype([("high", ">u8"), ("low", ">u8")])


class Outcome(StrEnum):
    """What became of a file."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"
    UNPACKED = "unpacked"


@dataclass(frozen=True)
class SourceCounts:
    """Files of one source by outcome; `refused` by reason."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    unpacked: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """All files but the archives that were opened: those are counted by their members."""
        return self.accepted + self.duplicate + self.conflict + sum(self.refused.values())

    def __add__(self, other: "SourceCounts") -> "SourceCounts":
        """Sum, outcome by outcome."""
        refused = Counter(self.refused)
        refused.update(other.refused)
        return SourceCounts(
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.conflict + other.conflict,
            self.unpacked + other.unpacked,
            {reason: n for reason, n in sorted(refused.items()) if n},
        )


@dataclass(frozen=True)
class Shard:
    """A slice of a batch's accepted pictures, in id order."""

    start: int
    stop: int
    fingerprint: str

    @property
    def rows(self) -> int:
        """Pictures in the shard."""
        return self.stop - self.start


@dataclass(frozen=True)
class BatchSummary:
    """What a batch added to one category; lies beside its rows as JSON."""

    category: str
    batch: int
    last_number: int
    """Highest picture number of the category after this batch."""
    counts: dict[str, SourceCounts]
    """By source."""
    shards: list[Shard]
    sha256: str
    superseded: dict[str, dict[str, SourceCounts]]
    """Refusals of earlier batches that this one replaces, by batch and source."""

    def numbers(self, shard: Shard) -> tuple[int, int]:
        """Picture numbers of the first and the last picture of one of its shards."""
        first = self.last_number - self.shards[-1].stop + 1
        return first + shard.start, first + shard.stop - 1


def write_batch(layout: Layout, folder: Path, rows: pa.Table, summary: dict[str, Any]) -> None:
    """Write one category's rows and summary into `folder` (the pending batch)."""
    path = folder / f"{summary['category']}.parquet"
    artifacts.write_parquet(path, rows)
    summary = summary | {"sha256": artifacts.sha256_file(path)}
    artifacts.write_json(receipt_path(path), summary)


def summarise(
    rows: pa.Table,
    superseded: pa.Table,
    category: str,
    batch: int,
    last_number: int,
    shard_size: int,
) -> dict[str, Any]:
    """Make the summary (without the checksum) of a batch's rows for one category."""
    accepted = rows.filter(pc.equal(rows["outcome"], Outcome.ACCEPTED))
    replaced = {
        str(old): _counts_as_json(superseded.filter(pc.equal(superseded["batch"], old)))
        for old in sorted(set(superseded["batch"].to_pylist()))
    }
    return {
        "category": category,
        "batch": batch,
        "last_number": last_number,
        "counts": _counts_as_json(rows),
        "shards": [asdict(shard) for shard in _cut(accepted, shard_size)],
        "superseded": replaced,
    }


def _counts_as_json(rows: pa.Table) -> dict[str, dict[str, Any]]:
    return {source: asdict(one) for source, one in sorted(count_rows(rows).items())}


def _cut(accepted: pa.Table, shard_size: int) -> Iterator[Shard]:
    for start in range(0, accepted.num_rows, shard_size):
        part = accepted.slice(start, shard_size)
        names = part["pic_id"].to_pylist()
        hashes = [h.hex() for h in part["sha256"].to_pylist()]
        yield Shard(start, start + part.num_rows, artifacts.fingerprint(names, hashes))


def count_rows(rows: pa.Table) -> dict[str, SourceCounts]:
    """Count ledger rows by source, outcome and reason."""
    grouped = rows.group_by(["source", "outcome", "reason"]).aggregate([([], "count_all")])
    counts: dict[str, SourceCounts] = {}
    for row in grouped.to_pylist():
        n = row["count_all"]
        if row["outcome"] == Outcome.REFUSED:
            one = SourceCounts(refused={row["reason"]: n})
        else:
            one = _one(row["outcome"], n)
        counts[row["source"]] = counts.get(row["source"], SourceCounts()) + one
    return counts


def _one(outcome: str, n: int) -> SourceCounts:
    counted: dict[str, Any] = {outcome: n}
    return SourceCounts(**counted)


def merge_counts(many: Iterable[dict[str, SourceCounts]]) -> dict[str, SourceCounts]:
    """Add counts by source."""
    total: dict[str, SourceCounts] = {}
    for counts in many:
        for source, one in counts.items():
            total[source] = total.get(source, SourceCounts()) + one
    return dict(sorted(total.items()))


def batches(layout: Layout, category: str) -> list[BatchSummary]:
    """Summaries of a category's batches, oldest first."""
    paths = sorted((layout.ledger / category).glob("[0-9]*.json"))
    return [_summary(artifacts.read_json(path)) for path in paths]


def _summary(value: dict[str, Any]) -> BatchSummary:
    replaced = {batch: _counts_of(counts) for batch, counts in value["superseded"].items()}
    shards = [Shard(**shard) for shard in value["shards"]]
    read = {"counts": _counts_of(value["counts"]), "shards": shards, "superseded": replaced}
    return BatchSummary(**value | read)


def _counts_of(value: dict[str, Any]) -> dict[str, SourceCounts]:
    return {source: SourceCounts(**one) for source, one in value.items()}


def categories(layout: Layout) -> list[str]:
    """Categories that the ledger knows, sorted."""
    if not layout.ledger.is_dir():
        return []
    return sorted(p.name for p in layout.ledger.iterdir() if p.is_dir() and p.name[0] != ".")


def last_batch(layout: Layout) -> int:
    """Number of the newest committed batch; 0 if there is none."""
    found = [
        int(p.stem) for c in categories(layout) for p in (layout.ledger / c).glob("[0-9]*.json")
    ]
    return max(found, default=0)


def amendments(layout: Layout, category: str) -> pa.Table:
    """The amendments of a category, the latest one for each picture."""
    return _latest(sorted(layout.amendments(category).glob("*.parquet")))


def _latest(files: list[Path]) -> pa.Table:
    tables = [pq.read_table(path, partitioning=None) for path in files]
    table = pa.concat_tables(tables) if tables else AMENDMENT.empty_table()
    latest = {pic: i for i, pic in enumerate(table.sort_by("at_ns")["pic_id"].to_pylist())}
    return table.sort_by("at_ns").take(pa.array(sorted(latest.values()), pa.int64()))


def losses(layout: Layout, category: str, batch: int) -> dict[str, PictureError]:
    """Pictures of a batch that were gone when they were to be placed, and what happened."""
    path = layout.losses(category, batch)
    rows = pq.read_table(path, partitioning=None).to_pylist() if path.exists() else []
    return {row["pic_id"]: PictureError(Reason(row["reason"]), row["detail"]) for row in rows}


def not_accepted(layout: Layout, category: str, *, but_by: str = "") -> list[str]:
    """Pictures that had an id and are no longer accepted, in id order.

    Args:
        layout: the workspace.
        category: whose.
        but_by: leave out what this stage decided.
    """
    rows = amendments(layout, category).to_pylist()
    out = [r["pic_id"] for r in rows if r["by"] != but_by and r["outcome"] != Outcome.ACCEPTED]
    return sorted(out, key=pic_number)


def between(names: Iterable[str], first: int, last: int) -> tuple[str, ...]:
    """Those of the pictures whose number is from `first` to `last`."""
    return tuple(name for name in names if first <= pic_number(name) <= last)


def counts(layout: Layout, category: str) -> dict[str, SourceCounts]:
    """Files of a category by source and outcome, amendments included.

    The sums cost the number of batches and amendments, not the number of files.
    """
    changes = _changes(amendments(layout, category))
    return merge_counts([*(_net_counts(b) for b in batches(layout, category)), *changes])


def _net_counts(summary: BatchSummary, since: int = 1) -> dict[str, SourceCounts]:
    gone = [
        {source: SourceCounts(refused={reason: -n for reason, n in one.refused.items()})}
        for batch, counts in summary.superseded.items()
        if int(batch) >= since
        for source, one in counts.items()
    ]
    return merge_counts([summary.counts, *gone])


def batch_counts(layout: Layout, summary: BatchSummary, since: int) -> dict[str, SourceCounts]:
    """Files of one batch of a category, with what was learnt when its pictures were extracted.

    Refusals that it replaces are subtracted if they are of batch `since` or later.
    """
    folder, losses = (
        layout.amendments(summary.category),
        layout.losses(summary.category, summary.batch),
    )
    files = sorted(folder.glob(f"{summary.batch:06d}-[0-9]*.parquet"))
    files += [losses] if losses.exists() else []
    return merge_counts([_net_counts(summary, since), *_changes(_latest(files))])


def _changes(rows: pa.Table) -> list[dict[str, SourceCounts]]:
    changes = []
    for row in rows.to_pylist():
        change = SourceCounts(accepted=-1)
        if row["outcome"] == Outcome.REFUSED:
            change += SourceCounts(refused={row["reason"]: 1})
        else:
            change += _one(row["outcome"], 1)
        changes.append({row["source"]: change})
    return changes


def batch_rows(
    layout: Layout, category: str, batch: int, columns: list[str] | None = None
) -> pa.Table:
    """Rows of one batch, in listing order."""
    return pq.read_table(layout.batch(category, batch), columns=columns, partitioning=None)


def shard_rows(layout: Layout, category: str, batch: int, shard: Shard) -> pa.Table:
    """Accepted pictures of one shard, in id order, as they were when the batch was committed."""
    rows = batch_rows(layout, category, batch)
    accepted = rows.filter(pc.equal(rows["outcome"], Outcome.ACCEPTED))
    return accepted.slice(shard.start, shard.rows)


def connect(layout: Layout) -> duckdb.DuckDBPyConnection:
    """Open DuckDB with the view `ledger`: every file once, amendments applied.

    The views `ledger_rows` (as written), `amendments` and `lost` (ids of pictures that were gone
    when they were to be placed) are there too. Memory is bounded;
    larger questions spill to the workspace's scratch folder.
    """
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{DUCKDB_MEMORY}'")
    connection.execute("SET preserve_insertion_order = true")
    connection.execute(f"SET temp_directory = '{_quoted(layout.scratch / 'duckdb')}'")
    names = categories(layout)
    rows = [p for c in names for p in sorted((layout.ledger / c).glob("[0-9]*.parquet"))]
    later = [p for c in names for p in sorted(layout.amendments(c).glob("*.parquet"))]
    _view(connection, "ledger_rows", rows, LEDGER)
    _view(connection, "amendments", later, AMENDMENT)
    connection.execute(_LOST)
    connection.execute(_EFFECTIVE)
    return connection


def query(connection: duckdb.DuckDBPyConnection, text: str) -> pa.Table:
    """Run a query and give its rows as a table."""
    return connection.sql(text).to_arrow_table()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _view(
    connection: duckdb.DuckDBPyConnection, name: str, files: list[Path], schema: pa.Schema
) -> None:
    if files:
        listing = ", ".join(f"'{_quoted(path)}'" for path in files)
        source = f"read_parquet([{listing}], hive_partitioning = false)"
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {source}")  # noqa: S608
    else:
        connection.register(name, schema.empty_table())


_LOST = """
CREATE VIEW lost AS
SELECT DISTINCT pic_id FROM amendments WHERE "by" = 'ingest' AND outcome = 'refused'
"""
_EFFECTIVE = """
CREATE VIEW ledger AS
WITH newest AS (
    SELECT category, source, path, occurrence, max(batch) AS newest
    FROM ledger_rows
    WHERE (category, source, path, occurrence) IN (
        SELECT (category, source, path, occurrence) FROM ledger_rows WHERE outcome = 'refused')
    GROUP BY ALL
),
latest AS (
    SELECT * FROM amendments QUALIFY row_number() OVER (PARTITION BY pic_id ORDER BY at_ns DESC) = 1
)
SELECT r.* REPLACE (
    coalesce(a.outcome, r.outcome) AS outcome,
    CASE WHEN a.pic_id IS NULL THEN r.reason ELSE a.reason END AS reason,
    CASE WHEN a.pic_id IS NULL THEN r.detail ELSE a.detail END AS detail,
    coalesce(a.same_as, r.same_as) AS same_as)
FROM ledger_rows r
LEFT JOIN latest a ON r.pic_id = a.pic_id
LEFT JOIN newest n ON (r.category, r.source, r.path, r.occurrence)
    = (n.category, n.source, n.path, n.occurrence)
WHERE NOT (r.outcome = 'refused' AND r.batch < coalesce(n.newest, r.batch))
"""


class KnownFiles:
    """Which files are known, by their 128-bit `seen_key`; 16 bytes of memory a file."""

    def __init__(self, keys: list[bytes] | pa.ChunkedArray) -> None:
        raw = b"".join(keys) if isinstance(keys, list) else _bytes_of(keys)
        table = np.frombuffer(raw, _HALVES)
        order = np.argsort(table["high"], kind="stable")
        self._high = table["high"][order].astype(np.uint64)
        self._low = table["low"][order].astype(np.uint64)

    @classmethod
    def load(cls, layout: Layout, category: str) -> "KnownFiles":
        """Read the keys of a category; a file that was lost before it was placed is not known."""
        folder = layout.ledger / category
        parts = [
            _keys(path, layout.losses(category, int(path.stem)))
            for path in sorted(folder.glob("[0-9]*.parquet"))
        ]
        parts += [_keys(path, None) for path in sorted(folder.glob("touched/*.parquet"))]
        chunks = [chunk for part in parts for chunk in part.drop_null().chunks]
        return cls(pa.chunked_array(chunks, pa.binary(16)))

    def contains(self, keys: list[bytes]) -> list[bool]:
        """Tell for each key whether it is known."""
        if not keys or not len(self._high):
            return [False] * len(keys)
        asked = np.frombuffer(b"".join(keys), _HALVES)
        high, low = asked["high"].astype(np.uint64), asked["low"].astype(np.uint64)
        at = np.minimum(np.searchsorted(self._high, high), len(self._high) - 1)
        # Two keys with equal first halves: the second is taken for new and examined again,
        # which is slow and right.
        found: list[bool] = ((self._high[at] == high) & (self._low[at] == low)).tolist()
        return found


def _keys(path: Path, losses: Path | None) -> pa.ChunkedArray:
    if losses is None or not losses.exists():
        return pq.read_table(path, columns=["seen_key"], partitioning=None)["seen_key"]
    rows = pq.read_table(path, columns=["seen_key", "pic_id"], partitioning=None)
    lost = pq.read_table(losses, columns=["pic_id"], partitioning=None)["pic_id"]
    return rows.filter(pc.invert(pc.is_in(rows["pic_id"], lost.combine_chunks())))["seen_key"]


def _bytes_of(keys: pa.ChunkedArray) -> bytes:
    return b"".join(
        memoryview(chunk.buffers()[1])[chunk.offset * 16 : (chunk.offset + len(chunk)) * 16]
        for chunk in keys.chunks
        if len(chunk)
    )
