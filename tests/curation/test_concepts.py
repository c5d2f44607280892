from pathlib import Path

import pytest

import tiny
from naturalist.config import Config
from naturalist.curation.concepts import make_concept
from naturalist.errors import ConfigError
from naturalist.progress import Silent

NAMES = [f"animal_id_{k}" for k in range(1, 9)]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    sources = tiny.make_sources(tmp_path / "in", {"animal": range(8), "plant": range(10, 13)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    return config


def test_a_concept_of_every_picture_is_refused_with_a_reason(config: Config) -> None:
    every = [*NAMES, "plant_id_1", "plant_id_2", "plant_id_3"]
    with pytest.raises(ConfigError, match="pictures to tell its examples from"):
        make_concept(config, "every", every, [], 10, Silent())
    made = make_concept(config, "every", every[:-3], every[-3:], 10, Silent())
    assert made["ask"] == {"uncertain": [], "likely": []}
