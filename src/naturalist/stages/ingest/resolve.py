"""What a person's decision about a picture changes in the ledger.

Pure: the ledger's rows of some bytes and a decision in, amendments and ledger rows out. Decisions
are about the bytes of one picture, however many files hold them: it *belongs* to
one category, and one id is accepted. Which id that is:

1. an id that these bytes have in the category already, accepted or withdrawn;
2. else a new id for a file of the category that had none (it was in conflict);
3. else a new id for a picture that *came by relabelling*: its row names the source and the path of
   the file in its first category, and `same_as` names the id that it had there.

All other files with these bytes become duplicates of it; an id that was left by relabelling becomes
`relabelled`, so that a file is counted once. Ids are never reused, and going back gives the old id
again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from naturalist.layout import pic_id
from naturalist.ledger import Outcome
from naturalist.reasons import Reason

RELABELLED_OCCURRENCE = -1
"""Marks the ledger row of a picture that came by relabelling."""

Row = dict[str, Any]
_OF_FILE = ("category", "source", "path", "path_text", "occurrence", "size_bytes", "mtime_ns")
_OF_PICTURE = ("sha256", "format", "width", "height")


class Kind(StrEnum):
    """What a person decides."""

    KEEP = "keep"
    RELABEL = "relabel"
    RETIRE = "retire"


@dataclass(frozen=True)
class DecisionRecord:
    """A person's decision: who, when (ns since 1970), and a note that is published."""

    by: str
    at_ns: int
    note: str | None = None


class CannotResolve(ValueError):
    """A decision that the ledger cannot follow; the message says why."""


