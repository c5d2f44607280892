"""Making a person's decisions about pictures part of the ledger, all of them or none.

Decisions become amendments and, where a picture gets a new id, rows of a new batch. They go the
way of every batch: first everything is written down as the pending batch, then pictures are placed,
then it is committed; so a kill at any moment leaves all or nothing, and the next run finishes it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from naturalist import ledger
from naturalist.config import Config
from naturalist.curation.decisions import Decision, Mistakes
from naturalist.curation.review_bytes import fetch, file_of
from naturalist.errors import ConfigError
from naturalist.layout import pic_number
from naturalist.ledger import Outcome
from naturalist.pipeline import runner
from naturalist.pipeline.steps import IngestResult, Job, finish_pending, place_and_commit
from naturalist.progress import Progress
from naturalist.running import workspace
from naturalist.stages.ingest import batches
from naturalist.stages.ingest.assign import Assigned
from naturalist.stages.ingest.resolve import (
    CannotResolve,
    DecisionRecord,
    Kind,
    Resolution,
    first_category,
    resolve,
    retire,
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """What became of one picture, or of one file without an id."""

    what: str
    was: str
    now: str


@dataclass(frozen=True)
class LeftOut:
    """A decision that could not be followed, and why."""

    key: str
    why: str


@dataclass
class Reviewed:
    """What decisions changed, or would change."""

    dry_run: bool
    decided: int = 0
    unchanged: int = 0
    new_ids: dict[str, str] = field(default_factory=dict)
    """Old id, or category/source/path of a file that had none, to the new id."""
    changes: list[Change] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    """Only where mistakes are to be left out."""

    @property
    def pictures(self) -> int:
        """Pictures and files that change; a relabelled one counts once, not with both its ids."""
        return len({self.new_ids.get(one.what, one.what) for one in self.changes})

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return vars(self) | {
            "changes": [vars(change) for change in self.changes],
            "left_out": [vars(one) for one in self.left_out],
        }


def review(
    config: Config,
    progress: Progress,
    decisions: Sequence[Decision],
    by: str,
    *,
    path: str = "the decisions",
    dry_run: bool = False,
    leave_out_mistakes: bool = False,
) -> Reviewed:
    """Make decisions part of the ledger; the next run makes tables of them.

    Args:
        config: the collection.
        progress: is notified of a stopped run that is finished first.
        decisions: what was decided.
        by: who decided; never published.
        path: names the decisions in errors.
        dry_run: only tell what would change.
        leave_out_mistakes: follow the others if one cannot be followed, and tell which.

    Raises:
        ConfigError: a decision cannot be followed; nothing is changed.
        WorkspaceLocked: somebody else is writing.
    """
    workspace.reading(config.layout)
    if by in ledger.BY_STAGES or not by.strip():
        raise ConfigError(f"--by {by!r} is not a person: pass the name of the person who decided")
    if dry_run:
        return _work_out(config, decisions, by, path, leave_out_mistakes)[0]
    with runner.opened(config, progress) as job:
        finish_pending(job, IngestResult())
        reviewed, resolutions = _work_out(config, decisions, by, path, leave_out_mistakes)
        if resolutions:
            _write(job, resolutions, reviewed)
    reviewed.dry_run = False
    return reviewed


def _work_out(
    config: Config, decisions: Sequence[Decision], by: str, path: str, leave_out: bool
) -> tuple[Reviewed, list[Resolution]]:
    mistakes = Mistakes(path)
    with ledger.connect(config.layout) as connection:
        digests = _digests(connection, decisions, mistakes)
        rows = _rows_of(connection, set(digests.values()))
        newest = connection.execute("SELECT coalesce(max(at_ns), 0) FROM amendments").fetchone()
    decisions = [_of_one_category(one, rows, digests, mistakes) for one in decisions]
    _refuse_contradictions(decisions, digests, mistakes)
    numbers = _Numbers(config)
    at_ns = max(time.time_ns(), (newest[0] if newest else 0) + 1)
    reviewed, resolutions = Reviewed(dry_run=True), []
    done: set[bytes] = set()
    for decision in decisions:
        digest = digests.get(decision.line)
        if digest is None or digest in done:
            continue
        done.add(digest)
        record = DecisionRecord(decision.by or by, at_ns, decision.note or None)
        try:
            _refuse_outdated(decision, rows[digest], record)
            one = _resolve(decision, rows[digest], record, numbers)
        except CannotResolve as error:
            mistakes.add(decision.line, f"{decision.key}: {error}")
            continue
        reviewed.decided += 1
        reviewed.unchanged += one.is_nothing
        _report(reviewed, rows[digest], one)
        resolutions += [] if one.is_nothing else [one]
    if leave_out:
        keys = {decision.line: decision.key for decision in decisions}
        reviewed.left_out = [LeftOut(keys[k], why) for k, why in mistakes.by_line().items()]
    else:
        mistakes.raise_if_any()
    return reviewed, resolutions


def _refuse_outdated(decision: Decision, rows: Sequence[Row], record: DecisionRecord) -> None:
    """Somebody may have decided in another way since; what holds already is no matter."""
    now = ledger_state(decision.key, rows)
    if decision.seen in (None, now):
        return
    # A trial: it takes no number of a category.
    if not _resolve(decision, rows, record, lambda _: 1).is_nothing:
        raise CannotResolve(f"it was {decision.seen} when this was decided and is {now} now")


def ledger_state(key: str, rows: Sequence[Row]) -> str:
    """What the ledger says of a picture, or of the files in conflict with certain bytes.

    Args:
        key: id of a picture, or `sha256:` and bytes.
        rows: effective rows of the ledger that have its bytes.
    """
    own = [_outcome(row) for row in rows if row["pic_id"] == key]
    if own:
        return own[0]
    return ", ".join(sorted({f"{row['category']} {_outcome(row)}" for row in rows}))


def _digests(
    connection: Any, decisions: Sequence[Decision], mistakes: Mistakes
) -> dict[int, bytes]:
    """The bytes that each line is about."""
    requested = pa.table({"pic_id": pa.array([d.key for d in decisions], pa.string())})
    connection.register("asked", requested)
    known = dict(
        connection.execute(
            "SELECT DISTINCT pic_id, sha256 FROM ledger_rows SEMI JOIN asked USING (pic_id)"
        ).fetchall()
    )
    digests = {}
    for decision in decisions:
        digest = decision.sha256 or known.get(decision.key)
        if digest is None:
            mistakes.add(decision.line, f"picture {decision.key!r} is not in the ledger")
        else:
            digests[decision.line] = bytes(digest)
    requested = pa.table({"sha256": pa.array(set(digests.values()), pa.binary(32))})
    connection.register("asked_bytes", requested)
    query = "SELECT DISTINCT sha256 FROM ledger SEMI JOIN asked_bytes USING (sha256)"
    there = {bytes(row[0]) for row in connection.execute(query).fetchall()}
    for decision in decisions:
        if decision.line in digests and digests[decision.line] not in there:
            mistakes.add(decision.line, f"the ledger knows no file {decision.key!r}")
            del digests[decision.line]
    return digests


_ROWS = """
SELECT l.*, o.origin, d.decision
FROM ledger l SEMI JOIN asked_bytes USING (sha256)
LEFT JOIN (SELECT pic_id, same_as AS origin FROM ledger_rows
           WHERE pic_id IS NOT NULL AND occurrence < 0) o USING (pic_id)
