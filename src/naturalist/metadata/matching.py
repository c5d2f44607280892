"""Finding the picture of each row, by the ledger.

Tables in DuckDB: `pictures` has the files of one source, `given` the rows of one metadata file
(see `reading`), `matches` what of the two belongs together, `problems` all that does not.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from naturalist.metadata.finding import INSIDE, MetadataFile
from naturalist.metadata.folder_names import FolderPattern
from naturalist.metadata.reading import quoted, text_literal
from naturalist.metadata.rules import FileRule, Match, SourceRules

if TYPE_CHECKING:
    import duckdb

_RULES: tuple[Match, ...] = ("path", "name", "stem")

PROBLEMS = """
CREATE OR REPLACE TEMP TABLE problems (
    category VARCHAR, source VARCHAR, file VARCHAR, problem VARCHAR, row BIGINT, key VARCHAR,
    pic_id VARCHAR, path VARCHAR, detail VARCHAR)
"""

# Files with the same bytes are one picture: a duplicate's row speaks of the picture that was
# accepted, after what the accepted file's own row says. A relabelled picture has another id now.
_PICTURES = """
CREATE OR REPLACE TEMP TABLE pictures AS
WITH files AS (
    SELECT r.path_text, r.outcome, r.reason,
        CASE r.outcome WHEN 'accepted' THEN r.pic_id WHEN 'relabelled' THEN r.same_as
            WHEN 'duplicate' THEN coalesce(moved.same_as, r.same_as) END AS pic_id,
        r.outcome <> 'duplicate' AS is_own,
        nfc_normalize(replace(list_last(string_split(r.path_text, '{mark}')), '\\', '/')) AS inside
    FROM ledger r
    LEFT JOIN ledger moved
        ON r.outcome = 'duplicate' AND r.same_as = moved.pic_id AND moved.outcome = 'relabelled'
    WHERE list_contains(?, r.category) AND r.source = ? AND r.occurrence >= 0
        AND r.outcome <> 'unpacked'
)
SELECT *, list_last(string_split(inside, '/')) AS name,
    regexp_replace(list_last(string_split(inside, '/')), '\\.[^.]*$', '') AS stem
FROM files
""".replace("{mark}", INSIDE)

_KEYS = """
CREATE OR REPLACE TEMP TABLE keys AS
WITH plain AS (
    SELECT __row AS row, __key AS key, regexp_replace(
        regexp_replace(nfc_normalize(replace({stripped}, '\\', '/')), '^(\\./)+', ''), '^/+', '')
        AS inside
    FROM given WHERE __key IS NOT NULL
)
SELECT row, key, inside, {folder} || inside AS below, list_last(string_split(inside, '/')) AS name,
    regexp_replace(list_last(string_split(inside, '/')), '\\.[^.]*$', '') AS stem
FROM plain
"""

_JOINS: dict[str, str] = {
    # Keys are relative to the folder of the metadata file, or else to the source.
    "path": """
        SELECT k.row, k.key, p.* FROM keys k JOIN pictures p ON p.inside = k.below
        UNION ALL
        SELECT k.row, k.key, p.* FROM keys k JOIN pictures p ON p.inside = k.inside
        WHERE k.below <> k.inside AND NOT EXISTS (SELECT 1 FROM pictures o WHERE o.inside = k.below)
        """,
    "name": "SELECT k.row, k.key, p.* FROM keys k JOIN pictures p ON p.name = k.name",
    # A key without a suffix may have a full stop in it: both readings are tried.
    "stem": """
        SELECT k.row, k.key, p.* FROM keys k JOIN pictures p ON p.stem = k.name
        UNION ALL
        SELECT k.row, k.key, p.* FROM keys k JOIN pictures p ON p.stem = k.stem
        WHERE k.stem <> k.name
        """,
}

_CANDIDATES = """
CREATE OR REPLACE TEMP TABLE candidates AS
SELECT row, key, count(DISTINCT pic_id) AS pictures, min(pic_id) AS pic_id,
    max(is_own) FILTER (pic_id IS NOT NULL) AS is_own,
    string_agg(DISTINCT concat_ws(' ', outcome, reason), ', ') AS outcomes
