"""An index of the ledger for asking: one row for every file, in a DuckDB file of its own.

It is made when it is first needed and again when the ledger, or the metadata columns of pictures,
have changed. Memory is bounded; values from a browser only ever become parameters of a query.
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from naturalist import ledger
from naturalist.dashboard import attached
from naturalist.dashboard.attached import AttachedColumn
from naturalist.dashboard.collection import Collection
from naturalist.errors import WorkspaceError
from naturalist.ledger import Withheld

_MEMORY = "96MB"
_THREADS = 2
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": _MEMORY,
    "threads": _THREADS,
    "preserve_insertion_order": False,
    "autoinstall_known_extensions": False,
}
_LOOKED_AT_S = 5.0
"""How long it is believed that the ledger has not changed."""

_SHOWN = (
    "category", "number", "pic_id", "batch", "source", "path_text", "outcome", "reason", "detail",
    "same_as", "size_bytes", "sha256", "format", "width", "height",
)  # fmt: skip

_MAKE = """
CREATE TABLE files AS
SELECT category, TRY_CAST(substr(pic_id, length(category) + 5) AS INTEGER) AS number, pic_id,
    batch, source, path_text, occurrence, outcome, reason, detail, same_as, size_bytes,
    lower(hex(sha256)) AS sha256, format, width, height
