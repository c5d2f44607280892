"""The command that shows a collection in a browser."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naturalist.cli import output
from naturalist.cli.defaults import THUMBNAILS
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
from naturalist.errors import ConfigError
from naturalist.progress import uncounted_stage

if TYPE_CHECKING:
    from naturalist.config.dashboard import DashboardSection
    from naturalist.dashboard.collection import Collection
    from naturalist.stores import S3Options

app = typer.Typer()


SourceOption = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="PLACE",
        help="Show a published collection (folder or s3://bucket/prefix) or a downloaded one.",
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port to listen on (0 = any free port; default: dashboard.port)."
    ),
]
OpenToNetworkOption = Annotated[
    bool,
    typer.Option(
        "--open-to-network", help="Accept connections from other machines; needs a token."
    ),
]
TokenOption = Annotated[
    str,
    typer.Option(
        envvar="NATURALIST_DASHBOARD_TOKEN",
        help="Access token that browsers must send; prefer the environment variable.",
    ),
]
BasePathOption = Annotated[
    str,
    typer.Option(
        metavar="PATH",
        help="Path prefix behind a proxy, such as /garden (default: dashboard.base_path).",
    ),
]
ReviewOption = Annotated[
    bool,
    typer.Option(
        "--review",
        help="Let reviewers decide in the page; see `naturalist reviewers`. Off by default.",
    ),
]
ExportOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write the pages as static files into DIR instead of serving them.",
    ),
]
ThumbnailsOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="With --export: maximum number of thumbnails.")
]


@app.command(epilog=EXIT_CODES)
def dashboard(
    config: ConfigOption = DEFAULT_CONFIG,
    source: SourceOption = "",
    host: Annotated[str, typer.Option(help="Address to listen on (default: dashboard.host).")] = "",
    port: PortOption = None,
    open_to_network: OpenToNetworkOption = False,
    token: TokenOption = "",
    base_path: BasePathOption = "",
    review: ReviewOption = False,
    export: ExportOption = None,
    thumbnails: ThumbnailsOption = THUMBNAILS,
    json: JsonOption = False,
    quiet: QuietOption = False,
    snapshot: SnapshotOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    requester_pays: RequesterPaysOption = False,
) -> None:
    """Show the collection in the browser.

    Shows health, map, clusters, models and pictures. Read-only, unless --review lets people with a
    token keep, relabel, retire and tag pictures. Listens on this machine only, unless
    --open-to-network is given. /metrics is for Prometheus, /api for programs. Stop it with Ctrl-C.
    Needs the extra `dashboard`. --export writes static pages that need no server; a
    folder named `site` in the workspace is published with the next snapshot.

    Example: naturalist dashboard -c garden
    """
    from naturalist.config.reading import file_of
    from naturalist.dashboard import serving
    from naturalist.dashboard.security import ListenOptions

    options = s3_options(endpoint_url, region, anonymous=anonymous, requester_pays=requester_pays)
    place, settings = _place(config, source, snapshot, options)
    if review and (export is not None or source):
        raise ConfigError(
            "--review needs a workspace and a running server: remove --from and --export"
        )
    if export is not None:
        _export(place, export, thumbnails, json=json, quiet=quiet)
        return
    if json:
        raise ConfigError(
            "--json works only with --export; a running server answers in JSON below /api"
        )
    serving.check_installed()
    listen = ListenOptions(
        host or settings.host,
        settings.port if port is None else port,
        token,
        open_to_network,
        base_path or settings.base_path,
    )
    serving.serve(
        place,
        listen,
        lambda url: output.print_text(_READY.format(url=url)),
        review=file_of(config) if review else None,
    )


def _export(place: Collection, folder: Path, thumbnails: int, *, json: bool, quiet: bool) -> None:
    from naturalist.dashboard.bundle import load_bundle
    from naturalist.dashboard.context import open_context
    from naturalist.dashboard.export import export as export_pages

    listening = uncounted_stage(make_progress(quiet=quiet), "export", "thumbnails")
    with listening as (begin, advance), contextlib.closing(open_context(place)) as context:
        made = export_pages(
            context,
            load_bundle(),
            folder,
            thumbnails=thumbnails,
            on_begin=begin,
            on_thumbnail=advance,
        )
    if json:
        output.print_json(vars(made))
        return
    output.print_text(
        f"{made.folder}/index.html: {counted(made.maps, 'map')}, "
        f"{counted(made.thumbnails, 'thumbnail')} of "
        f"{counted(made.pictures, 'picture')}, {size_text(made.size_bytes)} in "
        f"{counted(made.files, 'file')}"
    )


_READY = "{url}   (Ctrl-C ends it)"


def _place(
    config: Path, source: str, snapshot: str, options: S3Options
) -> tuple[Collection, DashboardSection]:
    from naturalist.config import load_config
    from naturalist.config.dashboard import DashboardSection
    from naturalist.dashboard.collection import open_published, open_workspace

    if source:
        return open_published(source, snapshot or None, options), DashboardSection()
    if snapshot:
        raise ConfigError("--snapshot needs a published collection: name one with --from")
    settings = load_config(config)
    return open_workspace(settings), settings.dashboard
