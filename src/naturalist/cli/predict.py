"""The command that says what pictures show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.studies.classifier.fetching import FetchLimits

if TYPE_CHECKING:
    from naturalist.config import Config

app = typer.Typer()

_FEW = 200
_NEAREST = 3
_DOUBTS = {"sure": "", "unsure": "  unsure", "unlike": "  unlike anything seen"}


InputsArgument = Annotated[
    list[str],
    typer.Argument(metavar="FILE|DIR|URL", help="Pictures, folders of pictures, or URLs."),
]
ModelOption = Annotated[
    str,
    typer.Option(
        metavar="MODEL",
        help="Id of a model of the workspace, or a model.onnx or its folder, which needs no "
        "workspace (default: the champion).",
    ),
]
NearOption = Annotated[
    int | None,
    typer.Option(
        "--nearest",
        metavar="K",
        min=0,
        max=100,
        help=f"Name the K training pictures most like each. 0 = none; default: {_NEAREST} for up "
        f"to {_FEW} pictures if there are tables, else none.",
    ),
]
TimeoutOption = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.1, help="Timeout per URL, in seconds.")
]
OnlySureOption = Annotated[
    bool,
    typer.Option("--only-sure", help="Omit pictures with the decision unsure or unlike."),
]


@app.command(epilog=EXIT_CODES)
def predict(
    inputs: InputsArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    model: ModelOption = "",
    near: NearOption = None,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes (0 = one per core).")] = 0,
    timeout: TimeoutOption = FetchLimits.timeout_s,
    only_sure: OnlySureOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Predict the category of pictures.

    Each row has the category, its probability and a decision: sure, unsure (low probability), or
    unlike (no similar picture in the training data, so the category means little). The report of
    `naturalist evaluate` says how reliable each is. A picture that cannot be read gets a row with
    the reason.

    Example: naturalist predict holiday/ https://example.org/cat.jpg --json
    """
    from naturalist.pipeline.predicting import PredictRequest, predict_inputs

    request = PredictRequest(model, near, workers, timeout)
    rows = predict_inputs(_settings(config, model), inputs, request, make_progress(quiet=quiet))
    left_out: Counter[str] = Counter()
    rows = _sure(rows, left_out) if only_sure else rows
    if json:
        output.print_json_rows(rows)
    else:
        _print(rows)
        if left_out:
            counts = ", ".join(f"{count:,} {name}" for name, count in sorted(left_out.items()))
            output.print_text(f"left out: {counts}")


def _sure(rows: Iterator[dict[str, Any]], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    """Rows with a sure category, and those that cannot be used; the others are counted."""
    for row in rows:
        if row["decision"] in ("sure", None):
            yield row
        else:
            left_out[row["decision"]] += 1


def _settings(config: Path, model: str) -> Config | None:
    """The workspace; None where the model is a file and there is no workspace here."""
    from naturalist.config import CONFIG_NAME, load_config

    there = config / CONFIG_NAME if config.is_dir() else config
    return None if model and Path(model).exists() and not there.exists() else load_config(config)


def _print(rows: Iterator[dict[str, Any]]) -> None:
    """A line for each picture, while they come."""
    for row in rows:
        name = output.printable(row["path"])
        if row["category"] is None:
            reason = row["reason"].replace("_", " ")
            detail = f" ({row['detail']})" if row["detail"] else ""
            output.print_text(f"{name}: cannot be used: {reason}{detail}")
            continue
        seen = _DOUBTS[row["decision"]]
        near = ", ".join(f"{one['picID']} {one['cosine']:.2f}" for one in row.get("nearest", ()))
        like = f"  like {near}" if near else ""
        output.print_text(f"{name}: {row['category']} {row['probability']:.1%}{seen}{like}")
