"""Commands that make maps and samples of all pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.counting import counted
from naturalist.errors import ConfigError

if TYPE_CHECKING:
    from naturalist.layout import MapFolder, SampleFolder
    from naturalist.studies.maps.options import MapOptions

if TYPE_CHECKING:
    from naturalist.features import FeatureTable

app = typer.Typer()


class Method(StrEnum):
    """Methods of laying a map out."""

    TSNE = "tsne"
    UMAP = "umap"
    PACMAP = "pacmap"


FromOption = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="PLACE",
        help="Read a published or pulled collection, or another workspace; needs --out.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder for the result; required with --from."),
]


DimsOption = Annotated[
    int | None, typer.Option(min=2, max=3, help="Dimensions: 2 or 3 (default 2).")
]
MethodOption = Annotated[
    Method | None,
    typer.Option(
        help="Layout method (default: map.method); umap and pacmap need the extras of these names."
    ),
]
SampleOption = Annotated[
    str,
    typer.Option(
        metavar="N|auto|all",
        help="Number of pictures to lay out; the others are placed between them. auto = 100,000.",
    ),
]
SeedOption = Annotated[
    int | None, typer.Option(min=0, help="Random seed; the same seed gives the same map.")
]
NameOption = Annotated[
    str, typer.Option(help="Name of the map (default: method and dimensions, such as tsne-2d).")
]
CoordinatesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Your own layout, .parquet or .csv with picID, x, y (and z). It is evaluated, "
        "and pictures missing from it are added.",
    ),
]
RebuildOption = Annotated[
    bool,
    typer.Option("--rebuild", help="Recompute the layout, starting from the existing map."),
]


@app.command("map", epilog=EXIT_CODES)
def make_map(
    dims: DimsOption = None,
    method: MethodOption = None,
    sample: SampleOption = "",
    seed: SeedOption = None,
    name: NameOption = "",
    coordinates: CoordinatesOption = None,
    rebuild: RebuildOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    place: FromOption = "",
    out: OutOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Map all pictures in two or three dimensions.

    Pictures with similar features are close to each other. An existing map takes in new pictures
    without moving the old ones. When they no longer fit, it is recomputed from the old map and
    aligned with it. Writes points.parquet, map.json (measurements) and map.png.

    Example: naturalist map --dims 3 -c garden
    """
    from naturalist.pipeline import studies
    from naturalist.studies.maps.own_coordinates import read_coordinates
    from naturalist.studies.study import bring_up_to_date

    settings, opened, root = _place(config, place, out, "map")
    own = None
    if coordinates is not None:
        if method is not None or sample or dims is not None:
            raise ConfigError(
                "--coordinates already is a layout: remove --dims, --method and --sample"
            )
        own = read_coordinates(coordinates)
    options = _with_options(settings, method, sample, seed)
    request = studies.MapRequest(options, dims or 2, name, own)
    with opened() as table:
        study = studies.map_of(table, request, make_progress(quiet=quiet), maps=root, out=out)
        made = bring_up_to_date(study, rebuild=rebuild).as_json
    if json:
        output.print_json(made, outputs=[study.folder.root])
        return
    _print_map(made, study.folder)


def _place(config: Path, place: str, out: Path | None, kind: str) -> tuple[MapOptions, Any, Path]:
    """The settings, a context that gives the features, and where results of a kind lie."""
    from naturalist.config import load_config
    from naturalist.features import open_features
    from naturalist.running import workspace
    from naturalist.studies.maps.options import MapOptions

    if place:
        if out is None:
            raise ConfigError("--out DIR is required with --from: name the folder for the result")
        return MapOptions(), _reading(place), out
    settings = load_config(config)
    workspace.reading(settings.layout)
    root = settings.layout.maps if kind == "map" else settings.layout.samples

    @contextmanager
    def held() -> Iterator[FeatureTable]:
        with workspace.writing(settings):
            yield open_features(settings.layout.root, sources=False)

    return settings.map, held, root


def _reading(place: str) -> Any:
    from naturalist.features import open_features

    @contextmanager
    def read() -> Iterator[FeatureTable]:
        yield open_features(place, sources=False)

    return read


def _with_options(
    settings: MapOptions, method: Method | None, sample: str, seed: int | None
) -> MapOptions:
    changes: dict[str, Any] = {}
    if method is not None:
        changes["method"] = method.value
    if sample:
        changes["sample"] = _sample_words(sample)
    if seed is not None:
        changes["seed"] = seed
    return replace(settings, **changes)


def _sample_words(text: str) -> int | str:
    if text in ("auto", "all"):
        return text
    if not text.isascii() or not text.isdigit() or int(text) < 5:
        raise ConfigError(f"--sample {text}: expected a number of at least 5, auto or all")
    return int(text)


