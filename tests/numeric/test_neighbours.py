import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from tests.numeric.mixtures import mixture

from naturalist.numeric import neighbours


def test_exact_search_finds_what_scikit_learn_finds() -> None:
    points, _ = mixture(700)
    found = neighbours.nearest(points, 12, recall=1)
    distances, _ = NearestNeighbors(n_neighbors=13).fit(points).kneighbors(points)
    assert np.allclose(found.distance, distances[:, 1:], atol=2e-3)
    assert not (found.index == np.arange(700)[:, None]).any()


def test_search_in_cells_reaches_the_recall_that_was_asked_for() -> None:
    points, _ = mixture(9000, clusters=30)
    found = neighbours.nearest(points, 10, recall=0.9)
    assert found.probes < len(neighbours.make_cells(points).centroids)
    asked = np.arange(0, 9000, 30)
    true, _ = neighbours.exact(points, points[asked], 10, asked)
    assert neighbours.share_found(found.index[asked], true) > 0.87
    assert (np.diff(found.distance, axis=1) >= 0).all()


def test_queries_that_are_no_points_find_the_nearest_points() -> None:
    points, _ = mixture(600)
    found = neighbours.nearest(points[:500], 3, queries=points[500:], recall=1)
    away = np.linalg.norm(points[500:, None] - points[None, :500], axis=2)
    assert np.allclose(found.distance, np.sort(away, axis=1)[:, :3], atol=2e-3)


def test_more_neighbours_than_points_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 5 points"):
        neighbours.nearest(np.zeros((5, 2), np.float32), 5)
