import numpy as np
import pytest

from naturalist.studies.classifier.methods.held_out import HeldOutOptions, held_out_scores
from naturalist.studies.classifier.methods.trust import flagging, held_out_sure, sure_threshold
from naturalist.studies.classifier.methods.voting import VoteOptions, fit_voters
from naturalist.studies.classifier.methods.weighting import cells, row_weights


def islands(rng, sources=6, each=60, dim=24):
    """Two categories of small groups here and there, which no plane separates."""
    centres = rng.normal(size=(2 * sources, dim))
    labels = np.repeat(np.arange(2 * sources) % 2, each)
    names = np.tile(np.arange(sources).astype(str), (2, 1)).T.ravel()
    features = np.repeat(centres, each, axis=0) + 0.3 * rng.normal(size=(len(labels), dim))
    return features.astype(np.float32), labels.astype(np.int64), np.repeat(names, each)


def voters_of(features, labels, sources, **options):
    return fit_voters(
        features,
        labels,
        cells(labels, sources),
        row_weights(labels, sources),
        VoteOptions(**options),
    )


def test_neighbours_find_groups_that_are_scattered():
    features, labels, sources = islands(np.random.default_rng(1))
    voters = voters_of(features[::2], labels[::2], sources[::2])
    shares = voters.shares(features[1::2])
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(shares)), abs=1e-5)
    assert (shares.argmax(axis=1) == labels[1::2]).mean() > 0.99


def test_a_large_source_does_not_outvote_a_small_one():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(1010, 8)).astype(np.float32) + 3
    labels = np.array([0] * 1000 + [1] * 10)
    voters = voters_of(features, labels, labels.astype(str), width=50.0)
    assert voters.shares(features).mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.05)


def test_the_reference_is_bounded_and_has_every_source():
    features, labels, sources = islands(np.random.default_rng(3), sources=5, each=400)
    voters = voters_of(features, labels, sources, reference=200)
    assert len(voters.reference) <= 200
    assert voters.reference.dtype == np.float16
    assert (voters.votes > 0).any(axis=1).all()


def test_a_width_follows_the_spread_of_the_features_and_not_their_length():
    features, labels, sources = islands(np.random.default_rng(4))
    one, other = (voters_of(scale * features, labels, sources) for scale in (1, 100))
    assert one.width == pytest.approx(other.width, rel=1e-3)


def test_the_mixture_is_learnt_without_the_source_that_it_is_tested_on():
    features, labels, sources = islands(np.random.default_rng(5))
    options = HeldOutOptions(vote=VoteOptions())
    found = held_out_scores(features, labels, sources, options=options)
    assert found.held_out.all()
    assert np.isfinite(found.scores).all()


def test_a_threshold_flags_the_stated_share_of_right_predictions():
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 2, 4000)
    chance = rng.uniform(0.5, 1, 4000)
    predicted = np.where(rng.random(4000) < chance, truth, 1 - truth)
    probabilities = np.empty((4000, 2), np.float32)
    probabilities[np.arange(4000), predicted] = chance
    probabilities[np.arange(4000), 1 - predicted] = 1 - chance
    sources = rng.integers(0, 4, 4000).astype(str)
    right = predicted == truth
    limit = sure_threshold(probabilities, truth, sources, 0.1)
    assert (chance[right] < limit).mean() == pytest.approx(0.1, abs=0.02)
    sure = held_out_sure(probabilities, truth, sources, 0.1)
    worth = flagging(~sure, right, np.ones(4000))
    assert worth.false_alarms == pytest.approx(0.1, abs=0.02)
    assert worth.caught > 2 * worth.false_alarms
    assert worth.wrong == (~right).sum()
