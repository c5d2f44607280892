"""What decisions would do to accuracy on sources left out, tried before they are applied."""

from pathlib import Path

import pytest

import tiny
from cli.conftest import Naturalist, naturalist
from dashboard.studied import make_sources, picture
from naturalist.config import Config
from naturalist.curation.decisions import Decision, Kind
from naturalist.curation.review import Reviewed, review
from naturalist.curation.reviewing.accuracy import (
    NO_CHAMPION,
    NOTHING_MOVES,
    AccuracyEffect,
    accuracy_effect,
)
from naturalist.progress import SILENT
from naturalist.studies.classifier import champions

__all__ = ["naturalist"]
WRONG = 6


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Three colours of pictures; among the animals of one source lie some of the plants' colour."""
    folder = tmp_path_factory.mktemp("mislabelled")
    sources = make_sources(folder / "sources", 10)
    for k in range(WRONG):
        (sources["animal"]["near"] / f"wrong-{k}.png").write_bytes(picture(500 + k, 1))
    config = tiny.collection(folder, sources)
    tiny.config_file(folder, sources)
    tiny.make_all(config)
    return config


@pytest.fixture
def champion(config: Config) -> None:
    champions.record(config.layout, "m1", "promote", champions.FIRST)


def mislabelled(config: Config) -> list[str]:
    rows = tiny.ledger_rows(config)
    return [row["pic_id"] for row in rows if row["path_text"].startswith("wrong-")]


def decided(config: Config, kind: Kind, category: str = "") -> Reviewed:
    ids = mislabelled(config)
    decisions = [Decision(k, name, kind, category) for k, name in enumerate(ids, start=2)]
    return review(config, SILENT, decisions, "ada", dry_run=True)


def test_without_a_champion_nothing_is_claimed(config: Config) -> None:
    config.layout.champion.unlink(missing_ok=True)
    assert accuracy_effect(config, decided(config, Kind.RETIRE), SILENT) == NO_CHAMPION


@pytest.mark.usefixtures("champion")
def test_right_labels_make_it_better_and_both_are_tested_on_the_same_pictures(
    config: Config,
) -> None:
    found = accuracy_effect(config, decided(config, Kind.RELABEL, "plant"), SILENT)
    assert isinstance(found, AccuracyEffect)
    assert found.decided == WRONG
    assert found.after >= found.before
    assert found.after > 0.9
    retired = accuracy_effect(config, decided(config, Kind.RETIRE), SILENT)
    assert isinstance(retired, AccuracyEffect)
    assert retired.rows == found.rows - WRONG


@pytest.mark.usefixtures("champion")
def test_pictures_that_were_decided_about_are_tried_however_small_the_sample(
    config: Config,
) -> None:
    reviewed = decided(config, Kind.RELABEL, "plant")
    found = accuracy_effect(config, reviewed, SILENT, most_rows=100)
    assert isinstance(found, AccuracyEffect)
    assert found.decided == WRONG
    assert accuracy_effect(config, Reviewed(dry_run=True), SILENT) == NOTHING_MOVES


@pytest.mark.usefixtures("champion")
def test_the_command_says_it_and_only_with_a_dry_run(
    naturalist: Naturalist, config: Config, tmp_path: Path
) -> None:
    rows = "".join(f"{name},relabel,plant,\n" for name in mislabelled(config))
    path = tmp_path / "decisions.csv"
    path.write_text(f"picID,decision,category,note\n{rows}")
    words = ["review", str(path), "--accuracy", "-c", str(config.layout.root.parent)]
    ended = naturalist(*words, "--dry-run", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["accuracy"]["decided"] == WRONG
    assert "points" in ended.json["effect"]["accuracy"]
    assert naturalist(*words).code == 2
