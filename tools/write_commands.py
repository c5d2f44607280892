"""Write docs/commands.md from the `--help` of every command, or check that it is current.

Usage: python tools/write_commands.py [--check] [docs/commands.md]
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from naturalist.cli.app import app

HEAD = """\
# Commands

`make docs` writes this page from what `naturalist COMMAND --help` prints. To change it, change the
docstrings in `src/naturalist/cli/`. Exit codes: [README](../README.md#exit-codes).
"""
PAGE = "docs/commands.md"
PLAIN = {"COLUMNS": "96", "TERM": "dumb", "NO_COLOR": "1"}


def main() -> None:
    """Write the page, or with `--check` end with 1 when it says something else than `--help`."""
    arguments = sys.argv[1:]
    page = Path(next((one for one in arguments if one != "--check"), PAGE))
    current = commands_page()
    if "--check" not in arguments:
        page.write_text(current)
    elif not page.exists() or words(page.read_text()) != words(current):
        sys.exit(f"{page} is not what --help says: run  make docs  and commit it")


def commands_page() -> str:
    """The whole page as Markdown."""
    sections = [section(["naturalist"])]
    sections += [section(["naturalist", *words]) for words in commands(typer.main.get_command(app))]
    return "\n".join([HEAD, *sections])


def commands(group: Any) -> Iterator[list[str]]:
    """The words of every command, in the order in which `--help` lists them; a group first."""
    for name, command in group.commands.items():
        yield [name]
        if hasattr(command, "commands"):
            yield from ([name, *words] for words in commands(command))


def section(command: list[str]) -> str:
    """One command's help under its name."""
    program, *arguments = command
    text = CliRunner().invoke(app, [*arguments, "--help"], env=PLAIN, prog_name=program).stdout
    return f"## {' '.join(command)}\n\n```text\n{text.strip()}\n```\n"


def words(page: str) -> Counter[str]:
    """What a page says, whatever layout and type names this version of typer gives it."""
    return Counter(re.findall(r"--[a-z][a-z-]*|[a-z]{3,}|[0-9]+", re.sub(r"<[^>]*>", "", page)))


if __name__ == "__main__":
    main()