LEFT JOIN decisions d USING (pic_id)
ORDER BY l.batch, l.category, l.source, l.path, l.occurrence
"""


def _rows_of(connection: Any, digests: set[bytes]) -> dict[bytes, list[Row]]:
    requested = pa.table({"sha256": pa.array(digests, pa.binary(32))})
    connection.register("asked_bytes", requested)
    rows: dict[bytes, list[Row]] = defaultdict(list)
    for row in ledger.query(connection, _ROWS).to_pylist():
        rows[row["sha256"]].append(row)
    return rows


def _of_one_category(
    decision: Decision,
    rows: Mapping[bytes, Sequence[Row]],
    digests: dict[int, bytes],
    mistakes: Mistakes,
) -> Decision:
    """Keep files in conflict in the category that had the picture first, unless one is given."""
    digest = digests.get(decision.line)
    if digest is None or decision.kind is not Kind.KEEP or decision.category or not decision.sha256:
        return decision
    held = [row for row in rows[digest] if row["outcome"] in (Outcome.ACCEPTED, Outcome.CONFLICT)]
    category = first_category((row["category"], row["batch"], bool(row["pic_id"])) for row in held)
    if category is None:
        text = "its files are in several categories, and none came first: name the category"
        mistakes.add(decision.line, text)
        del digests[decision.line]
    return replace(decision, category=category or "")


def _refuse_contradictions(
    decisions: Sequence[Decision], digests: dict[int, bytes], mistakes: Mistakes
) -> None:
    first: dict[bytes, Decision] = {}
    for decision in decisions:
        digest = digests.get(decision.line)
        if digest is None:
            continue
        other = first.setdefault(digest, decision)
        if _meaning(other) != _meaning(decision):
            mistakes.add(
                decision.line, f"line {other.line} decides differently about the same bytes"
            )


def _meaning(decision: Decision) -> tuple[bool, str]:
    if decision.kind is Kind.RETIRE:
        return False, ""
    return True, decision.category or decision.key.rpartition("_id_")[0]


class _Numbers:
    """Gives each category its next numbers."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._last: dict[str, int] = {}

    def __call__(self, category: str) -> int:
        if category not in self._last:
            summaries = ledger.batches(self._config.layout, category)
            self._last[category] = summaries[-1].last_number if summaries else 0
        self._last[category] += 1
        return self._last[category]


