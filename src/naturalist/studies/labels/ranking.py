"""The ranking of pictures by how probable it is that their label is wrong, as it is stored."""

from pathlib import Path

import pyarrow as pa

from naturalist import artifacts


def read_ranking(path: Path) -> pa.Table:
    """All pictures that were looked at, the most suspect first; see `schemas.LABEL_ISSUES`.

    A file of an earlier version has suspects only.
    """
    table = artifacts.read_parquet(path).sort_by("rank")
    if "is_suspect" in table.column_names:
        return table
    return table.append_column("is_suspect", pa.array([True] * table.num_rows, pa.bool_()))


def read_suspects(path: Path) -> pa.Table:
    """The suspects among them, in the same order."""
    table = read_ranking(path)
    return table.filter(table["is_suspect"])
