"""The command that finds near duplicates."""

from pathlib import Path
from typing import Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.config import load_config
from naturalist.curation.measured import write_decisions
from naturalist.curation.near_duplicates import Keep, Thinned, thin_out
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.pipeline import studies

app = typer.Typer()
_SHOWN = 10


@app.command(epilog=EXIT_CODES)
def duplicates(
    config: ConfigOption = DEFAULT_CONFIG,
    keep: Annotated[
        Keep | None,
        typer.Option(help="Picture of each group that stays, if the others are retired."),
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --keep: write a file that retires the others, for review."
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Group pictures that are nearly the same: smaller, recompressed, brighter, a little cropped.

    Perceptual hashes propose pairs and feature vectors confirm them; [duplicates] says how near is
    near. Pictures with equal bytes are one picture since they were ingested. Nothing is removed:
    groups are for honest splits (all of a group on one side) and for a person to look at. Groups
    that span categories come first, because a label is wrong there.

    With --keep, one picture of each group stays: the largest, the sharpest, the first, or the first
    of each source. What would be retired is counted, and written with --decisions; groups that span
    categories are left to a person.

    Examples: naturalist duplicates, then look at duplicates/sheet.png in the workspace ; naturalist
    duplicates --keep largest --decisions thin.csv, then naturalist review thin.csv
    """
    if decisions is not None and keep is None:
        raise ConfigError("--decisions goes with --keep: say which picture of a group stays")
    settings = load_config(config)
    report = studies.study(settings, make_progress(quiet=quiet), studies.duplicates).report
    layout = settings.layout
    thinned = None if keep is None else thin_out(layout, sorted(settings.labels), keep)
    if thinned is not None and decisions is not None:
        write_decisions(decisions, thinned.decisions)
    if json:
        files = {"table": str(layout.near_duplicates), "sheet": str(layout.near_duplicate_sheet)}
        output.print_json(report | files | ({"keep": _facts(thinned)} if thinned else {}))
        return
    _print(report, layout)
    if thinned is not None:
        _print_thinned(thinned, decisions)


def _facts(thinned: Thinned) -> dict[str, Any]:
    return {
        "retired": [one.key for one in thinned.decisions],
        "groups": thinned.groups,
        "left_alone": thinned.left_alone,
    }


def _print_thinned(thinned: Thinned, path: Path | None) -> None:
    retired = len(thinned.decisions)
    output.print_text(
        f"\nkeeping one: {retired:,} pictures of {thinned.groups:,} groups would be retired; "
        f"{thinned.left_alone:,} groups span categories and are left alone"
    )
    if path is not None:
        output.print_text(f"written to {path}: naturalist review {path} --dry-run")


def _print(report: dict[str, Any], layout: Layout) -> None:
    output.print_text(
        f"{report['pictures']:,} pictures, {report['groups']:,} groups of near duplicates with "
        f"{report['grouped']:,} pictures: {report['surplus']:,} more than one of each\n"
        f"largest group {report['largest']:,}; {report['across_categories']:,} groups span "
        f"categories, {report['across_sources']:,} span sources"
    )
    rows = [
        [
            one["group"],
            f"{one['pictures']:,}",
            "yes" if one["across_categories"] else "",
            "yes" if one["across_sources"] else "",
        ]
        for one in report["listed"][:_SHOWN]
    ]
    if rows:
        output.print_text("")
        output.print_table(("first of the group", "pictures", "categories", "sources"), rows)
    output.print_text(f"\ntable: {layout.near_duplicates}\npictures: {layout.near_duplicate_sheet}")
