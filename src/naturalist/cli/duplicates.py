"""The command that finds near duplicates."""

from typing import Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.config import load_config
from naturalist.layout import Layout
from naturalist.pipeline.near_duplicates import near_duplicates

app = typer.Typer()
_SHOWN = 10


@app.command(epilog=EXIT_CODES)
def duplicates(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Group pictures that are nearly the same: smaller, recompressed, brighter, a little cropped.

    Perceptual hashes propose pairs and feature vectors confirm them; [duplicates] says how near is
    near. Pictures with equal bytes are one picture since they were ingested. Nothing is removed:
    groups are for honest splits (all of a group on one side) and for a person to look at. Groups
    that span categories come first, because a label is wrong there.

    Example: naturalist duplicates, then look at duplicates/sheet.png in the workspace
    """
    settings = load_config(config)
    report = near_duplicates(settings, make_progress(quiet=quiet))
    layout = settings.layout
    if json:
        files = {"table": str(layout.near_duplicates), "sheet": str(layout.near_duplicate_sheet)}
        output.print_json(report | files)
    else:
        _print(report, layout)


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
