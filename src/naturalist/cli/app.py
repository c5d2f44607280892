"""The commands."""

import sys
from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from naturalist import __version__
from naturalist.cli import (
    airflow,
    backbones,
    bucket,
    category,
    classifier,
    clusters,
    consume,
    dashboard,
    drift,
    duplicates,
    export,
    inspect,
    label_issues,
    maps,
    metadata,
    models,
    output,
    overlap,
    plan,
    predict,
    quality,
    review,
    reviewers,
    search,
    setup,
    similar,
    snapshots,
    sources,
    tags,
    takedown,
    verify,
)
from naturalist.cli.errors import EXIT_CODES, run_and_exit
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    AcceptWithdrawalsOption,
    ConfigOption,
    ExecutorOption,
    FullScanOption,
    JsonOption,
    PricesOption,
    PriceTableOption,
    QuietOption,
    RayAddressOption,
)
from naturalist.cli.progress import make_progress
from naturalist.config import Config, load_config
from naturalist.errors import ConfigError
from naturalist.pipeline import budget, runner, status, steps
from naturalist.pipeline.steps import Job
from naturalist.planning.estimate import estimate_publish
from naturalist.stages.ingest import retrying
from naturalist.stores.prices import prices_for

app = typer.Typer(
    name="naturalist",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Folders of pictures in; verified, published, versioned feature tables out.\n\n"
    "Begin with:  naturalist demo DIR   or   naturalist init DIR --category NAME=LABEL:SOURCE ...",
    epilog=EXIT_CODES,
)

_NOTHING_NEW = "nothing new: everything was done already"


def main() -> None:
    """Entry point of the command `naturalist`."""
    arguments = sys.argv[1:] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not know is shown by its numbers.
        cast("TextIOWrapper", stream).reconfigure(errors="backslashreplace")
    run_and_exit(lambda: app(arguments, standalone_mode=False), as_json="--json" in arguments)


def _print_version(asked: bool) -> None:
    if asked:
        output.print_text(f"naturalist {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print version."),
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command(epilog=EXIT_CODES)
def run(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    rescan: Annotated[
        bool, typer.Option("--rescan", help="Examine known files again too, whatever their time.")
    ] = False,
    full_scan: FullScanOption = False,
    accept_failures: Annotated[
        bool, typer.Option("--accept-failures", help="Go on although failure_budget is exceeded.")
    ] = False,
    accept_withdrawals: AcceptWithdrawalsOption = False,
    executor: ExecutorOption = None,
    ray_address: RayAddressOption = "",
) -> None:
    """Do the whole job: ingest, extract, verify, tables, verify, publish.

    Only what is not done is done: run it again after new pictures came, after an interruption,
    or every day. Progress goes to stderr.
    """
    options = runner.RunOptions(rescan, full_scan, accept_failures, accept_withdrawals)
    settings = load_config(config).worked_on_by(executor, ray_address)
    report = runner.run(settings, make_progress(quiet=quiet), options)
    held = status.collection_status(settings)
    if json:
        output.print_json(vars(report) | {"changed": report.changed, "status": held})
        return
    output.print_run(vars(report))
    if not report.changed:
        output.print_text(_NOTHING_NEW)
    output.print_text("")
    output.print_status(held)
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
    with runner.opened(settings, make_progress(quiet=quiet)) as job:
        _, facts = runner.timed(lambda: call(job))
    if within_budget and json:
        # There is one document: the result or the error.
        budget.check(settings)
    if json:
        output.print_json({"stage": name, **facts, "status": status.collection_status(settings)})
        return
    report = runner.RunReport(stages={name: facts})
    output.print_run(vars(report))
    if not report.changed and not facts.get("mended_files"):
        output.print_text(_NOTHING_NEW)
    output.print_text("")
    output.print_status(status.collection_status(settings))
    if within_budget:
        budget.check(settings)


