"""Pictures with tags or notes, as rows."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from naturalist.curation.reviewing.history import History
from naturalist.curation.sheets import sheet

_COLUMNS = ("picID", "tags", "note")


def marked(history: History, tag: str = "") -> list[dict[str, Any]]:
    """Pictures with a tag or a note, in the order in which they were last changed.

    Args:
        history: everything that was decided.
        tag: only pictures that have it; empty for all.
    """
    result = []
    for key, one in sorted(history.pictures(), key=lambda pair: pair[1].version):
        if (tag in one.mark.tags) if tag else (one.mark.tags or one.mark.note):
            at = dt.datetime.fromtimestamp(one.at_ns / 1e9, dt.UTC).isoformat(timespec="seconds")
            result.append(
                {
                    "picID": key,
                    "tags": list(one.mark.tags),
                    "note": one.mark.note,
                    "by": one.by,
                    "at": at,
                }
            )
    return result


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The rows of `marked` as CSV with a line of names; tags are separated by spaces."""
    return sheet(_COLUMNS, (row | {"tags": " ".join(row["tags"])} for row in rows))[0]


def all_tags(history: History) -> dict[str, int]:
    """How many pictures have each tag, the most frequent first."""
    counted: dict[str, int] = {}
    for _, one in history.pictures():
        for tag in one.mark.tags:
            counted[tag] = counted.get(tag, 0) + 1
    return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))
