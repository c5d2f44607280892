"""SQL conditions on columns of the ledger and of metadata, as `--where` takes them."""

import re
from collections.abc import Sequence

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from naturalist import ledger
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.schemas import LEDGER
from naturalist.suggestions import choose_one_of

_EXAMPLE = "width > 1000 AND source = 'owls'"
_MISTAKES = (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError)
_UNKNOWN_COLUMN = re.compile(r'Referenced column "(.*?)" (?:was )?not found')
_READS_FILES = re.compile(r"\bfrom\s+'([^']+)'|\b(?:read|scan)_\w+\s*\(|\bglob\s*\(", re.IGNORECASE)
_KIND = re.compile(r"^[\w ]+ Error: ")


def meeting(layout: Layout, where: str) -> pa.Array:
    """Ids of the accepted pictures that meet a condition.

    Raises:
        ConfigError: it is not a condition on these columns; the message lists them.
        WorkspaceError: a file of the ledger or of metadata cannot be read.
    """
    with ledger.connect(layout) as connection:
        facts = connection.sql(_facts_query(layout))
        try:
            names = facts.filter(where).project("pic_id").to_arrow_table()["pic_id"]
        except _MISTAKES as error:
            raise ConfigError(_explained(where, error, facts.columns)) from error
        except duckdb.IOException as error:
            # Of the ledger's own files, `connect` says what to do.
            if _READS_FILES.search(where) is None:
                raise
            raise ConfigError(
                f"--where {where!r}: a file that it names cannot be read: {_reason(error)}. "
                "Correct its path in the condition"
            ) from error
    return names.combine_chunks()


def _reason(error: duckdb.Error) -> str:
    """What DuckDB says, in one line without the kind of error."""
    return _KIND.sub("", str(error).splitlines()[0]).rstrip(".!")


def _explained(where: str, error: duckdb.Error, columns: Sequence[str]) -> str:
    """What is wrong with a condition, and which columns there are."""
    reason = _reason(error)
    if unknown := _UNKNOWN_COLUMN.match(reason):
        name = unknown[1]
        quotes = f" (text goes in single quotes: '{name}')" if f'"{name}"' in where else ""
        return f"--where: there is no column {name!r}{quotes}: {choose_one_of(name, columns)}"
    return (
        f"--where {where!r} is not a valid SQL condition: {reason}. "
        f'Write for example "{_EXAMPLE}". The columns are {", ".join(columns)}'
    )


def _facts_query(layout: Layout) -> str:
    """Accepted pictures with their ledger row and their columns of metadata."""
    accepted = "SELECT * FROM ledger WHERE outcome = 'accepted'"
    files = sorted(layout.metadata.glob("*/image_df_*.parquet"))
    if not files:
        return accepted
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    columns = pq.read_schema(files[0]).names
    # Of two columns of one name, the ledger's is used.
    kept = [name for name in columns if name not in LEDGER.names]
    shown = "".join(', m."' + name.replace('"', '""') + '"' for name in kept)
    return (
        f"SELECT a.*{shown} FROM ({accepted}) a "  # noqa: S608
        f"LEFT JOIN read_parquet([{listed}], hive_partitioning = false, union_by_name = true) m "
        "USING (pic_id)"
    )
