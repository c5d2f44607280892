import numpy as np
import pytest

from naturalist.studies.drift.methods.two_samples import (
    category_features,
    compare,
    fourier_features,
    holm,
    p_value,
    rank_features,
)

NEW, OLD = 60, 240


def _samples(seed: int, strata: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal vectors with a mean of its own in each stratum, which are mixed differently."""
    rng = np.random.default_rng(seed)
    is_new = np.arange(NEW + OLD) < NEW
    odds = np.arange(1, strata + 1, dtype=float)
    new = rng.choice(strata, NEW, p=odds / odds.sum())
    old = rng.choice(strata, OLD, p=odds[::-1] / odds.sum())
    codes = np.concatenate([new, old])
    vectors = rng.standard_normal((NEW + OLD, 16)).astype(np.float32) + 3 * codes[:, None]
    return vectors.astype(np.float32), is_new, codes


def test_false_alarms_are_as_rare_as_is_said_although_the_strata_are_mixed_differently() -> None:
    found = {"vectors": [], "numbers": [], "words": []}
    for seed in range(150):
        vectors, is_new, strata = _samples(seed)
        rng = np.random.default_rng(seed)
        made = {
            "vectors": fourier_features(vectors, 16, rng),
            "numbers": rank_features(np.round(vectors[:, 0], 1)),
            "words": category_features((vectors[:, 1] > 1).astype(str)),
        }
        for kind, embedding in made.items():
            found[kind].append(compare(embedding, is_new, strata, 100, rng).p_value)
    for kind, p_values in found.items():
        alarms = int((np.array(p_values) <= 0.1).sum())
        # 15 are expected; 5 and 27 are three standard deviations away.
        assert 4 <= alarms <= 28, (kind, alarms)


def test_without_strata_another_mix_is_a_difference() -> None:
    vectors, is_new, strata = _samples(1)
    rng = np.random.default_rng(0)
    embedding = fourier_features(vectors, 16, rng)
    assert compare(embedding, is_new, np.zeros_like(strata), 100, rng).p_value < 1e-3
    assert compare(embedding, is_new, strata, 100, rng).p_value > 0.01


@pytest.mark.parametrize("kind", ["shift", "width"])
def test_a_difference_in_one_stratum_is_found_and_named(kind: str) -> None:
    vectors, is_new, strata = _samples(2)
    changed = is_new & (strata == 1)
    centre = vectors[changed].mean(axis=0)
    vectors[changed] += 1 if kind == "shift" else 2 * (vectors[changed] - centre)
    rng = np.random.default_rng(0)
    found = compare(fourier_features(vectors, 64, rng), is_new, strata, 200, rng)
    assert found.p_value < 1e-3
    assert found.stratum_p.argmin() == 1
    assert found.stratum_effect.argmax() == 1
    if kind == "shift":
        assert found.witness[changed].mean() > found.witness[strata == 0].mean()


def test_the_effect_does_not_grow_with_the_numbers_of_rows() -> None:
    effects = []
    for rows in (200, 2000):
        rng = np.random.default_rng(3)
        is_new = np.arange(2 * rows) < rows
        values = rng.standard_normal(2 * rows) + is_new
        embedding = rank_features(values)
        none = np.zeros(2 * rows, np.int64)
        effects.append(compare(embedding, is_new, none, 100, rng).effect)
    assert effects[0] == pytest.approx(effects[1], abs=0.08)
    assert effects[1] > 0.3


def test_the_effect_counts_each_stratum_by_its_new_rows() -> None:
    rng = np.random.default_rng(4)
    strata = np.repeat([0, 1], [360, 200])
    is_new = np.concatenate([np.arange(360) < 180, np.arange(200) < 20])
    values = rng.standard_normal((560, 1)).astype(np.float32)
    effects = {}
    for shifted in (0, 1):
        moved = values + 3 * (is_new & (strata == shifted))[:, None]
        found = compare(moved.astype(np.float32), is_new, strata, 100, np.random.default_rng(0))
        assert found.stratum_effect.argmax() == shifted
        effects[shifted] = found.effect
    # A tenth of the new rows is in stratum 1: its square counts a tenth, its root about a third.
    assert effects[0] > 0.7
    assert effects[1] < 0.6 * effects[0]


def test_equal_values_have_equal_ranks_and_unknown_ones_are_a_value_of_their_own() -> None:
    made = rank_features(np.array([1.0, 1.0, np.nan, 2.0, np.nan]))
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[2], made[4])
    assert not np.array_equal(made[0], made[2])
    assert np.isfinite(made).all()


def test_a_stratum_with_rows_of_one_kind_is_a_mistake_of_the_caller() -> None:
    strata = np.array([0, 0, 1])
    embedding = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match="one kind only"):
        compare(embedding, np.array([True, False, True]), strata, 10, np.random.default_rng(0))


def test_p_values_go_below_what_permutations_can_count() -> None:
    null = np.random.default_rng(0).chisquare(5, 300)
    assert p_value(80.0, null) < 1e-6
    assert p_value(float(np.quantile(null, 0.5)), null) == pytest.approx(0.5, abs=0.02)
    assert p_value(1.0, np.ones(50)) == 1.0


def test_holm_raises_p_values_as_in_his_paper() -> None:
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert found == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([])).size == 0
