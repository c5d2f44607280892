"""Giving every finding its outcome and every new picture its id.

Pure: findings and what the ledger knows in, ledger rows out. Rows keep listing order, so ids do not
depend on which task was finished first.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from naturalist.layout import pic_id
from naturalist.ledger import Outcome
from naturalist.reasons import Reason

Row = dict[str, Any]
FileKey = tuple[str, str, bytes, int]
"""category, source, path, occurrence"""


@dataclass(frozen=True)
class KnownPicture:
    """A picture of the ledger that has some bytes.

    It has an id if it was ever accepted, and is still accepted unless something was learnt later.
    It is decided if a person said that its bytes are this picture, or that they are to be none.
    """

    category: str
    source: str
    pic_id: str | None
    text: str
    is_accepted: bool = True
    is_decided: bool = False


@dataclass(frozen=True)
class Prior:
    """What the ledger knows about the files and the bytes of a batch."""

    by_file: dict[FileKey, list[Row]] = field(default_factory=dict)
    by_sha256: dict[bytes, list[KnownPicture]] = field(default_factory=dict)


@dataclass
class Assigned:
    """The outcome of a batch by category: rows, amendments, and of touched files key and bytes."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    amendments: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    touched: dict[str, list[tuple[bytes, bytes | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    last_numbers: dict[str, int] = field(default_factory=dict)


def assign(
    findings: Iterable[tuple[str, Row]],
    prior: Prior,
    last_numbers: dict[str, int],
    batch: int,
    image_root: Callable[[str, Row], str | None],
) -> Assigned:
    """Decide about every finding.

    Args:
        findings: (category, row of schema FINDINGS), in listing order. A row may also say how many
            pictures are `ahead` of it that are not among the findings: new ones of its category,
            whose numbers are left out. Further keys are kept.
        prior: what the ledger knows about them.
        last_numbers: highest picture number of each category so far.
        batch: number of this batch.
        image_root: names the image root for a new picture, None to read it in its source.
    """
    result = Assigned(last_numbers=dict(last_numbers))
    fresh = [(c, row) for c, row in findings if not _is_unchanged(c, row, prior, result)]
    where = _categories_of_bytes(fresh, prior)
    first: dict[bytes, str] = {}
    for category, row in fresh:
        ledger_row = _base(category, row, batch)
        if row["kind"] != "picture":
            ledger_row["outcome"] = OUTCOME_OF_KIND[row["kind"]].value
        elif (decided := _decided(row, prior)) is not None:
            ledger_row["outcome"] = Outcome.DUPLICATE.value
            ledger_row["same_as"] = decided
        elif row["sha256"] in where:
            _mark_conflict(ledger_row, where[row["sha256"]])
        else:
            _accept_or_duplicate(ledger_row, prior, first, result)
            if ledger_row["outcome"] == Outcome.ACCEPTED:
                ledger_row["image_root"] = image_root(category, row)
        result.rows[category].append(ledger_row)
    _amend_conflicts(fresh, where, prior, result)
    return result


OUTCOME_OF_KIND = {
    "refused": Outcome.REFUSED,
    "unpacked": Outcome.UNPACKED,
    # Its label had no category, and has another one now.
    "moved": Outcome.RELABELLED,
}
"""Of findings that are not pictures."""


def text_of(path: bytes) -> str:
    """A ledger path for people."""
    return path.decode("utf-8", "backslashreplace").replace("\0", "!/")


def _is_unchanged(category: str, row: Row, prior: Prior, result: Assigned) -> bool:
    key = (category, row["source"], row["path"], row["occurrence"])
    for old in prior.by_file.get(key, ()):
        if (old["sha256"] == row["sha256"] and _same_verdict(old, row)) or _is_amended(old, row):
            if row["seen_key"] is not None:
                result.touched[category].append((row["seen_key"], row["sha256"]))
            return True
    return False


def _is_amended(old: Row, row: Row) -> bool:
    """Whether a file that was a picture is left out now, which is an amendment (`deselected`)."""
    was_picture = old["outcome"] not in (Outcome.REFUSED, Outcome.UNPACKED)
    return was_picture and row["reason"] == Reason.EXCLUDED