def _print_map(made: dict[str, Any], folder: MapFolder) -> None:
    metrics, placed = made["metrics"], made["placed"]
    if not made["changed"]:
        output.print_text(
            f"nothing new: {made['name']} already has all {counted(made['rows'], 'picture')}"
        )
    rows = [[word, _shown(value)] for word, value in metrics.items() if value is not None]
    output.print_table(("measure", "value"), rows)
    output.print_text("")
    if measured := made.get("measured"):
        output.print_text(
            f"measured when the map was created from "
            f"{counted(measured['pictures'], 'picture')}, in "
            f"{measured['space']}; names that end in _features: in {measured['space_features']}"
        )
    if placed["batches"]:
        last = placed["batches"][-1]
        output.print_text(
            f"placed {counted(last['rows'], 'new picture')}; no other point moved; "
            f"{last['words'][0]}"
        )
    if placed["moved"]:
        moved = placed["moved"]
        why = (moved["because"] or {"words": ["it was asked for"]})["words"][0]
        output.print_text(
            f"rebuilt ({why}): points moved by {moved['median']:.1%} of the map's size (median), "
            f"95 % of them by less than {moved['p95']:.1%}"
        )
    if "stays" in placed:
        output.print_text(placed["stays"])
    output.print_text("verdict: " + "; ".join(made["verdict"]["words"]))
    output.print_text(
        f"{counted(made['rows'], 'picture')}, {made['sampled']:,} laid out, in "
        f"{made['duration_s']:,.1f} s, "
        f"{made['peak_memory_mb']:,} MB: {folder.picture}"
    )


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{k}: {_shown(one)}" for k, one in value.items())
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}"


class Choice(StrEnum):
    """Ways of choosing a sample."""

    AWARE = "aware"
    SKETCH = "sketch"
    UNIFORM = "uniform"


SizeOption = Annotated[
    int | None,
    typer.Option(
        "--size",
        min=5,
        help="Number of pictures to choose (default: a tenth of the collection, at most 30,000).",
    ),
]
MakeSampleMethodOption = Annotated[
    Choice,
    typer.Option(
        help="aware keeps rare clusters and thins out dense ones; sketch covers the feature "
        "space evenly (geometric sketching); uniform is random."
    ),
]
MakeSampleSeedOption = Annotated[
    int, typer.Option(min=0, help="Random seed; the same seed gives the same sample.")
]
MakeSampleNameOption = Annotated[
    str,
    typer.Option(help="Name of the sample (default: method and size, such as aware-30000)."),
]


@app.command("sample", epilog=EXIT_CODES)
def make_sample(
    size: SizeOption = None,
    method: MakeSampleMethodOption = Choice.AWARE,
    seed: MakeSampleSeedOption = 0,
    name: MakeSampleNameOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
    place: FromOption = "",
    out: OutOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Choose a representative sample of the pictures.

    Reports how much of each cluster and category is kept, compared with random samples of the same
    size. Writes members.parquet (with the number of pictures each member represents) and
    sample.json.

    Example: naturalist sample --size 5000 -c garden
    """
    from naturalist.layout import SampleFolder
    from naturalist.pipeline.studies import check_name
    from naturalist.studies.maps import samples
    from naturalist.studies.maps.methods.sampling import SampleOptions

    settings, opened, root = _place(config, place, out, "sample")
    with opened() as table:
        size = size or samples.default_size(len(table.names()))
        named = name or f"{method.value}-{size}"
        check_name(named)
        folder = SampleFolder(out or root / named)
        options = SampleOptions(size, method.value, seed)
        made = samples.make_sample(
            table, folder, named, options, settings, progress=make_progress(quiet=quiet)
        )
    if json:
        output.print_json(made, outputs=[folder.root])
        return
    _print_sample(made, folder)


def _print_sample(made: dict[str, Any], folder: SampleFolder) -> None:
    result, uniform = made["integrity"]["sample"], made["integrity"]["uniform"]
    if not made["changed"]:
        output.print_text("nothing new: the sample exists already")
    both = {
        word: (result[word], one)
        for word, one in uniform.items()
        if word not in ("seeds", "knn_recall") and one is not None and result[word] is not None
    }
    for k, one in uniform.get("knn_recall", {}).items():
        both[f"recall of the {k} nearest"] = (result["knn_recall"][k], one)
    rows = [
        [word, _shown(own), _shown(one["mean"]), _interval(one["interval"])]
        for word, (own, one) in both.items()
    ]
    output.print_table(("measure", "sample", "uniform", "95 % interval"), rows)
    if measured := made.get("measured"):
        output.print_text(f"\ndistances are measured in {measured['space']}")
    kept = "  ".join(f"{name}: {share:.1%}" for name, share in result["categories"].items())
    output.print_text(f"\nkept of each category: {kept}")
    output.print_text(
        f"{counted(result['clusters'], 'cluster')}, {result['rare_clusters']:,} of them rare, "
        f"{result['clusters_without_members']:,} without a picture in the sample"
    )
    output.print_text("verdict: " + "; ".join(made["verdict"]["words"]))
    output.print_text(
        f"{made['rows']:,} of {counted(made['of'], 'picture')} in {made['duration_s']:,.1f} s, "
        f"{made['peak_memory_mb']:,} MB: {folder.members}"
    )


def _interval(ends: list[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"
