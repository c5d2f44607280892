"""The command that tells whether new pictures are like those from before."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.counting import counted
from naturalist.errors import ConfigError
from naturalist.studies.drift.options import Against
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    from naturalist.studies.drift.options import DriftOptions

app = typer.Typer()
_QUESTIONS: tuple[Against, ...] = get_args(Against)


@app.command(epilog=EXIT_CODES)
def drift(
    config: ConfigOption = DEFAULT_CONFIG,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Batch to examine (default: the newest).")
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Only this source (NAME or CATEGORY/NAME); without --batch, the whole source "
            "is compared with all others.",
        ),
    ] = "",
    against: Annotated[
        str,
        typer.Option(
            metavar="QUESTION",
            help="What to compare with. sources: earlier pictures of the same sources; "
            "everything: a random draw of all earlier pictures (default: drift.against).",
        ),
    ] = "",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare a batch with the batches before it.

    Compares features, quality measures, file properties and predictions, with the thresholds in
    [drift]. The verdict (drift, new_source, none, first, too_few) is in the report and in --json;
    it does not change the exit code. A batch with a new source in it is never called "no drift":
    the report says how many pictures to look at to know the accuracy on it.

    Example: naturalist drift --batch 12
    """
    from naturalist.config import load_config
    from naturalist.pipeline import studies

    settings = load_config(config)
    options = _options(settings.drift, against)
    drift_study = partial(studies.drift, batch=batch, source=source, options=options)
    report = studies.study(settings, make_progress(quiet=quiet), drift_study).report
    if json:
        output.print_json(report, outputs=[settings.layout.drift(report["name"])])
    else:
        _print(report, settings.layout.drift(report["name"]))


def _options(options: DriftOptions, against: str) -> DriftOptions:
    if not against:
        return options
    if against not in _QUESTIONS:
        raise ConfigError(f"--against {against!r}: {choose_one_of(against, _QUESTIONS)}")
    return replace(options, against=against)


def _print(report: dict[str, Any], path: Path) -> None:
    from naturalist.studies.drift.wording import VERDICTS

    what = f"batch {report['batch']}" if report["batch"] is not None else "source"
    what += f" {report['source']}" if report["source"] else ""
    rows, reference = report["rows"], report["reference"]
    beside = f" beside {reference['rows']:,} from before: {reference['question']}"
    output.print_text(
        f"{what}: {VERDICTS[report['verdict']]}\n"
        f"{counted(rows, 'picture')}{beside if reference['rows'] else ''}"
    )
    for sentence in report["words"]:
        output.print_text(f"- {sentence}")
    columns = ("what", "method", "p", "p, all tests", "effect", "drift")
    keys = ("p_value", "adjusted_p", "effect")
    rows_ = [
        [t["what"], t["method"], *(f"{t[k]:.4f}" for k in keys), "yes" if t["flagged"] else ""]
        for t in report["tests"]
    ]
    if rows_:
        output.print_text("")
        output.print_table(columns, rows_)
    output.print_text(f"\nreport: {path}\npictures: {path.with_name(report['sheet'])}")
