"""The whole job, and each stage alone, on a workspace that is held by its one writer."""

import contextlib
import datetime as dt
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from naturalist import __version__, backbones, metadata
from naturalist.config import Config
from naturalist.config.executor import ExecutorKind
from naturalist.counting import counted
from naturalist.errors import NaturalistError, VerificationFailed
from naturalist.layout import Layout
from naturalist.pipeline import analyse, budget, publishing, replacing, reports, resending, steps
from naturalist.pipeline.severities import run_document
from naturalist.pipeline.steps import Job, VerifyResult
from naturalist.progress import Progress
from naturalist.running import exchange, workspace
from naturalist.running.executors import (
    Executor,
    ProcessExecutor,
    worker_count,
)
from naturalist.running.ray_executor import RayExecutor, RayOptions
from naturalist.stages.publish import Published
from naturalist.stages.verify.ledger import check_ledger
from naturalist.stages.verify.review import check_review
from naturalist.stages.verify.rolling import check_share
from naturalist.stages.verify.rolling_pictures import check_pictures
from naturalist.stages.verify.studies import check_studies
from naturalist.stages.verify.verdicts import Verdict, hard
from naturalist.stores import open_store

_NAMED = 5


@dataclass(frozen=True)
class RunOptions:
    """What a person asks of one run.

    Attributes:
        rescan: examine known files again too.
        full_scan: look into folders that `ingest.unchanged_folders = "trust"` would leave out.
        accept_failures: go on although the failure budget is exceeded.
        accept_withdrawals: let any number of pictures leave the tables.
        accept_low_space: begin although the drives seem to be too small.
        accept_replacement: replace what another collection or workspace has published.
    """

    rescan: bool = False
    full_scan: bool = False
    accept_failures: bool = False
    accept_withdrawals: bool = False
    accept_low_space: bool = False
    accept_replacement: bool = False


@dataclass
class RunReport:
    """What a run did; written to the workspace and given to the caller."""

    outcome: str = "done"
    started_at: str = ""
    duration_s: float = 0.0
    made_by: str = __version__
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    studied: list[str] = field(default_factory=list)
    """Studies that were made or brought up to date, by name."""
    nodes: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """By stage and node of a cluster: amount done, and `per_s`."""
    free_bytes: int | None = None
    """On the drive of the workspace, when the run ended."""
    error: str | None = None

    @property
    def changed(self) -> bool:
        """Whether the run made anything new."""
        made = (
            *(self.stages.get("ingest", {}).get(k) for k in ("batches", "overwritten", "repaired")),
            self.stages.get("extract", {}).get("shards"),
            self.stages.get("tables", {}).get("written"),
            self.stages.get("metadata", {}).get("changed"),
            self.studied,
            (self.stages.get("publish") or {}).get("changed"),
        )
        return any(made)

    def as_document(self, status: Mapping[str, Any]) -> dict[str, Any]:
        """What commands print of a run that ended well, and of the workspace afterwards."""
        facts = {key: value for key, value in vars(self).items() if key != "error"}
        return {**run_document(facts), "changed": self.changed, "status": status}


@contextlib.contextmanager
def opened(config: Config, progress: Progress, *, again: bool = False) -> Iterator[Job]:
    """Hold the workspace and its workers; both are let go in any case.

    With `again`, receipts are read from the disk though a run before has read them as they are.
    """
    with workspace.writing(config, keeps=not again):
        executor = make_executor(config, progress)
        try:
            yield Job(config, executor, progress)
        finally:
            executor.close()


def make_executor(config: Config, progress: Progress) -> Executor:
    """Workers as configured; one worker is a process too, so that a crash is survived."""
    workers = worker_count(config.extract.workers)
    folder, timeout_s = config.layout.breadcrumbs, config.limits.decode_timeout_s
    selected = config.executor
    here = ProcessExecutor(workers, folder, timeout_s)
    if selected.kind is not ExecutorKind.RAY:
        return here
    options = RayOptions(selected.ray_address, workers, selected.gpus_per_task, selected.wait_s)
    if config.exchange is None:
        return RayExecutor(options, folder, timeout_s, progress)
    place = exchange.place_in(config.exchange, config.layout)
    trails = exchange.breadcrumb_folder(config.layout)
    there = RayExecutor(options, trails, timeout_s, progress)
    return exchange.ExchangeExecutor(here, there, place, trails)


