"""What is known of every picture of the tables without opening it, for proposals of decisions."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from naturalist import ledger
from naturalist.curation.decisions import COLUMNS, Decision
from naturalist.curation.sheets import write_sheet
from naturalist.errors import WorkspaceError
from naturalist.layout import Layout

if TYPE_CHECKING:
    import duckdb


def is_measured(layout: Layout, categories: Iterable[str]) -> bool:
    """Whether there are measures of any picture yet."""
    return bool(_preview_files(layout, categories))


def _preview_files(layout: Layout, categories: Iterable[str]) -> list[Path]:
    names = sorted(categories)
    return [path for name in names for path in sorted(layout.previews_of(name).glob("*.parquet"))]


@contextlib.contextmanager
def measured(layout: Layout, categories: Iterable[str]) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open DuckDB with the view `pictures`: every accepted picture of some categories.

    Its columns are pic_id, category, number, source, width, height, size_bytes, and blur,
    brightness and contrast as `images.previews` measures them (null where a preview is missing).

    Raises:
        WorkspaceError: nothing has been extracted yet.
    """
    names = sorted(categories)
    previews = _preview_files(layout, names)
    if not previews:
        raise WorkspaceError("there are no previews of pictures yet: run `naturalist run` first")
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in previews)
    among = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    with ledger.connect(layout) as connection:
        connection.execute(
            "CREATE VIEW pictures AS SELECT l.pic_id, l.category, "  # noqa: S608
            "CAST(regexp_extract(l.pic_id, '[0-9]+$') AS BIGINT) AS number, "
            "l.source, l.width, l.height, l.size_bytes, p.blur, p.brightness, p.contrast "
            f"FROM ledger l LEFT JOIN read_parquet([{listed}], hive_partitioning = false) p "
            f"USING (pic_id) WHERE l.outcome = 'accepted' AND l.category IN ({among})"
        )
        yield connection


def write_decisions(path: Path, decisions: Iterable[Decision]) -> int:
    """Write a file of decisions for `naturalist review`; how many there are.

    Raises:
        ConfigError: the file is there already.
    """
    rows = ((one.key, one.kind.value, one.category, one.note) for one in decisions)
    return write_sheet(path, COLUMNS, (dict(zip(COLUMNS, row, strict=True)) for row in rows))
