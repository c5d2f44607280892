"""CSV files that people open in a spreadsheet, in which no text is taken for a formula.

Source: OWASP, CSV Injection. A text that begins like a formula gets an apostrophe before it, which
spreadsheets do not show.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from naturalist import artifacts
from naturalist.errors import ConfigError

_FORMULA = re.compile(r"[=+\-@\t\r]")
_GUARDED = re.compile(r"'[=+\-@\t\r]")


def write_sheet(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as a CSV file; how many there are.

    Raises:
        ConfigError: the file is there already.
        WorkspaceError: it cannot be written.
    """
    if path.exists():
        raise ConfigError(f"{path} already exists: choose another file, or delete it")
    text, count = sheet(columns, rows)
    artifacts.write_bytes(path, text.encode())
    return count


def sheet(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> tuple[str, int]:
    """The text of a CSV file with a line of names, and its number of rows."""
    lines = [_line(columns)]
    lines += [_line([row.get(name, "") for name in columns]) for row in rows]
    return "".join(lines), len(lines) - 1


def _line(values: Sequence[Any]) -> str:
    text = io.StringIO(newline="")
    # Before Python 3.13 a carriage return is only quoted where it may end a line.
    csv.writer(text, lineterminator="\r\n").writerow([_guarded(value) for value in values])
    return text.getvalue().removesuffix("\r\n") + "\n"


def plain(cell: str) -> str:
    """The text of a cell of such a file, without the apostrophe that guards it."""
    return cell[1:] if _GUARDED.match(cell) else cell


def _guarded(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
