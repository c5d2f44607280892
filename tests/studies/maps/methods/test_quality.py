import numpy as np
import pytest
from sklearn.manifold import trustworthiness
from tests.numeric.mixtures import mixture

from naturalist.studies.maps.methods import alignment
from naturalist.studies.maps.methods import quality as map_quality
from naturalist.studies.maps.methods.feature_quality import measure_in_features


def test_trustworthiness_and_continuity_are_those_of_scikit_learn() -> None:
    points, _ = mixture(300)
    flat = points[:, :2].copy()
    found = map_quality.measure(points, flat)
    assert found.trustworthiness == pytest.approx(
        trustworthiness(points, flat, n_neighbors=10), abs=1e-4
    )
    assert found.continuity == pytest.approx(
        trustworthiness(flat, points, n_neighbors=10), abs=1e-4
    )


def test_a_map_that_keeps_all_distances_is_perfect_and_chance_is_not() -> None:
    points, _ = mixture(400, dim=2)
    perfect = map_quality.measure(points, points * 3)
    assert perfect.trustworthiness == perfect.continuity == 1
    assert set(perfect.knn_recall.values()) == {1.0}
    assert perfect.density_correlation == pytest.approx(1, abs=1e-3)
    chance = map_quality.measure(points, np.random.default_rng(0).normal(size=(400, 2)).astype("f"))
    assert chance.trustworthiness < 0.65
    assert chance.knn_recall[10] < 0.1
    assert abs(chance.density_correlation) < 0.2


def test_a_turned_mirrored_scaled_and_shifted_map_is_laid_over_the_old_one() -> None:
    old, _ = mixture(200, dim=3)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0].astype(np.float32)
    new = (old @ turn) * 4 + np.float32(7)
    common = np.arange(0, 200, 2)
    found = alignment.align(new, common, old[common])
    assert np.allclose(found.coordinates, old, atol=1e-3)
    assert found.far_move < 1e-4


def test_how_far_points_moved_is_told() -> None:
    old, _ = mixture(200, dim=2)
    new = old.copy()
    new[:20] += 10
    found = alignment.align(new, np.arange(200), old)
    assert found.far_move > 0.3 > found.median_move


@pytest.mark.parametrize("block", [97, 1000])
def test_measures_in_the_features_do_not_depend_on_their_blocks(block: int) -> None:
    points, _ = mixture(400, dim=12)
    flat = points[:, :2].copy()
    whole = map_quality.measure(points, flat, queries=150)
    blocks = [points[start : start + block] for start in range(0, 400, block)]
    found = measure_in_features(lambda: blocks, flat, whole.queries, unit=False)
    assert found.knn_recall == pytest.approx(whole.knn_recall)
    for name in ("trustworthiness", "continuity", "density_correlation"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), abs=1e-4)
