"""One batch after another: examine, assign, place, commit; and finishing one that was killed."""

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, ledger
from naturalist.errors import WorkspaceError
from naturalist.layout import Layout, receipt_path
from naturalist.ledger import Known, KnownAnywhere, KnownFiles, LazilyKnownFiles
from naturalist.schemas import AMENDMENT, LEDGER
from naturalist.stages.ingest import folder_states, overwritten
from naturalist.stages.ingest.assign import Assigned, KnownPicture, Prior
from naturalist.stages.ingest.assign_batch import assign_batch, with_category
from naturalist.stages.ingest.examine import ExamineTask
from naturalist.stages.ingest.listing import Entry, list_new
from naturalist.stages.ingest.options import IngestOptions, Source
from naturalist.stages.ingest.place import Placed, PlaceTask, loss_amendments
from naturalist.stages.ingest.retrying import files_to_retry
from naturalist.stages.ingest.roots import RootChooser
from naturalist.stages.ingest.routing import Router
from naturalist.stages.ingest.withdrawals import Withdrawals

PICTURES_PER_PLACE_TASK = 1_000
_PLACE_TASKS = 32
"""Of a large batch and category: each reads more rows than it needs."""
_BATCH_FILE = "batch.json"


@dataclass(frozen=True)
class Committed:
    """What a committed batch added, by category and source."""

    batch: int
    counts: dict[str, dict[str, ledger.SourceCounts]]


@dataclass(frozen=True)
class Pending:
    """What a batch holds before it is placed.

    `has_rows` is False if all its files were known after all; `stored` counts the older pictures
    whose stored bytes its files have overwritten, or given back.
    """

    has_rows: bool
    stored: overwritten.Changes


def batch_tasks(
    layout: Layout, sources: Sequence[Source], options: IngestOptions
) -> Iterator[list[ExamineTask]]:
    """List what is new, once, and cut it into batches of tasks.

    Raises:
        SourceError: a source is missing.
    """
    batch: list[ExamineTask] = []
    files = 0
    for task in _tasks(layout, sources, options):
        if batch and files + len(task.entries) > options.files_per_batch:
            yield batch
            batch, files = [], 0
        batch.append(task)
        files += len(task.entries)
    if batch:
        yield batch


def files_to_examine(
    layout: Layout, sources: Sequence[Source], options: IngestOptions, first: list[ExamineTask]
) -> Iterable[ExamineTask]:
    """What `batch_tasks` lists, whose `first` batch is known; sources are listed again for more."""
    files = sum(len(task.entries) for task in first)
    if files <= options.files_per_batch - options.files_per_task:
        return first
    return _tasks(layout, sources, options, is_trial=True)


def _tasks(
    layout: Layout, sources: Sequence[Source], options: IngestOptions, *, is_trial: bool = False
) -> Iterator[ExamineTask]:
    for category in sorted({source.category for source in sources}):
        mine = [s for s in sources if s.category == category and s.is_listed]
        own = _Looked(layout, (category,), options)
        # Files of a source that feeds several categories may be known to any of them.
        every = _Looked(layout, ledger.categories(layout), options)
        for source in sorted(mine, key=lambda s: s.name):
            looked = own if source.routing is None else every
            again = looked.again(source.name)
            entries = _list_new(layout, source, looked.known, options, again, is_trial=is_trial)
            for chunk in _chunks(entries, options.files_per_task):
                yield ExamineTask(layout.root, source, chunk, options.limits)


class _Looked:
    """What the ledger knows of the files of some categories, read when it is asked for."""

    def __init__(self, layout: Layout, categories: Sequence[str], options: IngestOptions) -> None:
        self._layout, self._categories, self._options = layout, categories, options
        known = [LazilyKnownFiles(layout, category) for category in categories]
        self.known: Known = KnownFiles([]) if options.rescan else KnownAnywhere(known)

    @cached_property
    def _again(self) -> list[dict[str, frozenset[bytes]]]:
        retry = self._options.retry
        return [files_to_retry(self._layout, one, retry) for one in self._categories]

    def again(self, source: str) -> frozenset[bytes]:
        """Files of a source that are to be looked at although they are known."""
        return frozenset().union(*(found.get(source, ()) for found in self._again))


