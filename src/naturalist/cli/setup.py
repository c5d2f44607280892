"""Commands that begin a collection: init and demo."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from naturalist import backbones
from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    AnonymousOption,
    EndpointOption,
    JsonOption,
    QuietOption,
    RegionOption,
)
from naturalist.cli.progress import make_progress
from naturalist.config import CONFIG_NAME, NewCategory, load_config, write_config
from naturalist.config.proposing import (
    described,
    look_at,
    parse_category,
)
from naturalist.config.proposing import (
    from_catalogue as taken_from_catalogue,
)
from naturalist.config.s3 import S3Section
from naturalist.demo import build_demo_pictures
from naturalist.errors import ConfigError
from naturalist.pipeline import runner, status

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the new collection.")],
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Folders, archives or s3:// addresses to look at and to propose categories for.",
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=LABEL:SOURCE[,SOURCE...], once for each category; a source is a folder, an "
            "archive, an s3:// address, or a path with wildcards. Example: --category "
            "plant=0:/data/flowers,/data/trees.zip"
        ),
    ] = None,
    each_folder: Annotated[
        bool,
        typer.Option(
            "--each-folder",
            help="Make a source of each folder and archive in the folders that --category names.",
        ),
    ] = False,
    from_catalogue: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Take the sets of these categories of the catalogue (animal,plant,human, or all) "
            "as sources; naturalist sources fetches them.",
        ),
    ] = None,
    sets: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the sets of the catalogue are fetched to.")
    ] = Path("sources"),
    publish: Annotated[
        str, typer.Option(metavar="FOLDER_OR_URL", help="Where tables are published; may be empty.")
    ] = "",
    name: Annotated[
        str, typer.Option(help="Name of the collection; the folder's by default.")
    ] = "",
    backbone: Annotated[
        str,
        typer.Option(
            help="Network for the features: fast, balanced, quality, or one of naturalist "
            "backbones list."
        ),
    ] = backbones.DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", help="Write what is proposed without asking.")] = (
        False
    ),
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    json: JsonOption = False,
) -> None:
    """Begin a collection: write a commented naturalist.toml into DIR.

    With PATHs, looks at them first: counts pictures, proposes categories and sources for the
    layouts category/source/..., train|valid|test/category/..., a folder of categories, and plain
    folders, shows them, and asks. Nothing is copied yet; the first `naturalist run` does that.

    Examples: naturalist init garden /data/photos ; naturalist init garden --category
    plant=0:/data/flowers --category animal=1:/data/zoo.zip
    """
    s3 = S3Section(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    named = [parse_category(text, s3, each_folder=each_folder) for text in category or ()]
    if from_catalogue is not None:
        wanted = "" if from_catalogue == "all" else from_catalogue
        named += taken_from_catalogue(wanted, sets)
    proposal = look_at(paths or [], s3, named)
    if not (json or proposal.is_empty):
        output.print_text(described(proposal))
    if not proposal.is_empty and not (yes or _agrees(json=json)):
        output.print_json({"config": None, "categories": proposal.as_json()}) if json else None
        return
    path = write_config(folder, proposal.categories, publish, name, backbone, s3)
    if json:
        more = {} if proposal.is_empty else {"categories": proposal.as_json()}
        output.print_json({"config": str(path)} | more)
        return
    for hint in proposal.hints:
        output.print_text(hint)
    output.print_text(f"wrote {path}\nnext: {_first(from_catalogue, sets)}naturalist run -c {path}")


def _first(from_catalogue: str | None, sets: Path) -> str:
    """What comes before the first run."""
    if from_catalogue is None:
        return ""
    return f"naturalist sources fetch --all --to {sets} , then  "


def _agrees(*, json: bool) -> bool:
    """Whether the person at the terminal wants the proposal to be written."""
    if json:
        return False
    if not sys.stdin.isatty():
        raise ConfigError("nothing was written: add --yes to write what is proposed")
    return typer.confirm("Write it?", default=True)


@app.command(epilog=EXIT_CODES)
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the demo.")],
    photos: Annotated[
        Path | None, typer.Option(help="Your own pictures: a folder with one folder per category.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Build a small collection of real pictures, do the whole job on it, and show what was made.

    Examples: naturalist demo garden ; naturalist demo garden --photos my-photos
    """
    path = folder / CONFIG_NAME
    if path.exists() and load_config(path).name != _DEMO:
        raise ConfigError(f"{folder} holds another collection: choose another folder for the demo")
    pictures = build_demo_pictures(folder / "pictures", photos)
    if not path.exists():
        categories = [
            NewCategory(name, pictures.labels[name], tuple(path.resolve() for path in sources))
            for name, sources in pictures.categories.items()
        ]
        write_config(folder, categories, str(folder / "published"), _DEMO, backbones.DEFAULT)
    settings = load_config(path)
    report = runner.run(settings, make_progress(quiet=quiet), runner.RunOptions())
    held = status.collection_status(settings)
    if json:
        output.print_json(vars(report) | {"notes": list(pictures.notes), "status": held})
        return
    for note in pictures.notes:
        output.print_text(note)
    output.print_run(vars(report))
    output.print_text("")
    output.print_status(held)
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
