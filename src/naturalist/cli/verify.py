"""The command that verifies: a workspace, a published collection, or a pulled folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    AnonymousOption,
    ConfigOption,
    EndpointOption,
    ExecutorOption,
    JsonOption,
    QuietOption,
    RayAddressOption,
    RegionOption,
    RequesterPaysOption,
    SnapshotOption,
    s3_options,
)
from naturalist.cli.progress import make_progress
from naturalist.counting import counted, size_text
from naturalist.errors import ConfigError, VerificationFailed
from naturalist.progress import Progress, uncounted_stage

if TYPE_CHECKING:
    from naturalist.config import Config
    from naturalist.consume import Checked
    from naturalist.stores import S3Options

app = typer.Typer()

UrlArgument = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="A published or pulled collection (default: verify the workspace).",
    ),
]
QuickOption = Annotated[
    bool,
    typer.Option(
        "--quick", help="With URL: compare recorded checksums only, without downloading files."
    ),
]
RepairOption = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Rebuild damaged features and tables of the workspace, and move damaged studies"
        " to its folder `damaged`.",
    ),
]
DeepOption = Annotated[
    bool,
    typer.Option(
        "--deep",
        help="Also decode all pictures of the workspace and extract their features again, build"
        " all tables again, and compare. Takes as long as the first run.",
    ),
]


@app.command(epilog=EXIT_CODES)
def verify(
    url: UrlArgument = "",
    quick: QuickOption = False,
    repair: RepairOption = False,
    deep: DeepOption = False,
    snapshot: SnapshotOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    requester_pays: RequesterPaysOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    executor: ExecutorOption = None,
    ray_address: RayAddressOption = "",
) -> None:
    """Verify the workspace or a published collection.

    Checks the ledger, features, previews, tables and study results of the workspace, and writes
    reports/verification.md and .json. With URL, downloads every file of the snapshot and compares
    its size and SHA-256. With --deep, also makes features and tables again. Ends
    with exit code 4 if a check fails.

    Examples: naturalist verify -c garden ; naturalist verify s3://bucket/garden --anonymous
    """
    from naturalist.config import load_config

    progress = make_progress(quiet=quiet)
    if not url:
        settings = load_config(config).worked_on_by(executor, ray_address)
        _verify_workspace(settings, progress, repair=repair, deep=deep, json=json)
        return
    if deep:
        raise ConfigError("--deep needs a workspace: a published collection is always read in full")
    if repair:
        raise ConfigError(
            "--repair needs a workspace: repair a published collection with `naturalist publish "
            "--repair`, and a pulled folder by pulling again"
        )
    options = s3_options(endpoint_url, region, anonymous=anonymous, requester_pays=requester_pays)
    checked = _check(url, options, snapshot, progress, quick=quick)
    if json:
        output.print_json(_as_json(url, checked))
    else:
        _print_findings(checked)
    if not checked.passed:
        raise typer.Exit(VerificationFailed.exit_code)


def _verify_workspace(
    settings: Config, progress: Progress, *, repair: bool, deep: bool, json: bool
) -> None:
    from naturalist.pipeline import runner
    from naturalist.pipeline.severities import verification_document

    if repair and deep:
        raise ConfigError("--repair and --deep cannot be combined: run --repair first, then --deep")
    if repair:
        report = runner.repair(settings, progress)
    else:
        report = runner.verify(settings, progress, deep=deep)
    if json:
        output.print_json(verification_document(report))
        return
    for name in report.get("repaired", {}).get("taken_away", ()):
        output.print_text(f"taken away: {name}")
    output.print_text(f"no errors, {counted(len(report['soft']), 'warning')}")
    output.print_text(str(settings.layout.verification_page))


def _check(
    url: str, options: S3Options, snapshot: str, progress: Progress, *, quick: bool
) -> Checked:
    from naturalist import consume
    from naturalist.stores import open_store

    with uncounted_stage(progress, "verify", "files") as (begin, advance):
        if consume.is_pulled(url):
            if snapshot or quick:
                raise ConfigError(
                    "--snapshot and --quick do not work on a pulled folder: remove them"
                )
            return consume.check_pulled(Path(url), on_begin=begin, on_file=advance)
        return consume.check_published(
            open_store(url, options),
            snapshot or None,
            quick=quick,
            on_begin=begin,
            on_file=advance,
        )


def _as_json(url: str, checked: Checked) -> dict[str, object]:
    return (
        {"url": url, "passed": checked.passed}
        | vars(checked)
        | {"findings": [vars(finding) for finding in checked.findings]}
    )


def _print_findings(checked: Checked) -> None:
    if checked.findings:
        rows = [[f.fault, f.name, f.key, f.detail] for f in checked.findings]
        output.print_table(("fault", "file", "key", "what was found"), rows)
    how = "by recorded checksums" if checked.quick else "read back"
    output.print_text(
        f"snapshot {checked.snapshot}: {counted(checked.files, 'file')}, "
        f"{size_text(checked.size_bytes)} "
        f"{how}, {len(checked.findings):,} differ from the snapshot"
    )
