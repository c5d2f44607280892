"""What Airflow's tasks do: one plain function each, which can be called again at any time.

Every function opens the workspace as a process of its run, plans what is not done, does it and
leaves. Only names of batches and groups, and paths, are returned.
"""

import contextlib
import importlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from naturalist import backbones
from naturalist.config import Config
from naturalist.counting import counted
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.layout import shard_name
from naturalist.orchestration import accounts, groups, ways
from naturalist.orchestration.logged import Logged
from naturalist.orchestration.request import Request
from naturalist.orchestration.ways import Way
from naturalist.pipeline import budget, publishing, runner, steps
from naturalist.pipeline.steps import Job
from naturalist.running import lock, workspace
from naturalist.running.executors import Executor, InlineExecutor, ProcessExecutor, worker_count
from naturalist.running.lock import Claim
from naturalist.schedule import AnalysisStep
from naturalist.stages import extract, publish, sending, tables
from naturalist.stages.ingest.listing import check_source
from naturalist.stages.verify import features as feature_checks
from naturalist.stages.verify import tables as table_checks
from naturalist.stages.verify.verdicts import Checked, hard
from naturalist.stores import Upload, open_store

_LOG = logging.getLogger(__name__)
_BY_PARAMETER = (
    "trigger a new run with the parameter accept_failures. After the first two, clear this task; "
    "clearing cannot set a parameter"
)
_UPLOAD_WAITS = "Nothing was uploaded yet: the next run does, or clear this task to go on now"
T = TypeVar("T")
R = TypeVar("R")


class Done(NamedTuple):
    """What the log says of a task that is done."""

    name: str
    rows: int
    remark: str = ""


@contextlib.contextmanager
def _job(request: Request, *, shared: bool = False, workers: int | None = None) -> Iterator[Job]:
    """The workspace, held by a process of the run; `workers` None works in this process."""
    config = request.config()
    claim = Claim(request.run, shared, config.airflow.lease_s, config.airflow.wait_s)
    with workspace.writing(config, claim):
        executor = _executor(config, workers)
        try:
            yield Job(config, executor, Logged())
        finally:
            executor.close()


def _executor(config: Config, workers: int | None) -> Executor:
    if workers is None:
        return InlineExecutor()
    folder = config.layout.breadcrumbs
    return ProcessExecutor(worker_count(workers), folder, config.limits.decode_timeout_s)


def _do(
    job: Job, run: Callable[[T], R], tasks: Sequence[T], describe: Callable[[T, R], Done]
) -> None:
    """Run tasks one by one or side by side, with a line in the log for each that is done."""
    started_s = time.monotonic()
    rows = 0
    for number, (task, result) in enumerate(job.executor.map(run, tasks), 1):
        done = describe(task, result)
        rows += done.rows
        rate = rows / max(time.monotonic() - started_s, 1e-3)
        _LOG.info(
            "%s: %d rows%s; %d of %d done, %.0f rows/s",
            *(done.name, done.rows, done.remark, number, len(tasks), rate),
        )


def begin(request: Request) -> None:
    """Take the workspace for this run, and note how it is.

    Raises:
        WorkspaceLocked: somebody else was writing to it for all of `airflow.wait_s`.
        SourceError: a source is missing.
        StoreError: the place to publish to takes nothing.
    """
    with _job(request) as job:
        runner.check_publishing(job.config)
        for source in job.config.sources:
            check_source(source)
        accounts.open_account(job.config, request.run)


def look(request: Request) -> None:
    """Log what a run would do; nothing is changed and nobody has to wait."""
    for line in accounts.forecast(request.config()):
        _LOG.info("%s", line)


def ingest(request: Request) -> list[int]:
    """Take in what is new, of all categories: ids are given by one process.

    Returns:
        Numbers of the batches that were added.
    """
    workers = request.config().extract.workers
    with _job(request, workers=workers) as job:
        result = steps.ingest(job, rescan=request.rescan)
    _LOG.info("batches added: %s", result.batches or "none: nothing is new")
    return result.batches


