"""What a network's classes make of a word, and what is said where they make nothing of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.words.methods.nouns import Nouns

BARELY = 0.005
"""Below this share of the kinds of a thing, a network hardly knows the thing."""

_NONE: NDArray[np.int64] = np.empty(0, np.int64)
_LISTED = 4


@dataclass(frozen=True, eq=False)
class Meaning:
    """A word as WordNet and the classes of a network have it.

    Attributes:
        word: the word as it was given.
        base: the noun in WordNet; None if there is none.
        synsets: what it usually means.
        classes: the classes of an ImageNet head that are it or kinds of it; if there are none,
            those that it is a kind of.
        note: what a person should know about that; may be empty.
        hardly: whether the classes are only a few odd kinds of the thing.
    """

    word: str
    base: str | None = None
    synsets: tuple[int, ...] = ()
    classes: NDArray[np.int64] = field(default_factory=lambda: _NONE)
    note: str = ""
    hardly: bool = False

    @property
    def has_classes(self) -> bool:
        """Whether the network has classes for it."""
        return bool(len(self.classes))


def meaning_of(nouns: Nouns, word: str) -> Meaning:
    """What a word means to a network with the classes of ImageNet."""
    base = nouns.base(word)
    if base is None:
        return Meaning(word)
    usual = tuple(nouns.usual(base))
    classes = nouns.classes_below(usual)
    if len(classes):
        share = nouns.coverage(usual)
        hardly = share < BARELY
        note = _few(nouns, word, classes, share) if hardly else ""
        return Meaning(word, base, usual, classes, note, hardly)
    broader = nouns.classes_above(usual[:1])
    if len(broader):
        names = listed(nouns, broader)
        return Meaning(word, base, usual, broader, f"the backbone knows {word!r} only as {names}")
    return _rarer(nouns, word, base, usual)


def listed(nouns: Nouns, classes: Sequence[int] | NDArray[np.int64]) -> str:
    """Names of classes, a few of them."""
    names = list(dict.fromkeys(nouns.name(int(nouns.classes[k])) for k in classes))
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _few(nouns: Nouns, word: str, classes: NDArray[np.int64], share: float) -> str:
    return (
        f"of all kinds of {word!r} the backbone knows {100 * share:.1f} %: {listed(nouns, classes)}"
    )


def _rarer(nouns: Nouns, word: str, base: str, usual: tuple[int, ...]) -> Meaning:
    """The classes of a rarer sense that is a related thing; of another one only a hint."""
    hint = ""
    for synset, own in _rarer_senses(nouns, base, usual):
        classes = nouns.classes_below([synset])
        if not len(classes):
            continue
        parent = nouns.parents[synset]
        kind = f" (a kind of {nouns.name(int(parent[0]))})" if len(parent) else ""
        note = f"the backbone knows {word!r} only as {listed(nouns, classes)}{kind}"
        if any(nouns.related(synset, one) for one in usual):
            return Meaning(word, base, usual, classes, note)
        hint = hint or note * own
    return Meaning(word, base, usual, note=hint)


def _rarer_senses(nouns: Nouns, base: str, usual: tuple[int, ...]) -> Iterator[tuple[int, bool]]:
    """Other senses of a word and of its synonyms, and whether they are of the word itself."""
    names = [base, *(name for synset in usual for name in nouns.synonyms(synset))]
    seen = set(usual)
    for name in dict.fromkeys(names):
        for sense in nouns.senses(name):
            if sense.synset not in seen:
                seen.add(sense.synset)
                yield sense.synset, name == base