def _resolve(
    decision: Decision, rows: Sequence[Row], record: DecisionRecord, numbers: Callable[[str], int]
) -> Resolution:
    expected, category = _meaning(decision)
    return resolve(rows, category, record, numbers) if expected else retire(rows, record)


def _report(reviewed: Reviewed, rows: Sequence[Row], resolution: Resolution) -> None:
    before = {_name(row): _outcome(row) for row in rows}
    bases = {id(made): base for made, base in resolution.moved}
    for row in resolution.rows:
        if row["pic_id"] is not None:
            base = bases.get(id(row))
            reviewed.new_ids[_name(base) if base else file_of(row)] = row["pic_id"]
        name = row["pic_id"] or _name(row)
        was = before.get(file_of(row), "") if row["occurrence"] >= 0 else ""
        reviewed.changes.append(Change(name, was, _outcome(row)))
    fresh = {row["pic_id"] for row in resolution.rows}
    for _, amendment in resolution.amendments:
        if amendment["pic_id"] not in fresh:
            name = amendment["pic_id"]
            now = _outcome(amendment)
            reviewed.changes.append(
                Change(name, before[name], "confirmed" if now == before[name] else now)
            )


def _name(row: Row) -> str:
    return str(row["pic_id"] or file_of(row))


def _outcome(row: Row) -> str:
    rest = row["same_as"] if row["outcome"] != "accepted" else None
    return " ".join(filter(None, [row["outcome"], row["reason"], rest and f"({rest})"]))


# writing


def _write(job: Job, resolutions: Sequence[Resolution], reviewed: Reviewed) -> None:
    config = job.config
    batch = ledger.last_batch(config.layout) + 1
    fetch(config, resolutions)
    decided = Assigned()
    for one in resolutions:
        for row in one.rows:
            decided.rows[row["category"]].append(row | {"batch": batch})
        for category, amendment in one.amendments:
            decided.amendments[category].append(amendment)
    for category, rows in decided.rows.items():
        numbers = [pic_number(row["pic_id"]) for row in rows if row["pic_id"] is not None]
        summaries = ledger.batches(config.layout, category)
        last = summaries[-1].last_number if summaries else 0
        decided.last_numbers[category] = max([last, *numbers])
    stamp = min((a["at_ns"] for one in resolutions for _, a in one.amendments), default=0)
    batches.write_decided(
        config.layout, decided, batch, config.extract.shard_size, f"review-{stamp}"
    )
    place_and_commit(job, IngestResult())
