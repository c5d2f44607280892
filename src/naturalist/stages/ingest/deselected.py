"""Pictures that the selection of their source leaves out since: out of the tables, or back.

Looked for only when a selection is another one than at the last look: it reads the paths of all
pictures of the category.
"""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from naturalist import artifacts, ledger
from naturalist.layout import Layout
from naturalist.ledger import Outcome
from naturalist.reasons import Reason
from naturalist.schemas import AMENDMENT
from naturalist.stages.ingest.amending import Row, Withdrawing, files_with
from naturalist.stages.ingest.options import Source
from naturalist.stages.ingest.selection import Selection
from naturalist.stages.ingest.withdrawals import Withdrawals

BY = "selection"
_COLUMNS = ["source", "path", "outcome", "pic_id", "same_as"]
_SELECTION = Withdrawing(
    BY,
    Reason.EXCLUDED,
    leaves="its source leaves it out",
    returns="include and exclude of its source select it again",
)
Selections = dict[str, Selection]
"""By source."""
Fingerprints = dict[str, dict[str, str]]
"""Of the selections that are not the default one, by category and source, in hex."""


def amend(layout: Layout, sources: Sequence[Source], withdrawals: Withdrawals) -> int:
    """Compare the ledger with the selections of the sources, and amend it where they changed.

    Returns:
        How many pictures were withdrawn or put back.

    Raises:
        WithdrawalBudgetExceeded: too many pictures would be withdrawn; none is.
    """
    before: Fingerprints = artifacts.read_json(layout.selections) or {}
    now = _fingerprints(sources)
    if now == before:
        return 0
    rows = {
        category: _amendments(layout, category, _of(category, sources), changed)
        for category in sorted(before | now)
        if (changed := _changed(layout, category, before, now))
    }
    out = {category: _withdrawn(result) for category, result in rows.items()}
    withdrawals.add(out, "include or exclude of their sources leaves them out now")
    for category, result in rows.items():
        if result:
            path = layout.amendments(category) / f"selection-{result[0]['at_ns']}.parquet"
            artifacts.write_parquet(path, pa.Table.from_pylist(result, AMENDMENT))
    artifacts.write_json(layout.selections, now)
    return sum(map(len, rows.values()))


def _fingerprints(sources: Sequence[Source]) -> Fingerprints:
    now: Fingerprints = {}
    for source in sources:
        if not source.selection.is_default:
            named = now.setdefault(source.category, {})
            named[source.name] = source.selection.fingerprint.hex()
    return now


def _changed(layout: Layout, category: str, before: Fingerprints, now: Fingerprints) -> set[str]:
    """Sources of a category whose selection changed, and that the ledger knows already."""
    old, new = before.get(category, {}), now.get(category, {})
    differ = {name for name in old | new if old.get(name) != new.get(name)}
    return differ & ledger.counts(layout, category).keys() if differ else differ


def _of(category: str, sources: Sequence[Source]) -> Selections:
    return {source.name: source.selection for source in sources if source.category == category}


def _withdrawn(rows: Sequence[Row]) -> int:
    return sum(row["outcome"] == Outcome.REFUSED for row in rows)


def _amendments(
    layout: Layout, category: str, selections: Selections, changed: set[str]
) -> list[Row]:
    latest = {row["pic_id"]: row for row in ledger.amendments(layout, category).to_pylist()}
    withdrawn = {pic for pic, row in latest.items() if row["outcome"] != Outcome.ACCEPTED}
    mine = {pic for pic in withdrawn if latest[pic]["by"] == BY}
    out: dict[str, str] = {}
    back: dict[str, str] = {}
    affected = {name: one for name, one in selections.items() if name in changed}
    for row, is_out in _files(layout, category, affected, Outcome.ACCEPTED):
        pic = row["pic_id"]
        if is_out and (pic not in withdrawn or pic in mine):
            out[pic] = row["source"]
        elif not is_out and pic in mine:
            back[pic] = row["source"]
    if out:
        for row, is_out in _files(layout, category, selections, Outcome.DUPLICATE):
            # A picture stays as long as one file with its bytes is taken.
            if not is_out and row["same_as"] in out:
                source = out.pop(row["same_as"])
                if row["same_as"] in mine:
                    back[row["same_as"]] = source
    at_ns = ledger.amendment_time_ns(layout, category)
    leaving = {pic: source for pic, source in out.items() if pic not in mine}
    return _SELECTION.amendments(leaving, back, at_ns)


def _files(
    layout: Layout, category: str, selections: Mapping[str, Selection], outcome: Outcome
) -> Iterator[tuple[Row, bool]]:
    """Ledger rows of sources that are configured, and whether their files are left out."""
    for rows in files_with(layout, category, outcome, _COLUMNS):
        for row in rows:
            selection = selections.get(row["source"])
            if selection is not None:
                yield row, selection.leaves_out(row["path"])