FROM ({join}) GROUP BY row, key
"""

_MATCHES = """
CREATE OR REPLACE TEMP TABLE matches AS
SELECT row, key, pic_id, is_own,
    row_number() OVER (PARTITION BY pic_id, is_own ORDER BY row) > 1 AS is_repeated
FROM candidates WHERE pictures = 1
"""


@dataclass(frozen=True)
class Counts:
    """What became of the rows of one file."""

    match: str
    matched: int
    without_picture: int
    ambiguous: int
    repeated: int


def load_pictures(connection: "duckdb.DuckDBPyConnection", rules: SourceRules) -> None:
    """Make the table `pictures`: every file of a source that was seen, with its picture now."""
    connection.execute(_PICTURES, [[rules.category, *rules.others], rules.source])


def load_keys(connection: "duckdb.DuckDBPyConnection", file: MetadataFile, rule: FileRule) -> None:
    """Make the table `keys` of the rows in `given`: what each may name, as a path and as a name."""
    stripped = "__key"
    if rule.strip:
        prefix = text_literal(rule.strip)
        stripped = f"regexp_replace(__key, '^' || regexp_escape({prefix}), '')"
    folder = text_literal(f"{file.folder}/" if file.folder else "")
    connection.execute(_KEYS.format(stripped=stripped, folder=folder))


def match_rows(
    connection: "duckdb.DuckDBPyConnection", rules: SourceRules, file: MetadataFile, rule: FileRule
) -> Counts:
    """Make the table `matches` of the rows in `given`, and note the others as problems."""
    load_keys(connection, file, rule)
    match = rule.match if rule.match != "auto" else _best(connection)
    _candidates(connection, match)
    connection.execute(_MATCHES)
    matched = _count(connection, "matches")
    note = [rules.category, rules.source, file.name]
    return Counts(
        match,
        matched,
        without_picture=_note(connection, "row_without_picture", _WITHOUT_PICTURE, note),
        ambiguous=_note(connection, "ambiguous", _AMBIGUOUS, note),
        repeated=_note(connection, "repeated", _REPEATED, note),
    )


def _best(connection: "duckdb.DuckDBPyConnection") -> Match:
    matched: dict[Match, int] = {}
    for match in _RULES:
        _candidates(connection, match)
        result = connection.execute(
            "SELECT count(DISTINCT pic_id) FROM candidates WHERE pictures = 1"
        ).fetchone()
        matched[match] = int(result[0]) if result else 0
    # `max` takes the first, which is the strictest, of equals.
    return max(_RULES, key=lambda match: matched[match])


def _candidates(connection: "duckdb.DuckDBPyConnection", match: str) -> None:
    connection.execute(_CANDIDATES.format(join=_JOINS[match]))


def _count(connection: "duckdb.DuckDBPyConnection", table: str) -> int:
    result = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(result[0]) if result else 0


_WITHOUT_PICTURE = """
SELECT g.__row, g.__key, NULL, NULL, CASE WHEN g.__key IS NULL THEN 'its key is empty'
    WHEN c.row IS NULL THEN 'no file in the source matches this key'
    ELSE 'its file is not a picture in the tables: ' || c.outcomes END
