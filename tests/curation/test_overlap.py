"""Which pictures sources share, exactly and nearly, and across the values of a column."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tiny
from curation.test_proposals import save, scene
from naturalist.cli.app import app
from naturalist.config import Config, load_config
from naturalist.curation.overlap import find_overlap
from naturalist.errors import ConfigError
from naturalist.pipeline import steps, studies
from naturalist.progress import Silent


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Two sources of animals share two files exactly and one nearly; plants share one file."""
    raw = tmp_path / "raw"
    for seed in range(1, 5):
        save(raw / "zoo" / "train" / f"{seed}.jpg", scene(seed))
    save(raw / "farm" / "train" / "x.jpg", scene(9))
    save(raw / "farm" / "test" / "near.jpg", scene(4).resize((130, 130)))
    for seed in (1, 2):
        shutil.copyfile(
            raw / "zoo" / "train" / f"{seed}.jpg", raw / "farm" / "test" / f"{seed}.jpg"
        )
    save(raw / "wood" / "p.jpg", scene(20))
    shutil.copyfile(raw / "farm" / "train" / "x.jpg", raw / "wood" / "x.jpg")
    sources = {
        "animal": {"farm": raw / "farm", "zoo": raw / "zoo"},
        "plant": {"wood": raw / "wood"},
    }
    settings = tiny.settings(sources)
    for source in settings["category"][0]["source"]:
        source["folders"] = "{split}"
    made = Config.model_validate(settings).in_folder(tmp_path)
    tiny.make_all(made)
    with tiny.job(made) as held:
        steps.collect_metadata(held)
    studies.study(made, Silent(), studies.duplicates)
    return made


def test_pairs_of_sources_are_told_with_what_they_share(config: Config) -> None:
    found = find_overlap(config.layout, ["animal", "plant"], [])
    pairs = {(one.first, one.second): one for one in found.shared}
    farm_and_zoo = pairs["animal/farm", "animal/zoo"]
    assert (farm_and_zoo.exact, farm_and_zoo.near_first, farm_and_zoo.near_second) == (2, 1, 1)
    assert farm_and_zoo.share == pytest.approx(3 / 4)
    farm_and_wood = pairs["animal/farm", "plant/wood"]
    assert (farm_and_wood.exact, farm_and_wood.is_across_categories) == (1, True)
    assert ("animal/zoo", "plant/wood") not in pairs
    assert found.sizes == {"animal/farm": 4, "animal/zoo": 4, "plant/wood": 2}


def test_only_the_sources_that_are_named_are_compared(config: Config) -> None:
    found = find_overlap(config.layout, ["animal", "plant"], ["animal/zoo", "plant/wood"])
    assert found.shared == ()
    with pytest.raises(ConfigError, match="choose one of animal/farm"):
        find_overlap(config.layout, ["animal"], ["animal/nope"])


def test_near_duplicates_across_train_and_test_are_a_leak(config: Config) -> None:
    (leak,) = find_overlap(config.layout, ["animal", "plant"], [], "split").leaks
    assert (leak.values, leak.groups, leak.pictures) == (("test", "train"), 1, 2)
    (inside,) = find_overlap(
        config.layout, ["animal"], ["animal/farm", "animal/zoo"], "split"
    ).leaks
    assert inside == leak
    assert find_overlap(config.layout, ["animal"], ["animal/zoo"], "split").leaks == ()
    with pytest.raises(ConfigError, match="choose one of split"):
        find_overlap(config.layout, ["animal"], [], "nope")


def test_the_command_says_it_in_words(config: Config, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    folder = tmp_path / "again"
    sources = {"animal": {"farm": raw / "farm", "zoo": raw / "zoo"}}
    tiny.config_file(folder, sources)
    tiny.make_all(load_config(folder))
    ended = CliRunner().invoke(app, ["overlap", "-c", str(folder)])
    assert ended.exit_code == 0, ended.output
    assert "1 pair of 2 sources with shared pictures" in ended.output
    assert "naturalist duplicates" in ended.output
    alone = CliRunner().invoke(app, ["overlap", "animal/zoo", "-c", str(folder)])
    assert "animal/zoo is one source: name two" in str(alone.exception)
