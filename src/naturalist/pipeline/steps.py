"""One function a stage: plan, map over an executor, sum up."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, singledispatch
from pathlib import Path
from typing import Any, TypeVar

from naturalist import artifacts, backbones, ledger, metadata
from naturalist.config import Config
from naturalist.counting import counted
from naturalist.errors import WorkspaceError
from naturalist.pipeline import space
from naturalist.pipeline.input_warnings import input_warnings
from naturalist.pipeline.status import counts_as_json
from naturalist.progress import Progress, stage
from naturalist.reasons import Reason
from naturalist.running.executors import Executor
from naturalist.running.throughput import Throughput
from naturalist.stages import exif, extract, tables
from naturalist.stages.ingest import (
    batches,
    deselected,
    matched_sources,
    overwritten,
    removed,
    routing,
)
from naturalist.stages.ingest.examine import ExamineTask, examine
from naturalist.stages.ingest.listing import check_source
from naturalist.stages.ingest.place import Placed, place
from naturalist.stages.ingest.retrying import forget_extractions
from naturalist.stages.ingest.withdrawals import Withdrawals
from naturalist.stages.verify import collection, rederived
from naturalist.stages.verify import features as feature_checks
from naturalist.stages.verify import tables as table_checks
from naturalist.stages.verify.stored import check_stored
from naturalist.stages.verify.verdicts import Verdict

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Job:
    """Everything a stage needs: what to do, who does it, and who is told."""

    config: Config
    executor: Executor
    progress: Progress
    throughput: dict[str, Throughput] = field(default_factory=dict)
    """What each node did, by stage."""


@dataclass
class IngestResult:
    """What an ingest added; counts by category and source, for its new batches."""

    batches: list[int] = field(default_factory=list)
    retired: int = 0
    """Pictures whose files were removed; 0 unless `ingest.removed` asks for it."""
    restored: int = 0
    """Pictures that had been retired and whose files are there again."""
    stored: overwritten.Changes = field(default_factory=overwritten.Changes)
    """Pictures whose stored bytes were overwritten in their source, or given back."""
    counts: dict[str, dict[str, ledger.SourceCounts]] = field(default_factory=dict)


def ingest(
    job: Job,
    *,
    rescan: bool = False,
    full_scan: bool = False,
    accept_withdrawals: bool = False,
    accept_low_space: bool = False,
    retry: frozenset[Reason] = frozenset(),
) -> IngestResult:
    """Look through all sources and take in what is new, batch by batch.

    Args:
        job: the collection.
        rescan: examine known files again too.
        full_scan: look into folders that the configuration would trust to be unchanged.
        accept_withdrawals: let any number of pictures leave the tables.
        accept_low_space: begin although the drives seem to be too small.
        retry: look again at what was refused for one of these reasons.

    Raises:
        SourceError: a source is missing.
        WithdrawalBudgetExceeded: too many pictures would leave the tables.
        StorageFull: a drive is full, or too small for what is new.
    """
    config = job.config
    options = replace(config.ingest_options, rescan=rescan, retry=retry)
    if full_scan:
        options = replace(options, trust_folders=False)
    result = IngestResult()
    budget = 1.0 if accept_withdrawals else config.withdrawal_budget
    withdrawals = Withdrawals(config.layout, budget)
    # All of them before the first change: a drive that is away must not cost half a run.
    for source in config.sources:
        check_source(source)
    sources = routing.prepare(config.sources)
    matched_sources.remember(config.layout, config.matched_sources)
    finish_pending(job, result)
    agreed = routing.check_agreement(config.layout, sources, config.names)
    if reselected := deselected.amend(config.layout, sources, withdrawals):
        job.progress.note(
            f"{counted(reselected, 'picture')} left the tables or came back, because include "
            "or exclude of "
            "their sources changed"
        )
    for number, tasks in enumerate(batches.batch_tasks(config.layout, sources, options)):
        if number == 0 and not accept_low_space:
            new = batches.files_to_examine(config.layout, sources, options, tasks)
            _warn(job, space.check_space(config, new))
        _examine(job, tasks)
        pending = batches.write_pending(config.layout, tasks, sources, options, withdrawals)
        result.stored += pending.stored
        if pending.has_rows:
            place_and_commit(job, result)
    batches.discard_findings(config.layout)
    routing.remember(config.layout, agreed)
    _name_unmapped(job, result)
    _name_overwritten(job, result.stored)
    if config.ingest.removed == "retire":
        changes = removed.amend(config.layout, config.sources, withdrawals)
        result.retired, result.restored = changes.retired, changes.restored
    _forget_extractions(job, retry)
    for warning in input_warnings(config):
        _warn(job, warning)
    return result


def _warn(job: Job, warning: str) -> None:
    if warning:
        job.progress.note(f"warning: {warning}")


def _forget_extractions(job: Job, reasons: frozenset[Reason]) -> None:
    layout = job.config.layout
    count = sum(forget_extractions(layout, name, reasons) for name in job.config.labels)
    if count:
        job.progress.note(
            f"the next `naturalist run` or `naturalist extract` examines "
            f"{counted(count, 'picture')} again "
            "that extraction refused"
        )


def finish_pending(job: Job, result: IngestResult) -> None:
    """Place and commit the batch of a run or a review that was stopped, if there is one."""
    if batches.is_pending(job.config.layout):
        job.progress.note("finishing the batch of an interrupted run")
        place_and_commit(job, result)


def _name_unmapped(job: Job, result: IngestResult) -> None:
    """Say what got no category, after an ingest that added something."""
    found = routing.unmapped(job.config.layout, job.config.sources) if result.batches else []
    for source in dict.fromkeys(source for source, _, _ in found):
        missing = [(detail, files) for name, detail, files in found if name == source]
        listed = ", ".join(f"{detail} ({files:,})" for detail, files in missing[:_UNMAPPED_SHOWN])
        more = len(missing) - _UNMAPPED_SHOWN
        job.progress.note(
            f"source {source!r}: {counted(sum(files for _, files in missing), 'file')} without "
            "a category: "
            f"{listed}{f' and {more} more' if more > 0 else ''}. Add labels to its "
            "[source.categories]; see `naturalist ledger --reason no_category`"
        )


_UNMAPPED_SHOWN = 10


def _name_overwritten(job: Job, stored: overwritten.Changes) -> None:
    if stored.overwritten:
        job.progress.note(
            f"{stored.overwritten} stored pictures were overwritten in their sources: their "
            "features are kept, and the new bytes get new ids. They are listed by `naturalist "
            'ledger --reason changed_after_ingest`; images.mode = "copy" keeps old bytes'
        )
    if stored.repaired:
        job.progress.note(f"{stored.repaired} overwritten pictures have been restored")


def _examine(job: Job, tasks: list[ExamineTask]) -> None:
    total = sum(len(task.entries) for task in tasks)
    _drain(job, "ingest", "files", examine, tasks, total, lambda done: done.files)


def place_and_commit(job: Job, result: IngestResult) -> None:
    """Place the pictures of the pending batch and make it part of the ledger."""
    config = job.config
    tasks = batches.place_tasks(config.layout, config.known_sources, config.ingest_options)
    total = sum(task.rows for task in tasks)
    placed: list[tuple[str, Placed]] = []
    for task, done in mapped(job, "place", "pictures", place, tasks, total, lambda d: d.pictures):
        placed.append((task.category, done))
    committed = batches.commit(config.layout, placed)
    result.batches.append(committed.batch)
    for category, counts in committed.counts.items():
        before = result.counts.get(category, {})
        result.counts[category] = ledger.merge_counts([before, counts])


def _drain(
    job: Job,
    name: str,
    unit: str,
    run: Callable[[T], R],
    tasks: Iterable[T],
    total: int | None,
    amount: Callable[[R], int],
) -> list[R]:
    return [result for _, result in mapped(job, name, unit, run, tasks, total, amount)]


def mapped(
    job: Job,
    name: str,
    unit: str,
    run: Callable[[T], R],
    tasks: Iterable[T],
    total: int | None,
    amount: Callable[[R], int],
) -> Iterator[tuple[T, R]]:
    """Map a stage's function over its tasks, telling how far it is and what each node does."""
    throughput = job.throughput.setdefault(name, Throughput(unit))
    throughput.begin()
    has_worked = False
    with stage(job.progress, name, total, unit) as advance:
        for task, result in job.executor.map(run, tasks):
            advance(amount(result))
            throughput.count(job.executor.latest_node, amount(result))
            if throughput.is_due():
                job.progress.note(throughput.report(name))
            yield task, result
            has_worked = True
    throughput.end()
    if has_worked:
        artifacts.forget_folders()
    if by_node := throughput.report(name):
        job.progress.note(by_node)


