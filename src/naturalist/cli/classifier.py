"""Commands that make and judge classifiers: train, evaluate, refine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    AnonymousOption,
    ConfigOption,
    EndpointOption,
    JsonOption,
    QuietOption,
    RegionOption,
    SnapshotOption,
    s3_options,
)
from naturalist.cli.progress import make_progress
from naturalist.counting import counted
from naturalist.errors import ConfigError

if TYPE_CHECKING:
    from naturalist.pipeline.classifier import Elsewhere
    from naturalist.stores import S3Options
    from naturalist.studies.classifier.options import ClassifierOptions

app = typer.Typer()

FromOption = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="PLACE",
        help="Train on a published collection (s3://bucket/prefix or folder) or a downloaded"
        " one; needs --out.",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="With --from: folder for the model.")
]


@app.command(epilog=EXIT_CODES)
def train(
    config: ConfigOption = DEFAULT_CONFIG,
    place: FromOption = "",
    out: OutOption = None,
    snapshot: SnapshotOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a classifier on the tables.

    It combines nearest neighbours and a linear model in one ONNX file, and is evaluated by leaving
    sources out. The first model of a workspace becomes its champion, and so does the next one if
    the champion was trained with a category that has been retired. To promote other models, use
    `naturalist refine`. With unchanged tables and settings, the existing model is kept.

    Example: naturalist train --from s3://bucket/garden --out models
    """
    from naturalist.config import load_config
    from naturalist.pipeline import classifier

    there = _elsewhere(place, out, snapshot, s3_options(endpoint_url, region, anonymous=anonymous))
    if there is None:
        result = classifier.train(load_config(config), make_progress(quiet=quiet))
    else:
        options = _options(config)
        result = classifier.train_elsewhere(there, options, make_progress(quiet=quiet))
    if json:
        output.print_json(result)
        return
    accuracy = result["metrics"]["balanced_accuracy_on_held_out_sources"]
    text = (
        "not available: each category has only one source"
        if accuracy is None
        else f"{accuracy:.1%}"
    )
    state = "made" if result["new"] else "was there already"
    output.print_text(
        f"{result['id']} {state}: {counted(result['tables']['rows'], 'row')}, "
        f"{counted(result['metrics']['sources'], 'source')}, "
        f"{counted(len(result['categories']), 'category', 'categories')}\n"
        f"balanced accuracy, each source left out in turn: {text}\n{result['folder']}"
    )
    if result.get("replaces"):
        output.print_text(f"it is now the champion: {result['replaces']}")


def _options(config: Path) -> ClassifierOptions:
    """The settings of a configuration; the defaults where there is none."""
    from naturalist.config import CONFIG_NAME, load_config
    from naturalist.studies.classifier.options import ClassifierOptions

    there = config / CONFIG_NAME if config.is_dir() else config
    return load_config(config).classifier if there.exists() else ClassifierOptions()


def _elsewhere(place: str, out: Path | None, snapshot: str, s3: S3Options) -> Elsewhere | None:
    from naturalist.pipeline.classifier import Elsewhere

    if bool(place) != (out is not None):
        raise ConfigError("--from and --out must be used together: pass both or neither")
    return None if out is None else Elsewhere(place, out, snapshot or None, s3)


@app.command(epilog=EXIT_CODES)
def evaluate(
    config: ConfigOption = DEFAULT_CONFIG,
    place: FromOption = "",
    out: OutOption = None,
    snapshot: SnapshotOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure the classifier on sources it never saw.

    Leaves out each source in turn and compares with a random split. Writes report.md with plots,
    evaluation.json and the model card. Trains the model first if there is none.

    Example: naturalist evaluate -c garden
    """
    from naturalist.config import load_config
    from naturalist.pipeline import classifier

    there = _elsewhere(place, out, snapshot, s3_options(endpoint_url, region, anonymous=anonymous))
    if there is None:
        result = classifier.evaluate(load_config(config), make_progress(quiet=quiet))
    else:
        options = _options(config)
        result = classifier.evaluate_elsewhere(there, options, make_progress(quiet=quiet))
    if json:
        output.print_json(result)
    else:
        _print_evaluation(result)


def _print_evaluation(result: Mapping[str, Any]) -> None:
    from naturalist.studies.classifier.wording import accuracies

    for line in accuracies(result):
        output.print_text(line)
    output.print_text("")
    for text in result["advice"]:
        output.print_text(f"- {text}")
    output.print_text(f"\n{Path(result['folder']) / 'report.md'}")
    champion = result.get("champion", result["model"])
    if champion != result["model"]:
        output.print_text(
            f"{champion} is still in use: it was trained on other tables, groups or settings. "
            f"`naturalist refine` compares it with {result['model']} and promotes the better one"
        )


@app.command(epilog=EXIT_CODES)
def refine(
    config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """Train a new model and promote it if it is better.

    Trains a challenger on the newest tables and compares it with the champion on the same pictures,
    each predicted by a model that never saw their source. It is promoted if something improves and
    no category gets worse by more than classifier.margin; `naturalist models list` shows the
    reason. Add "classifier" to analyse.steps to do this in every run.

    Example: naturalist refine -c garden
    """
    from naturalist.config import load_config
    from naturalist.pipeline import studies

    result = studies.study(load_config(config), make_progress(quiet=quiet), studies.champion).report
    if json:
        output.print_json(result)
        return
    text = {"promote": "promoted", "refuse": "refused", "none": "nothing new"}[result["action"]]
    output.print_text(f"{result['model']}: {text}, {result['reason']}")
    if result["champion"] != result["model"]:
        output.print_text(f"the champion is still {result['champion']}")
