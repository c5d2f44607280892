"""Names of clusters, of groups of near duplicates, and of regions of a map."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.words.concept_files import SavedConcept
from naturalist.studies.words.index import WordIndex, WordPart
from naturalist.studies.words.methods.naming import LEAST_SUPPORT, Evidence, names_of
from naturalist.studies.words.methods.nouns import Nouns

_FEW = 2


@dataclass(eq=False)
class _Sums:
    """Counts over the groups of a collection; row `groups` of each array is everything else."""

    pictures: NDArray[np.int64]
    tokens: dict[str, NDArray[np.int64]]
    columns: dict[str, NDArray[np.int64]]
    categories: dict[str, NDArray[np.int64]]
    concepts: dict[str, NDArray[np.int64]]
    classes: NDArray[np.float64] | None


def name_groups(
    index: WordIndex,
    group_of: Callable[[WordPart], NDArray[np.int64]],
    groups: int,
    nouns: Nouns,
    concepts: Mapping[str, SavedConcept],
    vectors: Callable[[int], NDArray[np.floating]],
) -> list[dict[str, Any]]:
    """Names of the groups of a collection.

    Args:
        index: the words of the collection.
        group_of: for a part the group of each row, from 0; -1 for none. Rows that are withheld
            must be in none.
        groups: how many there are.
        nouns: the table of nouns.
        concepts: those of the workspace.
        vectors: the unit vectors of a part, for concepts.

    Returns:
        For each group `pictures` and `names`, the best first; no names where nothing is certain.
    """
    sums = _Sums(
        np.zeros(groups + 1, np.int64),
        defaultdict(lambda: np.zeros(groups + 1, np.int64)),
        defaultdict(lambda: np.zeros(groups + 1, np.int64)),
        defaultdict(lambda: np.zeros(groups + 1, np.int64)),
        defaultdict(lambda: np.zeros(groups + 1, np.int64)),
        np.zeros((groups + 1, len(nouns.classes))) if index.has_classes else None,
    )
    for number, part in enumerate(index.parts):
        own = group_of(part)
        own = np.where(own < 0, groups, own)
        _add(sums, part, own, concepts, vectors, number)
    return [
        {"pictures": here.pictures, "names": [one.as_json() for one in names_of(here, rest, nouns)]}
        for here, rest in _evidence(sums, groups)
    ]


def _add(
    sums: _Sums,
    part: WordPart,
    own: NDArray[np.int64],
    concepts: Mapping[str, SavedConcept],
    vectors: Callable[[int], NDArray[np.floating]],
    number: int,
) -> None:
    size = len(sums.pictures)
    sums.pictures += np.bincount(own, minlength=size)
    by_field = {"category": sums.categories, "column": sums.columns}
    # A word of one or two pictures names no group; most words of file names are like that.
    for token in part.tokens.frequent(_FEW + 1):
        if token.field != "source":
            counts = by_field.get(token.field, sums.tokens)
            counts[token.text] += np.bincount(own[token.rows], minlength=size)
    for name, saved in concepts.items():
        matches = saved.concept.scores(vectors(number)) >= saved.threshold
        sums.concepts[name] += np.bincount(own[matches], minlength=size)
    if sums.classes is not None and part.top is not None:
        width = sums.classes.shape[1]
        places = own[:, np.newaxis] * width + np.asarray(part.top.classes, np.int64)
        weights = np.asarray(part.top.probabilities, np.float64)
        added = np.bincount(places.ravel(), weights.ravel(), size * width)
        sums.classes += added.reshape(size, width)


def _evidence(sums: _Sums, groups: int) -> Iterator[tuple[Evidence, Evidence]]:
    """What is known of the pictures of each group, and of all others.

    Of words only those that enough of a group has to name it: a collection has a hundred thousand.
    """
    held = {
        "tokens": _counts(sums.tokens, sums.pictures, LEAST_SUPPORT),
        "columns": _counts(sums.columns, sums.pictures, LEAST_SUPPORT),
        "concepts": _counts(sums.concepts, sums.pictures, LEAST_SUPPORT),
        "categories": _counts(sums.categories, sums.pictures, 0),
    }
    every = int(sums.pictures.sum())
    classes = None if sums.classes is None else sums.classes.sum(axis=0)
    for group in range(groups):
        own = int(sums.pictures[group])
        inside, outside = max(own, 1), max(every - own, 1)
        here = {
            kind: {text: n / inside for text, (n, _) in counts[group].items()}
            for kind, counts in held.items()
        }
        there = {
            kind: {text: (total - n) / outside for text, (n, total) in counts[group].items()}
            for kind, counts in held.items()
        }
        of_group = None if sums.classes is None else sums.classes[group]
        of_rest = None if classes is None or of_group is None else (classes - of_group) / outside
        yield (
            Evidence(own, classes=None if of_group is None else of_group / inside, **here),
            Evidence(every - own, classes=of_rest, **there),
        )


def _counts(
    counted: Mapping[str, NDArray[np.int64]], pictures: NDArray[np.int64], least: float
) -> list[dict[str, tuple[int, int]]]:
    """For each group the texts that at least a share of it has: how often there, and in all."""
    result: list[dict[str, tuple[int, int]]] = [{} for _ in pictures]
    for text, counts in counted.items():
        total = int(counts.sum())
        for group in np.flatnonzero((counts > 0) & (counts >= least * pictures)).tolist():
            result[group][text] = (int(counts[group]), total)
    return result