def _same_verdict(old: Row, row: Row) -> bool:
    if row["kind"] == "picture":
        return old["outcome"] not in (Outcome.REFUSED, Outcome.UNPACKED)
    return bool(old["outcome"] == OUTCOME_OF_KIND[row["kind"]] and old["reason"] == row["reason"])


def _categories_of_bytes(fresh: list[tuple[str, Row]], prior: Prior) -> dict[bytes, dict[str, str]]:
    """Of bytes that are in several categories: where, by category."""
    several = _in_several(fresh, prior)
    where: dict[bytes, dict[str, str]] = defaultdict(dict)
    for category, row in fresh:
        if row["kind"] == "picture" and row["sha256"] in several:
            for known in prior.by_sha256.get(row["sha256"], ()):
                where[row["sha256"]].setdefault(known.category, known.text)
            text = f"{category}/{row['source']}/{text_of(row['path'])}"
            where[row["sha256"]].setdefault(category, text)
    return where


def _in_several(fresh: list[tuple[str, Row]], prior: Prior) -> set[bytes]:
    only: dict[bytes, str] = {}
    several = set()
    for category, row in fresh:
        if row["kind"] == "picture":
            sha256 = row["sha256"]
            known = (picture.category for picture in prior.by_sha256.get(sha256, ()))
            if any(only.setdefault(sha256, one) != one for one in (category, *known)):
                several.add(sha256)
    return several


def _base(category: str, row: Row, batch: int) -> Row:
    made = row | {
        "category": category,
        "batch": batch,
        "path_text": text_of(row["path"]),
        "pic_id": None,
        "same_as": None,
        "image_root": None,
    }
    del made["kind"], made["staged"]
    return made


def _decided(row: Row, prior: Prior) -> str | None:
    """The picture that a person has said these bytes are, whatever category they turn up in."""
    known = prior.by_sha256.get(row["sha256"], ())
    return next((k.pic_id for k in known if k.pic_id and k.is_decided), None)


def _mark_conflict(row: Row, where: dict[str, str]) -> None:
    others = [text for category, text in sorted(where.items()) if category != row["category"]]
    row["outcome"] = Outcome.CONFLICT.value
    row["same_as"] = others[0]
    row["detail"] = "the same bytes are also in category " + ", ".join(
        sorted(set(where) - {row["category"]})
    )


def _accept_or_duplicate(row: Row, prior: Prior, first: dict[bytes, str], result: Assigned) -> None:
    known = [k.pic_id for k in prior.by_sha256.get(row["sha256"], ()) if k.pic_id]
    original = known[0] if known else first.get(row["sha256"])
    if original is not None:
        row["outcome"] = Outcome.DUPLICATE.value
        row["same_as"] = original
        return
    category = row["category"]
    number = result.last_numbers.get(category, 0) + 1
    result.last_numbers[category] = number
    row["outcome"] = Outcome.ACCEPTED.value
    row["pic_id"] = first[row["sha256"]] = pic_id(category, number + row.get("ahead", 0))


def _amend_conflicts(
    fresh: list[tuple[str, Row]],
    where: dict[bytes, dict[str, str]],
    prior: Prior,
    result: Assigned,
) -> None:
    texts = {
        row["sha256"]: f"{category}/{row['source']}/{text_of(row['path'])}"
        for category, row in fresh
        if row["kind"] == "picture" and row["sha256"] in where and _decided(row, prior) is None
    }
    for sha256, text in texts.items():
        for known in prior.by_sha256.get(sha256, ()):
            # What a person or another stage has said of a picture stands.
            if known.pic_id is not None and known.is_accepted:
                result.amendments[known.category].append(_conflict_amendment(known, text))


def _conflict_amendment(known: KnownPicture, text: str) -> Row:
    return {
        "pic_id": known.pic_id,
        "source": known.source,
        "outcome": Outcome.CONFLICT.value,
        "reason": None,
        "detail": "the same bytes were found later in another category",
        "same_as": text,
        "by": "ingest",
    }