def choose_way(request: Request) -> Way:
    """Decide whether what is left to do is shared among tasks, done by one, or nothing.

    A run with nothing to do reads its share of what was finished before here, for no other task of
    it verifies.

    Raises:
        VerificationFailed: something of that share is damaged.
    """
    with _job(request) as job:
        way = ways.choose(job)
        if way is Way.NOTHING:
            accounts.note_published(job.config.layout, request.run, None)
            runner.check_next_share(job.config, "Nothing else was left to do")
    return way


def small_run(request: Request) -> None:
    """Do every stage between ingest and publishing in one task, with worker processes of its own.

    Raises:
        VerificationFailed: a hard check failed, or a file or picture that is read again is damaged.
        FailureBudgetExceeded: too many new pictures could not be used.
    """
    with _job(request, workers=request.config().extract.workers) as job:
        runner.make_tables(job, runner.RunReport())
        _check_before_upload(request, job)


# extraction


def _extract_tasks(config: Config, category: str) -> dict[str, extract.ExtractTask]:
    sources = {category: config.source_paths[category]}
    tasks = extract.plan(config.layout, sources, config.extract_options)
    return {shard_name(task.batch, task.number): task for task in tasks}


def plan_extraction(request: Request, category: str) -> list[str]:
    """Name groups of a category's shards that have no features yet."""
    with _job(request, shared=True) as job:
        return _cut(job.config, _extract_tasks(job.config, category))


def _cut(config: Config, tasks: Iterable[str]) -> list[str]:
    named = groups.cut(sorted(tasks), config.airflow.max_map_length)
    _LOG.info("%d groups", len(named))
    return named


def extract_group(request: Request, category: str, group: str) -> None:
    """Extract the shards of a group that have no features yet."""
    workers = request.config().airflow.workers_per_task
    with _job(request, shared=True, workers=workers) as job:
        tasks = _extract_tasks(job.config, category)
        _do(job, extract.run, _selected(tasks, group), _extracted)


def _extracted(task: extract.ExtractTask, result: extract.Extracted) -> Done:
    refused = f", {result.refused} refused" if result.refused else ""
    return Done(f"shard {shard_name(task.batch, task.number)}", result.pictures, refused)


def _selected(tasks: dict[str, T], group: str) -> list[T]:
    return [task for name, task in sorted(tasks.items()) if groups.is_in(group, name)]


def verification_standby(request: Request) -> None:
    """Wait for all categories; every shard must have its features.

    Raises:
        WorkspaceError: one has not.
    """
    with _job(request, shared=True) as job:
        for category in sorted(job.config.labels):
            _require_none(
                f"{category}: shards without features", _extract_tasks(job.config, category)
            )


def _require_none(what: str, names: Iterable[str]) -> None:
    if left := sorted(names):
        raise WorkspaceError(f"{what}: {len(left)}, the first is {left[0]}; clear its stage")


# verification


def _check_tasks(config: Config, category: str) -> dict[str, feature_checks.FeatureCheckTask]:
    tasks = feature_checks.plan(
        config.layout,
        {category: config.source_paths[category]},
        config.extract.backbone,
        config.picture_limits,
        config.feature_check_options,
    )
    return {shard_name(task.part.batch, task.part.number): task for task in tasks}


def plan_verification(request: Request, category: str) -> list[str]:
    """Name groups of a category's features parts that are not verified."""
    with _job(request, shared=True) as job:
        return _cut(job.config, _check_tasks(job.config, category))


def verify_group(request: Request, category: str, group: str) -> None:
    """Verify the features parts of a group; what they find is judged in the storage standby."""
    with _job(request, shared=True) as job:
        selected = _selected(_check_tasks(job.config, category), group)
        _do(job, feature_checks.run, selected, _features_checked)


