"""The commands of categories: what they refuse, and that a refusal leaves every file as it was."""

from pathlib import Path

import pytest

import tiny
from cli.conftest import Naturalist
from naturalist import categories
from naturalist.config import load_config

SEEDS = {"plant": range(3), "animal": range(10, 13)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection with tables of two categories."""
    path = tiny.config_file(tmp_path, tiny.make_sources(tmp_path / "in", SEEDS))
    tiny.make_all(load_config(path))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("relabel", "plant", "99999999999999999999999"), "whole number from 0 to 2,147,483,647"),
        (("relabel", "plant", "-1"), "-1 cannot be a label"),
        (("relabel", "plant", "1.5"), "1.5 cannot be a label"),
        (("relabel", "plant", "3", "plant", "4"), "plant is given 2 labels"),
        (("relabel", "plant"), "expected pairs of a category and a label"),
        (("relabel", "plant", "--jsn"), "No such option: --jsn"),
        (("relabel", "plant", "1"), "category relabel -c"),
        (("rename", "plant", "plant"), "both names are 'plant'"),
        (("rename", "flora", "plant"), "no category 'flora': choose one of plant, animal"),
        (("rename", "plant", "animal"), "category 'animal' already"),
        (("rename", "plant", "fern"), "two categories are named 'fern'"),
        (("relabel", "plant", "7"), "two categories have label 7"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    naturalist: Naturalist, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    config = load_config(folder)
    path = folder / "naturalist.toml"
    if said.startswith("two categories"):
        # A category that the workspace has not seen yet.
        more = ', {"name" = "fern", "label" = 7}]\n'
        path.write_text(path.read_text().replace("]}]\n", "]}" + more, 1))
    before = path.read_bytes(), config.layout.marker.read_bytes()
    ended = naturalist("category", *arguments, "-c", str(folder))
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert (path.read_bytes(), config.layout.marker.read_bytes()) == before
    load_config(folder)


def test_init_takes_no_label_that_no_table_can_hold(naturalist: Naturalist, folder: Path) -> None:
    for label in ("2147483648", "-1"):
        source = f"plant={label}:{folder / 'in' / 'plant'}"
        ended = naturalist("init", str(folder / "new"), "--category", source)
        assert ended.code == 2
        assert f"{label} cannot be a label" in ended.err
        assert not (folder / "new" / "naturalist.toml").exists()


def test_where_every_category_is_retired_each_command_says_how_to_go_on(
    naturalist: Naturalist, folder: Path
) -> None:
    where = ("-c", str(folder))
    assert "every category" not in naturalist("category", "retire", "plant", *where).out
    assert "every category is retired" in naturalist("category", "retire", "animal", *where).out
    for command in ("cluster", "map", "train", "drift"):
        ended = naturalist(command, *where, "-q")
        assert ended.code == 2, command
        assert "naturalist category restore" in ended.err, command
    assert naturalist("run", *where, "-q").code == 0
    assert categories.read(load_config(folder).layout).all_retired
