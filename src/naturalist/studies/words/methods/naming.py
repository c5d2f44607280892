"""Names for groups of pictures, from evidence that the rest of the collection lacks.

A name comes from a concept, from a word that most paths of the group have, or from a class of the
network (or what it is a kind of) that most of the group's probability is in; the category is the
last resort. Each must be much more frequent in the group than elsewhere. Where nothing is, there is
no name: none is better than a wrong one. A network whose classes have no faces sees neck braces and
suits in portraits; so pictures that are filed as living things are not named after made things.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.words.methods.meanings import BARELY
from naturalist.studies.words.methods.nouns import Nouns

LEAST_SUPPORT = 0.5
"""Share of a group that a name must be true of."""
_LEAST_LIFT = 3.0
"""How much more frequent than in the rest of the collection."""
_LEAST_PICTURES = 3
_WHOLE_CATEGORY = 0.95
_FILED = 0.8
"""Share of a group in categories of living things from which on it is one."""
_RARE = 0.005
"""Shares below this are alike: all but nothing."""
_ALSO = 3
_LIKELY = 12
"""Classes of a group that names are looked for among, and above."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of some pictures in words.

    Attributes:
        pictures: how many they are.
        tokens: share of them that have a word in their path.
        categories: share of them in each category.
        concepts: share of them that match a concept.
        classes: (1000,) mean probability of each class of the network; None if not known.
        columns: share of them that have a word in a metadata column.
    """

    pictures: int
    tokens: Mapping[str, float]
    categories: Mapping[str, float]
    concepts: Mapping[str, float]
    classes: NDArray[np.floating] | None
    columns: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Name:
    """A name of a group: a word, what it comes from, and the share of the group it is true of."""

    text: str
    by: str
    support: float
    elsewhere: float

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        shares = {"support": round(self.support, 3), "elsewhere": round(self.elsewhere, 3)}
        return {"name": self.text, "by": self.by, **shares}


def names_of(group: Evidence, rest: Evidence, nouns: Nouns) -> list[Name]:
    """Names that a group can have, the best first; empty if nothing is true of it alone.

    Args:
        group: its evidence.
        rest: that of all other pictures.
        nouns: the table of nouns.
    """
    if group.pictures < _LEAST_PICTURES:
        return []
    taught = _frequent("concept", group.concepts, rest.concepts)
    paths = _by_base(_frequent("path", group.tokens, rest.tokens), nouns)
    columns = _by_base(_frequent("column", group.columns, rest.columns), nouns)
    classes = list(_by_class(group, rest, nouns))
    result = [*taught, *sorted([*paths, *columns, *classes], key=_rank)] or _by_category(
        group, rest
    )
    best: dict[str, Name] = {}
    for name in result:
        best.setdefault(name.text, name)
    return list(best.values())[: 1 + _ALSO]


def _frequent(by: str, here: Mapping[str, float], there: Mapping[str, float]) -> list[Name]:
    names = [Name(text, by, share, there.get(text, 0.0)) for text, share in here.items()]
    return sorted((one for one in names if _stands_out(one)), key=_rank)


def _stands_out(name: Name) -> bool:
    return name.support >= LEAST_SUPPORT and name.support >= _LEAST_LIFT * name.elsewhere


def _rank(name: Name) -> tuple[float, bool]:
    # What is rare elsewhere says more: "daisy" of two thirds before "flower" of all. Paths and
    # columns were written by people, so at about the same value they come before classes.
    lift = float(np.log(name.support / max(name.elsewhere, _RARE)))
    return -round(name.support * lift, 1), name.by not in ("path", "column")


def _by_base(names: Iterable[Name], nouns: Nouns) -> list[Name]:
    """Words of paths in the singular, each once; a phrase replaces the words that it is made of."""
    result: dict[str, Name] = {}
    for name in names:
        text = nouns.base(name.text) or name.text
        if text not in result:
            result[text] = Name(text, name.by, name.support, name.elsewhere)
    return [one for one in result.values() if not _is_part(one, result.values())]


def _is_part(name: Name, names: Iterable[Name]) -> bool:
    words = set(name.text.split())
    return any(
        words < set(other.text.split()) and other.support >= name.support - 0.1 for other in names
    )


def _by_class(group: Evidence, rest: Evidence, nouns: Nouns) -> Iterable[Name]:
    """The most special classes, or what they are kinds of, that most of the probability is in.

    Something of which the network knows only odd kinds is no name, nor are words that nobody uses
    ("placental") or that say hardly anything ("instrumentality").
    """
    if group.classes is None or rest.classes is None:
        return
    here, there = group.classes.astype(np.float64), rest.classes.astype(np.float64)
    likely = np.argsort(-here)[:_LIKELY]
    possible = nouns.above(nouns.classes[likely].tolist())
    if _is_alive(group, nouns):
        possible &= ~nouns.made
    names = []
    for synset in np.flatnonzero(possible).tolist():
        below, fit = _below(nouns, synset)
        if not fit:
            continue
        support, elsewhere = float(here[below].sum()), float(there[below].sum())
        name = Name(nouns.name(synset), "class", support, elsewhere)
        if _stands_out(name):
            names.append((len(below), -name.support, name))
    for _, _, name in sorted(names, key=lambda one: one[:2])[:_ALSO]:
        yield name


def _is_alive(group: Evidence, nouns: Nouns) -> bool:
    """Whether most pictures are in categories whose name is that of a living thing."""
    shares = (share for name, share in group.categories.items() if nouns.is_alive(name))
    return sum(shares) >= _FILED


@functools.lru_cache(maxsize=4096)
def _below(nouns: Nouns, synset: int) -> tuple[NDArray[np.int64], bool]:
    """Classes that are a synset or a kind of it, and whether it can be a name."""
    fit = nouns.is_everyday(synset) and nouns.coverage([synset]) >= BARELY
    return nouns.classes_below([synset]), fit


def _by_category(group: Evidence, rest: Evidence) -> list[Name]:
    names = [
        Name(text, "category", share, rest.categories.get(text, 0.0))
        for text, share in group.categories.items()
        if share >= _WHOLE_CATEGORY
    ]
    return [one for one in names if _stands_out(one)]
