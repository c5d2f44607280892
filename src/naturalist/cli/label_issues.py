"""The command that looks for wrong categories."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.errors import ConfigError
from naturalist.studies.labels.options import Judge, LabelIssueOptions
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    from naturalist.layout import Layout

app = typer.Typer()
_JUDGES: dict[str, Judge] = {name: name for name in get_args(Judge)}
_SHOWN = 20
_LEGEND = """
score: estimated probability that the label is wrong.
suspect: the model finds "seems to be" more probable than the category, and as probable as it
usually is for pictures of "seems to be". Odd pictures with correct labels are suspects too; their
score is near 0."""


@app.command("label-issues", epilog=EXIT_CODES)
def label_issues(
    config: ConfigOption = DEFAULT_CONFIG,
    judge: Annotated[
        str,
        typer.Option(
            help="Model that judges a picture: folds (trained on other pictures of all sources),"
            " sources (trained without the picture's source), or both."
        ),
    ] = LabelIssueOptions.judge,
    shown: Annotated[
        int, typer.Option(min=1, max=600, help="Number of pictures on the contact sheet.")
    ] = LabelIssueOptions.shown,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of pictures to list, suspects first, then all others (default: suspects "
            "only, at most 20; with --json, all suspects).",
        ),
    ] = None,
    offset: Annotated[
        int, typer.Option(min=0, help="Number of pictures to skip, to list the next ones.")
    ] = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Rank pictures by how likely their label is wrong.

    Suspects, found by confident learning, come first, then all other pictures; --offset skips those
    you have seen. The score estimates the probability that a label is wrong. Nothing is changed:
    check the contact sheet, then decide with `naturalist review --template`. Pictures with a
    decision are not listed again. Also lists sources that a classifier trained without them assigns
    mostly to another category.

    Example: naturalist label-issues, then naturalist review --template open.csv
    """
    from naturalist.config import load_config
    from naturalist.pipeline import studies
    from naturalist.studies.labels.ranking import read_ranking

    if judge not in _JUDGES:
        raise ConfigError(f"--judge {judge!r}: {choose_one_of(judge, _JUDGES)}")
    settings = load_config(config)
    issues = partial(studies.label_issues, options=LabelIssueOptions(_JUDGES[judge], shown))
    report = studies.study(settings, make_progress(quiet=quiet), issues).report
    layout = settings.layout
    ranking = read_ranking(layout.label_issues)
    if json:
        count = report["suspects"] if limit is None else limit
        listed = ranking.slice(offset, count).to_pylist()
        files = {"table": str(layout.label_issues), "sheet": str(_sheet(layout))}
        output.print_json(report | files | {"rows": listed}, outputs=list(files.values()))
    else:
        # Without a word about it, pictures that are no suspects are not shown as if they were.
        count = limit or (_SHOWN if offset else min(_SHOWN, report["suspects"]))
        _print(report, layout, ranking.slice(offset, count).to_pylist())


def score_text(score: float) -> str:
    """A probability that is small and not 0 is not shown as 0."""
    return f"{score:.3f}" if score >= 0.0005 or score == 0 else "<0.001"


def _sheet(layout: Layout) -> Any:
    return layout.label_issues.with_suffix(".png")


def _print(report: dict[str, Any], layout: Layout, listed: list[dict[str, Any]]) -> None:
    for sentence in report["words"]:
        output.print_text(sentence)
    rows = [
        [
            row["rank"],
            row["picID"],
            row["category"],
            row["suggested"],
            score_text(row["score"]),
            "yes" if row["is_suspect"] else "",
        ]
        for row in listed
    ]
    if rows:
        output.print_text("")
        output.print_table(("rank", "picture", "category", "seems to be", "score", "suspect"), rows)
        output.print_text(_LEGEND)
    output.print_text(f"\ntable: {layout.label_issues}\npictures: {_sheet(layout)}")
