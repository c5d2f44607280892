"""Refuse idioms that a reader stumbles over, in everything that people read.

Usage: python tools/check_words.py

Reads README, CONTRIBUTING and docs, the text cells of notebooks, all strings of the package
(messages, help, docstrings), and the sources of the dashboard's pages. Prints each place with what
to write instead, and ends with 1 if there is one.
"""

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

Texts = Iterator[tuple[int, str]]
"""Lines, from 1, and what they say."""

REFUSED = {
    r"begins of": "a count: `ingest: 234 files`",
    r"reckon": "estimate",
    r"(?:if not|unless) said": "default: ...",
    r"make no map": "a map needs at least ...",
    r"soft findings?": "warnings",
    r"hard findings?": "errors",
    r"(?:made )?anew": "rebuilt, recomputed, rewritten, from scratch",
    r"c[oa]mes? along": "included, built in; of metadata: attached",
    r"without a word": "silently; or say what happened",
    r"cannot be told": "not available: ...",
    r"who does the work": "executor to use",
    r"(?<!there )(?:is|are) no (?:account|date|numbers?|person|pictures?|tar|text)": "is not a ...",
    r"lies? (?:at|below|beside|elsewhere|in|under)": "is in ..., is beside ...",
    r"hears of": "is notified of",
    r"a person's word": "a person's decision, manual",
    r"once more": "again",
    r"(?:not|cannot|nothing)(?: \w+){0,4} any ?more": "no longer",
    r"the present (?:\w+ )?(?:name|default|inputs|positions|state)": "the current ...",
    r"for ever": "forever, permanently",
    r"nearly (?:never|none|no)": "almost never, almost none",
    r"rightly": "correctly",
    r"all else": "everything else",
    r"and the like": "and similar files; or list them",
    r"half way": "halfway, before it finished",
    r"so many pictures": "this number of pictures",
    r"(?:time|requests|memory|disk|space) and money": "cost",
    r"of which there (?:is|are) one": "that exists once",
    r"spoi?l(?:s|t|ed)?": "damage, overwrite",
    r"shall": "must, will, should",
    r"upon": "on",
    r"nought": "0, nothing",
    r"to and fro": "back and forth",
    r"by and by": "gradually",
}
"""Idioms, as regular expressions of whole words in lower case, and what to write instead."""
_PATTERN = {re.compile(rf"\b{idiom}\b"): instead for idiom, instead in REFUSED.items()}
PUBLISHED = {"schemas.py", "cards.py", "card.py"}
"""Modules whose texts are bytes of published files, which stay as they are."""

_TARGET = re.compile(r"\]\([^)]*\)")


def module_texts(path: Path) -> Texts:
    """Every string of a module, docstrings too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())


def page_texts(path: Path) -> Texts:
    """The paragraphs of a Markdown page, and its code, without the targets of links."""
    paragraph: list[str] = []
    for number, line in enumerate([*path.read_text().splitlines(), ""], 1):
        if line.strip() and not line.startswith("|"):
            paragraph.append(line.strip())
            continue
        yield number - len(paragraph), _TARGET.sub("]", " ".join(paragraph))
        yield number, _TARGET.sub("]", line)
        paragraph = []


def notebook_texts(path: Path) -> Texts:
    """The text cells of a notebook, by their numbers."""
    for number, cell in enumerate(json.loads(path.read_text())["cells"], 1):
        if cell["cell_type"] == "markdown":
            yield number, " ".join("".join(cell["source"]).split())


def front_end_texts(path: Path) -> Texts:
    """The lines of a source of the dashboard: texts stand between tags, strings and code."""
    yield from enumerate(path.read_text().splitlines(), 1)


READERS: dict[str, Callable[[Path], Texts]] = {
    "README.md": page_texts,
    "CONTRIBUTING.md": page_texts,
    "docs/**/*.md": page_texts,
    "docs/notebooks/*.ipynb": notebook_texts,
    "src/naturalist/**/*.py": module_texts,
    "frontend/src/**/*.ts*": front_end_texts,
}


def findings() -> list[str]:
    """Each refused idiom with its place."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {found[0]!r}: write {instead}"
        for glob, texts in READERS.items()
        for path in sorted(ROOT.glob(glob))
        if path.name not in PUBLISHED
        for line, text in texts(path)
        for pattern, instead in _PATTERN.items()
        if (found := pattern.search(text.lower()))
    ]


if __name__ == "__main__":
    sys.exit("\n".join(findings()) or None)
