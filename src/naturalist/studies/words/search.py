"""Search by words: how much each picture shows each word of a query, and why.

A picture's evidence for a word comes from the network's classes (the summed probability of those
that are the word or kinds of it), from the word as a vector where the network is half of a pair,
from words of its path and columns, and from concepts. Evidence is joined as if it were independent:
``1 - (1 - a)(1 - b)(1 - c)``. Words of a query are joined by multiplication; what should not be
there counts as its opposite. A word that only paths know leaves the other pictures a little, so
that it sorts and does not exclude.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.backbones.text import TextQuery
from naturalist.counting import counted
from naturalist.studies.words.index import Token, WordIndex, WordPart
from naturalist.studies.words.methods.concepts import Concept
from naturalist.studies.words.methods.meanings import Meaning, listed, meaning_of
from naturalist.studies.words.methods.nouns import Nouns, other_forms
from naturalist.studies.words.methods.queries import Term

Floats = NDArray[np.float32]
Vectors = Callable[[int], NDArray[np.floating]]
"""Gives the unit vectors (rows, dim) of a part by its number."""

_STRENGTH = {"path": 0.95, "column": 0.95, "category": 0.95, "source": 0.85}
"""How sure a word of a field makes that the picture shows it."""
_KIND = 0.95
"""What that is multiplied with if the word is only a kind of what was searched."""
_LEFT = 0.05
"""What a picture keeps whose path lacks a word that only paths know."""
_WEAK = 0.1
"""Below this best probability nothing in a collection is said to match a word.

