"""The notebooks of the documentation run from top to bottom, in the order of their numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drawn_photos import draw_all

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "docs/notebooks").glob("*.ipynb"))
RUNNER = '''
import ast, json, subprocess, sys

def show(value):
    """As a notebook does: the rich text of a value, and its plain one."""
    shown = getattr(value, "_repr_html_", None)
    assert shown is None or shown()
    assert value is None or repr(value)

names = {}
for cell in json.load(sys.stdin):
    if cell.startswith("!"):
        for text in cell.replace(chr(92) + chr(10), "").splitlines():
            parts = text[1:].split("{")
            command = parts[0]
            for part in parts[1:]:
                code, _, rest = part.partition("}")
                command += str(eval(code, names)) + rest
            subprocess.run(["bash", "-euc", command], check=True)
        continue
    body = ast.parse(cell).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    if last is not None:
        show(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
'''


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text())["cells"]
    return found


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(notebook: Path) -> None:
    code = [one for one in cells(notebook) if one["cell_type"] == "code"]
    assert code
    assert not any(one["outputs"] or one["execution_count"] for one in code)


def test_all_notebooks_run_in_order(tmp_path: Path) -> None:
    draw_all(tmp_path / "photos", per_source=9)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": programs, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert len(NOTEBOOKS) == 4
    for notebook in NOTEBOOKS:
        code = ["".join(one["source"]) for one in cells(notebook) if one["cell_type"] == "code"]
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", RUNNER],
            input=json.dumps(code),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{notebook.name}\n{done.stdout}\n{done.stderr}"
