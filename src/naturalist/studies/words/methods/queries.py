"""What a query says: terms that a picture should show, and terms that it should not.

``owl on snow`` and ``owl and snow`` ask for both; ``owl not snow``, ``owl -snow`` and
``owl without snow`` for one without the other (the word that follows is the one left out);
``"water lily"`` in quotes is one term. Words that together are one noun, one concept or neighbours
in a path are one term without quotes too. A query, a quoted piece or a piece between spaces that is
the name of a concept is that term, whatever is in it: ``owl2``.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from naturalist.errors import ConfigError
from naturalist.studies.words.methods.concepts import folded_name
from naturalist.studies.words.methods.paths import LINKING_WORDS, words

_NOT = frozenset({"not", "without", "no", "except"})
_LONGEST = 4
_PIECE = re.compile(r'-?"[^"]*"|\S+')


@dataclass(frozen=True)
class Term:
    """One word (or phrase) of a query, and whether pictures should be without it."""

    text: str
    excluded: bool = False


def parse(
    text: str, is_phrase: Callable[[str], bool], concepts: Collection[str] = ()
) -> list[Term]:
    """Cut a query into terms.

    Args:
        text: the query.
        is_phrase: whether several words together mean something of their own.
        concepts: names of concepts.

    Raises:
        ConfigError: no word is left that says what pictures should show.
    """
    pieces = _PIECE.findall(text)
    if folded_name(text) in concepts and not any(one.startswith("-") for one in pieces):
        return [Term(folded_name(text))]
    terms = [
        Term(one, excluded and at == 0)
        for run, excluded, quoted in _chunks(pieces, concepts)
        for at, one in enumerate([" ".join(run)] if quoted else _joined(run, is_phrase))
    ]
    terms = list(dict.fromkeys(term for term in terms if term.text))
    if not any(not term.excluded for term in terms):
        raise ConfigError(
            f"the query {text!r} has no word that says what pictures should show: try for example "
            "'owl not snow'"
        )
    return terms


def _chunks(pieces: list[str], concepts: Collection[str]) -> Iterator[tuple[list[str], bool, bool]]:
    """Runs of words, whether the first term of a run is left out, and whether it is one term."""
    run: list[str] = []
    excluded = False
    for piece in pieces:
        word = piece.lstrip("-")
        name = folded_name(word.strip('"'))
        taught = name in concepts and [name] != list(words(word))
        negation = word.casefold() in _NOT
        if run and (negation or taught or piece.startswith(("-", '"'))):
            yield run, excluded, False
            run, excluded = [], False
        excluded = excluded or negation or piece.startswith("-")
        if taught or word.startswith('"'):
            yield [name] if taught else list(words(word)), excluded, True
            excluded = False
        elif not negation:
            run += words(word)
    if run:
        yield run, excluded, False


def _joined(run: list[str], is_phrase: Callable[[str], bool]) -> list[str]:
    """The words with those joined that are a phrase, the longest first, from the left.

    Words that only link others are left out where they are no part of a phrase.
    """
    terms, at = [], 0
    while at < len(run):
        spans = range(min(_LONGEST, len(run) - at), 1, -1)
        length = next((n for n in spans if is_phrase(" ".join(run[at : at + n]))), 1)
        if length > 1 or run[at] not in LINKING_WORDS:
            terms.append(" ".join(run[at : at + length]))
        at += length
    return terms