@dataclass(frozen=True)
class ExtractResult:
    """What an extract did: pictures looked at, and those of them that were refused."""

    shards: int
    pictures: int
    refused: int


def extract_features(job: Job) -> ExtractResult:
    """Extract the shards that are not done.

    Raises:
        BackboneError: the network cannot be loaded.
    """
    config = job.config
    tasks = extract.plan(config.layout, config.source_paths, config.extract_options)
    if tasks:
        # Once here, before the workers: they all find the model in the cache.
        backbones.make_model(config.extract.backbone)
    total = sum(task.shard.rows for task in tasks)
    done = _drain(job, "extract", "pictures", extract.run, tasks, total, lambda r: r.pictures)
    return ExtractResult(len(done), sum(r.pictures for r in done), sum(r.refused for r in done))


@dataclass(frozen=True)
class VerifyResult:
    """What a verification found."""

    checked: int
    rows: int
    verdicts: tuple[Verdict, ...]


def verify_features(job: Job, *, again: bool = False, deep: bool = False) -> VerifyResult:
    """Verify features that were not verified as they are; all verdicts that hold are returned.

    With `deep`, every picture of those that are verified is decoded and extracted again.
    """
    config = job.config
    spec = backbones.describe(config.extract.backbone)
    tasks = feature_checks.plan(
        config.layout,
        config.source_paths,
        config.extract.backbone,
        config.picture_limits,
        config.feature_check_options,
        again=again,
        deep=deep,
    )
    total = sum(task.part.rows for task in tasks)
    done = _drain(
        job, "verify-features", "vectors", feature_checks.run, tasks, total, lambda r: r.rows
    )
    held = collection.held_verdicts(config.layout, spec.id)
    held += _missing_features(config, spec)
    held += check_stored(config.layout) if again else ()
    return VerifyResult(len(done), sum(r.rows for r in done), tuple(held))


