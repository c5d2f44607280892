"""The command that finds near duplicates."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.defaults import Keep
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.counting import counted
from naturalist.errors import ConfigError

if TYPE_CHECKING:
    from naturalist.curation.near_duplicates import Thinned
    from naturalist.layout import Layout
    from naturalist.studies.duplicates.options import Invariance

app = typer.Typer()
_SHOWN = 10


KeepOption = Annotated[
    Keep | None,
    typer.Option(help="Picture of each group to keep when the others are retired."),
]
DecisionsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="With --keep: write a decisions file that retires the others, for naturalist review.",
    ),
]
InvariantOption = Annotated[
    str,
    typer.Option(
        metavar="WORDS",
        help="Also find changed copies: mirror, rotate, border, crop, colour, separated by commas, "
        "or all (default: duplicates.invariant). Changing it compares all pictures again.",
    ),
]


@app.command(epilog=EXIT_CODES)
def duplicates(
    config: ConfigOption = DEFAULT_CONFIG,
    keep: KeepOption = None,
    decisions: DecisionsOption = None,
    invariant: InvariantOption = "",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Group near-duplicate pictures.

    Finds pictures that are resized, recompressed, brightened or slightly cropped copies: perceptual
    hashes propose pairs and feature vectors confirm them; [duplicates] sets the thresholds.
    (Pictures with identical bytes were merged on ingest.) --invariant finds copies that were
    mirrored, turned, framed, cropped or made grey. Nothing is removed: use the groups for splits
    without leakage, and to review. Groups that span categories come first, since one of the labels
    is wrong.

    With --keep, one picture of each group stays: the largest, the sharpest, the first, or the first
    of each source. --decisions writes a file that retires the others; groups that span categories
    are left to you.

    Example: naturalist duplicates --keep largest --decisions thin.csv
    """
    from naturalist.config import load_config
    from naturalist.curation.measured import write_decisions
    from naturalist.curation.near_duplicates import Keep as Rule
    from naturalist.curation.near_duplicates import thin_out
    from naturalist.pipeline import studies

    if decisions is not None and keep is None:
        raise ConfigError("--decisions needs --keep: say which picture of each group to keep")
    settings = load_config(config)
    options = settings.duplicates
    if invariant:
        options = replace(options, invariant=_invariances(invariant))
    study = partial(studies.duplicates, options=options)
    report = studies.study(settings, make_progress(quiet=quiet), study).report
    layout = settings.layout
    thinned = None if keep is None else thin_out(layout, sorted(settings.labels), Rule(keep))
    if thinned is not None and decisions is not None:
        write_decisions(decisions, thinned.decisions)
    if json:
        files = {"table": str(layout.near_duplicates), "sheet": str(layout.near_duplicate_sheet)}
        output.print_json(
            report | files | ({"keep": _facts(thinned)} if thinned else {}),
            outputs=list(files.values()),
        )
        return
    _print(report, layout)
    if thinned is not None:
        _print_thinned(thinned, decisions)


def _invariances(words: str) -> tuple[Invariance, ...]:
    from naturalist.studies.duplicates.options import INVARIANCES

    chosen = {word.strip() for word in words.split(",")}
    if unknown := sorted(chosen - {*INVARIANCES, "all"}):
        allowed = ", ".join([*INVARIANCES, "all"])
        raise ConfigError(f"--invariant: {unknown[0]!r} is not one of {allowed}")
    return tuple(one for one in INVARIANCES if one in chosen or "all" in chosen)


def _facts(thinned: Thinned) -> dict[str, Any]:
    return {
        "retired": [one.key for one in thinned.decisions],
        "groups": thinned.groups,
        "left_alone": thinned.left_alone,
    }


def _print_thinned(thinned: Thinned, path: Path | None) -> None:
    retired = len(thinned.decisions)
    output.print_text(
        f"\nkeeping one per group: {counted(retired, 'picture')} of "
        f"{counted(thinned.groups, 'group')} would be retired; "
        f"{counted(thinned.left_alone, 'group spans', 'groups span')} categories and "
        f"{'is' if thinned.left_alone == 1 else 'are'} left alone"
    )
    if path is not None:
        output.print_text(f"written to {path}: naturalist review {path} --dry-run")


def _print(report: dict[str, Any], layout: Layout) -> None:
    output.print_text(
        f"{counted(report['pictures'], 'picture')}, {counted(report['groups'], 'group')} of "
        "near duplicates with "
        f"{counted(report['grouped'], 'picture')}: {report['surplus']:,} more than one per group\n"
        f"largest group {report['largest']:,}; "
        f"{counted(report['across_categories'], 'group spans', 'groups span')} categories, "
        f"{report['across_sources']:,} span sources"
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
