"""What a person should know about the inputs though no run fails for it."""

from collections.abc import Iterator, Mapping

from naturalist import ledger
from naturalist.config import Config
from naturalist.ledger import SourceCounts
from naturalist.reasons import Reason
from naturalist.stages.ingest.options import Source

MOST = 20
"""More warnings than these are counted."""
_BY_A_PERSON = {Reason.TAKEN_DOWN, Reason.RETIRED, Reason.REMOVED_FROM_SOURCE}
_UNOPENED = (
    Reason.UNSUPPORTED_ARCHIVE,
    Reason.ARCHIVE_BROKEN,
    Reason.ARCHIVE_ENCRYPTED,
    Reason.ARCHIVE_TOO_DEEP,
    Reason.ARCHIVE_TOO_LARGE,
    Reason.ARCHIVE_RATIO,
    Reason.ARCHIVE_TOO_MANY_MEMBERS,
    Reason.LINK_LEAVES_SOURCE,
)
"""Each of these may hide any number of pictures."""


def input_warnings(config: Config) -> list[str]:
    """What is odd about the categories and sources of a collection, a sentence each.

    A category or a source without an accepted picture, and archives and links that were not opened,
    which the failure budget counts as one file each. Costs summaries of the ledger, not rows.
    """
    result = list(_all(config))
    if len(result) > MOST:
        result[MOST:] = [f"and {len(result) - MOST} more warnings of this kind"]
    return result


def _all(config: Config) -> Iterator[str]:
    seen = {category: ledger.counts(config.layout, category) for category in config.labels}
    sources: dict[str, list[Source]] = {category: [] for category in config.labels}
    for source in config.sources:
        sources[source.category].append(source)
    names = config.names
    for category, counts in seen.items():
        yield from _of_category(names[category], counts, sources[category])
    for source in config.sources:
        if source.routing is not None and _total(seen, source.name).accepted:
            # A category that has none of its labels in it is no mistake.
            continue
        counts_of_source = seen[source.category].get(source.name)
        yield from _of_source(source, names[source.category], counts_of_source)


def _total(seen: Mapping[str, Mapping[str, SourceCounts]], source: str) -> SourceCounts:
    found = (counts.get(source, SourceCounts()) for counts in seen.values())
    return sum(found, SourceCounts())


def _of_category(
    category: str, counts: Mapping[str, SourceCounts], sources: list[Source]
) -> Iterator[str]:
    total = sum(counts.values(), SourceCounts())
    if sources and not total.accepted:
        what = _summary(total) if total.seen else "its sources have no files"
        yield f"category {category!r} has no accepted picture and is in no table: {what}"


def _of_source(source: Source, category: str, counts: SourceCounts | None) -> Iterator[str]:
    name = f"source {source.name!r} of category {category!r}"
    show = f"naturalist ledger --category {category} --source {source.name}"
    if counts is None:
        yield f"{name} has no files: check its path, {source.path}"
    elif not counts.accepted and not counts.relabelled and not _was_decided(counts):
        yield f"{name} has no accepted picture: {_summary(counts)}. See  {show}"
    elif unopened := {r.value: counts.refused[r] for r in _UNOPENED if counts.refused.get(r)}:
        yield f"{name} may hold more pictures: {_listed(unopened)}. See  {show} --refused"


def _was_decided(counts: SourceCounts) -> bool:
    """Whether people have taken every picture of a source out."""
    others = counts.duplicate or counts.conflict
    return not others and bool(counts.refused) and counts.refused.keys() <= _BY_A_PERSON


def _summary(counts: SourceCounts) -> str:
    outcomes = {"duplicate": counts.duplicate, "conflict": counts.conflict, **counts.refused}
    listed = _listed({word: n for word, n in outcomes.items() if n})
    return listed or "its archives have no files"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {word}" for word, n in counts.items())
