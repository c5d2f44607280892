"""Groups that can have names: what is asked for is there, or the nearest is suggested."""

from pathlib import Path

import pytest

from naturalist.errors import ConfigError
from naturalist.layout import Layout, MapFolder
from naturalist.studies.words.groups import groups_of


def test_an_unknown_map_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    points = MapFolder(layout.map("tsne-2d")).points
    points.parent.mkdir(parents=True)
    points.touch()
    with pytest.raises(ConfigError, match=r"no map 'tsne-3d': choose one of tsne-2d; did you mean"):
        groups_of(layout, "map", "tsne-3d")


def test_an_unknown_clustering_is_answered_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is none yet; to make one, run `naturalist clust"):
        groups_of(Layout(tmp_path), "clusters", "default")
