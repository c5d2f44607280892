"""Commands that begin a collection: init and demo."""

from pathlib import Path
from typing import Annotated

import typer

from naturalist import backbones
from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.config import CONFIG_NAME, NewCategory, load_config, write_config
from naturalist.config.writing import expanded
from naturalist.demo import build_demo_pictures
from naturalist.errors import ConfigError
from naturalist.pipeline import runner, status

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the new collection.")],
    category: Annotated[
        list[str],
        typer.Option(
            help="NAME=LABEL:SOURCE[,SOURCE...], once for each category; a source is a folder or "
            "an archive. Example: --category plant=0:/data/flowers,/data/trees.zip"
        ),
    ],
    publish: Annotated[
        str, typer.Option(metavar="FOLDER_OR_URL", help="Where tables are published; may be empty.")
    ] = "",
    name: Annotated[
        str, typer.Option(help="Name of the collection; the folder's by default.")
    ] = "",
    backbone: Annotated[str, typer.Option(help="Network for the features.")] = backbones.DEFAULT,
    json: JsonOption = False,
) -> None:
    """Begin a collection: write a commented naturalist.toml into DIR.

    Nothing is read or copied yet; the first `naturalist run` does that.
    """
    categories = [_parse_category(text) for text in category]
    path = write_config(folder, categories, publish, name, backbone)
    if json:
        output.print_json({"config": str(path)})
    else:
        output.print_text(f"wrote {path}\nnext: naturalist run -c {path}")


def _parse_category(text: str) -> NewCategory:
    name, equals, rest = text.partition("=")
    label, colon, sources = rest.partition(":")
    if not (equals and colon and label.strip().isdecimal() and sources):
        raise ConfigError(
            f"--category {text!r}: write NAME=LABEL:SOURCE[,SOURCE...], as in plant=0:/data/flowers"
        )
    paths = _split_sources(sources)
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise ConfigError(f"--category {name}: there is no {missing[0]}")
    return NewCategory(name, int(label), tuple(path.resolve() for path in paths))


def _split_sources(text: str) -> list[Path]:
    # A name may hold a comma: the whole text is tried first.
    whole = expanded(text)
    if whole.exists():
        return [whole]
    return [expanded(part) for part in text.split(",") if part]


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