FROM (SELECT * REPLACE (nullif(pic_id, '') AS pic_id) FROM ledger)
"""
_SOURCES = """
CREATE TABLE sources AS
SELECT source AS name, row_number() OVER (ORDER BY source) - 1 AS code
FROM (SELECT DISTINCT source FROM files)
"""
ORDERS: Mapping[str, str] = {
    "id": "",
    "newest": "batch DESC, ",
    "most-pixels": "width * height DESC NULLS LAST, ",
    "fewest-pixels": "width * height NULLS LAST, ",
    "most-bytes": "size_bytes DESC NULLS LAST, ",
    "fewest-bytes": "size_bytes NULLS LAST, ",
}
"""How files may be ordered, as SQL before that of the ledger."""
_FILTERS = ("category", "source", "outcome", "reason", "batch", "format", "pic_id")
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Accepted:
    """Every accepted picture: row i of each array belongs to the same one."""

    categories: NDArray[np.int16]
    """Code of its category in the order of labels."""
    numbers: NDArray[np.int32]
    sources: NDArray[np.int32]
    """Code of its source, in the order of `Catalogue.source_names`."""
    batches: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Index:
    """An index as it was made once, which stays as it is while anybody asks it."""

    connection: duckdb.DuckDBPyConnection
    attached: tuple[AttachedColumn, ...]
    made_from: tuple[Any, ...]


@dataclass(eq=False)
class Catalogue:
    """The index of one place's ledger; safe to use from several threads."""

    place: Collection
    scratch: Path
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _newest: _Index | None = field(default=None, repr=False)
    _held: threading.local = field(default_factory=threading.local, repr=False)
    _looked_at: float = float("-inf")
    _number: int = 0
    _ranges: list[Row] = field(default_factory=list, repr=False)
    _ranges_of: tuple[Any, ...] | None = None
    _withheld: Withheld = field(default_factory=Withheld, repr=False)
    _withheld_of: tuple[Any, ...] | None = None

    def signature(self) -> tuple[Any, ...]:
        """Names, sizes and times of all files that are indexed: another one means other rows."""
        files = [path for listed in self._files() for path in listed]
        files += attached.files_of(self.place)
        layout = self.place.layout
        files += [path for path in (layout.marker, layout.metadata_summary) if path.exists()]
        return tuple((str(p), s.st_size, s.st_mtime_ns) for p in files for s in [p.stat()])

    def _files(self) -> tuple[list[Path], list[Path]]:
        """Files of rows, and of amendments, of the categories that are not retired."""
        retired = self.place.retired
        rows, later = ledger.files(self.place.layout)
        return (
            [path for path in rows if path.parent.name not in retired],
            [path for path in later if path.parent.parent.name not in retired],
        )

    def look_again(self) -> None:
        """Look at once whether the ledger has changed."""
        with self._lock:
            self._looked_at = float("-inf")

    @contextlib.contextmanager
    def steady(self) -> Iterator[None]:
        """Ask one index for everything within, even if the ledger changes meanwhile.

        Columns have numbers of their own in each index, and sources too: what was asked of one
        means something else in another.
        """
        before = getattr(self._held, "index", None)
        self._held.index = before or self._index()
        try:
            yield
        finally:
            self._held.index = before

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run a query over the tables `files`, `sources` and `attached`."""
        cursor = self._cursor()
        try:
            result = cursor.execute(query, list(values))
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except duckdb.Error as error:
            raise WorkspaceError(f"querying the ledger failed: {error}") from error
        finally:
            cursor.close()

    def source_names(self) -> list[str]:
        """Names of all sources, in the order of their codes."""
        return [row["name"] for row in self.rows("SELECT name FROM sources ORDER BY code")]

    @property
    def attached(self) -> tuple[AttachedColumn, ...]:
        """The metadata columns in the index."""
        return self._index().attached

    def arrays(self, query: str, values: Sequence[Any] = ()) -> dict[str, NDArray[Any]]:
        """Run a query whose columns are numbers, for arrays; null becomes -1."""
        cursor = self._cursor()
        try:
            result = cursor.execute(query, list(values)).fetchnumpy()
        except duckdb.Error as error:
            raise WorkspaceError(f"querying the ledger failed: {error}") from error
        finally:
            cursor.close()
        return {name: np.ma.filled(column, -1) for name, column in result.items()}

    def accepted(self) -> Accepted:
        """All accepted pictures as arrays: about 14 bytes each."""
        filled = self.arrays(
            "SELECT list_position(?, category) - 1 AS category, number, code, batch "
            "FROM files JOIN sources ON source = name "
            "WHERE outcome = 'accepted' AND number IS NOT NULL",
            [list(self.place.labels)],
        )
        return Accepted(
            filled["category"].astype(np.int16),
            filled["number"].astype(np.int32),
            filled["code"].astype(np.int32),
            filled["batch"].astype(np.int32),
        )

    def accepted_ids(self) -> set[str]:
        """Ids of all accepted pictures."""
        result = self.rows("SELECT pic_id FROM files WHERE outcome = 'accepted'")
        return {row["pic_id"] for row in result}

    def withheld(self) -> Withheld:
        """What nobody may see: pictures that were taken down, and retired categories."""
        retired = self.place.retired
        with self._lock, self.steady():
            made_from = (self._index().made_from, retired)
            if self._withheld_of != made_from:
                result = self.rows("SELECT pic_id FROM files WHERE reason = 'taken_down'")
                self._withheld = Withheld(frozenset(row["pic_id"] for row in result), retired)
                self._withheld_of = made_from
            return self._withheld

    def batch_of(self, category: str, number: int) -> tuple[int, int, int] | None:
        """The batch of a picture, and the first and last number that it gave; None if unknown."""
        with self._lock, self.steady():
            made_from = self._index().made_from
            if self._ranges_of != made_from:
                result = self.rows(
                    "SELECT category, batch, min(number) AS first, max(number) AS last FROM files "
                    "WHERE number IS NOT NULL GROUP BY category, batch ORDER BY category, batch"
                )
                self._ranges, self._ranges_of = result, made_from
            ranges = self._ranges
        for row in ranges:
            if row["category"] == category and row["first"] <= number <= row["last"]:
                return row["batch"], row["first"], row["last"]
        return None

    def page(
        self, filters: Mapping[str, str], text: str, limit: int, offset: int, order: str = "id"
    ) -> list[Row]:
        """Files that have all that is wanted, in an order of `ORDERS`."""
        with self.steady():
            condition, values = where(filters, text, self.attached)
            return self.rows(
                f"SELECT {', '.join(_SHOWN)} FROM files WHERE {condition} "  # noqa: S608
                f"ORDER BY {ORDERS[order]}category, number NULLS LAST, source, path_text "
                "LIMIT ? OFFSET ?",
                [*values, limit, offset],
            )

    def ids(self, filters: Mapping[str, str], text: str, limit: int) -> list[str]:
        """Ids of pictures that have all that is wanted, in the order of the ledger."""
        with self.steady():
            condition, values = where(filters, text, self.attached)
            result = self.rows(
                f"SELECT pic_id FROM files WHERE pic_id IS NOT NULL AND {condition} "  # noqa: S608
                "ORDER BY category, number LIMIT ?",
                [*values, limit],
            )
        return [row["pic_id"] for row in result]

    def count(self, filters: Mapping[str, str], text: str) -> int:
        """How many files have all that is wanted."""
        with self.steady():
            condition, values = where(filters, text, self.attached)
            query = f"SELECT count(*) AS n FROM files WHERE {condition}"  # noqa: S608
            return int(self.rows(query, values)[0]["n"])

    def picture(self, pic_id: str) -> Row | None:
        """The ledger row of a picture; None if there is none of that id."""
        result = self.page({"pic_id": pic_id}, "", 1, 0)
        return result[0] if result else None

    def close(self) -> None:
        """Close the file and remove it."""
        with self._lock:
            if self._newest is not None:
                self._newest.connection.close()
                self._newest = None
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        return self._index().connection.cursor()

    def _index(self) -> _Index:
        held: _Index | None = getattr(self._held, "index", None)
        if held is not None:
            return held
        with self._lock:
            index, now = self._newest, time.monotonic()
            if index is None or now - self._looked_at > _LOOKED_AT_S:
                signature = self.signature()
                if index is None or signature != index.made_from:
                    index = self._newest = self._make(signature)
                self._looked_at = now
            return index

    def _make(self, signature: tuple[Any, ...]) -> _Index:
        # The one before stays open for those who are asking it; its file is small.
        self._number += 1
        self.scratch.mkdir(parents=True, exist_ok=True)
        path = str(self.scratch / f"ledger-{self._number}.duckdb")
        try:
            with duckdb.connect(path, config=_SETTINGS) as writing:
                ledger.add_views(writing, *self._files())
                writing.execute(_MAKE)
                writing.execute(_SOURCES)
                writing.execute("DROP VIEW ledger; DROP VIEW ledger_rows; DROP VIEW amendments")
                held = attached.columns_of(self.place)
                attached.add_table(writing, attached.files_of(self.place), held)
            # Opened anew, it lets go of the memory of making it; and from here on no query can
            # read another file or reach a network.
            connection = duckdb.connect(path, read_only=True, config=_SETTINGS)
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            return _Index(connection, held, signature)
        except duckdb.Error as error:
            raise WorkspaceError(
                f"the ledger of {self.place.address} cannot be read: {error}. If one of its files "
                "was deleted or damaged, restore it from a backup"
            ) from error


def where(
    filters: Mapping[str, str], text: str, held: Sequence[AttachedColumn] = ()
) -> tuple[str, list[Any]]:
    """The SQL condition for what is wanted, and its parameters; unknown words are left out."""
    requested = {name: filters[name] for name in _FILTERS if filters.get(name)}
    parts = [f"{name} = ?" for name in requested]
    values: list[Any] = [int(v) if n == "batch" else v for n, v in requested.items()]
    if text:
        parts.append(
            "(pic_id = ? OR contains(lower(path_text), lower(?)) OR starts_with(sha256, ?))"
        )
        values += [text, text, text.lower()]
    more, given = attached.conditions(held, filters)
    return " AND ".join([*parts, *more]) or "true", [*values, *given]