def _features_checked(task: feature_checks.FeatureCheckTask, result: Checked) -> Done:
    name = f"shard {shard_name(task.part.batch, task.part.number)}"
    return Done(name, result.rows, _findings(result))


def _findings(result: Checked) -> str:
    errors = len(hard(result.verdicts))
    warnings = len(result.verdicts) - errors
    return (
        (f", {counted(errors, 'error')}, {counted(warnings, 'warning')}") if result.verdicts else ""
    )


def storage_standby(request: Request) -> None:
    """Wait for all categories, check the collection as a whole, and write the report.

    Raises:
        VerificationFailed: a hard check failed; no table is written.
    """
    with _job(request) as job:
        runner.report_verification(job, steps.verify_features(job), None)


# labelling


def _all_tables(config: Config, category: str) -> list[tables.TableTask]:
    spec = backbones.describe(config.extract.backbone)
    rows_per_table = config.tables.rows_per_table
    label = config.labels[category]
    csv = config.tables.csv
    return tables.all_tables(config.layout, category, label, spec, rows_per_table, csv=csv)


def _table_tasks(config: Config, category: str) -> dict[str, tables.TableTask]:
    spec = backbones.describe(config.extract.backbone)
    labels = {category: config.labels[category]}
    section = config.tables
    tasks = tables.plan(config.layout, labels, spec, section.rows_per_table, csv=section.csv)
    return {f"{task.k:06d}": task for task in tasks}


def plan_labelling(request: Request, category: str) -> list[str]:
    """Name groups of a category's tables that are not written.

    Raises:
        WorkspaceError: a full table would change.
    """
    with _job(request, shared=True) as job:
        return _cut(job.config, _table_tasks(job.config, category))


def label_group(request: Request, category: str, group: str) -> None:
    """Write the tables of a group, as CSV and Parquet."""
    with _job(request, shared=True) as job:
        selected = _selected(_table_tasks(job.config, category), group)
        _do(job, tables.run, selected, lambda task, made: Done(task.path.stem, made.rows))


def table_verification_standby(request: Request) -> None:
    """Wait for all categories; every table must be written.

    Raises:
        WorkspaceError: one is not.
    """
    with _job(request, shared=True) as job:
        for category in sorted(job.config.labels):
            _require_none(f"{category}: tables not written", _table_tasks(job.config, category))


# table verification


def _table_check_tasks(config: Config, category: str) -> dict[str, table_checks.TableCheckTask]:
    expected = _all_tables(config, category)
    numbers = {table.path: table.k for table in expected}
    return {f"{numbers[task.path]:06d}": task for task in table_checks.plan(expected)}


def plan_table_verification(request: Request, category: str) -> list[str]:
    """Name groups of a category's tables that are not verified."""
    with _job(request, shared=True) as job:
        return _cut(job.config, _table_check_tasks(job.config, category))


def verify_table_group(request: Request, category: str, group: str) -> None:
    """Verify the tables of a group file by file; judged in the standby before the upload."""
    with _job(request, shared=True) as job:
        selected = _selected(_table_check_tasks(job.config, category), group)
        _do(job, table_checks.run, selected, _table_checked)


def _table_checked(task: table_checks.TableCheckTask, result: Checked) -> Done:
    return Done(task.path.stem, result.rows, _findings(result))


def pre_upload_standby(request: Request) -> None:
    """Wait for all categories, write the report, and decide whether this may be published.

    Metadata columns of pictures are brought up to date, too.

    Raises:
        VerificationFailed: a hard check failed, or a file or picture that is read again is damaged.
        FailureBudgetExceeded: too many new pictures could not be used.
    """
    with _job(request) as job:
        runner.report_verification(job, steps.verify_features(job), steps.verify_tables(job))
        steps.collect_metadata(job)
        _check_before_upload(request, job)


def _check_before_upload(request: Request, job: Job) -> None:
    if not request.accept_failures:
        budget.check(job.config, _BY_PARAMETER)
    runner.check_next_share(job.config, _UPLOAD_WAITS)


