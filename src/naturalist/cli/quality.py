"""The command that looks for poor pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naturalist.cli import output
from naturalist.cli.defaults import QUALITY_CHECKS
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from naturalist.counting import counted
from naturalist.errors import ConfigError
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    from naturalist.curation.quality import Quality

app = typer.Typer()


CheckOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[=LIMIT]",
        help="Run only this check, with a limit as a value or a share: dark=0.1, blurred=1%. "
        f"Checks: {', '.join(QUALITY_CHECKS)} (default: all, with built-in limits).",
    ),
]
DecisionsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write a decisions file that retires them, for naturalist review."
    ),
]
SheetOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write a contact sheet (PNG) with the worst pictures of each check.",
    ),
]


@app.command(epilog=EXIT_CODES)
def quality(
    config: ConfigOption = DEFAULT_CONFIG,
    check: CheckOption = None,
    decisions: DecisionsOption = None,
    sheet: SheetOption = None,
    json: JsonOption = False,
) -> None:
    """Count dark, blurred, blank and odd pictures.

    Uses the measures taken during extraction, so no picture is read again. Changes nothing: check
    the sheet and the decisions file, then apply it with `naturalist review`.

    Examples: naturalist quality --sheet poor.png ; naturalist quality --check blurred=1% --check
    tiny=64 --decisions poor.csv
    """
    from naturalist import artifacts
    from naturalist.config import load_config
    from naturalist.curation.measured import write_decisions
    from naturalist.curation.quality import draw_sheet, look_for_poor
    from naturalist.running import workspace

    settings = load_config(config)
    workspace.reading(settings.layout)
    result = look_for_poor(settings.layout, sorted(settings.labels), _limits(check or []))
    written = None if decisions is None else write_decisions(decisions, result.decisions)
    if sheet is not None:
        artifacts.write_bytes(sheet, draw_sheet(settings.layout, result))
    if json:
        output.print_json(
            {
                "pictures": result.pictures,
                "limits": result.limits,
                "counts": result.counts,
                "rows": [vars(one) for one in result.poor],
                "decisions": written,
            }
        )
        return
    _print(result)
    if decisions is not None:
        output.print_text(
            f"\n{counted(written or 0, 'picture')} in {decisions}: naturalist review {decisions}"
        )
    if sheet is not None:
        output.print_text(f"pictures: {sheet}")


def _limits(checks: list[str]) -> dict[str, str] | None:
    from naturalist.curation.quality import CHECKS

    limits = {}
    for text in checks:
        name, equals, limit = text.partition("=")
        if name not in CHECKS:
            raise ConfigError(f"--check {text}: {choose_one_of(name, CHECKS)}")
        limits[name] = limit if equals else CHECKS[name].default
    return limits or None


def _print(result: Quality) -> None:
    from naturalist.curation.quality import CHECKS

    rows = [
        [name, f"{count:,}", f"{'<' if CHECKS[name].end == 'low' else '>'} {result.limits[name]:g}",
         CHECKS[name].meaning]
        for name, count in result.counts.items()
    ]  # fmt: skip
    output.print_table(("check", "pictures", "limit", "measure"), rows)
    poor = len({one.pic_id for one in result.poor})
    output.print_text(
        f"\n{poor:,} of {counted(result.pictures, 'picture')} are in at least one of these"
    )
