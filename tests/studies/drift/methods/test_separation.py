import numpy as np
import pytest
from scipy import stats

from naturalist.studies.drift.methods import separation
from naturalist.studies.drift.methods.separation import beyond_spread, distance_between, separate


def _rows(seed: int, shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_new = np.arange(400) < 100
    strata = rng.integers(0, 2, 400)
    vectors = rng.standard_normal((400, 24)) + 2 * strata[:, None]
    vectors[is_new, 0] += shift
    return vectors.astype(np.float32), is_new, strata


def test_a_classifier_tells_shifted_rows_apart_and_ranks_them() -> None:
    vectors, is_new, strata = _rows(0, 2.0)
    told = separate(vectors, is_new, strata, np.random.default_rng(0))
    assert told.auc > 0.8
    assert told.p_value < 1e-6
    assert told.effect == pytest.approx(2 * told.auc - 1)
    assert told.scores[is_new].mean() > told.scores[~is_new].mean() + 1


def test_it_cannot_tell_rows_of_the_same_kind_more_often_than_is_said() -> None:
    p_values = []
    for seed in range(200):
        vectors, is_new, strata = _rows(seed, 0.0)
        p_values.append(separate(vectors, is_new, strata, np.random.default_rng(seed)).p_value)
    # 20 are expected at 0.1, with a standard deviation of 4.2.
    assert int((np.array(p_values) <= 0.1).sum()) <= 33
    assert min(p_values) < 0.1


def test_the_smaller_p_value_of_the_two_halves_is_doubled() -> None:
    vectors, is_new, _ = _rows(5, 0.4)
    strata = np.zeros(len(is_new), np.int64)
    told = separate(vectors, is_new, strata, np.random.default_rng(0))
    first = separation._half(is_new, strata, np.random.default_rng(0))
    # With one stratum it is the rank test of Mann and Whitney, here by SciPy.
    smaller = min(
        stats.mannwhitneyu(
            told.scores[half & is_new],
            told.scores[half & ~is_new],
            alternative="greater",
            use_continuity=False,
            method="asymptotic",
        ).pvalue
        for half in (first, ~first)
    )
    assert 1e-12 < smaller < 0.5
    assert told.p_value == pytest.approx(2 * smaller, rel=1e-3)


def test_the_distance_of_two_samples_of_one_kind_is_not_made_of_noise() -> None:
    rng = np.random.default_rng(0)
    same = [rng.standard_normal((50, 200)).astype(np.float32) for _ in range(2)]
    apart = same[1] + np.float32(1)
    raw = float(np.linalg.norm(same[0].mean(axis=0) - same[1].mean(axis=0)))
    assert distance_between(*same) < raw / 2
    assert distance_between(same[0], apart) == pytest.approx(np.sqrt(200), rel=0.1)
    assert distance_between(same[0][:1], apart[:1]) > 0


def test_a_distance_beyond_those_of_earlier_sources_is_told_from_one_more_of_them() -> None:
    ordinary = [0.2, 0.25, 0.3, 0.22, 0.28]
    far = beyond_spread(2.0, ordinary)
    assert far.p_value is not None
    assert far.p_value < 0.001
    assert far.effect > 0.8
    near = beyond_spread(0.27, ordinary)
    assert near.p_value is not None
    assert near.p_value > 0.2


def test_with_fewer_than_four_earlier_sources_nothing_is_said() -> None:
    assert beyond_spread(9.0, [0.1, 0.1, 0.1]).p_value is None


def test_one_more_ordinary_source_is_called_far_as_rarely_as_is_said() -> None:
    rng = np.random.default_rng(0)
    far = 0
    for _ in range(1000):
        *ordinary, one = np.exp(rng.standard_normal(6) / 3)
        found = beyond_spread(one, ordinary)
        assert found.p_value is not None
        far += found.p_value <= 0.05
    assert 30 <= far <= 72
