"""The command that takes a person's decisions about pictures."""

from __future__ import annotations

import getpass
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naturalist.cli import output
from naturalist.cli.defaults import EARLIER
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    ByOption,
    ConfigOption,
    DryRunOption,
    JsonOption,
    QuietOption,
)
from naturalist.cli.progress import make_progress
from naturalist.counting import counted, size_text
from naturalist.errors import ConfigError
from naturalist.progress import Progress

if TYPE_CHECKING:
    from naturalist.config import Config
    from naturalist.curation.decisions import Decision
    from naturalist.curation.review import Reviewed
    from naturalist.curation.reviewing.effects import Effect

app = typer.Typer()
_SHOWN = 20


DecisionsArgument = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="CSV with picID, decision, category, note."),
]
TemplateOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write a decisions file with the open questions, for you to fill in.",
    ),
]
MostOption = Annotated[
    int, typer.Option(min=1, help="Maximum number of questions of each kind in the template.")
]
ConflictsOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        metavar="A B",
        help="Decide all conflicts between two sources (category/source) at once; see --keep.",
    ),
]
KeepOption = Annotated[
    str,
    typer.Option(
        help=f"With --conflicts: the correct category, or {EARLIER} (the category that had "
        "the file first)."
    ),
]
FromDashboardOption = Annotated[
    bool,
    typer.Option("--from-dashboard", help="Apply the decisions made in the dashboard."),
]

AccuracyOption = Annotated[
    bool,
    typer.Option(
        "--accuracy",
        help="With --dry-run: train on a sample with and without the decisions, and compare "
        "accuracy on sources left out.",
    ),
]


@app.command(epilog=EXIT_CODES)
def review(
    decisions: DecisionsArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    template: TemplateOption = None,
    most: MostOption = 200,
    conflicts: ConflictsOption = None,
    keep: KeepOption = "",
    from_dashboard: FromDashboardOption = False,
    by: ByOption = "",
    dry_run: DryRunOption = False,
    accuracy: AccuracyOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Apply decisions: keep, relabel or retire pictures.

    Applies all decisions of a file, or none if one is wrong. They are stored in the ledger with who
    made them and when, and take effect with the next `naturalist run`. A later decision on a
    picture replaces an earlier one. Notes are published with the ledger.

    Examples: naturalist review --template open.csv ; naturalist review open.csv --dry-run ;
    naturalist review --conflicts plant/garden animal/zoo --keep earlier ; naturalist review
    --from-dashboard --dry-run
    """
    from naturalist.config import load_config
    from naturalist.curation.questions import write_template
    from naturalist.curation.review import review as follow
    from naturalist.curation.reviewing.accuracy import accuracy_effect
    from naturalist.curation.reviewing.effects import effect_of

    settings = load_config(config)
    _check_one_of(decisions, template, conflicts, from_dashboard or None)
    if accuracy and not dry_run:
        raise ConfigError("--accuracy goes with --dry-run: it shows what decisions would do")
    if template is not None:
        questions = write_template(settings, template, most)
        _print_questions(template, questions, json=json)
        return
    who, progress = by or getpass.getuser(), make_progress(quiet=quiet)
    if from_dashboard:
        reviewed = _from_dashboard(settings, progress, who, dry_run=dry_run)
    else:
        result, name = _decisions(settings, decisions, conflicts, keep), decisions or "--conflicts"
        reviewed = follow(settings, progress, result, who, path=str(name), dry_run=dry_run)
    effect = effect_of(settings, reviewed) if dry_run else None
    extra = {"effect": effect.as_json()} if effect else {}
    if effect and accuracy:
        tried = accuracy_effect(settings, reviewed, progress)
        effect = replace(effect, accuracy=str(tried))
        numbers = {} if isinstance(tried, str) else {"accuracy": tried.as_json()}
        extra = {"effect": effect.as_json(), **numbers}
    if json:
        output.print_json(reviewed.as_json() | extra)
        return
    _print(reviewed)
    if effect:
        _print_effect(effect)


def _check_one_of(*selected: object) -> None:
    if sum(one is not None for one in selected) != 1:
        raise ConfigError(
            "pass exactly one of: FILE with decisions, --template FILE, --conflicts A B, "
            "--from-dashboard"
        )


def _from_dashboard(settings: Config, progress: Progress, by: str, *, dry_run: bool) -> Reviewed:
    from naturalist.curation.reviewing.applying import apply, plan
    from naturalist.curation.reviewing.journal import Journal

    journal = Journal(settings.layout.review_journal)
    if dry_run:
        return plan(settings, journal.history(), by).reviewed
    return apply(settings, journal, by, progress, request=secrets.token_hex(8))


def _decisions(
    settings: Config, path: Path | None, conflicts: tuple[str, str] | None, keep: str
) -> list[Decision]:
    from naturalist.curation.decisions import read_decisions
    from naturalist.curation.questions import conflicts_between

    if conflicts is None:
        if keep:
            raise ConfigError(
                "--keep works only with --conflicts: in a file, write the decision in its column"
            )
        return read_decisions(path, settings.keys_by_any_name) if path else []
    if not keep:
        raise ConfigError(f"--conflicts needs --keep with {EARLIER} or one of the two categories")
    return conflicts_between(settings, *conflicts, keep)


def _print_questions(path: Path, questions: dict[str, int], *, json: bool) -> None:
    if json:
        output.print_json({"template": str(path), "questions": questions}, outputs=[path])
        return
    counted = ", ".join(f"{count:,} of kind {kind}" for kind, count in questions.items())
    output.print_text(
        f"{path}: {sum(questions.values()):,} open questions ({counted})\n"
        f"write keep, relabel or retire into the column decision, then: naturalist review {path}"
    )


def _print(reviewed: Reviewed) -> None:
    would = "would change" if reviewed.dry_run else "changed"
    rows = [[one.what, one.was, one.now] for one in reviewed.changes[:_SHOWN]]
    if rows:
        output.print_table(
            ("picture or file", "was", "is" if not reviewed.dry_run else "would be"), rows
        )
    if len(reviewed.changes) > _SHOWN:
        output.print_text(f"and {len(reviewed.changes) - _SHOWN:,} more; --json has all")
    output.print_text(
        f"{counted(reviewed.decided, 'decision')}, {reviewed.unchanged:,} already in effect; "
        f"{counted(reviewed.pictures, 'picture or file', 'pictures or files')} {would}, "
        f"{len(reviewed.new_ids):,} of them "
        "with a new id"
    )
    for one in reviewed.left_out[:_SHOWN]:
        output.print_text(f"left out: {one.key}: {one.why}")
    if reviewed.dry_run:
        output.print_text("nothing was changed (--dry-run)")
    elif reviewed.changes:
        output.print_text("run `naturalist run` to update the tables")


def _print_effect(effect: Effect) -> None:
    """What the next run does because of the decisions."""
    rows = [
        [one.name, one.leave, one.enter, len(one.tables), size_text(one.table_bytes)]
        for one in effect.categories
    ]
    if rows:
        output.print_table(("category", "leave", "enter", "tables to rewrite", "size"), rows)
    for one in effect.categories:
        if one.leave > one.allowed:
            output.print_text(
                f"{one.leave:,} of {one.accepted:,} pictures leave {one.name}, more than "
                f"withdrawal_budget lets a run withdraw by itself ({one.allowed:,}); decisions of "
                "people do not count against it"
            )
    output.print_text(
        f"the next snapshot adds about {size_text(effect.snapshot_bytes)}\n"
        f"accuracy on sources left out: {effect.accuracy}"
    )
