"""The examples of docs/consume.md, each in a process of its own, on a published collection."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from published import PublishedCollection

PAGE = Path(__file__).resolve().parents[2] / "docs/consume.md"
EXAMPLE = re.compile(r"<!-- test(?:: (\w+))? -->\n```(bash|python)\n(.*?)```", re.DOTALL)
PROGRAMS = {"bash": ["bash", "-eu"], "python": [sys.executable]}
EXAMPLES = EXAMPLE.findall(PAGE.read_text())


def run(language: str, code: str, folder: Path) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        PROGRAMS[language], input=code, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def folder(made_once: PublishedCollection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's reader is: beside `published`, after the commands of its first example."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "published").symlink_to(made_once.url)
    (_, language, code) = EXAMPLES[0]
    run(language, code, folder)
    return folder


@pytest.mark.parametrize(
    ("package", "language", "code"),
    EXAMPLES[1:],
    ids=[f"{n}-{package or language}" for n, (package, language, _) in enumerate(EXAMPLES[1:])],
)
def test_every_example_of_the_page_runs(
    package: str, language: str, code: str, folder: Path
) -> None:
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    run(language, code, folder)


def test_the_page_has_a_recipe_for_each_program_that_it_promises() -> None:
    assert {package for package, _, _ in EXAMPLES} >= {
        "duckdb",
        "polars",
        "pandas",
        "sklearn",
        "torch",
        "datasets",
        "mlcroissant",
    }
