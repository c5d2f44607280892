"""Verifying what studies have made, against its seals, and saying how to get it back."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from naturalist import seals
from naturalist.layout import Layout
from naturalist.seals import Damage
from naturalist.stages.verify.verdicts import Verdict

_COMMANDS = {
    "duplicates": "`naturalist duplicates`",
    "samples": "the command that needs the sample",
    "maps": "`naturalist map`",
    "clusters": "`naturalist cluster`",
    "index": "`naturalist index`",
    "words": "`naturalist search`",
    "models": "`naturalist train`",
    "reports": "`naturalist label-issues` or `naturalist drift`",
}
_BY_HAND = ("concepts", "champion.json")
"""What people decided: no command makes it again."""


def check_studies(layout: Layout) -> Iterator[Verdict]:
    """Read every file of maps, clusters, duplicates, indexes, models and reports once."""
    for damage in seals.damaged(layout, seals.read(layout)):
        yield verdict_of(layout, damage)


def verdict_of(layout: Layout, damage: Damage) -> Verdict:
    """A damaged file as a finding."""
    name = damage.path.relative_to(layout.root).as_posix()
    advice = _advice(PurePosixPath(name))
    if damage.actual is None:
        return Verdict("missing", "hard", f"it is missing: {advice}", file=name)
    detail = f"sha256 is {damage.actual}, it was {damage.expected} when it was written: {advice}"
    return Verdict("checksum", "hard", detail, file=name)


def is_made_by_people(name: PurePosixPath) -> bool:
    """Whether a file of a study holds decisions, which nothing can be made from again."""
    return name.parts[0] in _BY_HAND or name.name in _BY_HAND


def _advice(name: PurePosixPath) -> str:
    if is_made_by_people(name):
        return "restore it from a backup; it holds decisions of people"
    command = _COMMANDS.get(name.parts[0], "the command that created it")
    return f"run `naturalist verify --repair` to delete it, then {command} to make it again"
