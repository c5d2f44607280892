"""From the journal to the ledger: reviewers' decisions go the way of `naturalist review`.

The journal says what people want, the ledger what holds. A kill between the two is repaired by
doing it again: decisions that the ledger holds already change nothing and are noted as applied.
"""

import time
from dataclasses import dataclass
from typing import Any

from naturalist.config import Config
from naturalist.counting import counted
from naturalist.curation.decisions import Decision
from naturalist.curation.review import Reviewed, review
from naturalist.curation.reviewing.effects import Effect, effect_of
from naturalist.curation.reviewing.history import Entry, History, Mark, Outdated
from naturalist.curation.reviewing.journal import Journal
from naturalist.progress import Progress, Silent
from naturalist.stages.ingest.resolve import Kind

NAMED = "the decisions made in the dashboard"


@dataclass(frozen=True)
class Plan:
    """What applying would do.

    Attributes:
        upto: the last entry of the journal that it takes in.
        by: how many pending decisions each reviewer has.
    """

    upto: int
    by: dict[str, int]
    reviewed: Reviewed
    effect: Effect

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "upto": self.upto,
            "by": self.by,
            **self.reviewed.as_json(),
            "effect": self.effect.as_json(),
        }


def pending_decisions(history: History) -> list[Decision]:
    """Decisions that the ledger does not hold yet, the oldest first."""
    result = []
    for line, (key, (kind, category)) in enumerate(history.pending().items(), start=1):
        one = history.of(key)
        result.append(
            Decision(line, key, Kind(kind), category, by=one.author, seen=one.seen or None)
        )
    return result


def plan(config: Config, history: History, by: str) -> Plan:
    """Work out what applying all pending decisions would do; nothing is changed."""
    decisions = pending_decisions(history)
    reviewed = _review(config, Silent(), decisions, by, dry_run=True)
    counted: dict[str, int] = {}
    for one in decisions:
        counted[one.by] = counted.get(one.by, 0) + 1
    return Plan(len(history), counted, reviewed, effect_of(config, reviewed))


def apply(
    config: Config,
    journal: Journal,
    by: str,
    progress: Progress,
    *,
    request: str,
    upto: int | None = None,
) -> Reviewed:
    """Make all pending decisions part of the ledger, and note that in the journal.

    Args:
        config: the collection.
        journal: of its workspace.
        by: who applies; each decision keeps the name of who made it.
        progress: is notified of a stopped run that is finished first.
        request: chosen by who asks, another one each time.
        upto: the last entry that was looked at; None takes in whatever there is.

    Raises:
        Outdated: there are later decisions; nothing is changed.
        WorkspaceLocked: somebody else is writing.
    """
    history = journal.history()
    later = [] if upto is None else history.entries[upto:]
    newer = [one for one in later if one.kind != "apply"]
    if newer:
        keys = {key: history.of(key) for one in newer for key in one.marks}
        who = ", ".join(sorted({one.by for one in newer}))
        raise Outdated(
            f"{who} made more decisions since you looked: {counted(len(keys), 'picture')}.", keys
        )
    decisions = pending_decisions(history)
    reviewed = _review(config, progress, decisions, by, dry_run=False)
    left_out = {one.key for one in reviewed.left_out}
    done = [one for one in decisions if one.key not in left_out]
    # An undo of something applied leaves no decision, although one had to be followed.
    marks = {d.key: Mark(*_held(history, d)) for d in done}
    seen = {d.key: d.seen or "" for d in done}
    if marks:
        journal.append(
            lambda now: Entry(len(now) + 1, "apply", by, time.time_ns(), request, marks, seen)
        )
    return reviewed


def _held(history: History, decision: Decision) -> tuple[str, str]:
    undone = not history.of(decision.key).mark.decision
    return ("", "") if undone else (decision.kind.value, decision.category)


def _review(
    config: Config, progress: Progress, decisions: list[Decision], by: str, *, dry_run: bool
) -> Reviewed:
    if not decisions:
        return Reviewed(dry_run)
    return review(
        config, progress, decisions, by, path=NAMED, dry_run=dry_run, leave_out_mistakes=True
    )
