"""The command that lists what a collection tells about people and machines."""

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
    JsonOption,
    QuietOption,
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
    from naturalist.auditing import Exposure
    from naturalist.stores import S3Options

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def audit(
    place: Annotated[
        str,
        typer.Argument(
            metavar="PLACE",
            help="A published or pulled collection (default: what the workspace would publish "
            "next).",
        ),
    ] = "",
    snapshot: SnapshotOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    requester_pays: RequesterPaysOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List what a collection reveals about people and machines.

    Unpacks every file and searches it for EXIF, XMP and GPS positions of pictures, local paths,
    names of this user and machine, secrets and email addresses. Lists metadata columns and sources
    without a licence. Faces are not searched for. Ends with exit code 4 if something is found that
    should not be published.

    Examples: naturalist audit -c garden ; naturalist audit s3://bucket/garden
    """
    progress = make_progress(quiet=quiet)
    options = s3_options(endpoint_url, region, anonymous=anonymous, requester_pays=requester_pays)
    folder = Path(place).expanduser()
    if place and _is_collection(place, folder):
        exposure = _audit_collection(place, options, snapshot, progress)
    elif snapshot:
        raise ConfigError("--snapshot needs a published collection: give its folder or s3:// URL")
    else:
        exposure = _audit_workspace(folder if place else config, progress)
    if json:
        output.print_json(_as_json(exposure))
    else:
        _print(exposure)
    if not exposure.passed:
        raise typer.Exit(VerificationFailed.exit_code)


def _is_collection(place: str, folder: Path) -> bool:
    """Whether a place is a published or pulled collection, and not a workspace's configuration."""
    from naturalist.config import CONFIG_NAME

    return "://" in place or not (folder.is_file() or (folder / CONFIG_NAME).exists())


def _audit_collection(
    place: str, options: S3Options, snapshot: str, progress: Progress
) -> Exposure:
    from naturalist import auditing, consume
    from naturalist.stores import open_store

    with uncounted_stage(progress, "audit", "files") as (begin, advance):
        if consume.is_pulled(place):
            if snapshot:
                raise ConfigError(
                    "--snapshot needs a published collection: give its folder or s3:// URL"
                )
            folder = Path(place).expanduser()
            return auditing.audit_pulled(folder, on_begin=begin, on_file=advance)
        store = open_store(place, options)
        return auditing.audit_published(store, snapshot or None, on_begin=begin, on_file=advance)


def _audit_workspace(config: Path, progress: Progress) -> Exposure:
    from naturalist import auditing
    from naturalist.config import load_config
    from naturalist.pipeline import runner

    with (
        runner.opened(load_config(config), progress) as job,
        uncounted_stage(progress, "audit", "files") as (begin, advance),
    ):
        return auditing.audit_workspace(job, on_begin=begin, on_file=advance)


def _as_json(exposure: Exposure) -> dict[str, object]:
    result = {"passed": exposure.passed} | vars(exposure)
    return result | {"findings": [vars(finding) for finding in exposure.findings]}


def _print(exposure: Exposure) -> None:
    if exposure.findings:
        rows = [
            [f.level, f.kind.replace("_", " "), f.what, f.count, "; ".join(f.where)]
            for f in exposure.findings
        ]
        output.print_table(("level", "kind", "what", "times", "where"), rows)
    for text in exposure.not_checked:
        output.print_text(f"not checked: {text}")
    counts = [sum(f.level == level for f in exposure.findings) for level in ("error", "warning")]
    snapshot = f"snapshot {exposure.snapshot}" if exposure.snapshot else "next publication"
    output.print_text(
        f"{snapshot}: {counted(exposure.files, 'file')}, {size_text(exposure.size_bytes)} "
        "searched: "
        f"{counted(counts[0], 'error')}, {counted(counts[1], 'warning')}"
    )
