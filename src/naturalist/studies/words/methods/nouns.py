"""WordNet's nouns: what a word can mean, what is a kind of what, and where ImageNet's classes are.

The table is compiled from WordNet 3.0 by ``tools/compile_nouns.py``; WordNet's licence is beside
it. It holds kinds of things, no proper names and no glosses.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]

USUAL_SHARE = 0.2
"""A sense is usual from this share of a word's (tagged and smoothed) uses on."""

MOSTLY = 0.6
"""From this share of its uses on a word mostly means something: "beaver" is rarely a person."""

_FAR_UP = 2000
"""Kinds below an ancestor from which on it says little: "bird" has 900, "animal" 4,000."""

_ENDINGS = (
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
    ("s", ""),
)
"""How regular plurals of nouns end, as in morphy(7WN)."""


def other_forms(word: str) -> list[str]:
    """What may be the plural of a word, or its singular, by regular endings.

    >>> other_forms("owl"), other_forms("woman")
    (['owls'], ['women', 'womans'])
    """
    taken = [word[: -len(old)] + new for old, new in _ENDINGS if word.endswith(old)]
    added = [word[: len(word) - len(new)] + old for old, new in _ENDINGS if word.endswith(new)]
    return [form for form in dict.fromkeys([*taken, *added]) if len(form) > 1 and form != word]


@dataclass(frozen=True)
class Sense:
    """One meaning of a word: a synset and its share of the word's uses."""

    synset: int
    share: float


@dataclass(frozen=True, eq=False)
class Nouns:
    """The table; synsets are numbered from 0.

    Attributes:
        words: lower-case words, sorted; spaces inside them are spaces.
        parents: for each synset, the synsets that it is a kind of.
        children: the other way round.
        physical: (synsets,) bool, whether it is a physical thing.
        classes: (1000,) the synset of each class of an ImageNet head, in its order.
    """

    words: list[str]
    parents: "Lists"
    children: "Lists"
    physical: NDArray[np.bool_]
    classes: Places
    _numbers: dict[str, int]
    _senses: "Lists"
    _counts: NDArray[np.uint16]
    _names: Places
    _plurals: dict[str, str]

    def base(self, word: str) -> str | None:
        """The word as the table has it, its plural ending taken off; None if it has no such noun.

        A word of several parts is tried as it is and with the ending of its last part taken off.
        """
        word = " ".join(word.lower().replace("_", " ").split())
        if word in self._plurals:
            return self._plurals[word]
        forms = [word, *(word[: -len(old)] + new for old, new in _ENDINGS if word.endswith(old))]
        return next((form for form in forms if len(form) > 1 and form in self._numbers), None)

    def forms(self, noun: str) -> list[str]:
        """All words whose `base` is a noun of the table: itself and its plurals."""
        own = [noun, *self._irregular.get(noun, ()), *other_forms(noun)]
        return [form for form in own if self.base(form) == noun]

    def senses(self, word: str) -> list[Sense]:
        """Meanings of a word of the table, the most frequent first; things before abstractions."""
        at = self._numbers[word]
        synsets = self._senses[at]
        counts = self._counts[self._senses.starts[at] : self._senses.starts[at + 1]]
        things = self.physical[synsets]
        if things.any():
            synsets, counts = synsets[things], counts[things]
        shares = (counts + 1.0) / (counts + 1.0).sum()
        return [Sense(int(s), float(p)) for s, p in zip(synsets, shares, strict=True)]

    def usual(self, word: str) -> list[int]:
        """The synsets that a word usually means: its most frequent sense and those near it."""
        senses = self.senses(word)
        most = max(sense.share for sense in senses)
        return [one.synset for one in senses if one.share >= min(USUAL_SHARE, most)]

    def synonyms(self, synset: int) -> list[str]:
        """All words of a synset."""
        return [self.words[int(number)] for number in self._owners[synset]]

    def related(self, one: int, other: int) -> bool:
        """Whether two synsets have an ancestor in common that is not far up."""
        shared = np.flatnonzero(self.above([one]) & self.above([other]))
        return any(int(self.below([int(s)]).sum()) <= _FAR_UP for s in shared)

    def is_everyday(self, synset: int) -> bool:
        """Whether a synset is a class, or its word is in use and says something."""
        if bool((self.classes == synset).any()):
            return True
        number = int(self._names[synset])
        at = int(self._senses.starts[number])
        place = at + int(np.flatnonzero(self._senses[number] == synset)[0])
        return bool(self._counts[place]) and int(self.below([synset]).sum()) <= _FAR_UP

    def is_alive(self, word: str) -> bool:
        """Whether a word usually means a living thing: "plant" does, though it can be a factory."""
        base = self.base(word)
        return base is not None and bool(self._alive[self.usual(base)].any())

    @functools.cached_property
    def made(self) -> NDArray[np.bool_]:
        """(synsets,) bool: things that people made, and their kinds."""
        return self._kinds_of("artifact")

    @functools.cached_property
    def _alive(self) -> NDArray[np.bool_]:
        # People are a group to WordNet, and no kind of a person.
        return self._kinds_of("living thing") | self._kinds_of("people")

    def _kinds_of(self, word: str) -> NDArray[np.bool_]:
        return self.below([one.synset for one in self.senses(word)])

    def name(self, synset: int) -> str:
        """The word that stands first in a synset."""
        return self.words[int(self._names[synset])]

    def below(self, synsets: Iterable[int]) -> NDArray[np.bool_]:
        """(synsets,) bool: these synsets and all kinds of them."""
        return self._reached(synsets, self.children)

    def above(self, synsets: Iterable[int]) -> NDArray[np.bool_]:
        """(synsets,) bool: these synsets and all that they are kinds of."""
        return self._reached(synsets, self.parents)

    def words_below(self, synsets: Iterable[int]) -> set[str]:
        """Every word that mostly means one of these synsets or a kind of them."""
        below = self.below(synsets)
        numbers = np.flatnonzero(
            np.add.reduceat(below[self._senses.values], self._senses.starts[:-1])
        )
        words = (self.words[int(number)] for number in numbers)
        return {word for word in words if self._share_in(word, below) >= MOSTLY}

    def _share_in(self, word: str, synsets: NDArray[np.bool_]) -> float:
        return sum(sense.share for sense in self.senses(word) if synsets[sense.synset])

    def classes_below(self, synsets: Iterable[int]) -> Places:
        """Classes of the head that are one of these synsets or a kind of them."""
        return np.flatnonzero(self.below(synsets)[self.classes])

    def classes_above(self, synsets: Iterable[int]) -> Places:
        """Classes of the head that one of these synsets is a kind of; the nearest ones only."""
        is_class = np.zeros(len(self.physical), bool)
        is_class[self.classes] = True
        level, seen = list(synsets), set(synsets)
        while level:
            level = [int(p) for s in level for p in self.parents[s] if int(p) not in seen]
            result = [one for one in level if is_class[one]]
            if result:
                return np.flatnonzero(np.isin(self.classes, result))
            seen.update(level)
        return np.empty(0, np.int64)

    def coverage(self, synsets: Sequence[int]) -> float:
        """Share of the kinds below synsets that are a class of the head or a kind of one.

        It is 1 where one of the synsets itself is.
        """
        if self._answered[list(synsets)].any():
            return 1.0
        below = self.below(synsets)
        below[list(synsets)] = False
        total = int(below.sum())
        return float((below & self._answered).sum() / total) if total else 1.0

    @functools.cached_property
    def _irregular(self) -> dict[str, list[str]]:
        result: dict[str, list[str]] = {}
        for plural, noun in self._plurals.items():
            result.setdefault(noun, []).append(plural)
        return result

    @functools.cached_property
    def _owners(self) -> "Lists":
        return self._senses.turned(len(self.physical))

    @functools.cached_property
    def _answered(self) -> NDArray[np.bool_]:
        return self.below(self.classes.tolist())

    def _reached(self, synsets: Iterable[int], links: "Lists") -> NDArray[np.bool_]:
        result = np.zeros(len(self.physical), bool)
        level = np.array(sorted(set(synsets)), np.int64)
        while len(level):
            result[level] = True
            level = links.all_of(level)
            level = np.unique(level[~result[level]])
        return result