# upload


def upload_category(request: Request, category: str) -> None:
    """Send the tables and ledger of a category that the store lacks; no reader sees them yet."""
    with _job(request, shared=True) as job:
        config = job.config
        if not config.publish_url:
            _LOG.info("publish.url is empty: nothing is published")
            return
        spec = backbones.describe(config.extract.backbone)
        labels = {category: config.labels[category]}
        items = publish.prepare(config.layout, labels, spec, config.publish.columns)
        mine = [item for item in items if f"/{category}/" in f"/{item.name}"]
        uploads = [Upload(item.key, item.path, item.sha256) for item in mine]
        open_store(config.publish_url, config.s3_options).put_files(uploads)
        _LOG.info("%d files are already in the store", len(uploads))


def _send_tasks(config: Config, category: str) -> dict[str, sending.SendTask]:
    mine = [task for task in publishing.pack_tasks(config) if task.category == category]
    if not mine:
        return {}
    store = open_store(config.publish_url, config.s3_options)
    tasks = publishing.unsent(config, store, mine)
    return {shard_name(task.pack.batch, task.pack.number): task for task in tasks}


def plan_pictures(request: Request, category: str) -> list[str]:
    """Name groups of a category's shards whose pictures the store lacks."""
    with _job(request, shared=True) as job:
        return _cut(job.config, _send_tasks(job.config, category))


def send_group(request: Request, category: str, group: str) -> None:
    """Pack and send the pictures of a group of shards; no reader sees them yet."""
    workers = request.config().airflow.workers_per_task
    with _job(request, shared=True, workers=workers) as job:
        tasks = _send_tasks(job.config, category)
        _do(job, sending.run, _selected(tasks, group), _pictures_sent)


def _pictures_sent(task: sending.SendTask, sent: sending.Sent) -> Done:
    name = f"shard {shard_name(task.pack.batch, task.pack.number)}"
    return Done(name, sent.pictures, f", {counted(sent.files, 'file')} sent")


def publish_snapshot(request: Request) -> str | None:
    """Send what is left, write the snapshot and point `latest` to it.

    Returns:
        Name of the new snapshot; None if nothing changed, or publish.url is empty.
    """
    with _job(request, workers=request.config().extract.workers) as job:
        published = publishing.publish_snapshot(job)
        budget.cover(job.config.layout)
        facts = None if published is None else steps.as_facts(published)
        accounts.note_published(job.config.layout, request.run, facts)
    return published.snapshot if published is not None and published.changed else None


def analysis_step(request: Request, step: AnalysisStep) -> None:
    """Bring one study of the tables up to date."""
    # Imported here: studies take as long to load as all stages, and few tasks do one.
    from naturalist.pipeline import studies

    workers = request.config().extract.workers
    with _job(request, shared=True, workers=workers) as job:
        _LOG.info("%s", studies.STEPS[step](job))


def analysis_standby(request: Request) -> None:
    """Wait for the studies, whether they are done or have failed."""


def analysis_verdict(request: Request) -> None:
    """Wait for the studies and for publishing; this task fails when one of them did."""


def analyse(request: Request, name: str) -> None:
    """Call a configured function, `module:name`, with the path of the configuration.

    Raises:
        ConfigError: there is no such function.
    """
    module, _, function = name.partition(":")
    try:
        expected = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"airflow.analysis names {name}: {error}") from error
    with _job(request, shared=True):
        expected(request.config_path)


def end(request: Request) -> str | None:
    """Report what the run did, and give the workspace back.

    Returns:
        Path of the run's report; None if nothing was made.
    """
    with _job(request) as job:
        path = accounts.close_account(job.config, request.run)
    lock.release(job.config.layout, request.run)
    _LOG.info("%s", f"report: {path}" if path else "nothing new: everything is up to date")
    return str(path) if path else None
