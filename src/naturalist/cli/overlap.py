"""The command that says which pictures sources share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption

if TYPE_CHECKING:
    from naturalist.curation.overlap import Overlap

app = typer.Typer()
_SHOWN = 50


@app.command(epilog=EXIT_CODES)
def overlap(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CATEGORY/SOURCE]...", help="Sources to compare (default: all)."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    by: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Also find near duplicates across the values of a metadata column, as in --by "
            "split.",
        ),
    ] = "",
    json: JsonOption = False,
) -> None:
    """Show which pictures sources have in common.

    Sources that share pictures are not independent: if a classifier learns from one and is tested
    on the other, its accuracy is overestimated. Near duplicates are those that `naturalist
    duplicates` found.

    Examples: naturalist overlap ; naturalist overlap animal/animals10 animal/translated-animals10 ;
    naturalist overlap --by split
    """
    from naturalist.config import load_config
    from naturalist.curation.overlap import find_overlap
    from naturalist.running import workspace

    settings = load_config(config)
    workspace.reading(settings.layout)
    result = find_overlap(settings.layout, sorted(settings.labels), sources or [], by)
    if json:
        output.print_json(
            {
                "sources": result.sizes,
                "shared": [
                    vars(one) | {"across_categories": one.is_across_categories}
                    for one in result.shared
                ],
                "leaks": [vars(one) for one in result.leaks],
                "near_duplicates_known": result.has_near,
            }
        )
    else:
        _print(result, by)


def _print(result: Overlap, by: str) -> None:
    rows = [
        [
            one.first,
            one.second,
            f"{one.exact:,}",
            f"{one.near_first:,} / {one.near_second:,}",
            f"{one.share:.1%}",
            "other category" if one.is_across_categories else "",
        ]
        for one in result.shared[:_SHOWN]
    ]
    if rows:
        head = ("source", "and", "same bytes", "near duplicates", "of the smaller", "")
        output.print_table(head, rows)
    more = len(result.shared) - _SHOWN
    output.print_text(
        f"\n{len(result.shared):,} pairs of {len(result.sizes):,} sources share pictures"
        + (f"; {more:,} more are in --json" if more > 0 else "")
    )
    if not result.has_near:
        output.print_text("near duplicates are not known yet: naturalist duplicates")
    for leak in result.leaks:
        output.print_text(
            f"{by}: {' and '.join(leak.values)} share {leak.groups:,} groups of near duplicates "
            f"({leak.pictures:,} pictures)"
        )
    if by and not result.leaks:
        output.print_text(f"{by}: no group of near duplicates spans its values")
