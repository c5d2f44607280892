"""How much each row counts: balance over categories and sources, and samples that keep it."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Balance = Literal["none", "categories", "sources"]


def row_weights(
    labels: NDArray[np.integer],
    sources: NDArray[np.generic] | None = None,
    *,
    balance: Balance = "sources",
    class_weights: Mapping[int, float] | None = None,
) -> NDArray[np.float64]:
    """Weights with mean 1 that give every category the same total.

    Args:
        labels: (N,) label of each row.
        sources: (N,) source of each row, anything that can be compared; None for one source.
        balance: "sources" gives every source of a category the same total too; "categories" gives
            every row of a category the same; "none" gives every row 1.
        class_weights: what the rows of a label are multiplied by; 1 where nothing is said.

    Returns:
        (N,) float64.
    """
    weights = np.ones(len(labels))
    if not len(labels):
        return weights
    known, category = np.unique(labels, return_inverse=True)
    if balance != "none":
        weights /= np.bincount(category)[category]
    if balance == "sources" and sources is not None:
        cell = cells(labels, sources)
        per_category = np.bincount(category)[category]
        in_category = np.bincount(category[first_rows(cell)], minlength=len(known))[category]
        weights *= per_category / (np.bincount(cell)[cell] * in_category)
    for label, factor in (class_weights or {}).items():
        weights[labels == label] *= factor
    mean = weights.mean()
    return weights / mean if mean > 0 else weights


def cell_weights(
    counts: Mapping[tuple[int, str], int],
    balance: Balance,
    class_weights: Mapping[int, float] | None = None,
) -> dict[tuple[int, str], float]:
    """The same as `row_weights` where only the rows of each label and source are counted."""
    keys = list(counts)
    labels = np.array([label for label, _ in keys])
    sizes = np.array([counts[key] for key in keys], np.float64)
    per_category = np.array([sizes[labels == label].sum() for label in labels])
    sources = np.array([(labels == label).sum() for label in labels])
    by_balance = {"none": np.ones(len(keys)), "categories": 1 / per_category}
    weights = by_balance[balance] if balance != "sources" else 1 / (sizes * sources)
    weights = weights * np.array([(class_weights or {}).get(label, 1.0) for label, _ in keys])
    weights /= (weights * sizes).sum() / sizes.sum()
    return dict(zip(keys, weights.tolist(), strict=True))


def cells(labels: NDArray[np.integer], sources: NDArray[np.generic]) -> NDArray[np.int64]:
    """Number, from 0, of each row's pair of category and source; ordered by label, then source.

    Two categories may have sources of the same name: their rows are different cells.
    """
    _, category = np.unique(labels, return_inverse=True)
    names, source = np.unique(sources, return_inverse=True)
    pair = category.astype(np.int64) * len(names) + source
    return np.unique(pair, return_inverse=True)[1].astype(np.int64)


def first_rows(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first row of each code, in the order of codes."""
    return np.unique(codes, return_index=True)[1].astype(np.int64)


def sample_cells(
    cell: NDArray[np.int64], most: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """At most about `most` rows, drawn so that small cells stay whole and large ones shrink alike.

    Returns:
        The rows that were drawn, ascending, and for each how many rows of its cell it stands for.
    """
    sizes = np.bincount(cell)
    rows = np.arange(len(cell))
    if len(cell) <= most:
        return rows, np.ones(len(cell))
    quota = largest_share(sizes, most)
    order = np.random.default_rng(seed).permutation(len(cell))
    by_cell = order[np.argsort(cell[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = np.arange(len(cell)) - starts[cell[by_cell]]
    drawn = np.sort(by_cell[place < quota])
    taken = np.minimum(sizes, quota)
    return drawn, (sizes / np.maximum(taken, 1))[cell[drawn]]


def largest_share(sizes: NDArray[np.int64], most: int) -> int:
    """The largest number of rows a cell may give so that all together give at most `most`."""
    left, cells_left = most, len(sizes)
    for size in np.sort(sizes).tolist():
        if size * cells_left >= left:
            return max(1, left // cells_left)
        left -= size
        cells_left -= 1
    return int(sizes.max())
