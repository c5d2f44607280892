"""Names of clusters, of groups of near duplicates, and of regions of a map."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.words.concept_files import SavedConcept
from naturalist.studies.words.index import WordIndex, WordPart
from naturalist.studies.words.methods.naming import Evidence, names_of
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
    total = _evidence(sums, np.arange(groups + 1))
    result = []
    for group in range(groups):
        here = _evidence(sums, np.array([group]))
        names = names_of(here, _without(total, here), nouns)
        result.append({"pictures": here.pictures, "names": [one.as_json() for one in names]})
    return result


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


def _evidence(sums: _Sums, groups: NDArray[np.int64]) -> Evidence:
    pictures = int(sums.pictures[groups].sum())

    def shares(counts: Mapping[str, NDArray[np.int64]]) -> dict[str, float]:
        totals = ((text, int(own[groups].sum())) for text, own in counts.items())
        return {text: total / max(pictures, 1) for text, total in totals if total}

    classes = None
    if sums.classes is not None:
        classes = sums.classes[groups].sum(axis=0) / max(pictures, 1)
    tokens, categories = shares(sums.tokens), shares(sums.categories)
    concepts, columns = shares(sums.concepts), shares(sums.columns)
    return Evidence(pictures, tokens, categories, concepts, classes, columns)


def _without(total: Evidence, group: Evidence) -> Evidence:
    """The evidence of all pictures but those of a group."""
    left = max(total.pictures - group.pictures, 1)

    def rest(all_: Mapping[str, float], own: Mapping[str, float]) -> dict[str, float]:
        return {
            text: max(share * total.pictures - own.get(text, 0.0) * group.pictures, 0.0) / left
            for text, share in all_.items()
        }

    classes = None
    if total.classes is not None and group.classes is not None:
        classes = (total.classes * total.pictures - group.classes * group.pictures) / left
    return Evidence(
        total.pictures - group.pictures,
        rest(total.tokens, group.tokens),
        rest(total.categories, group.categories),
        rest(total.concepts, group.concepts),
        classes,
        rest(total.columns, group.columns),
    )
