"""The command that looks for wrong categories."""

from functools import partial
from typing import Annotated, Any, get_args

import typer

from naturalist.artifacts import read_parquet
from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.config import load_config
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.pipeline import studies
from naturalist.studies.labels.options import Judge, LabelIssueOptions

app = typer.Typer()
_JUDGES: dict[str, Judge] = {name: name for name in get_args(Judge)}
_SHOWN = 20


@app.command("label-issues", epilog=EXIT_CODES)
def label_issues(
    config: ConfigOption = DEFAULT_CONFIG,
    judge: Annotated[
        str,
        typer.Option(
            help="folds: trained on other pictures of all sources; sources: trained without the "
            "picture's source; both."
        ),
    ] = LabelIssueOptions.judge,
    shown: Annotated[
        int, typer.Option(min=1, max=600, help="Pictures on the contact sheet.")
    ] = LabelIssueOptions.shown,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Rank the pictures whose category is suspected to be wrong, by confident learning.

    Nothing is changed: look at the contact sheet, and decide with `naturalist review --template`.
    Pictures that were decided about are suspects no more. Also names sources that a classifier
    which never saw them takes for something else as a whole.

    Example: naturalist label-issues, then naturalist review --template open.csv
    """
    if judge not in _JUDGES:
        raise ConfigError(f"--judge {judge!r}: choose one of {', '.join(_JUDGES)}")
    settings = load_config(config)
    issues = partial(studies.label_issues, options=LabelIssueOptions(_JUDGES[judge], shown))
    report = studies.study(settings, make_progress(quiet=quiet), issues).report
    layout = settings.layout
    if json:
        suspects = read_parquet(layout.label_issues).to_pylist()
        files = {"table": str(layout.label_issues), "sheet": str(_sheet(layout))}
        output.print_json(report | files | {"listed": suspects})
    else:
        _print(report, layout)


def _sheet(layout: Layout) -> Any:
    return layout.label_issues.with_suffix(".png")


def _print(report: dict[str, Any], layout: Layout) -> None:
    for sentence in report["words"]:
        output.print_text(sentence)
    rows = [
        [row["rank"], row["picID"], row["category"], row["suggested"], f"{row['score']:.3f}"]
        for row in read_parquet(layout.label_issues).slice(0, _SHOWN).to_pylist()
    ]
    if rows:
        output.print_text("")
        output.print_table(("rank", "picture", "category", "seems to be", "score"), rows)
    output.print_text(f"\ntable: {layout.label_issues}\npictures: {_sheet(layout)}")
