"""Words of metadata columns: which files have them, and the words of the pictures of a table.

Only columns of text that may be published are read: names of clusters come from these words, and
are published. What the words themselves gave (`network_class`) is no evidence for them.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from naturalist import artifacts, metadata
from naturalist.layout import Layout
from naturalist.studies.words.columns import CLASS
from naturalist.studies.words.index import token_table

FIELD = "column"
_TEXT = "text"


def word_columns(layout: Layout, published: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns of a workspace whose values are words of pictures.

    Args:
        layout: the workspace.
        published: the setting `publish.columns`.
    """
    summary = metadata.read_summary(layout) or metadata.Summary()
    return tuple(
        one.name
        for one in summary.columns
        if one.type == _TEXT and one.name != CLASS and metadata.is_published(one.name, published)
    )


def fingerprints(layout: Layout, columns: Sequence[str]) -> dict[str, str]:
    """For each table that has metadata what its words depend on, by ``category/file``."""
    summary = metadata.read_summary(layout) if columns else None
    tables = summary.tables if summary else {}
    return {name: artifacts.fingerprint(digest, *columns) for name, digest in tables.items()}


def column_tokens(path: Path, columns: Sequence[str], pic_ids: Sequence[str]) -> pa.Table:
    """Words of the values of columns, with the rows of pictures that have them.

    Args:
        path: the metadata of a table.
        columns: the columns; those that the file does not have are passed over.
        pic_ids: the pictures in the order of rows; those without metadata have no words.

    Raises:
        WorkspaceError: the file is gone or damaged.
    """
    table = artifacts.read_parquet(path)
    held = [name for name in columns if name in table.column_names]
    values = zip(*(table[name].to_pylist() for name in held), strict=True)
    # A slash keeps words of two columns from being taken for one phrase.
    texts = ["/".join(filter(None, row)) for row in values] if held else [""] * len(table)
    by_id = dict(zip(table["pic_id"].to_pylist(), texts, strict=True))
    return token_table({FIELD: [by_id.get(name, "") for name in pic_ids]})