def _list_new(
    layout: Layout,
    source: Source,
    known: Known,
    options: IngestOptions,
    again: frozenset[bytes],
    *,
    is_trial: bool,
) -> Iterator[Entry]:
    if options.rescan or again:
        yield from list_new(source, known, again=again)
        return
    batch = folder_states.last_batch(layout, source.category)
    where = (layout, source.category, source.name)
    selection = b"" if source.selection.is_default else source.selection.fingerprint
    states = folder_states.load(*where, trust=options.trust_folders, selection=selection)
    yield from list_new(source, known, states)
    if not is_trial:
        folder_states.save(*where, states, batch, selection)


def _chunks(entries: Iterator[Entry], size: int) -> Iterator[tuple[Entry, ...]]:
    chunk: list[Entry] = []
    for entry in entries:
        chunk.append(entry)
        if len(chunk) == size:
            yield tuple(chunk)
            chunk = []
    if chunk:
        yield tuple(chunk)


def write_pending(
    layout: Layout,
    tasks: Sequence[ExamineTask],
    sources: Sequence[Source],
    options: IngestOptions,
    withdrawals: Withdrawals,
) -> Pending:
    """Assign outcomes and ids to the findings of `tasks`; from here on they are fixed.

    Raises:
        WithdrawalBudgetExceeded: too many pictures would be in conflict; nothing is changed.
        StorageFull: a drive is full.
    """
    with Router(layout) as router:
        read = [(t.source, artifacts.read_parquet(t.findings)) for t in tasks]
        tables = router.share_out(read)
    last_numbers = {c: _last_number(layout, c) for c in sorted({c for c, _ in tables})}
    batch = ledger.last_batch(layout) + 1
    roots = RootChooser(layout, sources, options)
    prior = _prior(layout, with_category(tables), options.categories)
    rows, assigned = assign_batch(tables, prior, last_numbers, batch, roots.of_all)
    in_conflict = {category: len(rows) for category, rows in assigned.amendments.items()}
    withdrawals.add(in_conflict, "the same bytes are now in another category too")
    # First, for the files of this batch are known as soon as it is written.
    stored = overwritten.reconcile(layout, tables, prior, sources, options.mode)
    if not rows:
        for category, keys in assigned.touched.items():
            _write_touched(layout.touched(category), keys)
        discard_findings(layout)
        return Pending(has_rows=False, stored=stored)
    _write_pending(layout, rows, assigned, batch, options.shard_size)
    return Pending(has_rows=True, stored=stored)


def _last_number(layout: Layout, category: str) -> int:
    summaries = ledger.batches(layout, category)
    return summaries[-1].last_number if summaries else 0


def _prior(layout: Layout, requested: pa.Table, categories: Sequence[str]) -> Prior:
    prior = Prior()
    if not ledger.categories(layout):
        return prior
    with ledger.connect(layout) as connection:
        connection.register("asked", requested)
        for row in ledger.query(connection, _SAME_FILES).to_pylist():
            key = (row["category"], row["source"], row["path"], row["occurrence"])
            prior.by_file.setdefault(key, []).append(row)
        for row in ledger.query(connection, _SAME_BYTES).to_pylist():
            text = f"{row['category']}/{row['source']}/{row['path_text']}"
            if categories and row["category"] not in categories:
                continue
            known = KnownPicture(
                row["category"],
                row["source"],
                row["pic_id"],
                text,
                is_accepted=row["outcome"] == ledger.Outcome.ACCEPTED,
                is_decided=row["decided"],
            )
            prior.by_sha256.setdefault(row["sha256"], []).append(known)
    return prior