def _missing_features(config: Config, spec: backbones.BackboneSpec) -> Iterator[Verdict]:
    layout = config.layout
    for task in extract.plan(layout, config.source_paths, config.extract_options):
        path = layout.features(spec.id, task.category, task.batch, task.number)
        what = f"features or previews of {counted(task.shard.rows, 'picture')}"
        detail = f"{what} are missing: run `naturalist extract`"
        yield Verdict("missing", "hard", detail, file=str(path.relative_to(layout.root)))


@dataclass(frozen=True)
class TablesResult:
    """What the tables stage wrote."""

    written: int
    rows: int


def write_tables(job: Job, *, rebuild: bool = False) -> TablesResult:
    """Write the tables that are not done.

    Raises:
        WorkspaceError: features are missing, or a full table would change.
    """
    config = job.config
    layout, spec = config.layout, backbones.describe(config.extract.backbone)
    missing = extract.plan(layout, config.source_paths, config.extract_options)
    if missing:
        raise WorkspaceError(
            f"{len(missing)} shards have no features of backbone {spec.name} yet: run "
            "`naturalist extract`, then the same command again"
        )
    rows_per_table = config.tables.rows_per_table
    csv = config.tables.csv
    tasks = tables.plan(layout, config.labels, spec, rows_per_table, rebuild=rebuild, csv=csv)
    total = sum(piece.stop - piece.start for task in tasks for piece in task.pieces)
    done = _drain(job, "tables", "rows", tables.run, tasks, total, lambda r: r.rows)
    if rebuild:
        for category, expected in Counter(t.category for t in expected_tables(config)).items():
            tables.remove_surplus(layout, category, expected)
    return TablesResult(len(done), sum(r.rows for r in done))


def expected_tables(config: Config) -> Iterator[tables.TableTask]:
    """Every table that the features give, written or not."""
    spec = backbones.describe(config.extract.backbone)
    rows_per_table = config.tables.rows_per_table
    for category, label in sorted(config.labels.items()):
        yield from tables.all_tables(
            config.layout, category, label, spec, rows_per_table, csv=config.tables.csv
        )


