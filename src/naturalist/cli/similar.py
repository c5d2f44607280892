"""Commands about similar pictures: the index, and looking in it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.clusters import elsewhere
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    FromOption,
    JsonOption,
    OutOption,
    QuietOption,
    VectorsOption,
)
from naturalist.cli.progress import make_progress
from naturalist.counting import counted

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def index(
    config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """Update the index of similar pictures.

    Builds it on the first call, adds new pictures later, and measures its recall. An index of
    words, where there is one, is updated too. `naturalist similar` updates the index when needed;
    analyse.steps = ["index"] makes it part of every run.

    Example: naturalist index -c garden
    """
    from naturalist.config import load_config
    from naturalist.pipeline import studies

    settings = load_config(config)
    result = studies.indexes(settings, make_progress(quiet=quiet)).as_json
    if json:
        output.print_json(result)
        return
    recall = result["recall"]
    done = "brought up to date" if result["changed"] else "nothing new"
    output.print_text(
        f"{done}: {counted(result['rows'], 'picture')}, {recall['recall']:.4f} of the "
        f"{recall['k']} nearest "
        f"are found (against {recall['against']}, {counted(recall['queries'], 'picture')})"
    )


@app.command(epilog=EXIT_CODES)
def similar(
    picture: Annotated[
        str,
        typer.Argument(
            metavar="PICTURE|FILE",
            help="A picture of the collection, such as plant_id_7, or a file.",
        ),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Number of pictures to show.")] = 10,
    place: FromOption = "",
    vectors: VectorsOption = None,
    out: OutOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find the pictures most similar to a picture.

    Similarity is the cosine of the features. The features of a file are computed with the backbone
    of the collection; the file is not added to it. With --from or --vectors, name a picture of
    that collection; --out keeps the index.

    Example: naturalist similar plant_id_7 -k 5
    """
    from naturalist.config import load_config
    from naturalist.pipeline.similar import similar_elsewhere, similar_pictures

    progress = make_progress(quiet=quiet)
    if place or vectors:
        found = similar_elsewhere(*elsewhere(place, vectors, out), picture, k, progress)
    else:
        found = similar_pictures(load_config(config), picture, k, progress)
    if json:
        output.print_json(found)
    else:
        _print(found["rows"])


def _print(hits: Sequence[Mapping[str, Any]]) -> None:
    columns = [
        name for name in ("picID", "cosine", "category", "source", "path") if name in hits[0]
    ]
    output.print_table(
        columns,
        ([f"{hit[n]:.4f}" if n == "cosine" else hit[n] for n in columns] for hit in hits),
    )