_SAME_FILES = """
SELECT category, source, path, occurrence, sha256, outcome, reason, pic_id,
    CASE WHEN outcome = 'duplicate' THEN same_as END AS same_as
FROM ledger_rows SEMI JOIN asked USING (category, source, path, occurrence)
WHERE coalesce(pic_id, '') NOT IN (SELECT pic_id FROM lost)
"""
_SAME_BYTES = """
SELECT category, source, pic_id, path_text, sha256, outcome,
    coalesce(outcome = decision AND (decision = 'accepted' OR why = 'retired'), false) AS decided
FROM ledger LEFT JOIN decisions USING (pic_id)
WHERE (pic_id IS NOT NULL OR outcome = 'conflict')
  AND coalesce(pic_id, '') NOT IN (SELECT pic_id FROM lost)
  AND sha256 IN (SELECT sha256 FROM asked WHERE kind = 'picture')
ORDER BY batch, pic_id
"""


def write_decided(
    layout: Layout, decided: Assigned, batch: int, shard_size: int, name: str
) -> None:
    """Make what a person decided the pending batch, whole or not at all.

    Args:
        layout: the workspace, with no batch pending.
        decided: rows and amendments; without rows it is no batch, and the next one has its number.
        batch: number of the batch.
        shard_size: pictures in a shard.
        name: of the file of its amendments.
    """
    rows = {c: pa.Table.from_pylist(own, LEDGER) for c, own in decided.rows.items()}
    _write_pending(layout, rows, decided, batch, shard_size, {"amendments": name})


def _write_pending(
    layout: Layout,
    tables: Mapping[str, pa.Table],
    assigned: Assigned,
    batch: int,
    shard_size: int,
    about: dict[str, Any] | None = None,
) -> None:
    building = layout.pending.with_name(".pending.tmp")
    shutil.rmtree(building, ignore_errors=True)
    superseded = _superseded(layout, tables)
    for category, table in tables.items():
        last = assigned.last_numbers.get(category, 0)
        gone = superseded.get(category, LEDGER.empty_table())
        summary = ledger.summarise(table, gone, category, batch, last, shard_size)
        ledger.write_batch(layout, building, table, summary)
    for category, rows in assigned.amendments.items():
        at_ns = ledger.amendment_time_ns(layout, category)
        table = pa.Table.from_pylist([{"at_ns": at_ns} | row for row in rows], AMENDMENT)
        artifacts.write_parquet(building / "amendments" / f"{category}.parquet", table)
    for category, keys in assigned.touched.items():
        _write_touched(building / "touched" / category, keys)
    artifacts.write_json(building / _BATCH_FILE, {"batch": batch} | (about or {}))
    building.rename(layout.pending)
    artifacts.sync(layout.ledger)


