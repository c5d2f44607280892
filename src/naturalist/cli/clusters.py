"""The command that clusters features."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    FromOption,
    JsonOption,
    NameOption,
    OutOption,
    QuietOption,
    VectorsOption,
)
from naturalist.cli.progress import make_progress
from naturalist.counting import counted
from naturalist.errors import ConfigError
from naturalist.studies.clusters.options import Method
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from naturalist.features import FeatureTable
    from naturalist.layout import Layout
    from naturalist.studies.clusters.options import ClusterOptions

app = typer.Typer()
_METHODS: tuple[Method, ...] = get_args(Method)


MethodOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="kmeans assigns every picture to a cluster; hdbscan finds dense groups, "
        "including rare ones, and marks the rest as noise (default: clusters.method).",
    ),
]
CountOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=512,
        help="Number of clusters for kmeans (0 = the largest number that is stable).",
    ),
]
RebuildOption = Annotated[
    bool,
    typer.Option("--rebuild", help="Recluster from scratch; report how many pictures moved."),
]


@app.command(epilog=EXIT_CODES)
def cluster(
    config: ConfigOption = DEFAULT_CONFIG,
    name: NameOption = "default",
    method: MethodOption = "",
    count: CountOption = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Random seed.")] = None,
    rebuild: RebuildOption = False,
    place: FromOption = "",
    vectors: VectorsOption = None,
    out: OutOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Cluster the features and describe each cluster.

    Later calls assign new pictures to the existing clusters and move no old picture, until the
    clusters no longer fit. Writes members.parquet, clusters.json and a contact sheet per cluster to
    clusters/NAME in the workspace (or to --out).

    Example: naturalist cluster --method hdbscan --name dense
    """
    from naturalist.config import load_config
    from naturalist.config.sources import NAME
    from naturalist.layout import Layout
    from naturalist.pipeline import studies
    from naturalist.studies.clusters.options import ClusterOptions
    from naturalist.studies.clusters.study import ClusterStudy
    from naturalist.studies.study import bring_up_to_date

    if not NAME.fullmatch(name):
        raise ConfigError(f"--name {name!r}: use letters, digits, and . _ + - inside, at most 100")
    progress = make_progress(quiet=quiet)
    if place or vectors:
        files, layout = elsewhere(place, vectors, out)
        options = _options(ClusterOptions(), method, count, seed)
        pictures = Layout(Path(place)) if place and "://" not in place else None
        study = ClusterStudy(files, layout, options, progress, name, pictures)
        result = bring_up_to_date(study, rebuild=rebuild).as_json
    else:
        settings = load_config(config)
        layout = settings.layout
        options = _options(settings.clusters, method, count, seed)
        clusters = partial(studies.clusters, options=options, name=name)
        result = studies.study(settings, progress, clusters, rebuild=rebuild).as_json
    if json:
        output.print_json(result, outputs=[layout.clustering(name)])
    else:
        _print(result, layout.clustering(name))


def elsewhere(place: str, vectors: Path | None, out: Path | None) -> tuple[FeatureTable, Layout]:
    """Features that are not those of the workspace, and where results about them go.

    Raises:
        ConfigError: --out is not said, or both --from and --vectors are.
    """
    from naturalist.features import open_features, open_file
    from naturalist.layout import Layout

    if place and vectors:
        raise ConfigError("--from and --vectors cannot be combined: pass one of them")
    if out is None:
        raise ConfigError(
            "--out DIR is required with --from and --vectors: name the folder for the result"
        )
    files = open_file(vectors) if vectors else open_features(place)
    return files, Layout(out)


def _options(
    options: ClusterOptions, method: str, count: int | None, seed: int | None
) -> ClusterOptions:
    if method and method not in _METHODS:
        raise ConfigError(f"--method {method!r}: {choose_one_of(method, _METHODS)}")
    if count == 1:
        raise ConfigError("--count must be 2 or more, or 0 for the largest stable number; got 1")
    requested = {"method": method or None, "count": count, "seed": seed}
    changes: dict[str, Any] = {k: value for k, value in requested.items() if value is not None}
    return replace(options, **changes)


def _print(result: dict[str, Any], folder: Path) -> None:
    from naturalist.studies.clusters.names import titles

    remade = result.get("remade")
    if not result["changed"]:
        output.print_text("nothing new: the clusters are up to date")
    elif remade:
        output.print_text(
            f"rebuilt because {remade['why']}: {remade['moved']:,} of "
            f"{counted(remade['of'], 'picture')} "
            "changed clusters"
        )
    for sentence in result["words"]:
        output.print_text(sentence)
    columns = (
        "cluster",
        "name",
        "pictures",
        "category",
        "purity",
        "stability",
        "one source",
        "mixed",
    )
    output.print_text("")
    known = titles(folder)
    output.print_table(columns, [_line(one, known) for one in result["clusters"]])
    metrics = result["metrics"]
    lines = [f"{name} {value:.3f}" for name in _SHOWN if (value := metrics.get(name)) is not None]
    output.print_text(f"\n{', '.join(lines)}\nall: {folder}")


_SHOWN = (
    "ari",
    "nmi",
    "purity",
    "completeness",
    "silhouette",
    "silhouette_features",
    "stability",
    "ari_sources",
)


def _line(entry: dict[str, Any], known: Mapping[int, str]) -> list[Any]:
    purity, stability = entry["purity"], entry["stability"]
    return [
        entry["cluster"],
        known.get(entry["cluster"], ""),
        entry["size"],
        entry["category"],
        "" if purity is None else f"{purity:.3f}",
        "" if stability is None else f"{stability:.2f}",
        "yes" if entry["single_source"] else "",
        "yes" if entry["mixed"] else "",
    ]
