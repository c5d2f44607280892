"""Decisions about pictures as a CSV file: reading one, and telling every mistake with its line."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from naturalist.curation.sheets import plain
from naturalist.errors import ConfigError
from naturalist.stages.ingest.resolve import Kind
from naturalist.suggestions import choose_one_of

COLUMNS = ("picID", "decision", "category", "note")
"""Columns that are read; `category` and `note` may be missing."""
BY_BYTES = "sha256:"
"""Begins the picID of files that have no id: files in conflict."""
_SHOWN = 20


@dataclass(frozen=True)
class Decision:
    """One line: what a person says of a picture, or of the files with certain bytes."""

    line: int
    key: str
    kind: Kind
    category: str = ""
    note: str = ""
    by: str = ""
    """Who decided; empty for the one who hands all decisions in."""
    seen: str | None = None
    """What the ledger said of it when this was decided; None does not ask."""

    @property
    def sha256(self) -> bytes | None:
        """The bytes that are meant; None if the key is an id."""
        return bytes.fromhex(self.key[len(BY_BYTES) :]) if self.key.startswith(BY_BYTES) else None


class Mistakes:
    """Mistakes of a file, all told at once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._mistakes: list[tuple[int, str]] = []

    def add(self, line: int, text: str) -> None:
        """Remember a mistake."""
        self._mistakes.append((line, text))

    def by_line(self) -> dict[int, str]:
        """The first mistake of each line."""
        return dict(reversed(self._mistakes))

    def raise_if_any(self) -> None:
        """Raise ConfigError with every mistake."""
        if not self._mistakes:
            return
        listed = [f"line {line}: {text}" for line, text in sorted(self._mistakes)[:_SHOWN]]
        more = len(self._mistakes) - len(listed)
        listed += [f"and {more} more"] if more > 0 else []
        raise ConfigError(f"{self._path}: nothing was changed. " + "; ".join(listed))


def read_decisions(path: Path, categories: Mapping[str, str]) -> list[Decision]:
    """Read the decisions of a file; lines without a decision are left out.

    Args:
        path: CSV in UTF-8 with a line of column names; `,` or `;` between them.
        categories: the key of each category of the collection, by every name that it has or had.

    Raises:
        ConfigError: there is no such file, or a line has a mistake; all mistakes are named.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the decisions in {path}: {why}") from error
    mistakes = Mistakes(str(path))
    result = list(_parsed(text, categories, mistakes))
    mistakes.raise_if_any()
    return result


def decisions_of(
    rows: Iterable[Mapping[str, str]], categories: Mapping[str, str], name: str
) -> list[Decision]:
    """Decisions from rows with the columns of a file; `pic_id` may stand for picID.

    Args:
        rows: rows without a decision are left out.
        categories: as of `read_decisions`.
        name: names the decisions in errors.

    Raises:
        ConfigError: a row has a mistake; all mistakes are named, with the number of the row.
    """
    mistakes = Mistakes(name)
    known = {*COLUMNS, "pic_id"}
    result = []
    for number, row in enumerate(rows, 1):
        unknown = sorted(set(row) - known)
        if unknown:
            mistakes.add(number, f"no column {unknown[0]}: the columns are {', '.join(COLUMNS)}")
            continue
        values = {"picID": row.get("pic_id", ""), **row}
        if found := _decision(number, values, categories, mistakes):
            result.append(found)
    mistakes.raise_if_any()
    return result


def _parsed(text: str, categories: Mapping[str, str], mistakes: Mistakes) -> Iterator[Decision]:
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        missing = sorted({"picID", "decision"} - set(reader.fieldnames or ()))
        if missing:
            mistakes.add(1, f"no column {missing[0]}: the columns are {', '.join(COLUMNS)}")
            return
        for row in reader:
            if None in row or None in row.values():
                mistakes.add(reader.line_num, "it has more or fewer values than columns")
            elif decision := _decision(reader.line_num, row, categories, mistakes):
                yield decision
    except csv.Error as error:
        mistakes.add(max(reader.line_num, 1), f"no CSV ({error})")


def _decision(
    line: int, row: Mapping[str, str], categories: Mapping[str, str], mistakes: Mistakes
) -> Decision | None:
    values = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if not values["decision"]:
        return None
    text = _mistake(values, categories)
    if text:
        mistakes.add(line, text)
        return None
    kind = Kind(values["decision"])
    category = categories.get(values["category"], "")
    return Decision(line, values["picID"], kind, category, plain(values["note"]))


def _mistake(values: dict[str, str], categories: Mapping[str, str]) -> str | None:
    key, kind, category = values["picID"], values["decision"], values["category"]
    if kind not in list(Kind):
        return f"decision {kind!r}: {choose_one_of(kind, Kind)}"
    if not key:
        return "no picID"
    if key.startswith(BY_BYTES) and not _is_digest(key[len(BY_BYTES) :]):
        return f"{key!r}: {BY_BYTES} and 64 hexadecimal digits are expected"
    if category and category not in categories:
        return f"category {category!r}: {choose_one_of(category, sorted(categories))}"
    if kind == Kind.RELABEL and not category:
        return f"relabel needs a category: one of {', '.join(sorted(categories))}"
    if kind == Kind.KEEP and not key.startswith(BY_BYTES):
        own = key.rpartition("_id_")[0]
        if categories.get(category, "") not in ("", own):
            return f"keep and category {category!r}: write relabel to change the category"
    return None


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