@dataclass
class Resolution:
    """What a decision changes.

    Attributes:
        rows: new ledger rows, without a batch; those without an id replace older ones of a file.
        amendments: (category, row of schema AMENDMENT).
        moved: (row of `rows`, the ledger row that holds its bytes) of one that came by relabelling.
        placed: rows of `rows` whose file is to be taken from its source.
        pic_id: the picture that the bytes are now; None if they were retired.
    """

    rows: list[Row] = field(default_factory=list)
    amendments: list[tuple[str, Row]] = field(default_factory=list)
    moved: list[tuple[Row, Row]] = field(default_factory=list)
    placed: list[Row] = field(default_factory=list)
    pic_id: str | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether all is as decided already."""
        return not self.rows and not self.amendments


def first_category(rows: Iterable[tuple[str, int, bool]]) -> str | None:
    """The category that had a picture first; None if several were seen in the same batch.

    Args:
        rows: category, batch, and whether it has an id, of each file with the same bytes.
    """
    ranks = sorted((not has_id, batch, category) for category, batch, has_id in rows)
    first = {category for *rank, category in ranks if tuple(rank) == ranks[0][:2]}
    return first.pop() if len(first) == 1 else None


def resolve(
    rows: Sequence[Row], category: str, record: DecisionRecord, next_number: Callable[[str], int]
) -> Resolution:
    """Make some bytes one picture of a category.

    Args:
        rows: every effective ledger row that has them, each with `origin` (the id that a picture
            which came by relabelling was given first, else None) and `decision` (the outcome that a
            person decided last, else None).
        category: where they belong.
        record: whose decision it is.
        next_number: gives a fresh number of a category.

    Raises:
        CannotResolve: the picture was taken down, cannot be decoded, or has no stored bytes.
    """
    _refuse_taken_down(rows)
    done = Resolution()
    winner = _winner(rows, category)
    if winner is None:
        winner = _relabelled(rows, category, record, next_number, done)
    elif winner["pic_id"] is None:
        winner = _accepted_now(winner, record, next_number, done)
    elif winner["outcome"] != Outcome.ACCEPTED or winner["decision"] != Outcome.ACCEPTED:
        done.amendments.append((category, _amendment(winner, Outcome.ACCEPTED, record, None)))
    done.pic_id = winner["pic_id"]
    root = winner["origin"]
    for row in rows:
        if _identity(row) != _identity(winner):
            _lose(row, winner["pic_id"], root, record, done)
    return done


def retire(rows: Sequence[Row], record: DecisionRecord) -> Resolution:
    """Let some bytes be in no table.

    Raises:
        CannotResolve: they are in none for another reason.
    """
    done = Resolution()
    for row in rows:
        if row["outcome"] not in (Outcome.ACCEPTED, Outcome.CONFLICT):
            continue
        if row["pic_id"] is not None:
            amendment = _amendment(row, Outcome.REFUSED, record, None, Reason.RETIRED)
            done.amendments.append((row["category"], amendment))
        else:
            again = {"outcome": Outcome.REFUSED.value, "reason": Reason.RETIRED.value}
            done.rows.append(_new_row(row) | again | {"detail": record.note})
    if done.is_nothing and not any(row["reason"] == Reason.RETIRED for row in rows):
        raise CannotResolve(f"it is not in the tables: {_state(rows)}")
    return done


def _refuse_taken_down(rows: Iterable[Row]) -> None:
    for row in rows:
        if row["reason"] == Reason.TAKEN_DOWN:
            raise CannotResolve(f"{row['pic_id']} was taken down, and a takedown cannot be undone")


def _winner(rows: Sequence[Row], category: str) -> Row | None:
    mine = [row for row in rows if row["category"] == category]
    held = [row for row in mine if row["pic_id"] is not None]
    able = [row for row in held if _can_come_back(row)]
    if able:
        # One that is accepted, else one with a file of its own, else the oldest.
        return min(able, key=lambda r: (not _is_accepted(r), r["origin"] is not None, r["batch"]))
    waiting = [row for row in mine if _waits(row)]
    if held and not waiting:
        raise CannotResolve(f"{held[0]['pic_id']} is {_state(held)}")
    return min(waiting, key=lambda r: (r["source"], r["path"], r["occurrence"]), default=None)


def _is_accepted(row: Row) -> bool:
    return bool(row["outcome"] == Outcome.ACCEPTED)


def _can_come_back(row: Row) -> bool:
    return bool(row["outcome"] != Outcome.REFUSED or row["reason"] == Reason.RETIRED)


def _waits(row: Row) -> bool:
    """Whether a file without an id could be the picture that its bytes are."""
    if row["pic_id"] is not None:
        return False
    return row["outcome"] in (Outcome.CONFLICT, Outcome.DUPLICATE) or _can_come_back(row)


def _state(rows: Sequence[Row]) -> str:
    states = sorted({" ".join(filter(None, [row["outcome"], row["reason"]])) for row in rows})
    return ", ".join(states)


def _identity(row: Row) -> tuple[Any, ...]:
    return row["category"], row["source"], row["path"], row["occurrence"], row["origin"]


def _new_row(row: Row) -> Row:
    kept = {name: row[name] for name in (*_OF_FILE, *_OF_PICTURE)}
    empty = dict.fromkeys(("reason", "detail", "pic_id", "same_as", "image_root"))
    return kept | empty | {"seen_key": row["seen_key"]}


def _accepted_now(
    row: Row, record: DecisionRecord, next_number: Callable[[str], int], done: Resolution
) -> Row:
    category = row["category"]
    name = pic_id(category, next_number(category))
    made = _new_row(row) | {"outcome": Outcome.ACCEPTED.value, "pic_id": name}
    done.rows.append(made)
    done.placed.append(made)
    done.amendments.append((category, _amendment(made, Outcome.ACCEPTED, record, None)))
    return made | {"origin": None}


def _relabelled(
    rows: Sequence[Row],
    category: str,
    record: DecisionRecord,
    next_number: Callable[[str], int],
    done: Resolution,
) -> Row:
    held = [row for row in rows if row["pic_id"] is not None and _can_come_back(row)]
    if not held:
        where = ", ".join(sorted({row["category"] for row in rows}))
        raise CannotResolve(
            f"no identical file has been accepted yet: accept one of {where} first, then relabel"
        )
    base = min(held, key=lambda r: (not _is_accepted(r), r["origin"] is not None))
    name = pic_id(category, next_number(category))
    origin = base["origin"] or base["pic_id"]
    made = _new_row(base) | {
        "category": category,
        "outcome": Outcome.ACCEPTED.value,
        "pic_id": name,
        "same_as": origin,
        "detail": f"relabelled; it was {base['pic_id']}",
        # The file is known in its own category, where it lies; another one may have its path here.
        "seen_key": None,
        "occurrence": RELABELLED_OCCURRENCE,
    }
    done.rows.append(made)
    done.moved.append((made, base))
    done.amendments.append((category, _amendment(made, Outcome.ACCEPTED, record, origin)))
    return made | {"origin": origin}


def _lose(
    row: Row, winner: str, root: str | None, record: DecisionRecord, done: Resolution
) -> None:
    if row["pic_id"] is None:
        if row["outcome"] == Outcome.CONFLICT or row["reason"] == Reason.RETIRED:
            lost = {"outcome": Outcome.DUPLICATE.value, "same_as": winner}
            done.rows.append(_new_row(row) | lost)
        return
    if not _can_come_back(row):
        return
    leaves = row["origin"] is not None or row["pic_id"] == root
    outcome = Outcome.RELABELLED if leaves else Outcome.DUPLICATE
    if (row["outcome"], row["same_as"]) != (outcome, winner):
        done.amendments.append((row["category"], _amendment(row, outcome, record, winner)))


def _amendment(
    row: Row,
    outcome: Outcome,
    record: DecisionRecord,
    same_as: str | None,
    reason: Reason | None = None,
) -> Row:
    return {
        "pic_id": row["pic_id"],
        "source": row["source"],
        "outcome": outcome.value,
        "reason": reason.value if reason else None,
        "detail": record.note,
        "same_as": same_as,
        "by": record.by,
        "at_ns": record.at_ns,
    }
