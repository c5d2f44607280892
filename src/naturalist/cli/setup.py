"""Commands that begin a collection: init and demo."""

from pathlib import Path
from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.asking import confirmed
from naturalist.cli.defaults import BACKBONE
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    AnonymousOption,
    DryRunOption,
    EndpointOption,
    JsonOption,
    QuietOption,
    RegionOption,
    YesOption,
)
from naturalist.cli.progress import make_progress
from naturalist.errors import ConfigError
from naturalist.progress import KeptNotes

app = typer.Typer()


PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH",
        help="Folders, archives or s3:// URLs to scan for categories and sources.",
    ),
]
CategoryOption = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=LABEL:SOURCE[,SOURCE...], once for each category; a source is a folder, an "
        "archive, an s3:// URL, or a path with wildcards. Example: --category "
        "plant=0:/data/flowers,/data/trees.zip"
    ),
]
EachFolderOption = Annotated[
    bool,
    typer.Option(
        "--each-folder",
        help="Treat each subfolder and archive of the folders in --category as a source of "
        "its own.",
    ),
]
FromCatalogueOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Use the catalogue's data sets of these categories (animal,plant,human, or all)"
        " as sources; download them with naturalist sources.",
    ),
]
SetsOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder for data sets of the catalogue.")
]
PublishOption = Annotated[
    str,
    typer.Option(
        metavar="FOLDER_OR_URL",
        help="Where to publish tables: a folder or s3:// URL (default: nowhere).",
    ),
]
NameOption = Annotated[
    str, typer.Option(help="Name of the collection (default: name of the folder).")
]
BackboneOption = Annotated[
    str,
    typer.Option(
        help="Backbone for the features: fast, balanced, quality, or a name from `naturalist "
        "backbones list`."
    ),
]


@app.command(epilog=EXIT_CODES)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the new collection.")],
    paths: PathsArgument = None,
    category: CategoryOption = None,
    each_folder: EachFolderOption = False,
    from_catalogue: FromCatalogueOption = None,
    sets: SetsOption = Path("sources"),
    publish: PublishOption = "",
    name: NameOption = "",
    backbone: BackboneOption = BACKBONE,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    json: JsonOption = False,
) -> None:
    """Create a collection: write a commented naturalist.toml.

    With PATHs, counts files named like pictures and proposes categories and sources, for the
    layouts category/source/..., train|valid|test/category/..., one folder per category, and plain
    folders; then asks before it writes. Copies nothing: `naturalist run` does.

    Examples: naturalist init garden /data/photos ; naturalist init garden --category
    plant=0:/data/flowers --category animal=1:/data/zoo.zip
    """
    from naturalist.config import write_config
    from naturalist.config.proposing import (
        described,
        look_at,
        parse_category,
    )
    from naturalist.config.proposing import (
        from_catalogue as taken_from_catalogue,
    )
    from naturalist.config.s3 import S3Section
    from naturalist.config.writing import check_is_free
    from naturalist.stores.connection import check_endpoint

    check_is_free(folder)
    check_endpoint(endpoint_url)
    s3 = S3Section(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    named = [parse_category(text, s3, each_folder=each_folder) for text in category or ()]
    if from_catalogue is not None:
        expected = "" if from_catalogue == "all" else from_catalogue
        named += taken_from_catalogue(expected, sets)
    proposal = look_at(paths or [], s3, named)
    if not (json or proposal.is_empty):
        output.print_text(described(proposal))
    # A program is given the proposal, to decide with --yes.
    shown_only = dry_run or (json and not (yes or proposal.is_empty))
    if shown_only or not (yes or proposal.is_empty or confirmed("Write it?", default=True)):
        output.print_json({"config": None, "categories": proposal.as_json()}) if json else None
        return
    path = write_config(folder, proposal.categories, publish, name, backbone, s3, _OPTIONS)
    if json:
        more = {} if proposal.is_empty else {"categories": proposal.as_json()}
        output.print_json({"config": str(path)} | more, outputs=[path])
        return
    for hint in proposal.hints:
        output.print_text(hint)
    output.print_text(f"wrote {path}\nnext: {_first(from_catalogue, sets)}naturalist run -c {path}")


_OPTIONS = {
    "": "--category",
    "category": "--category",
    "extract": "--backbone",
    "name": "--name",
    "publish": "--publish",
}
"""The option of `init` that each section or setting of the new configuration comes from."""


def _first(from_catalogue: str | None, sets: Path) -> str:
    """What comes before the first run."""
    if from_catalogue is None:
        return ""
    return f"naturalist sources fetch --all --to {sets} , then  "


@app.command(epilog=EXIT_CODES)
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the demo.")],
    photos: Annotated[
        Path | None,
        typer.Option(help="Use your own pictures: a folder with one subfolder per category."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Build and run a small collection of real pictures.

    Runs every stage and shows the results.

    Examples: naturalist demo garden ; naturalist demo garden --photos my-photos
    """
    from naturalist.config import CONFIG_NAME, NewCategory, load_config, write_config
    from naturalist.demo import build_demo_pictures
    from naturalist.pipeline import runner, status

    path = folder / CONFIG_NAME
    if path.exists() and load_config(path).name != _DEMO:
        raise ConfigError(f"{folder} holds another collection: choose another folder for the demo")
    pictures = build_demo_pictures(folder / "pictures", photos)
    if not path.exists():
        categories = [
            NewCategory(name, pictures.labels[name], tuple(path.resolve() for path in sources))
            for name, sources in pictures.categories.items()
        ]
        write_config(folder, categories, str(folder / "published"), _DEMO, BACKBONE)
    settings = load_config(path)
    progress = KeptNotes(make_progress(quiet=quiet))
    report = runner.run(settings, progress, runner.RunOptions())
    held = status.collection_status(settings)
    if json:
        output.print_json(report.as_document(held) | {"notes": list(pictures.notes)})
        return
    for note in pictures.notes:
        output.print_text(note)
    output.print_run(vars(report))
    output.print_text("")
    output.print_status(held, () if quiet else progress.notes)
    output.print_text(_NEXT.format(folder=folder))


_DEMO = "demo"
_NEXT = """
Made in {folder}:
  naturalist.toml              the collection's settings, with comments
  images/                      the pictures under their new names
  tables/<category>/           labelled features: image_df_1.csv, image_df_1.parquet
  reports/verification.md      what was checked
  published/latest.json        points to the newest snapshot

Try next:
  naturalist run -c {folder}              nothing is new: done in a second
  naturalist ledger -c {folder}           one row for every file that was seen
  naturalist verify -c {folder}           check everything again
  naturalist init DIR --category plant=0:/your/plants --category animal=1:/your/animals
"""
