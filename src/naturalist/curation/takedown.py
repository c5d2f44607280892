"""Taking pictures down: out of tables, previews and published pictures from the next snapshot on.

The ledger row stays, amended, and the id is never used again. Stored bytes and features stay in the
workspace, where nothing publishes them; the same bytes arriving again are a duplicate of the
picture that was taken down, so they do not come back.
"""

from collections import defaultdict
from collections.abc import Sequence

import pyarrow as pa

from naturalist import artifacts, categories, ledger
from naturalist.config import Config
from naturalist.errors import ConfigError
from naturalist.ledger import Outcome, Withheld
from naturalist.ledger.public import taken_down
from naturalist.reasons import Reason
from naturalist.running import workspace
from naturalist.schemas import AMENDMENT
from naturalist.snapshots import Gone


def take_down(config: Config, pic_ids: Sequence[str], why: str, by: str) -> list[str]:
    """Amend the ledger rows of accepted pictures.

    Returns:
        The pictures that were taken down now; those that were in no table already are left out.

    Raises:
        ConfigError: the ledger does not know one of them; nothing is changed.
        WorkspaceLocked: somebody else is writing.
    """
    workspace.reading(config.layout)
    with workspace.writing(config):
        result = _find(config, pic_ids)
        rows = defaultdict(list)
        now = {one: ledger.amendment_time_ns(config.layout, one) for one in {r[0] for r in result}}
        for category, source, pic, outcome in result:
            # One in conflict could be accepted by a review.
            if outcome in (Outcome.ACCEPTED, Outcome.CONFLICT):
                rows[category].append(_amendment(pic, source, why, by, now[category]))
        for category, amendments in rows.items():
            path = config.layout.amendments(category) / f"takedown-{now[category]}.parquet"
            artifacts.write_parquet(path, pa.Table.from_pylist(amendments, AMENDMENT))
    return [str(row["pic_id"]) for amendments in rows.values() for row in amendments]


def gone(config: Config) -> Gone:
    """What no snapshot may show again: pictures that were taken down, retired categories."""
    takedowns = {
        path.name
        for key in config.names
        for path in config.layout.amendments(key).glob("takedown-*.parquet")
    }
    known = categories.read(config.layout)
    active = frozenset(one.key for one in known.active)
    return Gone(frozenset(takedowns), known.retired_keys, active)


def never_shown(config: Config) -> Withheld:
    """Pictures that were taken down, and retired categories: what no page may show again."""
    ids = taken_down(config.layout, config.names)
    return Withheld(ids, categories.read(config.layout).retired_keys)


def _find(config: Config, pic_ids: Sequence[str]) -> list[tuple[str, str, str, str]]:
    with ledger.connect(config.layout) as connection:
        connection.register("asked", pa.table({"pic_id": pa.array(pic_ids, pa.string())}))
        # A picture that was relabelled has other ids for the same bytes.
        result = connection.execute(
            "SELECT category, source, pic_id, outcome FROM ledger WHERE pic_id IS NOT NULL AND "
            "(pic_id IN (SELECT pic_id FROM asked) OR sha256 IN (SELECT sha256 FROM ledger_rows "
            "SEMI JOIN asked USING (pic_id)))"
        ).fetchall()
    unknown = sorted(set(pic_ids) - {row[2] for row in result})
    if unknown:
        raise ConfigError(
            f"picture {unknown[0]!r} is not in the ledger: ids look like plant_id_7; `naturalist "
            "ledger` shows them. Nothing was changed"
        )
    asked_at = {pic: i for i, pic in enumerate(pic_ids)}
    return sorted(result, key=lambda row: asked_at.get(row[2], len(pic_ids)))


def _amendment(pic: str, source: str, why: str, by: str, at_ns: int) -> dict[str, object]:
    return {
        "pic_id": pic,
        "source": source,
        "outcome": Outcome.REFUSED.value,
        "reason": Reason.TAKEN_DOWN.value,
        "detail": why,
        "same_as": None,
        "by": by,
        "at_ns": at_ns,
    }
