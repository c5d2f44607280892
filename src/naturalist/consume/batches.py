"""Going through the rows of many tables a few at a time, in order or shuffled, in flat memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naturalist.consume import reading
from naturalist.consume.locations import TableFile
from naturalist.stages.tables import features_of

_COLUMNS = ("picID", "category_label", "features")


class Arrays(NamedTuple):
    """Rows as numpy arrays that may be written to."""

    features: NDArray[np.float32]
    """(rows, dim)."""
    labels: NDArray[np.int32]
    """(rows,): the label of each row's category."""
    pic_ids: NDArray[np.str_]
    """(rows,): plant_id_7 and so on."""


def read_arrays(file: TableFile) -> Arrays:
    """One table as arrays."""
    table = reading.read(file, _COLUMNS)
    dim: int = table.schema.field("features").type.list_size
    labels: NDArray[np.int32] = table["category_label"].to_numpy()
    pic_ids = np.array(table["picID"].to_pylist(), dtype=np.str_)
    return Arrays(features_of(table, dim), labels, pic_ids)


def in_order(
    ready: Callable[[TableFile], TableFile], files: Sequence[TableFile], rows: int
) -> Iterator[Arrays]:
    """All rows in their order, `rows` at a time; a table is made ready when its turn comes."""
    stream = _Stream(read_arrays(ready(file)) for file in files)
    while (batch := stream.take(rows)) is not None:
        yield batch


def shuffled(files: Sequence[TableFile], rows: int, rng: np.random.Generator) -> Iterator[Arrays]:
    """All rows in random order, `rows` at a time, every batch drawn from all categories.

    How many rows a batch takes from each category is drawn without replacement from the rows that
    are left (the multivariate hypergeometric distribution), as if all rows had been shuffled
    together. Within a category, one table after another is shuffled.
    """
    streams: list[_Stream] = []
    left: list[int] = []
    for category in sorted({file.category for file in files}):
        own = [file for file in files if file.category == category]
        streams.append(_Stream(_permuted(own, rng)))
        left.append(sum(reading.count_rows(file) for file in own))
    while sum(left):
        drawn = rng.multivariate_hypergeometric(left, min(rows, sum(left)), method="count")
        parts = [stream.take(n) for stream, n in zip(streams, drawn.tolist(), strict=True) if n]
        left = (np.array(left) - drawn).tolist()
        batch = _joined([part for part in parts if part is not None])
        yield _picked(batch, rng.permutation(len(batch.labels)))


def _permuted(files: Sequence[TableFile], rng: np.random.Generator) -> Iterator[Arrays]:
    for k in rng.permutation(len(files)):
        # Nothing of a table stays in this frame while its rows are taken.
        yield _shuffled_table(files[k], rng)


def _shuffled_table(file: TableFile, rng: np.random.Generator) -> Arrays:
    table = read_arrays(file)
    return _picked(table, rng.permutation(len(table.labels)))


def _picked(arrays: Arrays, index: NDArray[np.int64] | slice) -> Arrays:
    return Arrays(arrays.features[index], arrays.labels[index], arrays.pic_ids[index])


def _joined(parts: Sequence[Arrays]) -> Arrays:
    features, labels, pic_ids = zip(*parts, strict=True)
    return Arrays(np.concatenate(features), np.concatenate(labels), np.concatenate(pic_ids))


class _Stream:
    """Rows of tables one after another, taken a few at a time; one table is in memory."""

    def __init__(self, tables: Iterable[Arrays]) -> None:
        self._tables = iter(tables)
        self._table: Arrays | None = None
        self._at = 0

    def take(self, count: int) -> Arrays | None:
        """The next `count` rows, fewer at the end; None after the end."""
        parts = []
        while count and (table := self._current()) is not None:
            parts.append(_picked(table, slice(self._at, self._at + count)))
            self._at += len(parts[-1].labels)
            count -= len(parts[-1].labels)
        return _joined(parts) if parts else None

    def _current(self) -> Arrays | None:
        """The table that has the next row; None after the end."""
        while self._table is None or self._at == len(self._table.labels):
            # Let go of the old one before the next is read.
            self._at, self._table = 0, None
            self._table = next(self._tables, None)
            if self._table is None:
                return None
        return self._table
