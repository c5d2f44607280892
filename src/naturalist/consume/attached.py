"""Metadata columns of pictures, read beside the tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from naturalist.consume.locations import TableFile
from naturalist.consume.reading import read, read_beside
from naturalist.metadata import arrow_type

_ID = "picID"


def columns_of(about: Mapping[str, Any]) -> dict[str, pa.DataType]:
    """The metadata columns that a snapshot lists, with their Arrow types."""
    return {one["name"]: arrow_type(one["type"]) for one in about.get("columns", ())}


def read_with_columns(
    file: TableFile, columns: Sequence[str], attached: Mapping[str, pa.DataType]
) -> pa.Table:
    """Read columns of a table, and of the file beside it, in the order asked for.

    Rows that the file beside it does not have (a table may have grown since) are null.

    Args:
        file: the table; its bytes are verified already.
        columns: names of both kinds.
        attached: types of the metadata columns.
    """
    beside = [name for name in columns if name in attached]
    if not beside:
        return read(file, columns)
    own = [name for name in columns if name not in attached]
    table = read(file, [*own, *([] if _ID in own else [_ID])])
    result = _beside(file, beside, attached, table[_ID])
    return pa.table({name: result[name] if name in result else table[name] for name in columns})


def _beside(
    file: TableFile, columns: Sequence[str], attached: Mapping[str, pa.DataType], ids: Any
) -> dict[str, Any]:
    if file.beside is None:
        return {name: pa.nulls(len(ids), attached[name]) for name in columns}
    table = read_beside(file.beside)
    at = pc.index_in(ids.combine_chunks(), table["pic_id"].combine_chunks())
    held = set(table.column_names)
    return {
        name: table[name].combine_chunks().take(at).cast(attached[name])
        if name in held
        else pa.nulls(len(ids), attached[name])
        for name in columns
    }
