"""The ledger as it is published: without private columns, and without what was taken down.

The row of a picture that was taken down keeps its id, its outcome and the reason, so that nobody
goes back to a snapshot that has it and its id is never given again. Where it came from, what it was
called, its size and its bytes' hash are blank, and so they are for other files with these bytes.
An id of a retired category is named nowhere.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, categories
from naturalist.layout import Layout
from naturalist.ledger.outcomes import Outcome
from naturalist.ledger.rows import batches
from naturalist.ledger.views import connect, query
from naturalist.ledger.withheld import Withheld
from naturalist.reasons import Reason
from naturalist.schemas import PRIVATE_AMENDMENT_COLUMNS, PRIVATE_LEDGER_COLUMNS

_OF_FILE = ("path", "path_text", "size_bytes", "sha256", "format", "width", "height", "detail")
"""What a row says of the file that it is of."""
_FIRST_BLANK = -2
"""Rows without a path are told apart by `occurrence`, counting down from here."""


@dataclass(frozen=True)
class Unnamed:
    """What the published ledger does not describe.

    Attributes:
        pictures: ids of pictures that were taken down.
        digests: SHA-256 of their bytes.
        files: category, source and path of the files that hold them.
        retired: keys of retired categories.
        words: what else they are or were called.
    """

    pictures: frozenset[str] = frozenset()
    digests: frozenset[bytes] = frozenset()
    files: frozenset[tuple[str, str, bytes]] = frozenset()
    retired: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    @property
    def fingerprint(self) -> str:
        """Changes when a picture is taken down or a category retired; empty if there is nothing."""
        named = [sorted(self.pictures), sorted(self.retired), sorted(self.words)]
        return artifacts.fingerprint(*named) if any(named) else ""


def taken_down(layout: Layout, keys: Iterable[str]) -> frozenset[str]:
    """Ids of the pictures of some categories that were taken down."""
    return frozenset(
        pic
        for key in keys
        for path in layout.amendments(key).glob("takedown-*.parquet")
        for pic in artifacts.read_parquet(path, ["pic_id"])["pic_id"].to_pylist()
    )


def unnamed(layout: Layout) -> Unnamed:
    """What a workspace leaves out of its published ledger.

    Reads rows only where pictures were taken down, after a takedown or a new batch.
    """
    known = categories.read(layout)
    pictures = taken_down(layout, categories.keys_on_disk(layout))
    if not pictures:
        return Unnamed(retired=known.retired_keys, words=known.retired_words)
    held = [one.sha256 for key in categories.keys_on_disk(layout) for one in batches(layout, key)]
    found = artifacts.remembered(
        layout.read_before / "taken-down.json",
        artifacts.fingerprint(sorted(pictures), held),
        lambda: _look_up(layout, pictures),
    )
    return Unnamed(
        pictures,
        frozenset(map(bytes.fromhex, found["digests"])),
        frozenset((key, source, bytes.fromhex(path)) for key, source, path in found["files"]),
        known.retired_keys,
        known.retired_words,
    )


def _look_up(layout: Layout, pictures: Iterable[str]) -> dict[str, Any]:
    """Hex SHA-256 of pictures, and category, source and path (hex) of all files that have it."""
    with connect(layout) as connection:
        connection.register("asked", pa.table({"pic_id": pa.array(sorted(pictures), pa.string())}))
        digests = query(connection, _DIGESTS)["sha256"].to_pylist()
        files = query(connection, _FILES).to_pylist()
    return {
        "digests": [digest.hex() for digest in digests],
        "files": [[row["category"], row["source"], row["path"].hex()] for row in files],
    }


_DIGESTS = """
SELECT DISTINCT sha256 FROM ledger_rows SEMI JOIN asked USING (pic_id) WHERE sha256 IS NOT NULL
"""
_FILES = f"SELECT category, source, path FROM ledger_rows WHERE sha256 IN ({_DIGESTS})"  # noqa: S608


def public_rows(rows: pa.Table, without: Unnamed) -> pa.Table:
    """Rows of a batch as they are published.

    A refusal that a later row of a file which was taken down supersedes is left out.
    """
    held = rows.drop_columns(list(PRIVATE_LEDGER_COLUMNS))
    if without.pictures:
        blank = pa.array(_is_blank(row, without) for row in _outlines(held))
        gone = pc.and_(blank, pc.and_(pc.equal(held["outcome"], Outcome.REFUSED), _no_id(held)))
        held, blank = held.filter(pc.invert(gone)), blank.filter(pc.invert(gone))
        held = _without_columns(_without_paths(held, blank), blank, _OF_FILE)
        numbers = pa.array(range(_FIRST_BLANK, _FIRST_BLANK - len(held), -1), pa.int32())
        held = _replaced(held, "occurrence", blank, numbers)
    return _without_columns(held, _names_retired(held, without), ("same_as", "detail"))


def public_amendments(rows: pa.Table, without: Unnamed) -> pa.Table:
    """Amendments as they are published; those of takedowns keep the reason that was given."""
    held = rows.drop_columns(list(PRIVATE_AMENDMENT_COLUMNS))
    if without.pictures:
        blank = pc.is_in(held["pic_id"], pa.array(sorted(without.pictures), pa.string()))
        held = _without_paths(held, blank)
        others = pc.fill_null(pc.not_equal(held["reason"], Reason.TAKEN_DOWN.value), True)
        held = _without_columns(held, pc.and_(blank, others), ("detail",))
    return _without_columns(held, _names_retired(held, without), ("same_as", "detail"))


def _outlines(rows: pa.Table) -> list[dict[str, object]]:
    columns: list[dict[str, object]] = rows.select(
        ["category", "source", "path", "pic_id", "sha256"]
    ).to_pylist()
    return columns


def _is_blank(row: dict[str, object], without: Unnamed) -> bool:
    return (
        row["pic_id"] in without.pictures
        or row["sha256"] in without.digests
        or (row["category"], row["source"], row["path"]) in without.files
    )


def _no_id(rows: pa.Table) -> pa.ChunkedArray:
    return pc.is_null(rows["pic_id"])


def _without_paths(rows: pa.Table, mask: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Rows of which `same_as` may name a picture by its id, and no file by its path."""
    is_path = pc.fill_null(pc.match_substring(rows["same_as"], "/"), False)
    return _without_columns(rows, pc.and_(mask, is_path), ("same_as",))


