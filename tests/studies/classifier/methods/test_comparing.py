import numpy as np
import pytest

from naturalist.studies.classifier.methods.comparing import compare, decide

NAMES = ("plant", "animal")


def compared(before, after, truth=None, loss=None):
    count = len(before)
    truth = np.zeros(count, np.int64) if truth is None else truth
    sources = np.array([f"s{k % 3}" for k in range(count)])
    before, after = np.array(before, bool), np.array(after, bool)
    losses = (np.where(before, 0.1, 2.0), np.where(after, 0.1, 2.0)) if loss is None else loss
    return compare(truth, sources, before, after, *losses)


def answers(count, share, seed):
    return np.random.default_rng(seed).random(count) < share


def test_a_challenger_that_knows_more_is_promoted():
    verdict = decide(compared(answers(900, 0.8, 0), answers(900, 0.95, 1)), NAMES, margin=0.02)
    assert verdict.promote
    assert "plant is recognised more often" in verdict.reason


def test_what_one_category_gains_does_not_pay_for_what_another_loses():
    truth = np.repeat([0, 1], 600)
    before = np.concatenate([answers(600, 0.8, 0), answers(600, 0.95, 1)])
    after = np.concatenate([answers(600, 0.99, 2), answers(600, 0.85, 3)])
    verdict = decide(compared(before, after, truth), NAMES, margin=0.02)
    assert not verdict.promote
    assert verdict.reason.startswith("animal is recognised")


def test_too_few_pictures_promote_nobody():
    before = answers(30, 0.8, 0)
    after = np.roll(before, 1)
    verdict = decide(compared(before, after), NAMES, margin=0.02)
    assert not verdict.promote
    assert "too few to rule that out" in verdict.reason


def test_the_same_answers_are_nothing_better():
    before = answers(600, 0.9, 0)
    verdict = decide(compared(before, before), NAMES, margin=0.02)
    assert (verdict.promote, verdict.reason) == (
        False,
        "no category is worse beyond the margin, and nothing is better",
    )


def test_better_probabilities_alone_are_better():
    before = answers(600, 0.9, 0)
    loss = np.where(before, 0.3, 2.0), np.where(before, 0.2, 1.5)
    verdict = decide(compared(before, before, loss=loss), NAMES, margin=0.02)
    assert verdict.promote
    assert "probabilities are better" in verdict.reason


def test_challengers_like_the_champion_are_seldom_promoted():
    promoted = 0
    for seed in range(200):
        base = answers(600, 0.9, seed)
        flips = np.random.default_rng(seed + 10_000).permutation(600)[:40]
        one, other = base.copy(), base.copy()
        one[flips[:20]] ^= True
        other[flips[20:]] ^= True
        promoted += decide(compared(one, other), NAMES, margin=0.1).promote
    assert promoted / 200 < 0.1


def test_every_source_counts_the_same():
    truth = np.zeros(110, np.int64)
    sources = np.array(["large"] * 100 + ["small"] * 10)
    before = np.ones(110, bool)
    after = np.arange(110) < 100
    loss = np.zeros(110)
    (change,) = compare(truth, sources, before, after, loss, loss).changes
    assert change.difference == pytest.approx(-0.5)
    assert (change.gained, change.lost) == (0, 10)