def verify_tables(job: Job, *, again: bool = False, deep: bool = False) -> VerifyResult:
    """Verify tables that were not verified as they are; all verdicts that hold are returned.

    With `deep`, every table is also made again and compared.
    """
    config = job.config
    expected = list(expected_tables(config))
    tasks = table_checks.plan(expected, again=again)
    total = sum(task.rows for task in tasks)
    done = _drain(job, "verify-tables", "rows", table_checks.run, tasks, total, lambda r: r.rows)
    checked_now = {task.path for task in tasks}
    held = [v for result in done for v in result.verdicts]
    held += [
        v for t in expected if t.path not in checked_now for v in table_checks.verdicts_of(t.path)
    ]
    if deep:
        rows = sum(task.cut for task in expected)
        made = _drain(job, "verify-deep", "rows", rederived.run, expected, rows, lambda r: r.rows)
        held += [v for result in made for v in result.verdicts]
    for category in sorted(config.labels):
        finished = tables.done_tables(config.layout, category)
        held += table_checks.check_order(config.layout.root, finished)
    return VerifyResult(len(done), sum(r.rows for r in done), tuple(held))


def collect_metadata(job: Job) -> metadata.Summary | None:
    """Bring the metadata columns of pictures up to date; None if no source has any.

    Raises:
        ConfigError: a rule does not fit its metadata file.
        SourceError: a metadata file is missing or cannot be read.
    """
    config = job.config
    rules, computed = config.metadata_rules, _columns_of_words(job)
    if not rules and not computed:
        metadata.remove(config.layout)
        return None
    _read_exif(job, rules)
    with stage(job.progress, "metadata", len(rules), "sources") as advance:
        beside = _table_rows(config)
        summary = metadata.collect(config.layout, rules, beside, advance, computed)
    for file in summary.files:
        if file.note:
            job.progress.note(f"metadata {file.file} of source {file.source!r}: {file.note}")
    return summary


def _columns_of_words(job: Job) -> list[metadata.ComputedColumns]:
    if not job.config.words.columns:
        return []
    # Imported here: the indexes that words are searched in take longer to load than all stages.
    from naturalist.pipeline import words

    return words.columns(job.config, job.progress)


def _read_exif(job: Job, rules: Sequence[metadata.SourceRules]) -> None:
    """Read what pictures say of themselves, of the sources that ask for it."""
    paths = job.config.source_paths
    for one in rules:
        if not one.exif:
            continue
        locations = {key: sources.get(one.source) for key, sources in paths.items()}
        with stage(job.progress, f"exif of {one.source}", None, "pictures") as advance:
            exif.update(job.config.layout, one, locations, advance)


def _table_rows(config: Config) -> list[metadata.TableRows]:
    """Every finished table, as metadata are written beside it."""
    return [
        metadata.TableRows(category, path.name, receipt.sha256[path.name], partial(_ids, path))
        for category in sorted(config.labels)
        for path, receipt in tables.done_tables(config.layout, category)
    ]


def _ids(table: Path) -> list[str]:
    names: list[str] = artifacts.read_parquet(table, ["picID"])["picID"].to_pylist()
    return names


@singledispatch
def as_facts(result: Any) -> dict[str, Any]:
    """A stage's result as JSON values, without verdicts (the verification report has them)."""
    return dict(vars(result))


@as_facts.register(dict)
def _(result: dict[str, Any]) -> dict[str, Any]:
    return result


@as_facts.register
def _(result: metadata.Summary) -> dict[str, Any]:
    return {
        "columns": len(result.columns),
        "rows": sum(file.rows for file in result.files),
        "matched": sum(file.matched for file in result.files),
        "without_picture": sum(file.without_picture for file in result.files),
        "pictures_without_row": sum(file.pictures_without_row for file in result.files),
    }


@as_facts.register
def _(result: VerifyResult) -> dict[str, Any]:
    soft = sum(v.severity == "soft" for v in result.verdicts)
    hard = len(result.verdicts) - soft
    return {"checked": result.checked, "rows": result.rows, "hard": hard, "soft": soft}


@as_facts.register
def _(result: IngestResult) -> dict[str, Any]:
    added = {
        category: counts_as_json(sum(counts.values(), ledger.SourceCounts()))
        for category, counts in result.counts.items()
    }
    retired = {"retired": result.retired, "restored": result.restored}
    stored = {"overwritten": result.stored.overwritten, "repaired": result.stored.repaired}
    return {"batches": result.batches, "added": added} | retired | stored
