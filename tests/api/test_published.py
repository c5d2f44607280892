from pathlib import Path

import pytest

import naturalist
from naturalist.api import Opened
from naturalist.consume import Selection, pull
from naturalist.errors import ConfigError
from naturalist.stores import open_store


def test_counts_maps_clusters_and_thumbnails_are_those_of_the_workspace(
    made: Path, published: Opened
) -> None:
    garden = naturalist.open(made / "garden")
    assert published.status().counts == garden.status().counts
    assert len(published.map()) == published.status().accepted == len(published.load())
    assert len(published.clusters()) == len(garden.clusters())
    assert "data:image/jpeg" in published.clusters()._repr_html_()


def test_similar_pictures_are_found_without_writing_to_the_place(
    made: Path, published: Opened
) -> None:
    before = sorted(made.rglob("*"))
    assert len(published.similar("plant_id_1", k=3)) == 3
    assert sorted(made.rglob("*")) == before


def test_its_classifier_predicts(made: Path, published: Opened) -> None:
    file = next((made / "photos/animal/zoo").rglob("*.jpg"))
    assert published.predict(file)[0]["category"] is not None


def test_what_is_not_published_is_named(published: Opened) -> None:
    with pytest.raises(ConfigError, match="no map 'other': there are tsne-2d"):
        published.map("other")


def test_a_pulled_folder_opens_too(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pull(open_store(str(made / "published")), tmp_path / "here", Selection())
    here = naturalist.open(tmp_path / "here")
    assert len(here.similar("plant_id_1", k=2)) == 2
    assert len(here.load()) == here.status().accepted
