"""The command that lists tags and notes."""

from typing import Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from naturalist.counting import counted

app = typer.Typer()
_SHOWN = 50


@app.command(epilog=EXIT_CODES)
def tags(
    tag: Annotated[str, typer.Option(metavar="TAG", help="Only pictures with this tag.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV: picID, tags, note.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """List tags and notes given in the dashboard.

    They are never published. The CSV can be joined with the tables by picID, or used as metadata of
    a source.

    Example: naturalist tags --tag blurry --csv > blurry.csv
    """
    from naturalist.config import load_config
    from naturalist.curation.reviewing.journal import Journal
    from naturalist.curation.reviewing.marked import as_csv, marked

    rows = marked(Journal(load_config(config).layout.review_journal).history(), tag)
    if json:
        output.print_json({"rows": rows})
    elif csv:
        output.print_text(as_csv(rows).rstrip("\n"))
    else:
        _print(rows)


def _cells(row: dict[str, Any]) -> list[str]:
    return [row["picID"], " ".join(row["tags"]), row["note"]]


def _print(rows: list[dict[str, Any]]) -> None:
    shown = [[*_cells(row), row["by"], row["at"]] for row in rows[:_SHOWN]]
    if shown:
        output.print_table(("picture", "tags", "note", "by", "at"), shown)
    more = f", the first {_SHOWN} shown; --json has all" if len(rows) > _SHOWN else ""
    output.print_text(f"{counted(len(rows), 'picture')} with tags or notes{more}")