def _names_retired(rows: pa.Table, without: Unnamed) -> pa.ChunkedArray:
    """For each row whether it points to a retired category: to an id, a file, or by its name."""
    result = Withheld(retired=without.retired).among(rows["same_as"])
    for key in without.retired:
        result = pc.or_kleene(result, pc.starts_with(rows["same_as"], f"{key}/"))
    for word in without.words:
        named = pc.match_substring_regex(rows["detail"], rf"(^|[^\w-]){re.escape(word)}([^\w-]|$)")
        result = pc.or_kleene(result, named)
    return pc.fill_null(result, False)


def _without_columns(
    rows: pa.Table, mask: pa.Array | pa.ChunkedArray, columns: Iterable[str]
) -> pa.Table:
    """Blank some columns where a mask is true: null where that may be, else the empty value."""
    if not pc.any(mask).as_py():
        return rows
    for name in columns:
        field = rows.schema.field(name)
        empty = None if field.nullable else {"path": b"", "path_text": "", "size_bytes": 0}[name]
        rows = _replaced(rows, name, mask, pa.scalar(empty, field.type))
    return rows


def _replaced(
    rows: pa.Table,
    name: str,
    mask: pa.Array | pa.ChunkedArray,
    value: pa.Scalar | pa.Array,
) -> pa.Table:
    at = rows.schema.get_field_index(name)
    return rows.set_column(at, rows.schema.field(name), pc.if_else(mask, value, rows[name]))
