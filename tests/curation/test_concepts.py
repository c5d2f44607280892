from pathlib import Path

import pytest

import tiny
from naturalist.config import Config
from naturalist.curation import takedown
from naturalist.curation.concepts import apply_concept, make_concept, matches_of
from naturalist.curation.decisions import Decision
from naturalist.curation.review import review
from naturalist.errors import ConfigError
from naturalist.progress import Silent
from naturalist.stages.ingest.resolve import Kind
from naturalist.studies.words import concept_files

NAMES = [f"animal_id_{k}" for k in range(1, 9)]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    sources = tiny.make_sources(tmp_path / "in", {"animal": range(8), "plant": range(10, 13)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    return config


def test_a_concept_of_every_picture_is_refused_with_a_reason(config: Config) -> None:
    every = [*NAMES, "plant_id_1", "plant_id_2", "plant_id_3"]
    with pytest.raises(ConfigError, match="other pictures to compare its examples with"):
        make_concept(config, "every", every, [], 10, Silent())
    made = make_concept(config, "every", every[:-3], every[-3:], 10, Silent())
    assert made["ask"] == {"uncertain": [], "likely": []}


def test_who_taught_a_concept_is_kept_the_newest_last(config: Config) -> None:
    make_concept(config, "stripe", NAMES[:4], NAMES[4:5], 0, Silent(), "Anna ")
    made = make_concept(config, "stripe", NAMES[5:6], [], 0, Silent(), "ben")
    assert [(one["by"], one["yes"], one["no"]) for one in made["lessons"]] == [
        ("Anna", 4, 1),
        ("ben", 1, 0),
    ]
    assert made["lessons"][-1]["at"] == made["made_at"]


def test_matches_are_those_of_the_concept_as_it_is(config: Config) -> None:
    make_concept(config, "stripe", NAMES[:4], ["plant_id_1"], 0, Silent())
    assert matches_of(config, "stripe") is None
    applied = apply_concept(config, "stripe", Silent())
    found = matches_of(config, "stripe")
    assert found is not None
    assert (found.pictures, len(found.ids)) == (applied["pictures"], applied["matches"])
    takedown.take_down(config, found.ids[:1], "asked for", "me")
    later = matches_of(config, "stripe")
    assert later is not None
    assert later.ids == found.ids[1:]
    make_concept(config, "stripe", [], ["plant_id_2"], 0, Silent())
    assert matches_of(config, "stripe") is None


def test_examples_that_are_no_longer_accepted_are_named_with_their_new_ids(
    config: Config,
) -> None:
    takedown.take_down(config, [NAMES[0]], "asked for", "me")
    _relabel(config, NAMES[1])
    with pytest.raises(ConfigError) as raised:
        make_concept(config, "stripe", NAMES[:4], [], 0, Silent())
    assert "animal_id_1, animal_id_2 (now plant_id_4);" in str(raised.value)
    with pytest.raises(ConfigError, match="cannot be examples: animal_id_1;"):
        make_concept(config, "stripe", NAMES[2:4], NAMES[:1], 0, Silent())
    assert make_concept(config, "stripe", NAMES[2:4], [], 0, Silent())["gone"] == 0


def test_examples_of_before_are_followed_to_their_new_ids_and_the_others_counted(
    config: Config,
) -> None:
    make_concept(config, "stripe", NAMES[:4], NAMES[4:5], 0, Silent())
    takedown.take_down(config, [NAMES[0]], "asked for", "me")
    _relabel(config, NAMES[1])
    made = make_concept(config, "stripe", NAMES[5:6], [], 0, Silent())
    assert made["gone"] == 2
    tiny.make_all(config)
    assert make_concept(config, "stripe", [], [], 0, Silent())["gone"] == 1
    [kept] = concept_files.read_concepts(config.layout).values()
    assert kept.yes == ("animal_id_1", "plant_id_4", "animal_id_3", "animal_id_4", "animal_id_6")
    assert kept.no == ("animal_id_5",)


def _relabel(config: Config, name: str) -> None:
    review(config, Silent(), [Decision(2, name, Kind.RELABEL, "plant", "")], "ada")