@dataclass(frozen=True, eq=False)
class Lists:
    """Many lists of numbers, one after the other: list k is values[starts[k]:starts[k + 1]]."""

    starts: Places
    values: Places

    def __getitem__(self, k: int) -> Places:
        return self.values[self.starts[k] : self.starts[k + 1]]

    def all_of(self, which: Places) -> Places:
        """The values of several lists, joined."""
        return np.concatenate([self[int(k)] for k in which]) if len(which) else which

    def turned(self, count: int) -> "Lists":
        """For each value below `count` the lists that it is in."""
        owners = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        order = np.argsort(self.values, kind="stable")
        counts = np.bincount(self.values, minlength=count)
        return Lists(np.concatenate([[0], np.cumsum(counts)]), owners[order])


@functools.cache
def read_nouns() -> Nouns:
    """The table that is part of the package; read once in a process (about 0.1 s)."""
    file = resources.files("naturalist.studies.words") / "data" / "nouns-v1.npz"
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as arrays:
        return _nouns(dict(arrays))


def _nouns(arrays: dict[str, NDArray[Any]]) -> Nouns:
    words = arrays["words"].tobytes().decode().split("\n")
    parents = _lists(arrays, "parent_starts", "parents")
    plurals = arrays["plurals"].tobytes().decode().split("\n")
    return Nouns(
        words=words,
        parents=parents,
        children=parents.turned(len(parents.starts) - 1),
        physical=np.unpackbits(arrays["physical"])[: len(parents.starts) - 1].astype(bool),
        classes=arrays["classes"].astype(np.int64),
        _numbers={word: k for k, word in enumerate(words)},
        _senses=_lists(arrays, "sense_starts", "senses"),
        _counts=arrays["counts"],
        _names=arrays["names"].astype(np.int64),
        _plurals={old: new for old, _, new in (line.partition(" ") for line in plurals)},
    )


def _lists(arrays: dict[str, NDArray[Any]], starts: str, values: str) -> Lists:
    return Lists(arrays[starts].astype(np.int64), arrays[values].astype(np.int64))
