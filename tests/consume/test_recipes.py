"""The examples of docs/consume.md, each in a process of its own, on a published collection."""

import importlib.util
import os
from pathlib import Path

import pytest

from page_examples import Example, examples, run
from published import PublishedCollection

PAGE = Path(__file__).resolve().parents[2] / "docs/consume.md"
FIRST, *RECIPES = examples(PAGE)


def run_in(folder: Path, example: Example) -> None:
    surroundings = {"XDG_CACHE_HOME": str(folder / "cache"), "HF_HOME": str(folder / "hf")}
    offline = {"HF_HUB_OFFLINE": "1"}
    # Other people's packages warn, of each other too.
    run(example, folder, os.environ | surroundings | offline, warnings="default")


@pytest.fixture(scope="module")
def folder(made_once: PublishedCollection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's reader is: beside `published`, after the commands of its first example."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "published").symlink_to(made_once.url)
    run_in(folder, FIRST)
    return folder


@pytest.mark.parametrize(
    "recipe", RECIPES, ids=[f"{n}-{one.word or one.language}" for n, one in enumerate(RECIPES)]
)
def test_every_example_of_the_page_runs(recipe: Example, folder: Path) -> None:
    if recipe.word and importlib.util.find_spec(recipe.word) is None:
        pytest.skip(f"{recipe.word} is not installed")
    run_in(folder, recipe)


def test_the_page_has_a_recipe_for_each_program_that_it_promises() -> None:
    assert {recipe.word for recipe in RECIPES} >= {
        "duckdb",
        "polars",
        "pandas",
        "sklearn",
        "torch",
        "datasets",
        "mlcroissant",
    }
