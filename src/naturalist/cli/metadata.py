"""The command about columns that are joined to tables with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.counting import counted

if TYPE_CHECKING:
    from naturalist.config import Config
    from naturalist.metadata import Summary

app = typer.Typer()
_SHOWN = 100


@app.command(epilog=EXIT_CODES)
def metadata(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    problems: Annotated[
        bool,
        typer.Option("--problems", help="List rows without a picture and pictures without a row."),
    ] = False,
    decisions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write decisions that move pictures to the categories of their labels, where a "
            "mapping or labels changed, for naturalist review.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Maximum problems to list (0 = all).")] = _SHOWN,
) -> None:
    """Match rows of metadata files with pictures.

    Shows what matched and what did not. Files and folder patterns are those of the configuration
    ([[category.source.metadata]], folders). Every run does this too, after verifying the tables.

    Examples: naturalist metadata ; naturalist metadata --problems ; naturalist metadata
    --decisions moves.csv
    """
    from naturalist.config import load_config
    from naturalist.pipeline import metadata as pipeline_metadata

    settings = load_config(config)
    if decisions is not None:
        _write_moves(settings, decisions, json=json)
        return
    summary = pipeline_metadata.collect(settings, make_progress(quiet=quiet))
    if json:
        result = _problems(settings, limit) if problems else None
        output.print_json(summary.as_json() | ({"problems": result} if problems else {}))
    elif problems:
        _print_problems(settings, limit)
    else:
        _print(summary)


def _write_moves(settings: Config, path: Path, *, json: bool) -> None:
    from naturalist.curation.label_moves import moves
    from naturalist.curation.measured import write_decisions
    from naturalist.running import workspace

    workspace.reading(settings.layout)
    count = write_decisions(path, moves(settings))
    if json:
        output.print_json({"decisions": count}, outputs=[path])
    elif count:
        output.print_text(f"{counted(count, 'picture')} in {path}: naturalist review {path}")
    else:
        output.print_text("every picture is in the category of its label")


def _print(summary: Summary) -> None:
    if not summary.files:
        output.print_text("no source of the configuration has metadata")
        return
    rows = [
        [
            f"{one.category}/{one.source}",
            one.file,
            one.match,
            f"{one.rows:,}",
            f"{one.matched:,}",
            f"{one.without_picture + one.ambiguous:,}",
            f"{one.pictures_without_row:,}",
        ]
        for one in summary.files
    ]
    head = ("source", "file", "match", "rows", "matched", "not matched", "pictures without a row")
    output.print_table(head, rows)
    output.print_text("")
    columns = [[c.name, c.type, f"{c.pictures:,}", ", ".join(c.sources)] for c in summary.columns]
    output.print_table(("column", "type", "pictures", "sources"), columns)
    for one in summary.files:
        if one.note:
            output.print_text(f"\n{one.file} of {one.category}/{one.source}: {one.note}")


def _problems(settings: Config, limit: int) -> list[dict[str, object]]:
    from naturalist import artifacts

    path = settings.layout.metadata_problems
    if not path.exists():
        return []
    rows: list[dict[str, object]] = artifacts.read_parquet(path).slice(0, limit or None).to_pylist()
    return rows


def _print_problems(settings: Config, limit: int) -> None:
    result = _problems(settings, limit)
    rows = [
        [
            one["problem"],
            f"{one['category']}/{one['source']}",
            one["file"] or "",
            one["key"] or one["path"] or "",
            one["detail"],
        ]
        for one in result
    ]
    output.print_table(("problem", "source", "file", "key or picture", "detail"), rows)
    output.print_text(f"\nall of them: {settings.layout.metadata_problems}")
