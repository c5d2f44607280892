"""Batches, shards and amendments: what the files of the ledger hold, and their sums."""

import fnmatch
import functools
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from naturalist import artifacts
from naturalist import categories as remembered
from naturalist.errors import PictureError, WorkspaceError
from naturalist.layout import Layout, pic_number, receipt_path
from naturalist.ledger.outcomes import Outcome, SourceCounts, count_one, count_rows, merge_counts
from naturalist.reasons import Reason
from naturalist.schemas import AMENDMENT
from naturalist.small_files import Look

Counts = np.ndarray[Any, np.dtype[np.int64]]


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
    """What a batch added to one category; is beside its rows as JSON."""

    category: str
    batch: int
    last_number: int
    """Highest picture number of the category after this batch."""
    counts: dict[str, SourceCounts]
    """By source."""
    shards: list[Shard]
    sha256: str
    superseded: dict[str, dict[str, SourceCounts]]
    """Rows of earlier batches that this one replaces, by batch and source: refusals of files that
    can be read now, and files without an id that a person has decided about."""

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


def batches(layout: Layout, category: str) -> list[BatchSummary]:
    """Summaries of a category's batches, oldest first."""
    folder = layout.ledger / category
    return list(_BATCHES.get(folder, [folder], lambda: _read_batches(folder)))


_BATCHES = artifacts.FolderMemo[list[BatchSummary]]()


def _read_batches(folder: Path) -> list[BatchSummary]:
    look = Look(folder)
    names = fnmatch.filter(look.names(), "[0-9]*.json")
    return [_SUMMARIES.get_as_of(look, name, partial(_read_summary, look, name)) for name in names]


def _read_summary(look: Look, name: str) -> BatchSummary:
    return _summary(look.folder / name, artifacts.read_json_in(look, name))


_SUMMARIES = artifacts.FileMemo[BatchSummary]()


def _summary(path: Path, value: dict[str, Any]) -> BatchSummary:
    try:
        replaced = {batch: _counts_of(counts) for batch, counts in value["superseded"].items()}
        shards = [Shard(**shard) for shard in value["shards"]]
        read = {"counts": _counts_of(value["counts"]), "shards": shards, "superseded": replaced}
        summary = BatchSummary(**value | read)
        _check_types(summary)
        _check_sums(summary)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise WorkspaceError(
            f"{path} is damaged ({error}): a name or a value in it has changed. Restore it from a "
            "backup; nothing was written"
        ) from error
    return summary


def _check_types(summary: BatchSummary) -> None:
    numbers = [summary.batch, summary.last_number]
    numbers += [number for shard in summary.shards for number in (shard.start, shard.stop)]
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError(f"one of its numbers is not a number: {numbers[:10]}")
    texts = [summary.category, summary.sha256, *(shard.fingerprint for shard in summary.shards)]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("one of its texts is not a text")


def _check_sums(summary: BatchSummary) -> None:
    accepted = sum(one.accepted for one in summary.counts.values())
    in_shards = sum(shard.rows for shard in summary.shards)
    if accepted != in_shards:
        raise ValueError(f"it counts {accepted} accepted pictures, its shards have {in_shards}")


def _counts_of(value: dict[str, Any]) -> dict[str, SourceCounts]:
    return {source: SourceCounts(**one) for source, one in value.items()}


def categories(layout: Layout) -> list[str]:
    """Categories that the ledger knows, sorted."""
    return remembered.keys_on_disk(layout)


def last_batch(layout: Layout) -> int:
    """Number of the newest committed batch; 0 if there is none."""
    result = [
        int(p.stem) for c in categories(layout) for p in (layout.ledger / c).glob("[0-9]*.json")
    ]
    return max(result, default=0)


def amendments(layout: Layout, category: str) -> pa.Table:
    """The amendments of a category, the latest one for each picture."""
    folder = layout.amendments(category)
    return _AMENDMENTS.get(folder, [folder], lambda: _latest(sorted(folder.glob("*.parquet"))))


_AMENDMENTS = artifacts.FolderMemo[pa.Table]()


def _latest(files: list[Path]) -> pa.Table:
    if not files:
        # An empty table of the schema would load pandas where there is one.
        return pa.Table.from_batches([], AMENDMENT)
    table = pa.concat_tables(artifacts.read_parquet(path) for path in files)
    latest = {pic: i for i, pic in enumerate(table.sort_by("at_ns")["pic_id"].to_pylist())}
    return table.sort_by("at_ns").take(pa.array(sorted(latest.values()), pa.int64()))


def amendment_time_ns(layout: Layout, category: str) -> int:
    """When an amendment that is written now is made, in ns since 1970: now, but after all others.

    The latest amendment of a picture holds, so that a clock that was set back must not count.
    """
    files = layout.amendments(category).glob("*.parquet")
    return max(time.time_ns(), 1 + max(map(_newest_ns, files), default=0))


def _newest_ns(path: Path) -> int:
    newest = pc.max(artifacts.read_parquet(path, ["at_ns"])["at_ns"]).as_py()
    return int(newest or 0)


def losses(layout: Layout, category: str, batch: int) -> dict[str, PictureError]:
    """Pictures of a batch that were gone when they were to be placed, and what happened."""
    path = layout.losses(category, batch)
    rows = artifacts.read_parquet(path).to_pylist() if path.exists() else []
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


