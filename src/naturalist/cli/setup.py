"""Commands that begin a collection: init and demo."""

from pathlib import Path
from typing import Annotated

import typer

from naturalist import artifacts, backbones
from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.config import CONFIG_NAME, NewCategory, load_config, render_config
from naturalist.config.writing import source_names
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


def write_config(
    folder: Path, categories: list[NewCategory], publish: str, name: str, backbone: str
) -> Path:
    """Write the configuration of a new collection.

    Raises:
        ConfigError: an argument is wrong, or there is a configuration already.
        WorkspaceError: the folder cannot be made or written to.
    """
    path = folder / CONFIG_NAME
    if publish and "://" not in publish:
        publish = str(_expanded(publish).resolve())
    chosen = name or source_names([folder.resolve()])[0]
    text = _as_text(render_config(chosen, categories, publish, backbone))
    with artifacts.storage_errors(str(path)):
        if path.exists():
            raise ConfigError(f"{path} exists already: edit it, or choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    try:
        load_config(path)
    except ConfigError:
        path.unlink()
        raise
    return path


def _as_text(config: str) -> str:
    try:
        config.encode()
    except UnicodeEncodeError as error:
        near = config[config.rfind("\n", 0, error.start) + 1 : error.end]
        raise ConfigError(
            f"a configuration holds only UTF-8, and this name is not: {near.strip()!a} ...: "
            "rename the folder, or make a link to it and name the link"
        ) from error
    return config


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
    whole = _expanded(text)
    if whole.exists():
        return [whole]
    return [_expanded(part) for part in text.split(",") if part]


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{path}: there is no such home folder") from error


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
    pictures = build_demo_pictures(folder / "pictures", photos)
    path = folder / CONFIG_NAME
    if not path.exists():
        categories = [
            NewCategory(name, pictures.labels[name], tuple(path.resolve() for path in sources))
            for name, sources in pictures.categories.items()
        ]
        write_config(folder, categories, str(folder / "published"), "demo", backbones.DEFAULT)
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
