"""Refuse idioms that a reader stumbles over, in texts that people see.

Usage: python tools/check_words.py

Looks at every string of the package that is no docstring, and at the docstrings of commands, which
are their help. Prints each place with what to write instead, and ends with 1 if there is one.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src/naturalist"
REFUSED = {
    "begins of": "a count: `ingest: 234 files`",
    "reckon": "estimate",
    "if not said": "default: ...",
    "unless said": "default: ...",
    "make no map": "a map needs at least ...",
    "soft finding": "warnings",
    "hard finding": "errors",
    "made anew": "rebuilt, recomputed, rewritten",
    "comes along": "included, built in",
    "come along": "included, built in",
    "is no account": "is not an AWS account ID",
    "without a word": "silently; or say what happened",
    "cannot be told": "not available: ...",
    "who does the work": "executor to use",
}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The line and text of every string of a module that people may see."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    is_command = path.parent.name == "cli"
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and (is_command or id(node) not in docstrings):
            yield node.lineno, " ".join(node.value.split()).lower()


def findings() -> list[str]:
    """Each refused idiom with its place."""
    return [
        f"{path.relative_to(SOURCE)}:{line}: {idiom!r}: write {instead}"
        for path in sorted(SOURCE.rglob("*.py"))
        for line, text in texts(path)
        for idiom, instead in REFUSED.items()
        if idiom in text
    ]


if __name__ == "__main__":
    sys.exit("\n".join(findings()) or None)
