"""Labels of files before they are pictures: what metadata say of a path, for its category.

Rows are matched by the keys that `matching` has, with one difference: which files there are is not
known yet. So `auto` tries the path, then the file name, then its stem, for each file by itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from naturalist import artifacts
from naturalist.errors import ConfigError
from naturalist.metadata import matching
from naturalist.metadata.finding import find_files, stamps
from naturalist.metadata.folder_names import FolderPattern
from naturalist.metadata.reading import quoted, read_rows, text_literal, usable_name
from naturalist.metadata.rules import Match, SourceRules
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    import duckdb

_MATCHES: tuple[Match, ...] = ("path", "name", "stem")
_AFTER_FILES = 1_000_000

# Of rows with the same path the first holds, as in `matching`; a name that rows with different
# labels have says nothing.
_OF_PATHS = """
INSERT INTO labels
SELECT {rank}, 'path', key, arg_min(label, row) FROM (
    SELECT k.below AS key, g.{column} AS label, k.row FROM keys k JOIN given g ON g.__row = k.row
    UNION ALL
    SELECT k.inside, g.{column}, k.row FROM keys k JOIN given g ON g.__row = k.row
    WHERE k.below <> k.inside)
WHERE label IS NOT NULL GROUP BY key
"""
_OF_NAMES = """
INSERT INTO labels
SELECT {rank}, '{match}', key, min(label) FROM (
    SELECT k.name AS key, g.{column} AS label FROM keys k JOIN given g ON g.__row = k.row
    UNION ALL
    SELECT k.stem, g.{column} FROM keys k JOIN given g ON g.__row = k.row
    WHERE '{match}' = 'stem' AND k.stem <> k.name)
WHERE label IS NOT NULL GROUP BY key HAVING count(DISTINCT label) = 1
"""
_FILES = """
CREATE OR REPLACE TEMP TABLE files AS
SELECT i, inside, list_last(string_split(inside, '/')) AS name,
    regexp_replace(list_last(string_split(inside, '/')), '\\.[^.]*$', '') AS stem
FROM (SELECT i, nfc_normalize(replace(list_last(string_split(path, '!/')), '\\', '/')) AS inside
    FROM asked)
"""
_FOUND = """
SELECT i, arg_min(label, rank) AS label FROM (
    SELECT i, rank, label FROM files JOIN labels ON match = 'path' AND key = inside
    UNION ALL
    SELECT i, rank, label FROM files JOIN labels ON match = 'name' AND key = name
    UNION ALL
    SELECT i, rank, label FROM files JOIN labels ON match = 'stem' AND key = stem
    {folders})
GROUP BY i
"""


class Labels:
    """The values of one metadata column by the paths of files; in DuckDB, on the disk if large."""

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", rules: SourceRules, column: str
    ) -> None:
        self._connection = connection
        self._folders = ""
        if rules.folders:
            pattern = FolderPattern(rules.folders)
            names = [usable_name(name).lower() for name in pattern.columns]
            if column.lower() in names:
                group = names.index(column.lower()) + 1
                expression = text_literal(pattern.expression)
                self._folders = (
                    f"UNION ALL SELECT i, {_AFTER_FILES}, "  # noqa: S608
                    f"regexp_extract(inside, {expression}, {group}) "
                    f"FROM files WHERE regexp_matches(inside, {expression})"
                )

    def of(self, paths: Sequence[str]) -> list[str | None]:
        """The label of each path, as the ledger writes paths; None where there is none."""
        asked = pa.table({"i": pa.array(range(len(paths)), pa.int64()), "path": list(paths)})
        self._connection.register("asked", asked.cast(_ASKED))
        self._connection.execute(_FILES)
        found = self._connection.execute(_FOUND.format(folders=self._folders)).fetchall()
        self._connection.unregister("asked")
        labels: list[str | None] = [None] * len(paths)
        for i, label in found:
            labels[i] = label
        return labels


_ASKED = pa.schema([("i", pa.int64()), ("path", pa.string())])


@contextmanager
def open_labels(rules: SourceRules, column: str, scratch: Path) -> Iterator[Labels]:
    """Read the metadata of a source, for the labels in one column.

    Args:
        rules: where they are.
        column: name that the column has after renaming; capitals do not count.
        scratch: folder for what does not fit into memory.

    Raises:
        ConfigError: no file and no folder pattern has the column.
        SourceError: a metadata file is missing or cannot be read.
    """
    import duckdb

    scratch.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(scratch / "labels.duckdb")) as connection:
        connection.execute("SET memory_limit = '512MB'")
        connection.execute(f"SET temp_directory = {text_literal(str(scratch / 'spilled'))}")
        connection.execute(
            "CREATE TABLE labels (rank INTEGER, match VARCHAR, key VARCHAR, label VARCHAR)"
        )
        found = Labels(connection, rules, column)
        seen = _load(connection, rules, column, scratch)
        if column.lower() not in {name.lower() for name in seen}:
            raise ConfigError(
                f"{rules.where}: category_from is {column!r}, which is not a metadata column: "
                f"{choose_one_of(column, seen)}"
            )
        yield found


def _load(
    connection: "duckdb.DuckDBPyConnection", rules: SourceRules, column: str, scratch: Path
) -> list[str]:
    """Fill the table `labels`; the names of all columns that the metadata have."""
    seen: dict[str, None] = {}
    if rules.folders:
        seen |= dict.fromkeys(map(usable_name, FolderPattern(rules.folders).columns))
    rank = 0
    for rule in rules.files:
        for file in find_files(rules, rule, scratch):
            given = read_rows(connection, file, rule, scratch)
            seen |= dict.fromkeys(given.columns)
            name = next((n for n in given.columns if n.lower() == column.lower()), None)
            if name is not None:
                matching.load_keys(connection, file, rule)
                for match in _MATCHES if rule.match == "auto" else (rule.match,):
                    text = _OF_PATHS if match == "path" else _OF_NAMES
                    connection.execute(text.format(rank=rank, match=match, column=quoted(name)))
                    rank += 1
    return list(seen)


def fingerprint(rules: SourceRules) -> str:
    """Changes with the rules, and with name, size or time of a metadata file."""
    read = [(repr(rule), stamps(rules, rule)) for rule in rules.files]
    return artifacts.fingerprint(read, rules.folders)
