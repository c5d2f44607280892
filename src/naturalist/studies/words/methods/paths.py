"""Words of paths and other texts about pictures: tokens, and which pictures have them.

A text is cut at everything that is no letter and where a small letter is followed by a capital
one; numbering, endings of file names and words that say nothing about the content are left out.
Letters of all scripts are kept. Neighbouring words inside one part of a path are also kept as a
pair or a triple, so that ``sea_horse/`` is found as "sea horse".
"""

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def _read_words(name: str) -> frozenset[str]:
    text = (resources.files("naturalist.studies.words") / "data" / name).read_text("ascii")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(word for line in lines for word in line.split())


LINKING_WORDS = _read_words("linking-words.txt")
"""Words of a query that only link others."""
STOP_WORDS = _read_words("stop-words.txt") | LINKING_WORDS
"""Words of paths that say nothing about pictures."""
_LONGEST = 3
_ENDING = re.compile(r"(\.[A-Za-z0-9]{1,5})+$")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SHORT_SCRIPTS = 0x2E80
"""From here on (CJK and others) one character can be a word."""


def tokens(text: str) -> list[str]:
    """Words of a text, in order, each once; then pairs and triples of neighbours.

    >>> tokens("wild_cats/IMG_0042.JPG")
    ['wild', 'cats', 'wild cats']
    """
    singles: dict[str, None] = {}
    joined: dict[str, None] = {}
    for part in re.split(r"[/\\\x00]|!/", _ENDING.sub("", text)):
        kept = [word for word in words(part) if word not in STOP_WORDS]
        singles.update(dict.fromkeys(kept))
        for length in range(2, _LONGEST + 1):
            spans = (kept[k : k + length] for k in range(len(kept) - length + 1))
            joined.update((" ".join(span), None) for span in spans)
    return [*singles, *joined]


def words(part: str) -> Iterator[str]:
    """All words of a text, in order, in small letters."""
    part = _CAMEL.sub(" ", unicodedata.normalize("NFC", part))
    for run, letters in itertools.groupby(part, _is_letter):
        word = "".join(letters).casefold()
        if run and (len(word) > 1 or ord(word[0]) >= _SHORT_SCRIPTS):
            yield word


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"


def postings(texts: Sequence[Iterable[str]]) -> dict[str, Rows]:
    """For each token the rows whose texts have it, ascending.

    Args:
        texts: for each row its texts, such as the paths of a picture and of its duplicates.
    """
    result: dict[str, list[int]] = defaultdict(list)
    known: dict[str, list[str]] = {}
    for row, own in enumerate(texts):
        for token in {t for text in own for t in _tokens_of(text, known)}:
            result[token].append(row)
    return {token: np.array(rows, np.int64) for token, rows in sorted(result.items())}


def _tokens_of(text: str, known: dict[str, list[str]]) -> Iterator[str]:
    """Tokens of each part of a path; folders that many pictures share are cut only once."""
    folders, _, name = text.rpartition("/")
    for part in folders.split("/"):
        if part not in known:
            known[part] = tokens(part)
        yield from known[part]
    yield from tokens(name)
