"""The stages of a collection: run, and each stage by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    AcceptFailuresOption,
    AcceptLowSpaceOption,
    AcceptReplacementOption,
    AcceptWithdrawalsOption,
    ConfigOption,
    ExecutorOption,
    FullScanOption,
    JsonOption,
    PricesOption,
    PriceTableOption,
    QuietOption,
    RayAddressOption,
    RescanOption,
)
from naturalist.cli.progress import make_progress
from naturalist.errors import ConfigError
from naturalist.progress import KeptNotes

if TYPE_CHECKING:
    from naturalist.config import Config
    from naturalist.pipeline.steps import Job
    from naturalist.stores.prices import Prices

app = typer.Typer()

_NOTHING_NEW = "nothing new: everything is up to date"


@app.command(epilog=EXIT_CODES)
def run(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    rescan: RescanOption = False,
    full_scan: FullScanOption = False,
    accept_failures: AcceptFailuresOption = False,
    accept_withdrawals: AcceptWithdrawalsOption = False,
    accept_low_space: AcceptLowSpaceOption = False,
    accept_replacement: AcceptReplacementOption = False,
    executor: ExecutorOption = None,
    ray_address: RayAddressOption = "",
) -> None:
    """Run every stage that has work to do.

    Stages: ingest, extract, verify, tables, verify, publish. Finished work is skipped, so run it
    again after new pictures arrive, after an interruption, or every day. Progress goes to stderr.

    Example: naturalist run -c garden
    """
    from naturalist.config import load_config
    from naturalist.pipeline import runner, status

    options = runner.RunOptions(
        rescan=rescan,
        full_scan=full_scan,
        accept_failures=accept_failures,
        accept_withdrawals=accept_withdrawals,
        accept_low_space=accept_low_space,
        accept_replacement=accept_replacement,
    )
    settings = load_config(config).worked_on_by(executor, ray_address)
    progress = KeptNotes(make_progress(quiet=quiet))
    report = runner.run(settings, progress, options)
    held = status.collection_status(settings)
    if json:
        output.print_json(report.as_document(held))
        return
    output.print_run(vars(report), settings.publish_url)
    if not report.changed:
        output.print_text(_NOTHING_NEW)
    output.print_text("")
    output.print_status(held, () if quiet else progress.notes)
    output.print_text(f"\ntables: {settings.layout.tables}   ({report.duration_s:,.1f} s)")


def _stage(
    settings: Config,
    name: str,
    call: Callable[[Job], Any],
    *,
    json: bool,
    quiet: bool,
    within_budget: bool = False,
) -> None:
    from naturalist.pipeline import budget, runner, status

    progress = KeptNotes(make_progress(quiet=quiet))
    with runner.opened(settings, progress) as job:
        _, facts = runner.timed(lambda: call(job))
    if within_budget and json:
        # There is one document: the result or the error.
        budget.check(settings)
    if json:
        output.print_json({"stage": name, **facts, "status": status.collection_status(settings)})
        return
    report = runner.RunReport(stages={name: facts})
    output.print_run(vars(report))
    if not report.changed and not facts.get("repaired_files"):
        output.print_text(_NOTHING_NEW)
    output.print_text("")
    output.print_status(status.collection_status(settings), () if quiet else progress.notes)
    if name == "publish":
        output.print_text(f"\npublished; to use it: naturalist pull {settings.publish_url} DIR")
    if within_budget:
        budget.check(settings)


@app.command(epilog=EXIT_CODES)
def ingest(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    rescan: RescanOption = False,
    retry: Annotated[
        list[str] | None,
        typer.Option(
            "--retry",
            metavar="REASON|all",
            help="Examine files again that were refused for this reason, or for any (all). "
            "Repeatable.",
        ),
    ] = None,
    full_scan: FullScanOption = False,
    accept_withdrawals: AcceptWithdrawalsOption = False,
    accept_low_space: AcceptLowSpaceOption = False,
    executor: ExecutorOption = None,
    ray_address: RayAddressOption = "",
) -> None:
    """Register new files of all sources.

    The first stage of `naturalist run`: gives new pictures an id, places them and adds them to the
    ledger. Run it alone to inspect a new source before features are computed; then see `naturalist
    ledger --refused`.

    Example: naturalist ingest -c garden
    """
    from naturalist.config import load_config
    from naturalist.pipeline import steps
    from naturalist.stages.ingest import retrying

    settings = load_config(config).worked_on_by(executor, ray_address)
    call = partial(
        steps.ingest,
        rescan=rescan,
        full_scan=full_scan,
        accept_withdrawals=accept_withdrawals,
        accept_low_space=accept_low_space,
        retry=retrying.parse(retry or ()),
    )
    _stage(settings, "ingest", call, json=json, quiet=quiet, within_budget=True)


@app.command(epilog=EXIT_CODES)
def extract(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    executor: ExecutorOption = None,
    ray_address: RayAddressOption = "",
) -> None:
    """Compute the features of new pictures.

    The second stage of `naturalist run`; also makes previews and quality measures. You can stop and
    restart it at any time: finished shards are kept.

    Example: naturalist extract -c garden
    """
    from naturalist.config import load_config
    from naturalist.pipeline import steps

    settings = load_config(config).worked_on_by(executor, ray_address)
    call = steps.extract_features
    _stage(settings, "extract", call, json=json, quiet=quiet, within_budget=True)


@app.command(epilog=EXIT_CODES)
def tables(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Rewrite full tables too (after a change of backbone or labels)."
        ),
    ] = False,
    executor: ExecutorOption = None,
    ray_address: RayAddressOption = "",
) -> None:
    """Write tables that are missing or outdated.

    A stage of `naturalist run`. Writes CSV and Parquet. Full tables never change, unless you pass
    --rebuild after a change of the backbone or of labels.

    Example: naturalist tables -c garden
    """
    from naturalist.config import load_config
    from naturalist.pipeline import steps

    settings = load_config(config).worked_on_by(executor, ray_address)
    call = partial(steps.write_tables, rebuild=rebuild)
    _stage(settings, "tables", call, json=json, quiet=quiet)


@app.command(epilog=EXIT_CODES)
def publish(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    accept_failures: AcceptFailuresOption = False,
    accept_replacement: AcceptReplacementOption = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Verify what was published before and upload damaged or missing files again.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Upload nothing; estimate objects, bytes, requests, cost and time."
        ),
    ] = False,
    prices: PricesOption = None,
    price_table: PriceTableOption = "",
) -> None:
    """Publish tables, ledger and reports.

    Uploads to publish.url: first the data, then the snapshot, then `latest`. Settings
    in [publish] add pictures and previews. Files that are already there are not uploaded again.

    Example: naturalist publish --dry-run -c garden
    """
    from naturalist.config import load_config
    from naturalist.pipeline import runner
    from naturalist.stores.prices import prices_for

    settings = load_config(config)
    if not settings.publish_url:
        raise ConfigError("publish.url is not set: set it to a folder or s3://bucket/prefix")
    if dry_run or prices or price_table:
        # Refused before anything is published, though only an estimate uses the prices.
        table = prices_for(settings.publish_url, settings.s3_options, price_table, prices)
        if dry_run:
            _estimate(settings, table, json=json, quiet=quiet)
            return
    # It is said before anything is packed, and in words for somebody who writes.
    runner.check_publishing(settings, accept_replacement=accept_replacement)
    call = partial(
        runner.publish,
        accept_failures=accept_failures,
        accept_replacement=accept_replacement,
        repair=repair,
    )
    _stage(settings, "publish", call, json=json, quiet=quiet)


def _estimate(settings: Config, table: Prices, *, json: bool, quiet: bool) -> None:
    from naturalist.pipeline import runner
    from naturalist.planning.estimate import estimate_publish

    with runner.opened(settings, make_progress(quiet=quiet)) as job:
        result = estimate_publish(job, table)
    if json:
        output.print_json({"dry_run": True, "url": settings.publish_url} | vars(result))
    else:
        output.print_estimate(settings.publish_url, vars(result))
