"""Whether the files of the ledger are all there and agree with each other."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.compute as pc

from naturalist import artifacts
from naturalist.errors import WorkspaceError
from naturalist.layout import Layout, pic_number, receipt_path
from naturalist.ledger.outcomes import Outcome, count_rows
from naturalist.ledger.rows import BatchSummary, batch_rows, batches, categories
from naturalist.small_files import Look, is_settled

_FORMAT = "1"
"""Changes when more of a summary is compared with its rows than was before."""


def check_whole(layout: Layout) -> None:
    """Check that every batch has its rows and its summary, that no number is missing or changed.

    Only for the one writer, with no batch pending: a commit moves both, one after the other.

    Raises:
        WorkspaceError: a file of the ledger is gone, and going on would give numbers twice; or a
            summary counts other rows than its batch has.
    """
    for category in categories(layout):
        _check_numbers(layout, category)
        place = layout.compared_counts(category)
        before = artifacts.recalled(place, _FORMAT) or {}
        now = _check_counts(layout, category, before)
        if now != before:
            # Without space, or where nothing may be written, the next run compares them again.
            with contextlib.suppress(WorkspaceError):
                artifacts.remember(place, _FORMAT, now)


def faults(layout: Layout) -> Iterator[str]:
    """The first reason in each category for which `check_whole` refuses; writes nothing.

    Only while nobody writes, with no batch pending.
    """
    for category in categories(layout):
        before = artifacts.recalled(layout.compared_counts(category), _FORMAT) or {}
        try:
            _check_numbers(layout, category)
            _check_counts(layout, category, before)
        except WorkspaceError as error:
            yield str(error)


def _check_numbers(layout: Layout, category: str) -> None:
    last = 0
    for path in sorted((layout.ledger / category).glob("[0-9]*.parquet")):
        _require(receipt_path(path))
    for summary in batches(layout, category):
        path = layout.batch(category, summary.batch)
        _require(path)
        accepted = sum(shard.rows for shard in summary.shards)
        if summary.last_number - accepted != last:
            fault = next(summary_faults(layout, summary), None)
            raise _damaged(layout, summary, fault) if fault else _gone(f"a batch before {path}")
        last = summary.last_number


def _require(path: Path) -> None:
    if not path.exists():
        raise _gone(str(path))


def _gone(what: str) -> WorkspaceError:
    return WorkspaceError(
        f"{what} is missing from the ledger: restore it from a backup. Without it, pictures would "
        "be ingested again with other numbers"
    )


def _check_counts(
    layout: Layout, category: str, before: Mapping[str, list[list[int]]]
) -> dict[str, list[list[int]]]:
    """Compare the counts of summaries with rows, for files that changed since they were compared.

    Everything that people read of numbers comes from the counts, and no stage reads the rows of an
    old batch to find out that they are others. Files that were compared `before` are known by their
    stamps; gives those that need not be compared again.
    """
    look = Look(layout.ledger / category)
    now = {}
    for summary in batches(layout, category):
        path = layout.batch(category, summary.batch)
        stamps = [look.stamp(one.name) for one in (receipt_path(path), path)]
        as_json = [list(stamp or ()) for stamp in stamps]
        if before.get(path.stem) != as_json:
            _require_counts(layout, summary)
        if all(stamp is not None and is_settled(stamp) for stamp in stamps):
            now[path.stem] = as_json
    return now


def _require_counts(layout: Layout, summary: BatchSummary) -> None:
    rows = batch_rows(layout, summary.category, summary.batch, ["source", "outcome", "reason"])
    if summary.counts != count_rows(rows):
        raise _damaged(layout, summary, "its counts do not match its rows")


def _damaged(layout: Layout, summary: BatchSummary, fault: str) -> WorkspaceError:
    path = receipt_path(layout.batch(summary.category, summary.batch))
    return WorkspaceError(
        f"{path} is damaged ({fault}): a value in it has changed. Restore it from a backup; "
        "nothing was written"
    )


def summary_faults(layout: Layout, summary: BatchSummary) -> Iterator[str]:
    """What a summary says differently from the rows that it sums up.

    Raises:
        WorkspaceError: the rows cannot be read.
    """
    rows = artifacts.read_parquet(layout.batch(summary.category, summary.batch))
    if summary.counts != count_rows(rows):
        yield "its counts do not match its rows"
    accepted = rows.filter(pc.equal(rows["outcome"], Outcome.ACCEPTED))
    names = accepted["pic_id"].to_pylist()
    hashes = [digest.hex() for digest in accepted["sha256"].to_pylist()]
    ends = [0, *(shard.stop for shard in summary.shards)]
    if [shard.start for shard in summary.shards] != ends[:-1] or ends[-1] != len(names):
        yield "its shards do not cover all accepted pictures"
    for shard in summary.shards:
        part = slice(shard.start, shard.stop)
        if shard.fingerprint != artifacts.fingerprint(names[part], hashes[part]):
            yield f"the fingerprint of its shard at {shard.start} does not match its pictures"
    if names and pic_number(names[-1]) != summary.last_number:
        yield f"its last number is {summary.last_number}, but the last of its rows is {names[-1]}"
