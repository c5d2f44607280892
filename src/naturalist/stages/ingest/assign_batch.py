"""Outcomes and ids of a whole batch, column by column.

Most files of a batch are new and unlike all others: their rows follow from their columns. Only
what has a past (its path or its bytes are in the ledger) or a twin in the batch is decided row by
row, by `assign`. Both together give what `assign` gives for all rows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist.layout import pic_id
from naturalist.ledger import Outcome
from naturalist.schemas import LEDGER
from naturalist.stages.ingest.assign import OUTCOME_OF_KIND, Assigned, Prior, assign, text_of

Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]
_POSITION = "position"
"""A further key of rows: the place in the batch."""


def assign_batch(
    tables: Sequence[tuple[str, pa.Table]],
    prior: Prior,
    last_numbers: dict[str, int],
    batch: int,
    image_roots: Callable[[pa.Table], pa.Array],
) -> tuple[dict[str, pa.Table], Assigned]:
    """Decide about every finding of a batch.

    Args:
        tables: category and findings (schema FINDINGS), in listing order.
        prior: what the ledger knows about them.
        last_numbers: highest picture number of each category so far.
        batch: number of this batch.
        image_roots: names the image root of each accepted picture, given their findings with
            `category`, in listing order; null to read it in its source.

    Returns:
        The new rows of each category that has some (schema LEDGER), in listing order; and the
        amendments, the touched files and the last numbers, without rows.
    """
    findings = with_category(tables)
    apart = _has_past_or_twin(findings, prior)
    pictures = _mask(pc.equal(findings["kind"], "picture"))
    rows = _rows_apart(findings, apart, pictures & ~apart)
    decided = assign(rows, prior, last_numbers, batch, lambda _category, _row: None)
    accepted = pictures & ~apart
    accepted[[r[_POSITION] for own in decided.rows.values() for r in own if r["pic_id"]]] = True
    roots = _at(accepted, image_roots(findings.filter(pa.array(accepted))))
    result = {}
    for category in dict.fromkeys(findings["category"].to_pylist()):
        mine = _mask(pc.equal(findings["category"], category))
        last = last_numbers.get(category, 0)
        numbers = last + np.cumsum(accepted & mine)
        decided.last_numbers[category] = int(numbers[-1])
        plain = _plain(findings, np.flatnonzero(mine & ~apart), pictures, numbers, batch)
        table = _interleaved(plain, np.flatnonzero(mine & ~apart), decided.rows[category], roots)
        if table.num_rows:
            result[category] = table
    decided.rows.clear()
    return result, decided


def with_category(tables: Sequence[tuple[str, pa.Table]]) -> pa.Table:
    """All findings with their category, in listing order."""
    parts = [
        table.append_column("category", pa.repeat(pa.scalar(category), table.num_rows))
        for category, table in tables
    ]
    return pa.concat_tables(parts).combine_chunks()


def _mask(values: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(values, False).to_numpy(), np.bool_)


def _has_past_or_twin(findings: pa.Table, prior: Prior) -> Mask:
    """Rows that `assign` must look at; more than needed do no harm."""
    paths = pa.array({path for _, _, path, _ in prior.by_file}, pa.binary())
    hashes = pa.array(prior.by_sha256, findings["sha256"].type)
    past = pc.or_(
        pc.is_in(findings["path"], value_set=paths), pc.is_in(findings["sha256"], value_set=hashes)
    )
    return _mask(past) | _has_twin(findings["sha256"])


def _has_twin(hashes: pa.ChunkedArray) -> Mask:
    codes = pc.fill_null(hashes.combine_chunks().dictionary_encode().indices, -1).to_numpy()
    return np.asarray((np.bincount(codes + 1)[codes + 1] > 1) & (codes >= 0), np.bool_)


def _rows_apart(
    findings: pa.Table, apart: Mask, plain_pictures: Mask
) -> list[tuple[str, dict[str, Any]]]:
    """The rows that `assign` looks at, each with its place and the pictures before it."""
    at = np.flatnonzero(apart)
    codes = findings["category"].combine_chunks().dictionary_encode().indices.to_numpy()
    before = np.zeros(len(findings), np.int64)
    for code in np.unique(codes):
        mine = codes == code
        before[mine] = np.cumsum(plain_pictures[mine])
    rows = findings.filter(pa.array(apart)).to_pylist()
    for row, position, ahead in zip(rows, at.tolist(), before[at].tolist(), strict=True):
        row |= {_POSITION: position, "ahead": ahead}
    return [(row.pop("category"), row) for row in rows]


def _plain(
    findings: pa.Table, at: Integers, pictures: Mask, numbers: Integers, batch: int
) -> pa.Table:
    """Ledger rows, without image roots, of findings that have no past and no twin."""
    rows, is_picture = findings.take(pa.array(at)), pa.array(pictures[at])
    kinds = pa.array(list(OUTCOME_OF_KIND))
    outcomes = pa.array([outcome.value for outcome in OUTCOME_OF_KIND.values()])
    names = pc.binary_join_element_wise(
        rows["category"], pa.array(numbers[at]).cast(pa.string()), _BETWEEN
    )
    made = {
        "batch": pa.repeat(pa.scalar(batch, pa.int32()), len(at)),
        "path_text": _texts(rows["path"].combine_chunks()),
        "outcome": pc.if_else(
            is_picture,
            Outcome.ACCEPTED.value,
            outcomes.take(pc.index_in(rows["kind"], value_set=kinds)),
        ),
        "pic_id": pc.if_else(is_picture, names, pa.scalar(None, pa.string())),
        "same_as": pa.nulls(len(at), pa.string()),
        "image_root": pa.nulls(len(at), pa.string()),
    }
    columns = [made[f.name] if f.name in made else rows[f.name] for f in LEDGER]
    return pa.Table.from_arrays(columns, schema=LEDGER)


_BETWEEN = pic_id("", 0).rstrip("0")


def _texts(paths: pa.Array) -> pa.Array:
    """`text_of` for each path."""
    try:
        return pc.replace_substring(paths.cast(pa.string()), "\0", "!/")
    except pa.ArrowInvalid:
        return pa.array([text_of(path) for path in paths.to_pylist()], pa.string())


def _at(accepted: Mask, roots: pa.Array) -> pa.Array:
    """The image root of every row of the batch; null for what is not accepted."""
    places = np.where(accepted, np.cumsum(accepted) - 1, 0)
    return roots.cast(pa.string()).take(pa.array(places, mask=~accepted))


def _interleaved(
    plain: pa.Table, at: Integers, apart: list[dict[str, Any]], roots: pa.Array
) -> pa.Table:
    """Rows of both kinds in listing order, with their image roots."""
    places = np.concatenate([at, np.array([row[_POSITION] for row in apart], np.int64)])
    order = np.argsort(places)
    both = pa.concat_tables([plain, pa.Table.from_pylist(apart, LEDGER)])
    table = both.take(pa.array(order)).combine_chunks()
    index = table.schema.get_field_index("image_root")
    return table.set_column(index, LEDGER.field(index), roots.take(pa.array(places[order])))