def run(config: Config, progress: Progress, options: RunOptions) -> RunReport:
    """Do every stage, each only where it is not done.

    The report is written to the workspace also when the run fails.

    Raises:
        StoreError: the place to publish to takes nothing; no file was read.
        FailureBudgetExceeded: tables are made, nothing is published.
        VerificationFailed: a hard check failed; what it guards is not made.
        NaturalistError: any other trouble of the run; run again to go on.
    """
    report = RunReport(started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
    start = time.perf_counter()
    with opened(config, progress) as job:
        try:
            _run_stages(job, options, report)
        except (NaturalistError, KeyboardInterrupt) as error:
            report.outcome = type(error).__name__
            report.error = str(error) or "interrupted"
            raise
        finally:
            report.duration_s = round(time.perf_counter() - start, 3)
            by_node = {stage: done.by_node() for stage, done in job.throughput.items()}
            report.nodes = {stage: result for stage, result in by_node.items() if result}
            report.free_bytes = _free_bytes(config.layout)
            if report.changed or report.error:
                reports.write_run(config.layout, vars(report))
    return report


def _free_bytes(layout: Layout) -> int | None:
    try:
        return shutil.disk_usage(layout.root).free
    except OSError:
        return None


def _run_stages(job: Job, options: RunOptions, report: RunReport) -> None:
    check_publishing(job.config, accept_replacement=options.accept_replacement)
    if not options.accept_low_space:
        publishing.warn_of_space(job)
    _timed(
        report,
        "ingest",
        lambda: steps.ingest(
            job,
            rescan=options.rescan,
            full_scan=options.full_scan,
            accept_withdrawals=options.accept_withdrawals,
            accept_low_space=options.accept_low_space,
        ),
    )
    make_tables(job, report)
    failed = _analyse(job, report)
    _timed(
        report,
        "publish",
        lambda: publish(
            job,
            accept_failures=options.accept_failures,
            accept_replacement=options.accept_replacement,
        ),
    )
    damaged = _read_again(job.config)
    if damaged:
        report.stages["rolling"] = {"damaged": [one.as_json() for one in damaged]}
        raise _failed(damaged, "Everything else was finished")
    if failed is not None:
        raise failed


def check_next_share(config: Config, also: str) -> None:
    """Read this run's share of finished files and of stored pictures again.

    Args:
        config: the collection.
        also: what else is to be said if something is damaged.

    Raises:
        VerificationFailed: something is damaged.
    """
    if damaged := _read_again(config):
        raise _failed(damaged, also)


def _read_again(config: Config) -> list[Verdict]:
    """What this run's share of finished files and of stored pictures shows."""
    most_bytes = config.verify.rolling_mb << 20
    files = check_share(config.layout, most_bytes)
    pictures = check_pictures(config.layout, config.labels, most_bytes)
    return [*files.verdicts, *pictures.verdicts]


def make_tables(job: Job, report: RunReport) -> None:
    """Make and verify features and tables of what was taken in, and the columns beside them.

    Raises:
        VerificationFailed: a hard check failed; what it guards is not made.
    """
    _timed(report, "extract", lambda: steps.extract_features(job))
    features = _timed(report, "verify-features", lambda: steps.verify_features(job))
    report_verification(job, features, None)
    _timed(report, "tables", lambda: steps.write_tables(job))
    checked = _timed(report, "verify-tables", lambda: steps.verify_tables(job))
    report_verification(job, features, checked)
    _collect_metadata(job, report)


def _collect_metadata(job: Job, report: RunReport) -> None:
    before = metadata.read_summary(job.config.layout)
    result = _timed(report, "metadata", lambda: steps.collect_metadata(job))
    if result is not None or before is not None:
        facts = report.stages.setdefault("metadata", steps.as_facts(metadata.Summary()))
        facts["changed"] = result != before


def _analyse(job: Job, report: RunReport) -> NaturalistError | None:
    """Do the studies. One that fails keeps nobody from the tables; the run ends with its error."""
    try:
        done = _timed(report, "analyse", lambda: analyse.analyse(job))
        report.studied = list(analyse.studied(done or {}))
    except NaturalistError as error:
        job.progress.note(f"a study failed; the tables are published anyway: {error}")
        return error
    return None


def _timed(report: RunReport, name: str, stage: Callable[[], Any]) -> Any:
    result, facts = timed(stage)
    if result is not None:
        report.stages[name] = facts
    return result


def timed(stage: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """Run a stage; its result, and the same as JSON values with the seconds that it took."""
    start = time.perf_counter()
    result = stage()
    seconds = round(time.perf_counter() - start, 3)
    facts = {} if result is None else steps.as_facts(result)
    return result, facts | {"duration_s": seconds}


def check_publishing(config: Config, *, accept_replacement: bool = False) -> None:
    """Find out whether the configured place takes what will be published, before hours of work.

    Raises:
        StoreError: it cannot be reached, or may not be written to.
        StorageFull: it has no space.
        ConfigError: the address is of no known kind, or another collection is published there and
            may not be replaced.
        MissingExtra: a package that it needs is not installed.
    """
    if config.publish_url:
        store = open_store(config.publish_url, config.s3_options)
        store.check_writable()
        if not accept_replacement:
            replacing.check_name(config, store)


def publish(
    job: Job,
    *,
    accept_failures: bool = False,
    accept_replacement: bool = False,
    repair: bool = False,
) -> Published | None:
    """Publish if the failure budget allows it, and note which batches are good now.

    Args:
        job: the collection.
        accept_failures: a person accepted the failures of the batches so far.
        accept_replacement: replace what is there, even of another collection or workspace.
        repair: read back what was published before, and send again what is damaged.

    Raises:
        FailureBudgetExceeded: nothing was published.
        ConfigError: it would take away what another workspace has published.
        VerificationFailed: tables are not verified.
        StoreError: the store failed.
    """
    if not accept_failures:
        budget.check(job.config)
    send = resending.publish_repaired if repair else publishing.publish_snapshot
    published = send(job, accept_replacement=accept_replacement)
    budget.cover(job.config.layout)
    return published


def report_verification(
    job: Job, features: VerifyResult, checked: VerifyResult | None
) -> dict[str, Any]:
    """Write the verification report and give it back.

    Raises:
        VerificationFailed: it has an error.
    """
    config = job.config
    spec = backbones.describe(config.extract.backbone)
    report = reports.write_verification(config, spec, features, checked)
    failed = hard([*features.verdicts, *(checked.verdicts if checked else ())])
    if failed:
        raise _failed(failed, f"All are in {config.layout.verification_page}")
    return report


def _failed(failed: Sequence[Verdict], also: str) -> VerificationFailed:
    named = "; ".join(f"{v.check}: {v.pic_id or v.file}: {v.detail}" for v in failed[:_NAMED])
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return VerificationFailed(
        f"{counted(len(failed), 'check')} failed: {named}{more}. {also}. To rebuild what can be "
        "rebuilt "
        "(features, tables, studies), run `naturalist verify --repair`"
    )


def verify(config: Config, progress: Progress, *, deep: bool = False) -> dict[str, Any]:
    """Check again everything that has been made, whatever was checked before.

    Args:
        config: the collection.
        progress: told how far it is.
        deep: also decode every picture and extract its features again, make every table again,
            and compare.

    Returns:
        The verification report.

    Raises:
        VerificationFailed: a hard check failed.
    """
    workspace.reading(config.layout)
    with opened(config, progress, again=True) as job:
        return report_verification(job, *_check_all(job, deep=deep))


def repair(config: Config, progress: Progress) -> dict[str, Any]:
    """Check everything, make again what is damaged and can be made again, and check again.

    Returns:
        The verification report, with `repaired`: what was taken away, and what only a person can
        bring back.

    Raises:
        VerificationFailed: something is left that only a person can bring back.
    """
    from naturalist.pipeline import repairing

    workspace.reading(config.layout)
    with opened(config, progress, again=True) as job:
        features, checked = _check_all(job)
        result = [*features.verdicts, *(checked.verdicts if checked else ())]
        repaired = repairing.repair(job, result)
    # The seals of what was made again are there once the workspace is let go.
    return verify(config, progress) | {"repaired": repairing.as_facts(repaired)}


def _check_all(job: Job, *, deep: bool = False) -> tuple[VerifyResult, VerifyResult | None]:
    layout = job.config.layout
    decided = tuple(check_review(layout))
    damaged = tuple(check_ledger(layout, job.config.labels))
    if damaged:
        # Everything else is checked against the ledger.
        return VerifyResult(0, 0, (*damaged, *decided)), None
    features = steps.verify_features(job, again=True, deep=deep)
    found = (*features.verdicts, *check_studies(layout), *decided)
    features = replace(features, verdicts=found)
    made = any(layout.tables.glob("*/*"))
    return features, steps.verify_tables(job, again=True, deep=deep) if made else None
