"""Commands for those who use a published collection: pull."""

from pathlib import Path
from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.defaults import DOWNLOADS
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    AnonymousOption,
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
from naturalist.progress import uncounted_stage

app = typer.Typer()


UrlArgument = Annotated[
    str, typer.Argument(metavar="URL", help="s3://bucket/prefix, or a published folder.")
]
CategoriesOption = Annotated[
    str, typer.Option(metavar="NAMES", help="Only these categories, separated by commas.")
]
FormatsOption = Annotated[
    str, typer.Option(metavar="NAMES", help="Formats of the tables: parquet, csv, or both.")
]
PartsOption = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="Only these folders, such as tables,ledger (default: all except pictures and "
        "previews).",
    ),
]
JobsOption = Annotated[int, typer.Option(min=1, max=64, help="Number of parallel downloads.")]


@app.command(epilog=EXIT_CODES)
def pull(
    url: UrlArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to download to.")],
    categories: CategoriesOption = "",
    formats: FormatsOption = "parquet",
    parts: PartsOption = "",
    snapshot: SnapshotOption = "",
    jobs: JobsOption = DOWNLOADS,
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    requester_pays: RequesterPaysOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Download a published collection.

    Every file is verified. Run it again to resume, or to update to a newer snapshot: only changed
    files are downloaded, and files that the snapshot no longer lists are deleted.

    Example: naturalist pull s3://bucket/garden garden --anonymous
    """
    from naturalist.stores import open_store

    options = s3_options(endpoint_url, region, anonymous=anonymous, requester_pays=requester_pays)
    from naturalist import consume

    selection = consume.Selection(_words(categories), _words(formats), _words(parts))
    listening = uncounted_stage(make_progress(quiet=quiet), "pull", "kB", 1000)
    with listening as (begin, advance):
        store = open_store(url, options)
        pulled = consume.pull(
            store, folder, selection, snapshot or None, jobs=jobs, on_begin=begin, on_bytes=advance
        )
    if json:
        output.print_json(vars(pulled), outputs=[folder])
        return
    output.print_text(
        f"snapshot {pulled.snapshot} in {folder}: {counted(pulled.files, 'file')}, "
        f"{size_text(pulled.size_bytes)}; fetched {pulled.fetched_files:,} "
        f"({size_text(pulled.fetched_bytes)}), removed {pulled.removed_files:,}"
    )
    output.print_text(
        f"next: naturalist dashboard --from {folder}\n"
        f'or in Python: naturalist.load("{folder}").numpy()'
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.replace(" ", "").split(",") if word)
