"""Reading metadata files into DuckDB: CSV, TSV, JSON, JSON lines and Parquet, as text columns.

A table `given` is made: `__row` (from 1, a line of names not counted), `__key`, and the columns of
the file as text, null where they are empty. Types are found later, over all files together.
"""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from naturalist.errors import ConfigError, SourceError
from naturalist.metadata.finding import MetadataFile
from naturalist.metadata.rules import KEY_NAMES, FileRule
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    import duckdb

_DELIMITERS = (",", ";", "\t", "|")
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_PIECE = 1 << 20


@dataclass(frozen=True)
class Given:
    """What was read: the key column, the other columns by their new names, and counts."""

    key: str
    columns: tuple[str, ...]
    rows: int
    unreadable: int


def read_rows(
    connection: "duckdb.DuckDBPyConnection", file: MetadataFile, rule: FileRule, scratch: Path
) -> Given:
    """Make the table `given` of a file.

    Raises:
        ConfigError: the file has no column that names pictures, or not a column of the rule.
        SourceError: it cannot be read.
    """
    import duckdb

    try:
        unreadable = _load(connection, file, rule, scratch)
        names = [row[0] for row in connection.execute("DESCRIBE loaded").fetchall()]
        key = _key(names, file, rule)
        columns = _selected(names, key, file, rule)
        listed = "".join(f", {_as_text(old)} AS {quoted(new)}" for old, new in columns)
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE given AS SELECT row_number() OVER () AS __row, "  # noqa: S608
            f"{_as_text(key)} AS __key{listed} FROM loaded"
        )
        (rows,) = connection.execute("SELECT count(*) FROM given").fetchone() or (0,)
    except duckdb.Error as error:
        first = str(error).partition("\n")[0]
        raise SourceError(f"metadata file {file.name} cannot be read: {first}") from error
    return Given(key, tuple(new for _, new in columns), rows, unreadable)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _as_text(name: str) -> str:
    return f"nullif(trim(CAST({quoted(name)} AS VARCHAR)), '')"


def _load(
    connection: "duckdb.DuckDBPyConnection", file: MetadataFile, rule: FileRule, scratch: Path
) -> int:
    """Make the view or table `loaded`; the number of lines that are no rows."""
    connection.execute("DROP TABLE IF EXISTS loaded")
    suffix = Path(file.name).suffix.lower()
    with file.path.open("rb") as opened:
        head = opened.read(1 << 16)
    if head.startswith(b"PAR1"):
        _run(connection, f"read_parquet({text_literal(str(file.path))})")
        return 0
    path = _in_utf8(file.path, scratch)
    if suffix in (".json", ".jsonl", ".ndjson") or head.lstrip()[:1] in (b"{", b"["):
        _run(connection, f"read_json({text_literal(str(path))}, sample_size = -1)")
        _plain_json(connection)
        return 0
    return _load_csv(connection, path, rule)


def _run(connection: "duckdb.DuckDBPyConnection", source: str) -> None:
    connection.execute(f"CREATE TEMP TABLE loaded AS SELECT * FROM {source}")  # noqa: S608


def _plain_json(connection: "duckdb.DuckDBPyConnection") -> None:
    """Texts in columns of mixed types lose their quotes."""
    for name, kind, *_ in connection.execute("DESCRIBE loaded").fetchall():
        if kind == "JSON":
            text = f"json_extract_string({quoted(name)}, '$')"
            connection.execute(f"ALTER TABLE loaded ALTER {quoted(name)} TYPE VARCHAR USING {text}")


def _load_csv(connection: "duckdb.DuckDBPyConnection", path: Path, rule: FileRule) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
    delimiter = rule.delimiter or max(_DELIMITERS, key=first.count)
    names = ""
    if rule.header:
        names = f", names = [{', '.join(map(text_literal, rule.header))}]"
    connection.execute("DROP TABLE IF EXISTS reject_scans")
    connection.execute("DROP TABLE IF EXISTS reject_errors")
    options = f"delim = {text_literal(delimiter)}, quote = '\"', escape = '\"'{names}"
    _run(
        connection,
        f"read_csv({text_literal(str(path))}, {options}, header = {not rule.header}, "
        "all_varchar = true, null_padding = true, store_rejects = true, parallel = false)",
    )
    result = connection.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()
    return int(result[0]) if result else 0


def _in_utf8(path: Path, scratch: Path) -> Path:
    """The file itself, or a copy in UTF-8 where it is in another encoding."""
    with path.open("rb") as file:
        encoding = _BOMS.get(file.read(2), "")
    if not encoding and _is_utf8(path):
        return path
    copy = scratch / f"{path.name}.utf8"
    # Every byte is some character of Windows' Western encoding but for five, which are replaced.
    reading = path.open(encoding=encoding or "cp1252", errors="replace", newline="")
    with reading as source, copy.open("w", encoding="utf-8", newline="") as target:
        while piece := source.read(_PIECE):
            target.write(piece)
    return copy


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while piece := file.read(_PIECE):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _key(names: Sequence[str], file: MetadataFile, rule: FileRule) -> str:
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    if rule.key:
        if rule.key.lower() in by_lower:
            return by_lower[rule.key.lower()]
        problem = f"no column {rule.key!r}"
    else:
        plain = {re.sub(r"[ -]+", "_", lower): name for lower, name in by_lower.items()}
        for name in KEY_NAMES:
            if name in plain:
                return plain[name]
        problem = "no column that looks like names of pictures"
    raise ConfigError(
        f"metadata file {file.name} has {problem}; its columns are {', '.join(names)}. Set key "
        "to one of them, or list the columns in header if the file has no header line"
    )


def _selected(
    names: Sequence[str], key: str, file: MetadataFile, rule: FileRule
) -> list[tuple[str, str]]:
    """The columns to take, with their new names; the key is none of them."""
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    unknown = [name for name in rule.columns if name.lower() not in by_lower]
    if unknown:
        raise ConfigError(
            f"metadata file {file.name} has no column {unknown[0]!r}: "
            f"{choose_one_of(unknown[0], names)}"
        )
    taken = [by_lower[name.lower()] for name in rule.columns] or [n for n in names if n != key]
    new = {old.strip().lower(): name for old, name in rule.rename}
    selected = [(old, usable_name(new.get(old.strip().lower(), old))) for old in taken]
    lowered = [name.lower() for _, name in selected]
    twice = {name for name in lowered if lowered.count(name) > 1}
    if twice:
        raise ConfigError(
            f"metadata file {file.name}: two columns would be named {sorted(twice)[0]!r}: select "
            "columns, or rename one"
        )
    return selected


TAKEN_NAMES = ("picid", "pic_id", "category_label", "source", "features", "category")
"""Names that tables have; a metadata column of such a name, or one that begins with
`__`, gets `metadata_` before it."""


def usable_name(name: str) -> str:
    """The name of a metadata column as it is kept."""
    plain = " ".join(name.split()) or "column"
    is_taken = plain.lower() in TAKEN_NAMES or plain.startswith("__")
    return f"metadata_{plain}" if is_taken else plain
