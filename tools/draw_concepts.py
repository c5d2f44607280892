"""Write the drawings of docs/concepts.md as SVG, or check that they are current.

Usage: python tools/draw_concepts.py [--check] docs/pictures

A drawing is a list of rows of boxes; an arrow joins each box to the next of its row, and the rows
that are named to each other. They are light and dark alike, and load no font.
"""

import html
import sys
from dataclasses import dataclass
from pathlib import Path

_WIDE, _HIGH, _GAP, _DROP = 150, 54, 46, 44
_INK, _PAPER, _LINE = "#1b4332", "#d8f3dc", "#40916c"


@dataclass(frozen=True)
class Drawing:
    """Rows of boxes, each a title and a line below it, and arrows between (row, column)."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    down: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = ()


DRAWINGS = {
    "concept-picture.svg": Drawing(
        "The way of one picture",
        (
            ("a file|in a source", "examine|hash, type, size", "ledger row|id or reason"),
            ("table row|CSV and Parquet", "verify|each number", "512 features|one decode"),
            ("snapshot|every file, SHA-256", "latest|one pointer", "readers|verify, load"),
        ),
        (((0, 2), (1, 2)), ((1, 0), (2, 0))),
    ),
    "concept-receipt.svg": Drawing(
        "Batch and receipt",
        (
            ("inputs, options|network", "fingerprint|SHA-256", "wanted now"),
            (
                "artifact|features, table",
                "receipt beside it|fingerprint, SHA-256",
                "equal?|then done",
            ),
        ),
        (((0, 2), (1, 2)),),
    ),
    "concept-snapshot.svg": Drawing(
        "Snapshot",
        (
            (
                "1. data|keys with hashes",
                "2. read back|SHA-256 compared",
                "3. snapshot|list of files",
                "4. latest|moved last",
            ),
        ),
    ),
    "concept-map.svg": Drawing(
        "A map that does not move",
        (
            ("map of yesterday|every point stays", "new pictures|placed between", "drift|measured"),
            ("rebuilt from it|aligned, moves told", "no longer fits", "still fits|done"),
        ),
        (((0, 2), (1, 2)), ((0, 2), (1, 1))),
    ),
    "concept-evaluation.svg": Drawing(
        "Honest evaluation",
        (
            (
                "all sources",
                "leave one out|with near copies",
                "train on the rest",
                "ask the one left out",
            ),
            ("what to expect|of a new source", "interval|over sources", "repeat|for each source"),
        ),
        (((0, 3), (1, 2)),),
    ),
}
_BACKWARDS = {"concept-picture.svg": {1}, "concept-map.svg": {1}, "concept-evaluation.svg": {1}}
"""Rows whose arrows lead to the left."""


def draw(name: str, drawing: Drawing) -> str:
    """The SVG of a drawing."""
    columns = max(map(len, drawing.rows))
    width = columns * _WIDE + (columns - 1) * _GAP + 20
    height = len(drawing.rows) * _HIGH + (len(drawing.rows) - 1) * _DROP + 20
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'font-family="system-ui, sans-serif" text-anchor="middle">'
        ),
        f"<title>{html.escape(drawing.title)}</title>",
        (
            '<defs><marker id="tip" markerWidth="9" markerHeight="8" refX="8" refY="4" '
            'orient="auto">'
            f'<path d="M0,0 L9,4 L0,8 z" fill="{_LINE}"/></marker></defs>'
        ),
    ]
    for row, boxes in enumerate(drawing.rows):
        for column, text in enumerate(boxes):
            parts += _box(row, column, text)
            if column + 1 < len(boxes):
                ends = (column, column + 1)
                start, end = ends[::-1] if row in _BACKWARDS.get(name, ()) else ends
                parts.append(_across(row, start, end))
    parts += [_down(start, end) for start, end in drawing.down]
    return "\n".join([*parts, "</svg>", ""])


def _corner(row: int, column: int) -> tuple[int, int]:
    return 10 + column * (_WIDE + _GAP), 10 + row * (_HIGH + _DROP)


def _box(row: int, column: int, text: str) -> list[str]:
    x, y = _corner(row, column)
    title, _, below = text.partition("|")
    middle = x + _WIDE // 2
    lines = [
        (
            f'<rect x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="8" fill="{_PAPER}" '
            f'stroke="{_LINE}"/>'
        ),
        (
            f'<text x="{middle}" y="{y + (24 if below else 32)}" font-size="14" font-weight="600" '
            f'fill="{_INK}">{html.escape(title)}</text>'
        ),
    ]
    if below:
        place = f'x="{middle}" y="{y + 42}"'
        lines.append(f'<text {place} font-size="12" fill="{_INK}">{html.escape(below)}</text>')
    return lines


def _across(row: int, start: int, end: int) -> str:
    (x, y), (other, _) = _corner(row, start), _corner(row, end)
    ends = (x + _WIDE, other) if end > start else (x, other + _WIDE)
    return _arrow(ends[0], y + _HIGH // 2, ends[1], y + _HIGH // 2)


def _down(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x, y), (other, below) = _corner(*start), _corner(*end)
    return _arrow(x + _WIDE // 2, y + _HIGH, other + _WIDE // 2, below)


def _arrow(x: int, y: int, to_x: int, to_y: int) -> str:
    return (
        f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="{_LINE}" stroke-width="1.5" '
        'marker-end="url(#tip)"/>'
    )


def main() -> None:
    """Write the drawings, or with `--check` end with 1 where one is not current."""
    *options, folder = sys.argv[1:]
    for name, drawing in DRAWINGS.items():
        path, text = Path(folder) / name, draw(name, drawing)
        if options != ["--check"]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path} is not current: run  make docs  and commit it")


if __name__ == "__main__":
    main()
