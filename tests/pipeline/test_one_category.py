"""One category alone goes through the whole job; only a classifier needs two."""

from pathlib import Path

import pytest

import naturalist
import tiny
from naturalist.errors import ConfigError
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training_rows import open_rows


def test_one_category_is_published_and_loaded(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"animal": range(12)})
    config = tiny.collection(tmp_path, sources, publish={"url": str(tmp_path / "out")})
    tiny.make_all(config)
    loaded = naturalist.load(tmp_path / "out")
    assert loaded.labels == {"animal": 1}
    assert len(loaded) == 12


def test_a_classifier_says_that_it_needs_a_second_category(tmp_path: Path) -> None:
    config = tiny.collection(tmp_path, tiny.make_sources(tmp_path / "in", {"animal": range(12)}))
    tiny.make_all(config)
    with pytest.raises(ConfigError, match="add a category"):
        open_rows(config.layout.root, ClassifierOptions())
