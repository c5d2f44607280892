"""Refusals that are to be looked at again: a newer version or another machine may decide otherwise.

What was refused when it was ingested is examined again by the listing; of pictures that were
refused when their features were extracted, the whole shard is extracted again.
"""

from collections.abc import Iterable

from naturalist import artifacts, ledger
from naturalist.errors import ConfigError
from naturalist.layout import Layout, receipt_path
from naturalist.ledger import Outcome
from naturalist.reasons import Reason
from naturalist.stages.ingest.selection import SEPARATOR
from naturalist.suggestions import choose_one_of

ALL = "all"
_DECIDED = frozenset(
    {
        Reason.TAKEN_DOWN,
        Reason.RETIRED,
        Reason.REMOVED_FROM_SOURCE,
        Reason.EXCLUDED,
        Reason.NO_CATEGORY,
    }
)
"""Decided by people and by the configuration: nothing about the bytes."""
RETRIABLE = tuple(reason for reason in Reason if reason not in _DECIDED)


def parse(words: Iterable[str]) -> frozenset[Reason]:
    """The reasons that are named, where `all` stands for every one.

    Raises:
        ConfigError: one is none that can be looked at again.
    """
    reasons: set[Reason] = set()
    for word in words:
        if word == ALL:
            reasons.update(RETRIABLE)
        elif word in RETRIABLE:
            reasons.add(Reason(word))
        else:
            advice = choose_one_of(word, [ALL, *sorted(RETRIABLE)])
            raise ConfigError(f"--retry {word!r}: {advice}")
    return frozenset(reasons)


def files_to_retry(
    layout: Layout, category: str, reasons: frozenset[Reason]
) -> dict[str, frozenset[bytes]]:
    """Paths of the files refused for these reasons, by source; members count as their archive."""
    if not reasons or category not in ledger.categories(layout):
        return {}
    result: dict[str, set[bytes]] = {}
    with ledger.connect(layout) as connection:
        rows = connection.execute(_REFUSED, [category, sorted(reasons)]).fetchall()
    for source, path in rows:
        result.setdefault(source, set()).add(path.partition(SEPARATOR)[0])
    return {source: frozenset(paths) for source, paths in result.items()}


_REFUSED = """
SELECT source, path FROM ledger
WHERE category = ? AND outcome = 'refused' AND pic_id IS NULL AND list_contains(?, reason)
"""


def forget_extractions(layout: Layout, category: str, reasons: frozenset[Reason]) -> int:
    """Let shards in which extraction refused pictures for these reasons be extracted again.

    Returns:
        How many pictures were refused.
    """
    refused = {
        row["pic_id"]
        for row in ledger.amendments(layout, category).to_pylist()
        if row["by"] == "extract" and row["outcome"] == Outcome.REFUSED and row["reason"] in reasons
    }
    count = 0
    for summary in ledger.batches(layout, category) if refused else ():
        for number in range(len(summary.shards)):
            path = layout.refusals(category, summary.batch, number)
            mine = artifacts.read_parquet(path, ["pic_id"])["pic_id"] if path.exists() else []
            here = sum(pic.as_py() in refused for pic in mine)
            if here:
                _forget_part(layout, category, summary.batch, number)
                count += here
    return count


def _forget_part(layout: Layout, category: str, batch: int, number: int) -> None:
    features = layout.features("*", category, batch, number)
    for path in layout.root.glob(str(features.relative_to(layout.root))):
        receipt_path(path).unlink(missing_ok=True)