FROM given g LEFT JOIN candidates c ON c.row = g.__row WHERE coalesce(c.pictures, 0) = 0
"""
_AMBIGUOUS = """
SELECT row, key, NULL, NULL, pictures || ' pictures match this key' FROM candidates
WHERE pictures > 1
"""
_REPEATED = """
SELECT row, key, pic_id, NULL, 'an earlier row is used' FROM matches WHERE is_repeated
"""
_WITHOUT_ROW = """
SELECT NULL, NULL, p.pic_id, p.path_text, 'no row matches it' FROM pictures p
WHERE p.is_own AND p.pic_id IS NOT NULL AND p.pic_id NOT IN (SELECT pic_id FROM with_row)
"""


def _note(
    connection: "duckdb.DuckDBPyConnection", problem: str, query: str, note: list[str]
) -> int:
    """Add problems of one kind; how many there are."""
    done = connection.execute(
        "INSERT INTO problems SELECT ?, ?, ?, ?, found.* "  # noqa: S608
        f"FROM ({query}) AS found(row, key, pic_id, path, detail)",
        [*note, problem],
    ).fetchone()
    return int(done[0]) if done else 0


def note_pictures_without_row(
    connection: "duckdb.DuckDBPyConnection", rules: SourceRules, tables: list[str]
) -> int:
    """Note the pictures of a source that no row of `tables` (by picture) is about."""
    union = " UNION ALL ".join(f"SELECT pic_id FROM {table}" for table in tables)  # noqa: S608
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE with_row AS SELECT DISTINCT * FROM ({union})"  # noqa: S608
    )
    return _note(
        connection, "picture_without_row", _WITHOUT_ROW, [rules.category, rules.source, ""]
    )


PRIORITY_OF_DUPLICATES = 10**15
PRIORITY_OF_FILES = 10**12


def keep_values(
    connection: "duckdb.DuckDBPyConnection", table: str, columns: tuple[str, ...], order: int
) -> None:
    """Keep the values of the rows in `matches`: `pic_id`, `__priority` (small wins), columns."""
    listed = "".join(f", g.{quoted(name)}" for name in columns)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT m.pic_id, "  # noqa: S608
        f"CASE WHEN m.is_own THEN 0 ELSE {PRIORITY_OF_DUPLICATES} END "
        f"+ {order * PRIORITY_OF_FILES} + m.row AS __priority{listed} "
        "FROM matches m JOIN given g ON g.__row = m.row"
    )


def keep_computed(
    connection: "duckdb.DuckDBPyConnection",
    table: str,
    path: Path,
    columns: tuple[str, ...],
    order: int,
) -> None:
    """Keep columns of a Parquet file with a row for each picture, as texts."""
    listed = "".join(f", CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}" for name in columns)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT pic_id, "  # noqa: S608
        f"{order * PRIORITY_OF_FILES} AS __priority{listed} "
        f"FROM read_parquet({text_literal(str(path))})"
    )


def keep_folder_names(
    connection: "duckdb.DuckDBPyConnection",
    table: str,
    pattern: FolderPattern,
    columns: tuple[str, ...],
    order: int,
) -> int:
    """Keep what folder names say of each picture of `pictures`; of how many pictures they do."""
    expression = text_literal(pattern.expression)
    groups = "".join(
        f", regexp_extract(inside, {expression}, {k}) AS {quoted(name)}"
        for k, name in enumerate(columns, start=1)
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT pic_id, "  # noqa: S608
        f"CASE WHEN is_own THEN 0 ELSE {PRIORITY_OF_DUPLICATES} END "
        f"+ {order * PRIORITY_OF_FILES} + row_number() OVER (ORDER BY inside) AS __priority"
        f"{groups} "
        f"FROM pictures WHERE pic_id IS NOT NULL AND regexp_matches(inside, {expression})"
    )
    result = connection.execute(f"SELECT count(DISTINCT pic_id) FROM {table}").fetchone()  # noqa: S608
    return int(result[0]) if result else 0


def keep_exif(
    connection: "duckdb.DuckDBPyConnection",
    table: str,
    path: Path,
    columns: tuple[str, ...],
    order: int,
) -> None:
    """Keep what the pictures of `pictures` say in EXIF, of a file with a row for each."""
    listed = "".join(f", e.{quoted(name)}" for name in columns)
    said = " OR ".join(f"e.{quoted(name)} IS NOT NULL" for name in columns)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT e.pic_id, "  # noqa: S608
        f"{order * PRIORITY_OF_FILES} AS __priority{listed} "
        f"FROM read_parquet({text_literal(str(path))}) e "
        f"WHERE e.pic_id IN (SELECT pic_id FROM pictures) AND ({said})"
    )
