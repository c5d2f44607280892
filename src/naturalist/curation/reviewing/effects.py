"""What decisions would do to tables, snapshots and budgets, before anybody follows them.

Tables that the next run writes again follow from where the pictures are; its snapshot holds those
tables again, and earlier snapshots keep the tables they have.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, ledger
from naturalist.config import Config
from naturalist.curation.review import Reviewed
from naturalist.ledger import Outcome
from naturalist.stages.ingest.withdrawals import ALWAYS_ALLOWED
from naturalist.stages.tables import done_tables


@dataclass(frozen=True)
class CategoryEffect:
    """What becomes of one category.

    Attributes:
        accepted: its pictures in the tables as of now.
        leave: pictures that leave it.
        enter: pictures that come into it.
        tables: names of its tables that the next run writes again.
        table_bytes: what those hold today, as CSV and Parquet.
        allowed: how many a run may withdraw by itself; a reviewer's decisions do not count.
    """

    name: str
    accepted: int
    leave: int
    enter: int
    tables: tuple[str, ...]
    table_bytes: int
    allowed: int


@dataclass(frozen=True)
class Effect:
    """What decisions would do.

    Attributes:
        categories: those of which pictures leave or into which some come.
        snapshot_bytes: about what the next snapshot adds to what is published.
        accuracy: what is known of accuracy on sources left out, in words.
    """

    categories: tuple[CategoryEffect, ...] = ()
    snapshot_bytes: int = 0
    accuracy: str = "not estimated: `naturalist review --dry-run --accuracy` tries it on a sample"

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self)


def effect_of(config: Config, reviewed: Reviewed) -> Effect:
    """What the changes of a review do; reads names of pictures in tables, and no features."""
    leave, enter = _moves(reviewed)
    result = [
        _category(config, key, leave.get(key, []), enter[key])
        for key in config.names
        if leave.get(key) or enter[key]
    ]
    return Effect(tuple(result), sum(one.table_bytes for one in result))


def _moves(reviewed: Reviewed) -> tuple[dict[str, list[str]], Counter[str]]:
    """Ids that leave each category, and how many pictures come into it."""
    leave: dict[str, list[str]] = {}
    enter: Counter[str] = Counter()
    for change in reviewed.changes:
        key = change.what.rpartition("_id_")[0]
        was, now = change.was == Outcome.ACCEPTED, change.now in (Outcome.ACCEPTED, "confirmed")
        if was and not now:
            leave.setdefault(key, []).append(change.what)
        elif now and not was:
            enter[key] += 1
    return leave, enter


def _category(config: Config, key: str, leave: list[str], enter: int) -> CategoryEffect:
    tables = [path for path, _ in done_tables(config.layout, key)]
    again = {path for path in tables if _holds(path, leave)} | set(tables[-1:] if enter else ())
    accepted = sum(one.accepted for one in ledger.counts(config.layout, key).values())
    return CategoryEffect(
        name=config.names[key],
        accepted=accepted,
        leave=len(leave),
        enter=enter,
        tables=tuple(path.stem for path in tables if path in again),
        table_bytes=sum(_size(path) for path in again),
        allowed=max(ALWAYS_ALLOWED, int(config.withdrawal_budget * accepted)),
    )


def _holds(path: Path, ids: list[str]) -> bool:
    if not ids:
        return False
    names = artifacts.read_parquet(path, ["picID"])["picID"]
    return bool(pc.any(pc.is_in(names, pa.array(ids, pa.string()))).as_py())


def _size(path: Path) -> int:
    both = (path, path.with_suffix(".csv"))
    return sum(one.stat().st_size for one in both if one.exists())