@app.command(epilog=EXIT_CODES)
def ingest(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    rescan: Annotated[
        bool, typer.Option("--rescan", help="Examine known files again too, whatever their time.")
    ] = False,
    retry: Annotated[
        list[str] | None,
        typer.Option(
            "--retry",
            metavar="REASON|all",
            help="Look again at files that were refused for this reason, or for any. Repeatable.",
        ),
    ] = None,
    full_scan: FullScanOption = False,
    accept_withdrawals: AcceptWithdrawalsOption = False,
    executor: ExecutorOption = None,
    ray_address: RayAddressOption = "",
) -> None:
    """Look through all sources; name, place and enter in the ledger what is new.

    The first stage of `naturalist run`, alone: to see what a new source holds before features are
    extracted. Then: naturalist ledger --refused.
    """
    settings = load_config(config).worked_on_by(executor, ray_address)
    call = partial(
        steps.ingest,
        rescan=rescan,
        full_scan=full_scan,
        accept_withdrawals=accept_withdrawals,
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
    """Turn the pictures that have none yet into features, previews and quality measures.

    The second stage of `naturalist run`, alone. It can be stopped and started again at any time:
    finished shards are kept.
    """
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
            "--rebuild", help="Let full tables change too (other backbone, other labels)."
        ),
    ] = False,
    executor: ExecutorOption = None,
    ray_address: RayAddressOption = "",
) -> None:
    """Write the tables that are not done, as CSV and Parquet.

    A stage of `naturalist run`, alone. Full tables stay as they are; after a change of the backbone
    or of labels, --rebuild writes all of them anew.
    """
    settings = load_config(config).worked_on_by(executor, ray_address)
    call = partial(steps.write_tables, rebuild=rebuild)
    _stage(settings, "tables", call, json=json, quiet=quiet)


@app.command(epilog=EXIT_CODES)
def publish(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    accept_failures: Annotated[
        bool, typer.Option("--accept-failures", help="Go on although failure_budget is exceeded.")
    ] = False,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend",
            help="Read back what was published before; send again what is damaged or gone.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Send nothing; estimate objects, bytes, requests, cost, time."
        ),
    ] = False,
    prices: PricesOption = None,
    price_table: PriceTableOption = "",
) -> None:
    """Send tables, ledger and reports to publish.url: data first, then snapshot, then `latest`.

    Pictures and previews go along as [publish] says. What is there already is not sent again.
    """
    settings = load_config(config)
    if not settings.publish_url:
        raise ConfigError("publish.url is empty: write a folder or s3://bucket/prefix there")
    if dry_run:
        _estimate(settings, prices, price_table, json=json, quiet=quiet)
        return
    call = partial(runner.publish, accept_failures=accept_failures, mend=mend)
    _stage(settings, "publish", call, json=json, quiet=quiet)


def _estimate(
    settings: Config, prices: Path | None, price_table: str, *, json: bool, quiet: bool
) -> None:
    table = prices_for(settings.publish_url, settings.s3_options, price_table, prices)
    with runner.opened(settings, make_progress(quiet=quiet)) as job:
        found = estimate_publish(job, table)
    if json:
        output.print_json({"dry_run": True, "url": settings.publish_url} | vars(found))
    else:
        output.print_estimate(settings.publish_url, vars(found))


app.add_typer(setup.app)
app.add_typer(airflow.app, name="airflow")
app.add_typer(inspect.app)
app.add_typer(takedown.app)
app.add_typer(reviewers.app, name="reviewers")
app.add_typer(tags.app)
app.add_typer(category.app)
app.add_typer(plan.app)
app.add_typer(verify.app)
app.add_typer(classifier.app)
app.add_typer(predict.app)
app.add_typer(models.app, name="models")
app.add_typer(clusters.app)
app.add_typer(similar.app)
app.add_typer(search.app)
app.add_typer(search.concept_app, name="concept")
app.add_typer(export.app)
app.add_typer(drift.app)
app.add_typer(duplicates.app)
app.add_typer(quality.app)
app.add_typer(overlap.app)
app.add_typer(label_issues.app)
app.add_typer(review.app)
app.add_typer(consume.app)
app.add_typer(maps.app)
app.add_typer(metadata.app)
app.add_typer(sources.app, name="sources")
app.add_typer(dashboard.app)
app.add_typer(snapshots.app)
app.add_typer(bucket.app)
app.add_typer(backbones.app, name="backbones")
