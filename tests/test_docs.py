import importlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

import naturalist
from naturalist.cli.app import app
from naturalist.cli.errors import EXIT_MEANINGS
from page_examples import examples, run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def section(heading: str) -> str:
    """What the README says under a heading."""
    return README.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def table_keys(heading: str) -> list[str]:
    """First column of the README's table under a heading."""
    lines = section(heading).splitlines()
    return [line.split("|")[1].strip() for line in lines if line.startswith("|")][2:]


@pytest.fixture
def readme_folder(tmp_path: Path) -> Path:
    """A folder with the sources that the README's example names."""
    rng = np.random.default_rng(0)
    for folder in ("photos/plants", "photos/animals", "more"):
        (tmp_path / folder).mkdir(parents=True)
        for k in range(3):
            coarse = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
            coarse.resize((160, 120)).save(tmp_path / folder / f"{k}.jpg")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        for path in (tmp_path / "more").iterdir():
            archive.write(path, path.name)
    return tmp_path


def test_the_examples_of_the_readme_run_in_order(readme_folder: Path) -> None:
    found = examples(ROOT / "README.md")
    assert [example.language for example in found] == ["bash", "python", "python"]
    for example in found:
        run(example, readme_folder)


def test_the_exit_codes_of_the_readme_are_those_of_the_help() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section("Exit codes"), re.MULTILINE)
    assert {int(code): text.replace("`", "") for code, text in rows} == EXIT_MEANINGS


def test_the_readme_lists_every_command_once() -> None:
    listed = [key.strip("`").removeprefix("naturalist ") for key in table_keys("Commands")]
    assert sorted(listed) == sorted(typer.main.get_command(app).commands)


def test_the_readme_lists_every_extra_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [key for cell in table_keys("Extras") for key in re.findall(r"`(\w+)`", cell)]
    assert sorted(listed) == sorted(project["optional-dependencies"])


def test_the_page_of_commands_is_what_help_says() -> None:
    tool = [sys.executable, str(ROOT / "tools/write_commands.py")]
    page = str(ROOT / "docs/commands.md")
    done = subprocess.run([*tool, "--check", page], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == naturalist.__version__


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_texts_that_people_see_have_no_refused_idioms() -> None:
    tool = [sys.executable, str(ROOT / "tools/check_words.py")]
    done = subprocess.run(tool, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_refused_idioms_are_found_in_every_kind_of_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools")
    tool = importlib.import_module("check_words")
    cell = {"cell_type": "markdown", "source": ["Maps are made\n", "anew."]}
    texts = {
        "README.md": "A map that is made\nanew.",
        "docs/guides/page.md": "| a map | is made anew |",
        "docs/notebooks/1.ipynb": json.dumps({"cells": [cell]}),
        "src/naturalist/maps.py": '"""Maps that are made\nanew."""',
        "frontend/src/map.tsx": "<p>Maps are made anew.</p>",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "CONTRIBUTING.md").write_text("[A page](docs/0504-when-a-map-is-made-anew.md)")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    assert sorted(found.split(":")[0] for found in tool.findings()) == sorted(texts)


def test_the_page_of_environment_variables_lists_all_of_ours() -> None:
    read = [*ROOT.glob("src/naturalist/**/*.py"), ROOT / "hatch_build.py"]
    ours = {name for path in read for name in re.findall(r"NATURALIST_[A-Z_]+", path.read_text())}
    page = (ROOT / "docs/environment.md").read_text()
    listed = re.findall(r"^\| `(NATURALIST_[A-Z_]+)", page, re.MULTILINE)
    assert sorted(listed) == sorted(ours)


def test_every_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [re.match(r"\d{4}", page.name) for page in pages]
    assert all(numbers)
    assert len({found[0] for found in numbers if found}) == len(pages)
    for page in pages:
        title = page.read_text().partition("\n")[0]
        assert re.match(rf"# 0*{int(page.name[:4])}[.:] ", title), page.name