def overwritten(layout: Layout, category: str) -> frozenset[str]:
    """Accepted pictures whose stored bytes were overwritten in their source."""
    return frozenset(
        row["pic_id"]
        for row in amendments(layout, category).to_pylist()
        if row["outcome"] == Outcome.ACCEPTED and row["reason"] == Reason.CHANGED_AFTER_INGEST
    )


def gone_with_source(layout: Layout, category: str) -> frozenset[str]:
    """Pictures whose stored bytes may be gone since their source was overwritten or removed."""
    reasons = (Reason.CHANGED_AFTER_INGEST, Reason.REMOVED_FROM_SOURCE)
    rows = amendments(layout, category).to_pylist()
    return frozenset(row["pic_id"] for row in rows if row["reason"] in reasons)


def withdrawn_fingerprint(layout: Layout) -> str:
    """Hex SHA-256 that changes when a picture is withdrawn, or a category retired or renamed."""
    gone = {name: not_accepted(layout, name) for name in categories(layout)}
    known = remembered.read(layout).known
    changed = {c.key: [c.name, c.is_active] for c in known if c.former_names or not c.is_active}
    return artifacts.fingerprint([gone, changed] if changed else gone)


def between(names: Iterable[str], first: int, last: int) -> tuple[str, ...]:
    """Those of the pictures whose number is from `first` to `last`."""
    return tuple(name for name in names if first <= pic_number(name) <= last)


def counts(layout: Layout, category: str) -> dict[str, SourceCounts]:
    """Files of a category by source and outcome, amendments included.

    The sums cost the number of batches and amendments, not the number of files.
    """
    folders = [layout.ledger / category, layout.amendments(category)]
    return dict(_COUNTS.get(folders[0], folders, lambda: _sum_counts(layout, category)))


_COUNTS = artifacts.FolderMemo[dict[str, SourceCounts]]()


def _sum_counts(layout: Layout, category: str) -> dict[str, SourceCounts]:
    changes = _changes(amendments(layout, category))
    return merge_counts([*(_net_counts(b) for b in batches(layout, category)), *changes])


def _net_counts(summary: BatchSummary, since: int = 1) -> dict[str, SourceCounts]:
    gone = [
        {source: -one}
        for batch, counts in summary.superseded.items()
        if int(batch) >= since
        for source, one in counts.items()
    ]
    return merge_counts([summary.counts, *gone])


def batch_counts(layout: Layout, summary: BatchSummary, since: int) -> dict[str, SourceCounts]:
    """Files of one batch of a category, with what was learnt when its pictures were extracted.

    Rows that it replaces are subtracted if they are of batch `since` or later.
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
            change += count_one(row["outcome"], 1)
        changes.append({row["source"]: change})
    return changes


def batch_rows(
    layout: Layout, category: str, batch: int, columns: list[str] | None = None
) -> pa.Table:
    """Rows of one batch, in listing order."""
    return artifacts.read_parquet(layout.batch(category, batch), columns)


def row_of(layout: Layout, category: str, batch: int, pic_id: str) -> dict[str, Any] | None:
    """The row of a batch that gave a picture its id, as it was when the batch was committed.

    Costs one column of the batch and one row group; None if no row has the id.
    """
    path = layout.batch(category, batch)
    metadata = artifacts.read_parquet_metadata(path)
    at = pc.index(artifacts.read_parquet(path, ["pic_id"])["pic_id"], pic_id).as_py()
    before = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if before <= at < before + rows:
            held = artifacts.read_row_groups(path, [group], None, metadata)
            row: dict[str, Any] = held.slice(at - before, 1).to_pylist()[0]
            return row
        before += rows
    return None


def shard_rows(
    layout: Layout, category: str, batch: int, shard: Shard, columns: list[str] | None = None
) -> pa.Table:
    """Accepted pictures of one shard, in id order, as they were when the batch was committed."""
    return accepted_rows(layout.batch(category, batch), shard.start, shard.stop, columns)


def accepted_rows(path: Path, start: int, stop: int, columns: list[str] | None = None) -> pa.Table:
    """Accepted pictures `start` to `stop` of a batch's file, in id order.

    Costs `columns` (all, if None) of the row groups that hold them. How many accepted pictures
    come before each row group is counted once a process and file, not for each shard.
    """
    counts, metadata = _accepted_counts(path, *_identity(path))
    first = int(np.searchsorted(counts, start, "right")) - 1
    last = int(np.searchsorted(counts, stop, "left"))
    named = columns if columns is None else list(dict.fromkeys([*columns, "outcome"]))
    rows = artifacts.read_row_groups(path, range(first, last), named, metadata)
    accepted = pc.indices_nonzero(pc.equal(rows["outcome"], Outcome.ACCEPTED))
    before = int(counts[first])
    taken = rows.take(accepted[start - before : stop - before])
    return taken if columns is None else taken.select(columns)


def _identity(path: Path) -> tuple[int, int, int]:
    """What tells a file from another one under its name."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return state.st_ino, state.st_size, state.st_mtime_ns


@functools.lru_cache(maxsize=16)
def _accepted_counts(path: Path, *_identity: int) -> tuple[Counts, pq.FileMetaData]:
    """How many accepted pictures come before each row group of a batch's file, (groups + 1,)."""
    metadata = artifacts.read_parquet_metadata(path)
    counts = [0]
    for group in range(metadata.num_row_groups):
        outcomes = artifacts.read_row_groups(path, [group], ["outcome"], metadata)["outcome"]
        accepted = pc.sum(pc.equal(outcomes, Outcome.ACCEPTED)).as_py() or 0
        counts.append(counts[-1] + accepted)
    return np.array(counts, np.int64), metadata
