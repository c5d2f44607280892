"""Every command of the tutorial, and of the guides that follow it, does what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from drawn_photos import draw_all
from test_docs import EXAMPLE

DOCS = Path(__file__).resolve().parents[1] / "docs"
GUIDES = ("guides/recover.md", "guides/move.md")


def follow(page: Path, folder: Path) -> None:
    """Run the examples of a page in order."""
    programs = {"bash": ["bash", "-eu"], "python": [sys.executable, "-W", "error"]}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    examples = EXAMPLE.findall(page.read_text())
    assert examples
    for language, code in examples:
        done = subprocess.run(
            programs[language],
            input=code,
            cwd=folder,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{page.name}: {code}\n{done.stdout}\n{done.stderr}"


@pytest.mark.long
def test_the_tutorial_and_the_guides_can_be_followed_in_order(tmp_path: Path) -> None:
    draw_all(tmp_path / "photos", per_source=12)
    for name in ("tutorial.md", *GUIDES):
        follow(DOCS / name, tmp_path)


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = (DOCS.parent / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = set(re.findall(r": ([\w/-]+\.md)$", navigation, re.MULTILINE))
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    pages = {name for name in pages if not name.startswith("decisions/")}
    assert pages <= listed
