"""Commands that tell: status and ledger."""

from typing import Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.defaults import OUTCOMES
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from naturalist.counting import counted
from naturalist.errors import ConfigError
from naturalist.reasons import Reason
from naturalist.suggestions import choose_one_of

app = typer.Typer()
_SHOWN = 100


@app.command("status", epilog=EXIT_CODES)
def show_status(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Show counts per category.

    Is as fast for a million pictures as for a hundred, and works during a run.

    Example: naturalist status -c garden
    """
    from naturalist.config import load_config
    from naturalist.pipeline import status

    held = status.collection_status(load_config(config))
    if json:
        output.print_json(held)
    else:
        output.print_status(held)


LimitOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help=f"Maximum rows to show (0 = all; default {_SHOWN}, with --json all).",
    ),
]
ReasonsOption = Annotated[
    bool, typer.Option("--reasons", help="List the reasons for refusal and what they mean.")
]


@app.command(epilog=EXIT_CODES)
def ledger(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    refused: Annotated[bool, typer.Option("--refused", help="Show only refused files.")] = False,
    outcome: Annotated[str, typer.Option(help=f"Only this outcome: {', '.join(OUTCOMES)}.")] = "",
    reason: Annotated[str, typer.Option(help="Show only this reason (see --reasons).")] = "",
    category: Annotated[str, typer.Option(help="Only this category.")] = "",
    source: Annotated[str, typer.Option(help="Only this source.")] = "",
    pic_id: Annotated[str, typer.Option(help="Show only this picture: where it came from.")] = "",
    limit: LimitOption = None,
    reasons: ReasonsOption = False,
) -> None:
    """Show the ledger: one row per file ever seen.

    Each row says what happened to the file and why. In JSON, `path_hex` holds the exact bytes of
    the path.

    Examples: naturalist ledger --refused ; naturalist ledger --pic-id plant_id_7
    """
    from naturalist.config import load_config
    from naturalist.curation import ledger_query

    if reasons:
        _print_reasons(json=json)
        return
    if refused and outcome not in ("", "refused"):
        raise ConfigError(
            f"--refused and --outcome {outcome!r} cannot be combined: pass one of them"
        )
    _check_words(outcome, reason)
    expected = ledger_query.Filter(
        outcome="refused" if refused else outcome,
        reason=reason,
        category=category,
        source=source,
        pic_id=pic_id,
    )
    settings = load_config(config)
    ledger_query.check_names(settings, expected)
    if json:
        output.print_json_rows(ledger_query.rows(settings, expected, limit or 0))
        return
    rows = ledger_query.rows(settings, expected, _SHOWN if limit is None else limit)
    _print_rows(list(rows), ledger_query.count(settings, expected))


def _print_rows(rows: list[dict[str, Any]], total: int) -> None:
    cells = [
        [
            row["category"],
            row["source"],
            row["path_text"],
            row["outcome"],
            row["pic_id"] or row["same_as"],
            row["reason"],
            row["detail"],
        ]
        for row in rows
    ]
    output.print_table(
        ("category", "source", "path", "outcome", "picture", "reason", "detail"), cells
    )
    if len(cells) < total:
        output.print_text(f"\n{len(cells):,} of {counted(total, 'row')}; --limit 0 shows all")


def _check_words(outcome: str, reason: str) -> None:
    if outcome and outcome not in OUTCOMES:
        raise ConfigError(f"--outcome {outcome!r}: {choose_one_of(outcome, OUTCOMES)}")
    if reason and reason not in list(Reason):
        raise ConfigError(f"--reason {reason!r}: {choose_one_of(reason, Reason)}")


def _print_reasons(*, json: bool) -> None:
    if json:
        output.print_json(
            {
                "rows": [
                    {"reason": r, "meaning": r.meaning, "is_failure": r.is_failure} for r in Reason
                ]
            }
        )
        return
    rows = [[r.value, "yes" if r.is_failure else "no", r.meaning] for r in Reason]
    output.print_table(("reason", "counts as failure", "meaning"), rows)
