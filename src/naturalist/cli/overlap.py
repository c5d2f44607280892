"""The command that says which pictures sources, or collections, share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    AnonymousOption,
    ConfigOption,
    EndpointOption,
    JsonOption,
    RegionOption,
    s3_options,
)
from naturalist.counting import counted
from naturalist.errors import ConfigError

if TYPE_CHECKING:
    from naturalist.curation.overlap import Overlap
    from naturalist.curation.shared_pictures import Common
    from naturalist.stores import S3Options

app = typer.Typer()
_SHOWN = 50

SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CATEGORY/SOURCE|PLACE",
        help="Sources of the collection to compare (default: all), or two or more collections: "
        "workspaces, pulled folders, URLs of published ones, sketches.",
    ),
]
ByOption = Annotated[
    str,
    typer.Option(
        metavar="COLUMN",
        help="Also find what the values of a metadata column share, as in --by split: near "
        "duplicates of one collection, or train of one and test of another.",
    ),
]
RowsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="When comparing collections: write every shared pair as CSV, with labels and "
        "licences.",
    ),
]
SheetOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="When comparing collections: write a PNG that shows pairs side by side.",
    ),
]
SketchOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the sketch of one collection instead: hashes and 64 bits of the features "
        "of each picture, for others to compare with.",
    ),
]


@app.command(epilog=EXIT_CODES)
def overlap(
    sources: SourcesArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    by: ByOption = "",
    rows: RowsOption = None,
    sheet: SheetOption = None,
    sketch: SketchOption = None,
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    json: JsonOption = False,
) -> None:
    """Show which pictures sources, or collections, have in common.

    Sources that share pictures are not independent: if a classifier learns from one and is tested
    on the other, its accuracy is overestimated. Near duplicates are those that `naturalist
    duplicates` found.

    Examples: naturalist overlap ; naturalist overlap animal/animals10 animal/translated-animals10 ;
    naturalist overlap --by split ; naturalist overlap garden s3://bucket/other --by split ;
    naturalist overlap garden --sketch garden.sketch ; naturalist overlap garden other.sketch
    """
    from naturalist.curation.sketches import is_place

    places = [one for one in sources or [] if is_place(one)]
    if sketch is not None or places:
        if unknown := [word for word in sources or [] if word not in places]:
            raise ConfigError(
                f"{unknown[0]!r} is not a collection: compare either collections or sources, not "
                "both"
            )
        options = s3_options(endpoint_url, region, anonymous=anonymous)
        if sketch is not None:
            _write_sketch(places or [str(config)], sketch, options, json=json)
            return
        _of_collections(_to_compare(places, config), by, options, rows, sheet, json=json)
        return
    if rows is not None or sheet is not None:
        raise ConfigError("--rows and --sheet need two or more collections")
    if len(set(sources or ())) == 1 and not by:
        raise ConfigError(
            f"{(sources or [''])[0]} is one source: name two or more to compare them, none to "
            "compare all, or --by COLUMN to compare its parts"
        )
    _of_sources(sources or [], by, config, json=json)


def _to_compare(places: list[str], config: Path) -> list[str]:
    """The collections that are compared: those that are named, or the workspace and one other.

    Raises:
        ConfigError: there is only one.
    """
    from naturalist.curation.sketches import is_place, same_place

    if len(places) == 1:
        if not is_place(str(config)):
            raise ConfigError(
                f"{places[0]} is one collection: name another one too, or its workspace with -c"
            )
        places = [str(config), *places]
    for at, place in enumerate(places):
        if other := next((one for one in places[:at] if same_place(one, place)), None):
            raise ConfigError(f"{other} and {place} are the same collection: name another one")
    return places


def _of_sources(sources: list[str], by: str, config: Path, *, json: bool) -> None:
    from naturalist.config import load_config
    from naturalist.curation.overlap import find_overlap
    from naturalist.running import workspace

    settings = load_config(config)
    workspace.reading(settings.layout)
    result = find_overlap(settings.layout, sorted(settings.labels), sources, by)
    if not json:
        _print(result, by)
        return
    shared = [vars(one) | {"across_categories": one.is_across_categories} for one in result.shared]
    output.print_json(
        {
            "sources": result.sizes,
            "rows": shared,
            "leaks": [vars(one) for one in result.leaks],
            "near_duplicates_known": result.has_near,
        }
    )


def _write_sketch(places: list[str], path: Path, options: S3Options, *, json: bool) -> None:
    from naturalist.curation.sketches import open_sketch, write_sketch

    if len(places) > 1:
        raise ConfigError("--sketch takes exactly one collection")
    made = open_sketch(places[0], options)
    write_sketch(path, made)
    if json:
        output.print_json({"pictures": made.rows.num_rows}, outputs=[path])
    else:
        output.print_text(f"{counted(made.rows.num_rows, 'picture')}: {path}")


def _of_collections(
    places: list[str],
    by: str,
    options: S3Options,
    rows: Path | None,
    sheet: Path | None,
    *,
    json: bool,
) -> None:
    from naturalist import artifacts
    from naturalist.curation import shared_pictures
    from naturalist.curation.sketches import open_sketch

    found = shared_pictures.compare([open_sketch(place, options, by) for place in places])
    if rows is not None:
        shared_pictures.write_rows(rows, found)
    if sheet is not None:
        artifacts.write_bytes(sheet, shared_pictures.draw_sheet(found))
    outputs = [path for path in (rows, sheet) if path is not None]
    if json:
        output.print_json({"rows": [_as_json(one) for one in found]}, outputs=outputs)
        return
    for one in found:
        _print_common(one)
        _print_values(one, by)
    for path in outputs:
        output.print_text(f"\n{path}")


def _as_json(common: Common) -> dict[str, Any]:
    return {
        "first": common.first.name,
        "second": common.second.name,
        "first_pictures": common.first.rows.num_rows,
        "second_pictures": common.second.rows.num_rows,
        "exact": len(common.exact),
        "near": len(common.near),
        "compares_features": common.compares_features,
        "sources": common.summary(),
        "values": common.by_value(),
    }


def _print_values(common: Common, by: str) -> None:
    values = common.by_value()
    for row in values:
        output.print_text(
            f"{by}: {row['first_value']} of {common.first.name} and {row['second_value']} of "
            f"{common.second.name} share {row['exact']:,} pictures with the same bytes and "
            f"{row['near']:,} pairs that are nearly the same{' (a leak)' if row['leak'] else ''}"
        )
    if by and not values:
        output.print_text(f"{by}: pictures that have a value share nothing")


def _print_common(common: Common) -> None:
    first, second = common.first, common.second
    rows = [
        [
            f"{row['first_category']}/{row['first_source']}",
            row["first_licence"] or "unknown",
            f"{row['second_category']}/{row['second_source']}",
            row["second_licence"] or "unknown",
            f"{row['exact']:,}",
            f"{row['near']:,}",
            "other label" if row["other_label"] else "",
        ]
        for row in common.summary()[:_SHOWN]
    ]
    if rows:
        head = (first.name, "licence", second.name, "licence", "same bytes", "near", "")
        output.print_table(head, rows)
    output.print_text(
        f"\n{first.name} ({counted(first.rows.num_rows, 'picture')}) and {second.name} "
        f"({second.rows.num_rows:,}): {counted(len(common.exact), 'picture')} with the same bytes, "
        f"{counted(len(common.near), 'pair')} of near duplicates"
    )
    if not common.compares_features:
        output.print_text("features are of different backbones: near pairs are by hashes alone")


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
        f"\n{counted(len(result.shared), 'pair')} of {counted(len(result.sizes), 'source')} "
        "with shared pictures" + (f"; {more:,} more are in --json" if more > 0 else "")
    )
    if not result.has_near:
        output.print_text("near duplicates are not known yet: run `naturalist duplicates`")
    for leak in result.leaks:
        output.print_text(
            f"{by}: {' and '.join(leak.values)} share {counted(leak.groups, 'group')} of near "
            "duplicates "
            f"({counted(leak.pictures, 'picture')})"
        )
    if by and not result.leaks:
        output.print_text(f"{by}: no group of near duplicates spans its values")