def _superseded(layout: Layout, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Rows of the ledger that new ones replace, of the categories that it has."""
    known = tables.keys() & set(ledger.categories(layout))
    if not known:
        return {}
    with ledger.connect(layout) as connection:
        connection.register("asked", pa.concat_tables(tables[category] for category in known))
        rows = ledger.query(connection, _SUPERSEDED)
    return {c: rows.filter(pc.equal(rows["category"], c)) for c in known}


_SUPERSEDED = """
SELECT * FROM ledger WHERE pic_id IS NULL AND (
    outcome = 'refused' AND (category, source, path, occurrence) IN
        (SELECT (category, source, path, occurrence) FROM asked)
    OR (category, source, path, occurrence, sha256) IN
        (SELECT (category, source, path, occurrence, sha256) FROM asked))
"""


def _write_touched(folder: Path, files: Iterable[tuple[bytes, bytes | None]]) -> None:
    keys, digests = zip(*sorted(files, key=lambda file: file[0]), strict=True)
    columns = [pa.array(keys, pa.binary(16)), pa.array(digests, pa.binary(32))]
    table = pa.table(columns, names=["seen_key", "sha256"])
    name = artifacts.fingerprint([key.hex() for key in keys])[:32]
    artifacts.write_parquet(folder / f"{name}.parquet", table)


def is_pending(layout: Layout) -> bool:
    """Whether a batch has its ids and waits for being placed and committed."""
    return layout.pending.is_dir()


def place_tasks(
    layout: Layout, sources: Sequence[Source], options: IngestOptions
) -> list[PlaceTask]:
    """Cut the pending batch's accepted pictures into tasks.

    Raises:
        WorkspaceError: the batch has pictures of a source that is no longer configured.
    """
    tasks = []
    for path in sorted(layout.pending.glob("*.parquet")):
        summary = artifacts.read_json(receipt_path(path))
        _require_sources(path.stem, _sources_to_place(path), sources)
        accepted = sum(shard["stop"] - shard["start"] for shard in summary["shards"])
        mine = tuple(source for source in sources if source.category == path.stem)
        size = max(PICTURES_PER_PLACE_TASK, -(-accepted // _PLACE_TASKS))
        tasks += [
            PlaceTask(
                layout.root,
                path.stem,
                mine,
                options.mode,
                start,
                min(size, accepted - start),
            )
            for start in range(0, accepted, size)
        ]
    return tasks


def _sources_to_place(path: Path) -> list[str]:
    """Sources of the pictures to be placed; those that came by relabelling are in place."""
    rows = artifacts.read_parquet(path, ["source", "outcome", "same_as"])
    coming = pc.and_(
        pc.equal(rows["outcome"], ledger.Outcome.ACCEPTED), pc.is_null(rows["same_as"])
    )
    names: list[str] = pc.unique(rows.filter(coming)["source"]).to_pylist()
    return names


def _require_sources(category: str, expected: Iterable[str], sources: Sequence[Source]) -> None:
    known = {source.name for source in sources if source.category == category}
    if missing := sorted(set(expected) - known):
        raise WorkspaceError(
            f"a run was interrupted while storing pictures of source {missing[0]!r} of category "
            f"{category!r}, which is no longer in the configuration: restore the source, run "
            "once, then remove it"
        )


def commit(layout: Layout, placed: Sequence[tuple[str, Placed]]) -> Committed:
    """Make the pending batch part of the ledger; `placed` gives each task's category and result."""
    about = artifacts.read_json(layout.pending / _BATCH_FILE)
    batch: int = about["batch"]
    _write_losses(layout, placed, batch)
    for path in sorted(layout.pending.glob("amendments/*.parquet")):
        name = about.get("amendments", f"{batch:06d}-conflicts")
        _replace(path, layout.amendments(path.stem) / f"{name}.parquet")
    for path in sorted(layout.pending.glob("touched/*/*.parquet")):
        _replace(path, layout.touched(path.parent.name) / path.name)
    for path in sorted(layout.pending.glob("*.parquet")):
        _replace(path, layout.batch(path.stem, batch))
        _replace(receipt_path(path), receipt_path(layout.batch(path.stem, batch)))
    for path in sorted(layout.pending.glob("*.json")):
        # The rows of this one were moved before a kill; its summary was not.
        if path.name != _BATCH_FILE:
            _replace(path, receipt_path(layout.batch(path.stem, batch)))
    discard_findings(layout)
    # A folder is not removed in one step; its new name says that it is of no more use.
    finished = layout.pending.with_name(".pending.done")
    shutil.rmtree(finished, ignore_errors=True)
    layout.pending.rename(finished)
    # Or a power cut may bring the old name back without what is removed below.
    artifacts.sync(layout.ledger)
    shutil.rmtree(finished, ignore_errors=True)
    return Committed(batch, _counts_of(layout, batch))


def _counts_of(layout: Layout, batch: int) -> dict[str, dict[str, ledger.SourceCounts]]:
    return {
        category: summary.counts
        for category in ledger.categories(layout)
        for summary in ledger.batches(layout, category)
        if summary.batch == batch
    }


def _write_losses(layout: Layout, placed: Sequence[tuple[str, Placed]], batch: int) -> None:
    for category in sorted({category for category, _ in placed}):
        losses = [loss for c, one in placed if c == category for loss in one.losses]
        path = layout.losses(category, batch)
        if losses:
            rows = loss_amendments(losses, ledger.amendment_time_ns(layout, category))
            artifacts.write_parquet(path, pa.Table.from_pylist(rows, AMENDMENT))
        else:
            # A commit that was killed may have left one about pictures that are placed now.
            path.unlink(missing_ok=True)


def _replace(path: Path, target: Path) -> None:
    artifacts.make_folder(target.parent)
    path.replace(target)
    artifacts.sync(target.parent)


def discard_findings(layout: Layout) -> None:
    """Remove what only the batch under way needed."""
    for folder in (layout.findings, layout.staging):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
