"""The command that writes features, clusters and coordinates for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    QuietOption,
)
from naturalist.cli.progress import make_progress
from naturalist.counting import counted
from naturalist.errors import ConfigError
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    from naturalist.features import FeatureTable
    from naturalist.layout import Layout
    from naturalist.studies.exporting import Exported

app = typer.Typer()
_PROJECTOR_ROWS = 10_000


FormOption = Annotated[
    str,
    typer.Option(
        "--for",
        metavar="PROGRAM",
        help="projector (TensorBoard), atlas (Embedding Atlas), csv, or tables (as CSV).",
    ),
]
CoordinatesOption = Annotated[
    str,
    typer.Option(
        "--map",
        metavar="NAME|FILE",
        help="Map to export coordinates of (default: tsne-2d), or your own: a Parquet file with "
        "picID, x, y (and z).",
    ),
]
ClustersOption = Annotated[
    str, typer.Option(metavar="NAME", help="Clustering to export (default: default).")
]
RowsOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Maximum number of pictures, sampled evenly (0 = all; default for projector: "
        "10,000, its limit).",
    ),
]
ThumbnailsOption = Annotated[
    bool, typer.Option("--thumbnails", help="Include thumbnails (projector and atlas).")
]

CategoriesOption = Annotated[
    list[str] | None,
    typer.Option("--category", metavar="NAME", help="Only tables of this category (repeatable)."),
]
FromOption = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="PLACE",
        help="Read a published or pulled collection, or another workspace.",
    ),
]
VectorsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Your own vectors: .npy, or .parquet with a column features (optional: picID, "
        "category, source).",
    ),
]
_TABLES = "tables"


@app.command(epilog=EXIT_CODES)
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to.")],
    form: FormOption,
    config: ConfigOption = DEFAULT_CONFIG,
    coordinates: CoordinatesOption = "",
    clusters: ClustersOption = "",
    rows: RowsOption = None,
    thumbnails: ThumbnailsOption = False,
    category: CategoriesOption = None,
    place: FromOption = "",
    vectors: VectorsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Export features for TensorBoard, Embedding Atlas or CSV.

    Includes coordinates and clusters if a map and clusters exist. --for csv
    leaves the features out: they are in the tables, which --for tables writes as CSV if the
    collection has no CSV files (tables.csv = false).

    Examples: naturalist export atlas --for atlas --thumbnails ;
    naturalist export wide --for tables --category plant
    """
    from naturalist.studies import exporting
    from naturalist.studies.exporting import Beside

    forms = (*get_args(exporting.Form), _TABLES)
    if form not in forms:
        raise ConfigError(f"--for {form!r}: {choose_one_of(form, forms)}")
    if category and form != _TABLES:
        raise ConfigError("--category goes with --for tables: leave it out, or export tables")
    if form == _TABLES:
        _refuse_of_pictures(coordinates=coordinates, clusters=clusters, rows=rows)
    if thumbnails:
        _check_thumbnails(form, place, vectors)
    if place and vectors:
        raise ConfigError("--from and --vectors cannot be combined: pass one of them")
    _check_folder(folder)
    layout, files = _features(config, place, vectors, folder)
    if form == _TABLES:
        watcher = make_progress(quiet=quiet)
        _print(exporting.export_tables(files, category or (), folder, watcher), folder, json=json)
        return
    beside = (
        exporting.read_clusters(layout, clusters),
        exporting.read_coordinates(layout, coordinates),
    )
    most = rows if rows is not None else _PROJECTOR_ROWS if form == "projector" else 0
    done = exporting.export(
        files,
        Beside(tuple(table for table in beside if table is not None)),
        folder,
        form,  # type: ignore[arg-type]
        make_progress(quiet=quiet),
        rows=most,
        pictures=layout if thumbnails else None,
    )
    _print(done, folder, json=json)


def _check_folder(folder: Path) -> None:
    from naturalist.consume.folder import kind_of
    from naturalist.layout import Layout

    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"{there} is a file: name a folder to export to")
    above = [Layout(path) for path in folder.absolute().parents]
    inside = [one for one in above if one.marker.exists() and one.is_own(folder)]
    if inside:
        raise ConfigError(
            f"{folder} is inside workspace {inside[0].root}, which keeps its own files there: name "
            "another folder"
        )
    if what := kind_of(folder):
        raise ConfigError(f"{folder} is {what}, whose files it may replace: name another folder")


def _refuse_of_pictures(*, coordinates: str, clusters: str, rows: int | None) -> None:
    options = {"--map": coordinates, "--clusters": clusters, "--rows": rows is not None}
    given = [option for option, value in options.items() if value]
    if given:
        raise ConfigError(
            f"{', '.join(given)} cannot be combined with --for tables, which writes whole tables "
            "(of some categories with --category): leave it out"
        )


def _check_thumbnails(form: str, place: str, vectors: Path | None) -> None:
    if form not in ("projector", "atlas"):
        raise ConfigError(f"--thumbnails goes with --for projector or atlas, not {form}")
    if vectors or "://" in place:
        raise ConfigError(
            "--thumbnails needs a workspace or a pulled collection: leave it out, or pull the "
            "collection first"
        )


def _print(done: "Exported", folder: Path, *, json: bool) -> None:
    if json:
        output.print_json(vars(done) | {"folder": str(folder)}, outputs=[folder])
        return
    output.print_text(
        f"{done.rows:,} of {counted(done.of, 'picture')} in {folder}: {', '.join(done.files)}\n"
        f"open with:  {done.open_with}"
    )


def _features(
    config: Path, place: str, vectors: Path | None, folder: Path
) -> tuple["Layout", "FeatureTable"]:
    """Where clusters and coordinates lie, and the features: of a place, a file or a workspace."""
    from naturalist.config import load_config
    from naturalist.features import open_features, open_file
    from naturalist.layout import Layout
    from naturalist.running import workspace

    if vectors:
        return Layout(folder), open_file(vectors)
    if place:
        return Layout(folder if "://" in place else Path(place)), open_features(place)
    layout = load_config(config).layout
    workspace.reading(layout)
    return layout, open_features(layout.root)
