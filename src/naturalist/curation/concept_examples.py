"""The examples of a concept: those that a person gives, and earlier ones where they are now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from naturalist import ledger
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.studies.words.concept_files import SavedConcept
from naturalist.studies.words.opening import Words


@dataclass(frozen=True)
class Examples:
    """Examples of a concept.

    Attributes:
        labels: every example, and whether it shows the concept; also those that do not count.
        likely: pictures that a person was asked about before.
        gone: how many of the examples no longer count, because they are no longer accepted.
    """

    labels: dict[str, bool]
    likely: tuple[str, ...]
    gone: int


def gathered(
    words: Words, layout: Layout, before: SavedConcept | None, yes: list[str], no: list[str]
) -> Examples:
    """Earlier examples and those that are given, whose newest word holds.

    An earlier picture that has another id now, because it was relabelled, is named by that.

    Raises:
        ConfigError: a picture is given as both, or is no longer accepted.
    """
    both = sorted(set(yes) & set(no))
    if both:
        raise ConfigError(f"{both[0]} is in both --yes and --no: remove it from one")
    given = dict.fromkeys(yes, True) | dict.fromkeys(no, False)
    out = ledger.withheld(layout)
    _check(layout, [name for name in given if name in out], out)
    if before is None:
        return Examples(given, (), 0)
    kept = dict.fromkeys(before.yes, True) | dict.fromkeys(before.no, False)
    moved = _moved(layout, [name for name in (*kept, *before.likely) if name in out], out)
    # A picture is in the tables under its new id only after the next run.
    moved = {old: new for old, new in moved.items() if words.vectors.vector(new) is not None}
    labels = {moved.get(name, name): says for name, says in kept.items()} | given
    likely = tuple(moved.get(name, name) for name in before.likely)
    return Examples(labels, likely, sum(name in out for name in labels))


def _check(layout: Layout, gone: list[str], out: ledger.Withheld) -> None:
    if gone:
        moved = _moved(layout, gone, out)
        ids = (f"{name} (now {moved[name]})" if name in moved else name for name in gone)
        raise ConfigError(
            f"pictures that are no longer in the collection cannot be examples: {', '.join(ids)}; "
            "remove them, or use their new ids"
        )


def _moved(layout: Layout, gone: Iterable[str], out: ledger.Withheld) -> dict[str, str]:
    """The ids that pictures have now which are no longer accepted under the ones they had."""
    names = list(gone)
    later: dict[str, str] = {}
    read: set[str] = set()
    found = {}
    for name in names:
        *_, last = _followed(layout, name, later, read)
        if last not in out:
            found[name] = last
    return found


def _followed(layout: Layout, name: str, later: dict[str, str], read: set[str]) -> Iterator[str]:
    """A picture and the ids that it had after, in order; amendments are read as they are needed."""
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        yield name
        category = name.rpartition("_id_")[0]
        if category not in read:
            read.add(category)
            later |= _next_ids(layout, category)
        name = later.get(name, "")


def _next_ids(layout: Layout, category: str) -> dict[str, str]:
    rows = ledger.amendments(layout, category).to_pylist()
    ends = (ledger.Outcome.RELABELLED, ledger.Outcome.DUPLICATE)
    return {row["pic_id"]: row["same_as"] or "" for row in rows if row["outcome"] in ends}