Measured with 1,144 pictures of seven data sets: 28 of 68 words that are in no path stay below it,
and a few that are in paths do too (`corn`: 0.09); those are found by their paths. Of the pictures
between 0.01 and 0.1 one in five has the word in its path."""
_LEAST = 0.01
"""A picture whose classes show all words less is left out: one in fifteen of those is right."""
EXPLAINED = 1000
"""Pictures that come with what speaks for them; the others have an empty list."""
_SHARPNESS = 12.0
"""How fast likeness falls with the cosine: at 0.1 less it is 0.3 of what it was."""


@dataclass(frozen=True, eq=False)
class Searched:
    """A term of a query and what can be evidence for it.

    `namesake` is a concept whose name is the term's singular or plural; empty if there is none.
    """

    term: Term
    meaning: Meaning
    concept: Concept | None
    matches: "TokenMatcher"
    text: TextQuery | None = None
    namesake: str = ""


@dataclass(frozen=True, eq=False)
class Matches:
    """The result of a search.

    Attributes:
        rows: the best rows, numbered through all parts of the index.
        scores: their scores, from 0 to 1.
        why: for each row what speaks for it.
        terms: for each term what is known of it, for people and machines.
    """

    rows: list[int]
    scores: list[float]
    why: list[list[dict[str, Any]]]
    terms: list[dict[str, Any]]


@dataclass(eq=False)
class TokenMatcher:
    """Which words of paths are a word or a kind of it."""

    nouns: Nouns
    meaning: Meaning
    _by_part: dict[Path, list[tuple[Token, float]]] = field(default_factory=dict)

    def matching(self, part: WordPart) -> list[tuple[Token, float]]:
        """Tokens of a part that say that a picture shows the word, and how sure they make it."""
        if part.path not in self._by_part:
            found = ((one, self._strength(one)) for one in part.tokens.among(self._likeness))
            self._by_part[part.path] = [(token, sure) for token, sure in found if sure]
        return self._by_part[part.path]

    def _strength(self, token: Token) -> float:
        likeness = self._likeness[token.text]
        # Names of sources say what they are, not kinds of it: "Sports-Type-Classifier".
        says_kinds = token.field in ("path", "column")
        return likeness * _STRENGTH[token.field] if likeness == 1 or says_kinds else 0.0

    @functools.cached_property
    def _likeness(self) -> dict[str, float]:
        """Everything that tokens can be called that are the word or a kind of it."""
        found: dict[str, float] = {}
        if self.meaning.base is not None:
            kinds = self.nouns.words_below(self.meaning.synsets)
            found = {form: _KIND for kind in kinds for form in self.nouns.forms(kind)}
            found |= dict.fromkeys(self.nouns.forms(self.meaning.base), 1.0)
        return found | {self.meaning.word.casefold(): 1.0}


def prepared(
    nouns: Nouns,
    terms: Sequence[Term],
    concepts: Mapping[str, Concept],
    classes: bool,
    text_of: Callable[[str], TextQuery] | None = None,
) -> list[Searched]:
    """Look up the terms of a query.

    Args:
        nouns: the table of nouns.
        terms: the query.
        concepts: those of the workspace, by name.
        classes: whether the network's classes are known.
        text_of: gives words as vectors, if the network has one for words.
    """
    result = []
    for term in terms:
        meaning = meaning_of(nouns, term.text)
        if not classes:
            meaning = Meaning(meaning.word, meaning.base, meaning.synsets)
        concept = concepts.get(term.text.casefold())
        text = text_of(term.text) if text_of is not None else None
        forms = other_forms(term.text.casefold()) if concept is None else []
        namesake = next((form for form in forms if form in concepts), "")
        matcher = TokenMatcher(nouns, meaning)
        result.append(Searched(term, meaning, concept, matcher, text, namesake))
    return result


def contradictions(searched: Sequence[Searched]) -> Iterator[tuple[Term, Term, bool]]:
    """Terms that a query asks for and leaves out, and whether both are one word.

    Where they are not one, what is asked for is a kind of what is left out.
    """
    for one in (one for one in searched if not one.term.excluded):
        for other in (other for other in searched if other.term.excluded):
            same = one.meaning.base is not None and one.meaning.base == other.meaning.base
            same |= one.term.text.casefold() == other.term.text.casefold()
            if same or _is_kind(one, other.meaning):
                yield one.term, other.term, same


def _is_kind(one: Searched, other: Meaning) -> bool:
    if not (one.meaning.synsets and other.synsets) or one.concept is not None:
        return False
    inside = one.matches.nouns.below(other.synsets)[list(one.meaning.synsets)]
    # A "dalmatian" can be a person too, but the network knows the dog only.
    known_as = one.meaning.has_classes and np.isin(one.meaning.classes, other.classes).all()
    return bool(inside.all() or (known_as and inside.any()))


def search(
    index: WordIndex,
    searched: Sequence[Searched],
    k: int,
    *,
    allowed: Callable[[int], NDArray[np.bool_] | None] = lambda part: None,
    vectors: Vectors | None = None,
    like: Floats | None = None,
) -> Matches:
    """The `k` pictures that show the terms best.

    Args:
        index: the words of the collection.
        searched: the terms, see `prepared`.
        k: how many at most; pictures without any evidence are never among them.
        allowed: for the number of a part its rows that may be found; None for all.
        vectors: unit vectors of a part; needed for concepts and `like`.
        like: (dim,) a unit vector that pictures should be near to as well.
    """
    tally = [_Tally() for _ in searched]
    used = [_speaks(one, index, vectors) for one in searched]
    least = _least(searched, used, like)
    best = _Best(k)
    for number, part in enumerate(index.parts):
        mask = allowed(number)
        scores = np.ones(part.rows, np.float32)
        most = np.zeros(part.rows, np.float32)
        for one, counts, speaks in zip(searched, tally, used, strict=True):
            if speaks:
                shown = _term_scores(one, part, number, vectors, mask, counts)
                scores *= shown
                most = most if one.term.excluded else np.maximum(most, shown)
        scores[most < least] = 0
        if like is not None and vectors is not None:
            scores *= likeness(vectors(number), like)
        if mask is not None:
            scores[~mask] = 0
        best.offer(scores, int(index.starts[number]))
    expected = [speaks for one, speaks in zip(searched, used, strict=True) if not one.term.excluded]
    if expected and not any(expected):
        best = _Best(k)
    rows, values = best.in_order()
    why = [_why(index, searched, row, vectors) for row in rows[:EXPLAINED]]
    if like is not None and vectors is not None:
        alike = (_alike(index, row, vectors, like) for row in rows)
        why = [[first, *own] for first, own in zip(alike, why, strict=False)]
    described = [
        _described(one, counts) | {"hints": _hints(one, index, speaks)}
        for one, counts, speaks in zip(searched, tally, used, strict=True)
    ]
    return Matches(rows, values, [*why, *([] for _ in rows[EXPLAINED:])], described)


def likeness(vectors: NDArray[np.floating], like: Floats) -> Floats:
    """From 0 to 1 how near unit vectors (N, dim) are to another one."""
    cosines = np.asarray(vectors, np.float32) @ like
    return np.asarray(np.exp(_SHARPNESS * (np.minimum(cosines, 1) - 1)), np.float32)


@dataclass(eq=False)
class _Tally:
    """What was seen of one term over all parts."""

    by_paths: int = 0
    best_class: float = 0.0


def _speaks(one: Searched, index: WordIndex, vectors: Vectors | None) -> bool:
    """Whether anything in the collection can be evidence for a term."""
    if one.meaning.has_classes and index.has_classes:
        return True
    if vectors is not None and (one.concept is not None or one.text is not None):
        return True
    return any(one.matches.matching(part) for part in index.parts)


def _term_scores(
    one: Searched,
    part: WordPart,
    number: int,
    vectors: Vectors | None,
    mask: NDArray[np.bool_] | None,
    counts: _Tally,
) -> Floats:
    words = _word_scores(one, part)
    shown = words > 0 if mask is None else (words > 0) & mask
    counts.by_paths += int(shown.sum())
    missing = 1 - words
    pictured = False
    if one.meaning.has_classes and part.top is not None and part.rows:
        sums = np.minimum(part.top.sums(one.meaning.classes, _count(one)), 1)
        missing *= 1 - sums
        seen = sums if mask is None else sums[mask]
        counts.best_class = max(counts.best_class, float(seen.max(initial=0)))
        pictured = True
    if one.concept is not None and vectors is not None:
        missing *= 1 - one.concept.scores(vectors(number))
        pictured = True
    if one.text is not None and vectors is not None:
        missing *= 1 - one.text.probabilities(vectors(number))
        pictured = True
    if one.term.excluded:
        return missing
    return 1 - missing if pictured else _LEFT + (1 - _LEFT) * (1 - missing)


def _least(searched: Sequence[Searched], used: Sequence[bool], like: Floats | None) -> float:
    """What a picture needs of one word at least: 0 where more than classes and paths speak."""
    asked = [
        one for one, speaks in zip(searched, used, strict=True) if speaks and not one.term.excluded
    ]
    measured = all(one.concept is None and one.text is None for one in asked)
    return _LEAST if asked and measured and like is None else 0.0


def _word_scores(one: Searched, part: WordPart) -> Floats:
    scores = np.zeros(part.rows, np.float32)
    for token, strength in one.matches.matching(part):
        scores[token.rows] = np.maximum(scores[token.rows], strength)
    return scores


def _count(one: Searched) -> int:
    return len(one.matches.nouns.classes)


def _why(
    index: WordIndex, searched: Sequence[Searched], row: int, vectors: Vectors | None
) -> list[dict[str, Any]]:
    number = int(np.searchsorted(index.starts, row, side="right")) - 1
    part, at = index.parts[number], row - int(index.starts[number])
    reasons: list[dict[str, Any]] = []
    for one in searched:
        if not one.term.excluded:
            reasons += _reasons(one, part, number, at, vectors)
    return reasons


def _alike(index: WordIndex, row: int, vectors: Vectors, like: Floats) -> dict[str, Any]:
    """The cosine of a picture with the one that it should be like."""
    number = int(np.searchsorted(index.starts, row, side="right")) - 1
    vector = np.asarray(vectors(number)[row - int(index.starts[number])], np.float32)
    return {"word": "", "by": "like", "what": "alike", "score": round(float(vector @ like), 3)}


def _reasons(
    one: Searched, part: WordPart, number: int, at: int, vectors: Vectors | None
) -> Iterator[dict[str, Any]]:
    word = one.term.text
    if one.concept is not None and vectors is not None:
        score = float(one.concept.scores(vectors(number)[at : at + 1])[0])
        yield {"word": word, "by": "concept", "what": word, "score": round(score, 3)}
    if one.text is not None and vectors is not None:
        score = float(one.text.probabilities(vectors(number)[at : at + 1])[0])
        yield {"word": word, "by": "text", "what": word, "score": round(score, 3)}
    for token, strength in one.matches.matching(part):
        held = np.searchsorted(token.rows, at)
        if held < len(token.rows) and token.rows[held] == at:
            yield {"word": word, "by": token.field, "what": token.text, "score": round(strength, 3)}
    if one.meaning.has_classes and part.top is not None:
        selected = np.isin(part.top.classes[at], one.meaning.classes)
        if selected.any():
            best = int(np.argmax(selected))
            nouns = one.matches.nouns
            name = nouns.name(int(nouns.classes[int(part.top.classes[at][best])]))
            total = float(part.top.probabilities[at][selected].astype(np.float32).sum())
            yield {"word": word, "by": "class", "what": name, "score": round(total, 3)}


def _described(one: Searched, counts: _Tally) -> dict[str, Any]:
    meaning = one.meaning
    notes = [meaning.note] if meaning.note else []
    if meaning.has_classes and counts.best_class < _WEAK and one.concept is None:
        notes.append(_unmatched(one, counts))
    return {
        "word": one.term.text,
        "excluded": one.term.excluded,
        "known_to_backbone": meaning.has_classes,
        "classes": len(meaning.classes),
        "class_names": listed(one.matches.nouns, meaning.classes),
        "pictures_by_path": counts.by_paths,
        "concept": one.concept is not None,
        "known_as_text": one.text is not None,
        "notes": notes,
    }


def _unmatched(one: Searched, counts: _Tally) -> str:
    best = f"the best picture has probability {counts.best_class:.2f}"
    if counts.by_paths or one.text is not None or one.term.excluded:
        return f"no picture looks much like {one.term.text!r}: {best}"
    return f"nothing matches {one.term.text!r}: {best}; below {_WEAK} one picture in five is right"


def _hints(one: Searched, index: WordIndex, speaks: bool) -> list[str]:
    """Other words that a person may have meant: the singular or plural, where that is known."""
    text = one.term.text
    if one.namesake:
        return [f"{text!r} is not a concept, but {one.namesake!r} is: search for that"]
    if speaks:
        return []
    forms = dict.fromkeys(other_forms(text.casefold()), 0)
    for part in index.parts:
        for token in part.tokens.among(forms):
            forms[token.text] += len(token.rows)
    return [
        f"{counted(count, 'picture has', 'pictures have')} {form!r} in a path or column: search "
        "for that"
        for form, count in forms.items()
        if count
    ]


class _Best:
    """The best rows so far."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._scores = np.empty(0, np.float32)
        self._rows = np.empty(0, np.int64)

    def offer(self, scores: Floats, start: int) -> None:
        rows = np.flatnonzero(scores > 0)
        if len(rows) > self._k:
            rows = np.sort(rows[np.argpartition(-scores[rows], self._k - 1)[: self._k]])
        self._scores = np.concatenate([self._scores, scores[rows]])
        self._rows = np.concatenate([self._rows, rows + start])

    def in_order(self) -> tuple[list[int], list[float]]:
        order = np.lexsort((self._rows, -self._scores))[: self._k]
        return self._rows[order].tolist(), [float(f"{s:.4g}") for s in self._scores[order]]
