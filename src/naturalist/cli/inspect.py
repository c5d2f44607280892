"""Commands that tell: status and ledger."""

from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from naturalist.config import load_config
from naturalist.curation import ledger_query
from naturalist.errors import ConfigError
from naturalist.ledger import Outcome
from naturalist.pipeline import status
from naturalist.reasons import Reason

app = typer.Typer()
_SHOWN = 100


@app.command("status", epilog=EXIT_CODES)
def show_status(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Tell what the workspace holds, by category.

    Costs no more for a million pictures than for a hundred, and may be asked while a run is going.
    """
    held = status.collection_status(load_config(config))
    if json:
        output.print_json(held)
    else:
        output.print_status(held)


@app.command(epilog=EXIT_CODES)
def ledger(
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    refused: Annotated[
        bool, typer.Option("--refused", help="Only files that were refused.")
    ] = False,
    outcome: Annotated[str, typer.Option(help=f"Only this outcome: {', '.join(Outcome)}.")] = "",
    reason: Annotated[str, typer.Option(help="Only this reason; --reasons lists them.")] = "",
    category: Annotated[str, typer.Option(help="Only this category.")] = "",
    source: Annotated[str, typer.Option(help="Only this source.")] = "",
    pic_id: Annotated[str, typer.Option(help="Only this picture: where did it come from?")] = "",
    limit: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=f"Most rows to show; 0 shows all. {_SHOWN} unless said, with --json all.",
        ),
    ] = None,
    reasons: Annotated[
        bool, typer.Option("--reasons", help="List the reasons for a refusal and their meanings.")
    ] = False,
) -> None:
    """Show the ledger: one row for every file ever seen, with what became of it and why.

    Examples: naturalist ledger --refused ; naturalist ledger --pic-id plant_id_7 . In JSON,
    `path_hex` holds the exact bytes of the path.
    """
    if reasons:
        _print_reasons(json=json)
        return
    if refused:
        if outcome not in ("", Outcome.REFUSED):
            raise ConfigError(f"--refused and --outcome {outcome!r}: no file is both")
        outcome = Outcome.REFUSED.value
    _check_words(outcome, reason)
    wanted = ledger_query.Filter(
        outcome=outcome,
        reason=reason,
        category=category,
        source=source,
        pic_id=pic_id,
    )
    settings = load_config(config)
    ledger_query.check_names(settings, wanted)
    if json:
        output.print_json_list(ledger_query.rows(settings, wanted, limit or 0))
        return
    total = ledger_query.count(settings, wanted)
    shown = [
        [
            row["category"],
            row["source"],
            row["path_text"],
            row["outcome"],
            row["pic_id"] or row["same_as"],
            row["reason"],
            row["detail"],
        ]
        for row in ledger_query.rows(settings, wanted, _SHOWN if limit is None else limit)
    ]
    output.print_table(
        ("category", "source", "path", "outcome", "picture", "reason", "detail"), shown
    )
    if len(shown) < total:
        output.print_text(f"\n{len(shown):,} of {total:,} rows; --limit 0 shows all")


def _check_words(outcome: str, reason: str) -> None:
    if outcome and outcome not in list(Outcome):
        raise ConfigError(f"--outcome {outcome!r}: choose one of {', '.join(Outcome)}")
    if reason and reason not in list(Reason):
        raise ConfigError(f"--reason {reason!r}: choose one of {', '.join(Reason)}")


def _print_reasons(*, json: bool) -> None:
    if json:
        output.print_json(
            [{"reason": r, "meaning": r.meaning, "is_failure": r.is_failure} for r in Reason]
        )
        return
    rows = [[r.value, "yes" if r.is_failure else "no", r.meaning] for r in Reason]
    output.print_table(("reason", "counts as failure", "meaning"), rows)
