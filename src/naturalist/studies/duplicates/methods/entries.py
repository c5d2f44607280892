"""Several hashes a picture: of all of it, and of what a border surrounds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.duplicates.methods.grouping import Indices, Pairs
from naturalist.studies.duplicates.methods.turning import Hashes


@dataclass(frozen=True, eq=False)
class Entries:
    """What a search sorts, of old pictures first.

    Attributes:
        hashes: uint64 (E,).
        rows: the picture that each is of, int64 (E,).
        old: how many are of old pictures.
    """

    hashes: Hashes
    rows: Indices
    old: int


def make_entries(
    hashes: Hashes, trimmed: Hashes, has_border: NDArray[np.bool_], old: int
) -> Entries:
    """The hashes of pictures (N,) and, where they have a border, of what it surrounds.

    Args:
        hashes: uint64 (N,).
        trimmed: uint64 (N,), of use where there is a border.
        has_border: (N,).
        old: pictures that were compared before.
    """
    rows, bordered = np.arange(len(hashes)), np.flatnonzero(has_border)
    split = int(np.searchsorted(bordered, old))
    parts = [(hashes, rows[:old]), (trimmed, bordered[:split])]
    parts += [(hashes, rows[old:]), (trimmed, bordered[split:])]
    values = np.concatenate([values[here] for values, here in parts])
    return Entries(values, np.concatenate([here for _, here in parts]), old + split)


def as_rows(pairs: Pairs, entries: Entries) -> Pairs:
    """Pairs of pictures, of pairs of entries; none of a picture with itself."""
    one, other = entries.rows[pairs.first], entries.rows[pairs.second]
    result = Pairs(np.minimum(one, other), np.maximum(one, other), pairs.distance)
    return result.where(one != other)
