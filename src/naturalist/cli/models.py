"""Commands for the models of a workspace: list, show, promote, rollback, export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from naturalist.counting import size_text

app = typer.Typer(help="List, show, promote and export classifiers.")

ModelArgument = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Id of a model, as listed by `naturalist models list`."),
]
ReasonOption = Annotated[str, typer.Option(help="Reason, stored in the history of champions.")]
_NO_REASON = "no reason given"


@app.callback()
def _group() -> None:
    """List, show, promote and export classifiers."""


@app.command("list", epilog=EXIT_CODES)
def list_all(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """List the models, the current champion, and past decisions.

    The champion is the model that `naturalist predict` uses.

    Example: naturalist models list
    """
    from naturalist.config import load_config
    from naturalist.studies.classifier import champions

    layout = load_config(config).layout
    result, decided = champions.models(layout), champions.history(layout)
    if json:
        output.print_json({"rows": result, "history": decided})
        return
    rows = [
        [one["id"], one["state"], one["made_at"], one["tables"]["rows"], _accuracy(one)]
        for one in result
    ]
    columns = ("model", "state", "made at", "rows", "on left-out sources")
    output.print_table(columns, rows)
    if decided:
        output.print_text("")
        exported = [[e["at"], e["action"], e["model"], e["reason"]] for e in decided]
        output.print_table(("at", "action", "model", "reason"), exported)


def _accuracy(model: dict[str, Any]) -> str:
    value = model["metrics"]["balanced_accuracy_on_held_out_sources"]
    return "" if value is None else f"{value:.1%}"


@app.command(epilog=EXIT_CODES)
def show(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Id of a model (default: the champion).")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Show the card of a model: data, accuracy, use, known failures.

    Example: naturalist models show
    """
    from naturalist import artifacts
    from naturalist.config import load_config
    from naturalist.studies.classifier import champions

    folder = champions.model_folder(load_config(config).layout, model)
    if json:
        evaluation = artifacts.read_json(folder / "evaluation.json")
        output.print_json(artifacts.read_json(folder / "model.json") | {"evaluation": evaluation})
    else:
        output.print_text((folder / "card.md").read_text())


@app.command(epilog=EXIT_CODES)
def promote(
    model: ModelArgument,
    reason: ReasonOption = _NO_REASON,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Make a model the champion, regardless of the comparison.

    `naturalist models list` shows the ids, and `naturalist models rollback` undoes it.

    Example: naturalist models promote 3f2a91c0 --reason "better on owls"
    """
    from naturalist.config import load_config
    from naturalist.pipeline import classifier

    _print_decision(classifier.promote(load_config(config), model, reason), json=json)


@app.command(epilog=EXIT_CODES)
def rollback(
    reason: ReasonOption = _NO_REASON,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Return to the previous champion.

    Use it when new predictions are worse than before. Twice goes back two champions.

    Example: naturalist models rollback --reason "worse on birds"
    """
    from naturalist.config import load_config
    from naturalist.pipeline import classifier

    _print_decision(classifier.roll_back(load_config(config), reason), json=json)


def _print_decision(entry: dict[str, Any], *, json: bool) -> None:
    if json:
        output.print_json(entry)
    else:
        output.print_text(f"the champion is {entry['model']} (before: {entry['before']})")


@app.command(epilog=EXIT_CODES)
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="File to write.")],
    model: Annotated[
        str, typer.Option(help="Id, file or folder of a model (default: the champion).")
    ] = "",
    prepared: Annotated[
        bool,
        typer.Option(
            "--prepared",
            help="Let the exported file take pictures prepared for the backbone, instead of "
            "pictures of any size.",
        ),
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Export a model as one ONNX file, from picture to probabilities.

    The file runs without naturalist. Input: `picture`, uint8 (height, width, 3), RGB, of any size.
    Outputs: `probabilities`, `outlier_score` and `known`. Category names are in its metadata.

    Example: naturalist models export garden.onnx
    """
    from naturalist.config import load_config
    from naturalist.pipeline import classifier
    from naturalist.studies.classifier.exporting import export_model

    layout = load_config(config).layout if not model or not Path(model).exists() else None
    path = Path(model) if layout is None else classifier.resolve_model(layout, model)
    exported = export_model(path, file, any_size=not prepared)
    if json:
        output.print_json(exported, outputs=[file])
    else:
        output.print_text(
            f"{file}: {size_text(exported['size_bytes'])}, takes {exported['input']}, "
            f"categories {', '.join(exported['categories'])}"
        )
