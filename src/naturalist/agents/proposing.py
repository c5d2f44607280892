"""Decisions that an agent proposes: previewed, written to a file, and applied by a person only."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from naturalist.config import Config
from naturalist.config.sources import NAME
from naturalist.curation.decisions import Decision, decisions_of
from naturalist.curation.measured import write_decisions
from naturalist.curation.review import review
from naturalist.curation.reviewing.effects import effect_of
from naturalist.errors import ConfigError
from naturalist.progress import SILENT

MOST = 1000
"""Decisions in a proposal: more than a person looks through would be waved through."""
_BY = "agent"


class ProposedDecision(TypedDict):
    """What is proposed for one picture; `relabel` needs a category, and a note says why."""

    pic_id: str
    decision: Literal["keep", "relabel", "retire"]
    category: NotRequired[str]
    note: NotRequired[str]


@dataclass(frozen=True)
class Proposals:
    """Where proposals go, and how a person names the collection.

    Attributes:
        folder: for files of decisions; made when the first is written.
        config_path: configuration file or its folder, for the commands of a person.
    """

    folder: Path
    config_path: Path


def preview(config: Config, decisions: Sequence[ProposedDecision]) -> dict[str, Any]:
    """What decisions would change, and what that does to tables and budgets; nothing is written.

    Raises:
        ConfigError: a decision is wrong (all mistakes are named), or there are too many.
    """
    return _preview(config, _checked(config, decisions))


def propose(
    config: Config, proposals: Proposals, name: str, decisions: Sequence[ProposedDecision]
) -> dict[str, Any]:
    """Write decisions to a file for a person to look at; the collection does not change.

    Args:
        config: the collection.
        proposals: where proposals go.
        name: of the file, without its ending; one that is there is never replaced.
        decisions: at least one.

    Returns:
        The preview, the `file`, and the commands for the person: `check` and `apply`.

    Raises:
        ConfigError: a decision is wrong, the name cannot name a file, or the file is there.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"name {name!r}: use letters, digits, and . _ + - inside, at most 100")
    checked = _checked(config, decisions)
    seen = _preview(config, checked)
    file = proposals.folder / f"{name}.csv"
    proposals.folder.mkdir(parents=True, exist_ok=True)
    write_decisions(file, checked)
    command = (
        f"naturalist review {shlex.quote(str(file))} -c {shlex.quote(str(proposals.config_path))}"
    )
    return seen | {"file": str(file), "check": f"{command} --dry-run", "apply": command}


def _checked(config: Config, decisions: Sequence[ProposedDecision]) -> list[Decision]:
    if not 0 < len(decisions) <= MOST:
        raise ConfigError(f"{len(decisions):,} decisions: propose 1 to {MOST:,} at a time")
    rows = [{key: str(value) for key, value in one.items()} for one in decisions]
    return decisions_of(rows, config.keys_by_any_name, "the proposal")


def _preview(config: Config, decisions: Sequence[Decision]) -> dict[str, Any]:
    reviewed = review(config, SILENT, decisions, _BY, path="the proposal", dry_run=True)
    effect = effect_of(config, reviewed)
    beyond = [one.name for one in effect.categories if one.leave > one.allowed]
    return reviewed.as_json() | {
        "effect": effect.as_json(),
        "beyond_withdrawal_budget": beyond,
        "applied": False,
    }
