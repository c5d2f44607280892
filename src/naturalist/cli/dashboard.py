"""The command that shows a collection in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    AnonymousOption,
    ConfigOption,
    EndpointOption,
    RegionOption,
    RequesterPaysOption,
    SnapshotOption,
)
from naturalist.config import load_config
from naturalist.config.dashboard import DashboardSection
from naturalist.dashboard import serving
from naturalist.dashboard.place import Place, open_published, open_workspace
from naturalist.dashboard.security import Door
from naturalist.errors import ConfigError
from naturalist.stores import S3Options

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def dashboard(
    config: ConfigOption = DEFAULT_CONFIG,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="PLACE",
            help="Show a published collection (folder or s3://bucket/prefix) or a pulled folder.",
        ),
    ] = "",
    host: Annotated[str, typer.Option(help="Where to listen; dashboard.host if not said.")] = "",
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="0 takes a free one; dashboard.port if not said."),
    ] = None,
    open_to_network: Annotated[
        bool, typer.Option("--open-to-network", help="Let other machines in; needs a token.")
    ] = False,
    token: Annotated[
        str,
        typer.Option(
            envvar="NATURALIST_DASHBOARD_TOKEN",
            help="What a browser must send; better set in the environment than said here.",
        ),
    ] = "",
    snapshot: SnapshotOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    requester_pays: RequesterPaysOption = False,
) -> None:
    """Show health, map, clusters, models and pictures in the browser, read-only.

    On this machine alone unless --open-to-network is said. /metrics is for Prometheus, /api for
    programs. Ctrl-C ends it. Needs  pip install 'naturalist[dashboard]'.
    """
    serving.check_installed()
    options = S3Options(endpoint_url or None, region or None, "auto", requester_pays, anonymous)
    place, settings = _place(config, source, snapshot, options)
    door = Door(
        host or settings.host, settings.port if port is None else port, token, open_to_network
    )
    serving.serve(place, door, lambda url: output.print_text(_READY.format(url=url)))


_READY = "{url}   (Ctrl-C ends it)"


def _place(
    config: Path, source: str, snapshot: str, options: S3Options
) -> tuple[Place, DashboardSection]:
    if source:
        return open_published(source, snapshot or None, options), DashboardSection()
    if snapshot:
        raise ConfigError("--snapshot is for published collections: name one with --from")
    settings = load_config(config)
    return open_workspace(settings), settings.dashboard
