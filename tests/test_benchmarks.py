"""Benchmarks are no part of the package, so that nothing else notices when a name of it changes."""

import ast
import contextlib
import importlib
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = sorted([*ROOT.glob("benchmarks/**/*.py"), *ROOT.glob("tools/*.py")])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_program_takes_from_the_package_is_there(program: Path) -> None:
    missing = [
        f"{node.module}.{name.name}"
        for node in ast.walk(ast.parse(program.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("naturalist")
        for name in node.names
        if not is_there(str(node.module), name.name)
    ]
    assert missing == []


def is_there(module: str, name: str) -> bool:
    if hasattr(importlib.import_module(module), name):
        return True
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.util.find_spec(f"{module}.{name}") is not None
    return False
