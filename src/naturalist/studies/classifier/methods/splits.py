"""Dividing rows for honest evaluation: by source, and at random without separating near duplicates.

Groups of near duplicates are numbers (N,): rows with the same number are never on both sides of a
division.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.classifier.methods.weighting import cells, first_rows

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

MOST_FOLDS = 60


@dataclass(frozen=True, eq=False)
class Fold:
    """One division.

    Attributes:
        name: the source that is left out, or the number of the fold.
        train: (N,) rows to train with.
        test: (N,) rows to test with; the two have no row in common and need not hold all.
    """

    name: str
    train: Mask
    test: Mask


def no_groups(rows: int) -> Index:
    """Groups where every row is alone."""
    return np.arange(rows, dtype=np.int64)


def random_folds(
    labels: NDArray[np.integer], groups: Index, count: int, seed: int
) -> NDArray[np.int64]:
    """Fold, 0 to count - 1, of each row (N,): whole groups, at random, each category spread evenly.

    A group belongs where its first row does; a fold may get none of a category that has fewer
    groups than there are folds.
    """
    _, group = np.unique(groups, return_inverse=True)
    first = first_rows(group)
    sizes = np.bincount(group)
    rng = np.random.default_rng(seed)
    fold_of = np.empty(len(first), np.int64)
    for label in np.unique(labels[first]).tolist():
        own = rng.permutation(np.flatnonzero(labels[first] == label))
        before = np.cumsum(sizes[own]) - sizes[own]
        # Rotated, so that the remainders of small categories do not all land in the first folds.
        turn = int(rng.integers(count))
        fold_of[own] = (before * count // max(1, sizes[own].sum()) + turn) % count
    return fold_of[group]


def random_split(labels: NDArray[np.integer], groups: Index, folds: int = 5, seed: int = 0) -> Fold:
    """Hold out one part in `folds` of each category at random, near duplicates staying together.

    A category that would be held out as a whole, as one with one picture, stays in training.
    """
    test = random_folds(labels, groups, folds, seed) == 0
    test &= np.isin(labels, labels[~test])
    return Fold("random", ~test, test)


def can_be_left_out(labels: NDArray[np.integer], sources: NDArray[np.generic]) -> Mask:
    """Rows (N,) whose category has another source too: only they can be tested without theirs."""
    cell = cells(labels, sources)
    first = first_rows(cell)
    _, category = np.unique(labels, return_inverse=True)
    sources_of = np.bincount(category[first])
    return (sources_of > 1)[category]


def left_out_at_once(
    labels: NDArray[np.integer], sources: NDArray[np.generic], most: int, seed: int
) -> list[tuple[str, ...]]:
    """Names of sources that are left out together: one each, or several where there are too many.

    Names are dealt to at most `most` hands, those of one category to different ones.
    """
    possible = can_be_left_out(labels, sources)
    names, first = np.unique(sources[possible], return_index=True)
    if len(names) <= most:
        return [(str(name),) for name in names.tolist()]
    mixed = np.random.default_rng(seed).permutation(len(names))
    by_category = mixed[np.argsort(labels[possible][first[mixed]], kind="stable")]
    hands = [np.sort(names[by_category[k::most]]).tolist() for k in range(most)]
    return [tuple(str(name) for name in hand) for hand in hands]


def leave_one_source_out(
    labels: NDArray[np.integer],
    sources: NDArray[np.generic],
    groups: Index | None = None,
    *,
    most: int = MOST_FOLDS,
    seed: int = 0,
) -> Iterator[Fold]:
    """One fold for each source, in the order of their names.

    A source of the same name in several categories is one data set and is left out as a whole,
    but for categories that have no other source, or only near duplicates of this one in others:
    their rows stay where they are. Near duplicates of held-out rows are left out of the training
    rows, too. With more than `most` sources, several
    are left out at once, so that there are `most` folds.
    """
    possible = can_be_left_out(labels, sources)
    for names in left_out_at_once(labels, sources, most, seed):
        test = possible & np.isin(sources, names)
        # Several at once may be all that a category has, and so may a source and its copies.
        test &= np.isin(labels, labels[_apart(test, groups)])
        yield Fold(", ".join(names), _apart(test, groups), test)


def folds_within(
    labels: NDArray[np.integer], rows: Mask, groups: Index | None, count: int, seed: int
) -> Iterator[Fold]:
    """Random folds over some of the rows; all other rows are always trained with."""
    own = no_groups(len(labels)) if groups is None else groups
    fold = random_folds(labels, own, count, seed)
    for k in range(count):
        test = rows & (fold == k)
        if test.any():
            yield Fold(f"{k + 1} of {count}", _apart(test, groups), test)


def _apart(test: Mask, groups: Index | None) -> Mask:
    """All rows that neither are tested nor are near duplicates of one that is."""
    return ~test if groups is None else ~(test | np.isin(groups, groups[test]))
