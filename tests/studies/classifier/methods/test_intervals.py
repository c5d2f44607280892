import numpy as np
import pytest

from naturalist.studies.classifier.methods.intervals import (
    bootstrap_over_sources,
    interval_for_new_source,
    interval_of_mean,
    rows_interval,
)

DRAWS = 400


def skewed(rng, count):
    """Accuracies of sources: most are good, some are bad."""
    return np.where(rng.random(count) < 0.15, rng.random(count) * 0.6, rng.beta(40, 1, count))


@pytest.mark.parametrize("sources", [6, 12, 25])
def test_the_interval_for_a_new_source_holds_for_new_sources(sources):
    rng = np.random.default_rng(sources)
    inside = 0
    for _ in range(DRAWS):
        found = skewed(rng, sources + 1)
        interval = interval_for_new_source(found[:-1].tolist(), 0.9, 0.3)
        inside += interval.low <= found[-1] <= interval.high
    assert inside / DRAWS > 0.84


def test_a_bootstrap_over_few_sources_is_too_narrow_and_students_interval_is_not():
    rng = np.random.default_rng(0)
    student = naive = 0
    for _ in range(DRAWS):
        found = {k: rng.normal(0.8, 0.05, 3).tolist() for k in range(2)}
        one = interval_of_mean(found, 0.9, 0.5)
        other = bootstrap_over_sources(found, 0.9, seed=0, times=300)
        student += one.low <= 0.8 <= one.high
        naive += other.low <= 0.8 <= other.high
    assert naive / DRAWS < 0.8
    assert student / DRAWS > 0.87


def test_with_enough_sources_the_interval_is_made_of_accuracies_that_were_seen():
    found = np.linspace(0.5, 1, 39).tolist()
    interval = interval_for_new_source(found, 0.9, 0.3)
    assert (interval.low, interval.high) == (found[1], found[-2])
    assert interval.method == "order statistics"


def test_one_source_says_nothing_about_another():
    assert interval_for_new_source([0.9], 0.9, 0.5) is None
    assert interval_of_mean({0: [0.9], 1: [0.8]}, 0.9, 0.5) is None


def test_a_share_of_rows_has_the_interval_of_a_share():
    right = np.arange(1000) % 10 != 0
    interval = rows_interval(right, np.ones(1000), 0.95)
    assert interval.low == pytest.approx(0.9 - 1.96 * 0.3 / np.sqrt(1000), abs=1e-3)


def test_few_alike_sources_promise_little_and_many_promise_much():
    few, many = (
        interval_of_mean({k: [0.95, 0.951] * count for k in range(3)}, 0.9, 1 / 3)
        for count in (1, 20)
    )
    assert few.low < 0.65
    assert few.high > 0.97
    assert many.low > 0.9


def test_a_bound_that_no_source_has_shown_lies_between_chance_and_the_worst_one():
    interval = interval_for_new_source([0.9] * 9, 0.9, 0.5)
    assert interval.low == pytest.approx(0.7)
    assert interval.high == pytest.approx(0.95)
