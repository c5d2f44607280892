"""Examples on pages of the documentation: found, run as they are written, compared with the page.

An example is a block of bash or Python below `<!-- test -->`, or `<!-- test: WORD -->` where a test
has to know something of it. A block of text right below it is what the example prints.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_EXAMPLE = re.compile(
    r"<!-- test(?:: (?P<word>[\w-]+))? -->\n"
    r"```(?P<language>bash|python)\n(?P<code>.*?)```\n"
    r"(?:\n```text\n(?P<shown>.*?)```)?",
    re.DOTALL,
)
_MEASURED = re.compile(r"\d[\d,]*\.\d+|\d[\d,]*(?=/s)")
_CUT = "..."
"""A line of the page for any number of lines, also none, that it leaves out."""


@dataclass(frozen=True)
class Example:
    """An example.

    Attributes:
        language: `bash` or `python`.
        code: what is run.
        word: what the marker says of it; empty if nothing.
        shown: what the page says that it prints; empty if nothing.
    """

    language: str
    code: str
    word: str = ""
    shown: str = ""


def examples(page: Path) -> list[Example]:
    """Examples of a page, in its order."""
    found = (match.groupdict(default="") for match in _EXAMPLE.finditer(page.read_text()))
    return [Example(**parts) for parts in found]


def run(
    example: Example,
    folder: Path,
    surroundings: Mapping[str, str] = os.environ,
    warnings: str = "error",
) -> str:
    """Run an example in a folder, with this Python's programs; what it printed to stdout.

    Args:
        example: what to run.
        folder: where to run it.
        surroundings: its environment variables.
        warnings: what becomes of warnings in Python, as `python -W` has it.
    """
    programs = {"bash": ["bash", "-eu"], "python": [sys.executable, "-W", warnings]}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        programs[example.language],
        input=example.code,
        cwd=folder,
        env={**surroundings, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{example.code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def assert_shown(example: Example, printed: str) -> None:
    """The page shows what was printed.

    Numbers that differ from machine to machine may differ: those with decimals and rates.
    """
    expected, lines = _comparable(example.shown), _comparable(printed)
    pattern = "".join(
        r"(?:.*\n)*?" if line == _CUT else f"{re.escape(line)}\n" for line in expected
    )
    text = "".join(f"{line}\n" for line in lines)
    assert re.fullmatch(pattern, text), f"{example.code}\nprints\n{printed}"


def _comparable(text: str) -> list[str]:
    """Lines that are not empty, without what is measured and how wide columns are."""
    lines = (" ".join(_MEASURED.sub("#", line).split()) for line in text.splitlines())
    return [line for line in lines if line]
