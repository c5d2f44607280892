"""The command that verifies: a workspace, a published collection, or a pulled folder."""

from pathlib import Path
from typing import Annotated

import typer

from naturalist import consume
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
from naturalist.config import Config, load_config
from naturalist.consume import Checked
from naturalist.errors import ConfigError, VerificationFailed
from naturalist.pipeline import runner
from naturalist.progress import Progress, uncounted_stage
from naturalist.stores import S3Options, open_store

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def verify(
    url: Annotated[
        str,
        typer.Argument(
            metavar="[URL]",
            help="A published collection or a pulled folder; without it the workspace is verified.",
        ),
    ] = "",
    quick: Annotated[
        bool,
        typer.Option("--quick", help="With URL: believe recorded checksums, read nothing back."),
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Of the workspace: make damaged features and tables again, and move damaged "
            "studies into its folder `damaged`.",
        ),
    ] = False,
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
    """Check again everything that was made in the workspace, or every file of a collection at URL.

    In the workspace that is the ledger, features, previews, tables, and what studies made. Its
    findings are in reports/verification.md and .json. At URL every file of the
    snapshot is read back and compared with the size and SHA-256 that it was published with.
    Exit code 4 if a hard check fails or a file is not what it was.
    """
    progress = make_progress(quiet=quiet)
    if not url:
        settings = load_config(config).worked_on_by(executor, ray_address)
        _verify_workspace(settings, progress, repair=repair, json=json)
        return
    if repair:
        raise ConfigError(
            "--repair is for a workspace: mend what was published with  naturalist publish --mend, "
            "and a pulled folder by pulling again"
        )
    options = s3_options(endpoint_url, region, anonymous=anonymous, requester_pays=requester_pays)
    checked = _check(url, options, snapshot, progress, quick=quick)
    if json:
        output.print_json(_as_json(url, checked))
    else:
        _print_findings(checked)
    if not checked.passed:
        raise typer.Exit(VerificationFailed.exit_code)


def _verify_workspace(settings: Config, progress: Progress, *, repair: bool, json: bool) -> None:
    report = (runner.repair if repair else runner.verify)(settings, progress)
    if json:
        output.print_json(report)
        return
    for name in report.get("repaired", {}).get("taken_away", ()):
        output.print_text(f"taken away: {name}")
    output.print_text(f"all hard checks passed; {len(report['soft'])} soft findings")
    output.print_text(str(settings.layout.verification_page))


def _check(
    url: str, options: S3Options, snapshot: str, progress: Progress, *, quick: bool
) -> Checked:
    with uncounted_stage(progress, "verify", "files") as (begin, advance):
        if consume.is_pulled(url):
            if snapshot or quick:
                raise ConfigError("--snapshot and --quick are not for pulled folders")
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
        f"snapshot {checked.snapshot}: {checked.files:,} files, {checked.size_bytes / 1e6:,.1f} MB "
        f"{how}, {len(checked.findings):,} not as published"
    )
