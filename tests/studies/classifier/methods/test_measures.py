import numpy as np
import pytest

from naturalist.studies.classifier.methods import measures
from naturalist.studies.classifier.methods.held_out import HeldOutOptions
from naturalist.studies.classifier.methods.nested import nested
from naturalist.studies.classifier.methods.novelty import NoveltyOptions, false_alarms, fit_novelty


def test_a_large_source_does_not_drown_a_small_one():
    truth = np.zeros(110, np.int64)
    predicted = np.array([0] * 100 + [1] * 10)
    sources = np.array(["large"] * 100 + ["small"] * 10)
    cells = measures.by_cell(truth, predicted, sources, np.ones(110, bool), 2)
    assert [cell.accuracy for cell in cells] == [1, 0]
    assert measures.balanced_accuracy(cells) == 0.5
    assert cells[1].predicted == (0, 10)


def test_probabilities_that_hold_have_no_calibration_error_and_boasts_have():
    rng = np.random.default_rng(0)
    top = rng.uniform(0.5, 1, 40_000)
    truth = (rng.random(40_000) > top).astype(np.int64)
    weights = np.ones(40_000)
    honest = measures.calibration(np.column_stack([top, 1 - top]), truth, weights)
    boast = measures.calibration(np.column_stack([top**0.2, 1 - top**0.2]), truth, weights)
    assert honest.ece < 0.01
    assert boast.ece > 0.1
    assert sum(one.rows for one in honest.bins) == 40_000


def test_leaving_the_unsure_to_a_person_makes_the_rest_more_often_right():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.55, 0.45]])
    truth = np.array([0, 0, 1, 0])
    curve = dict(measures.selective(probabilities, truth, np.ones(4)))
    assert curve[0.5] == 1
    assert curve[1.0] == 0.75


def test_confusion_counts_what_was_taken_for_what():
    truth, predicted = np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1])
    assert measures.confusion(truth, predicted, 3).tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]


def of_sources(shifts, seed=0, rows=80, dim=12):
    """Two categories, each with as many sources as shifts; a shift moves a source off the line."""
    rng = np.random.default_rng(seed)
    features, labels, sources = [], [], []
    for label in (0, 1):
        for k, shift in enumerate(shifts):
            part = rng.normal(size=(rows, dim))
            part[:, 0] += 4 * (label - 0.5) * (1 - shift)
            part[:, 1 + k] += 3
            features.append(part)
            labels += [label] * rows
            sources += [f"{label}-{k}"] * rows
    return np.concatenate(features).astype(np.float32), np.array(labels), np.array(sources)


def test_intervals_made_without_a_source_hold_for_it_and_alone_standing_sources_are_told():
    features, labels, sources = of_sources([0, 0.1, 0.05, 0.0, 0.1])
    found = nested(features, labels, sources, options=HeldOutOptions(), level=0.9)
    assert len(found.held) == 10
    assert found.coverage >= 0.8


def test_a_source_without_which_others_fail_is_leant_on():
    rng = np.random.default_rng(1)
    # Sources b and c of both categories agree on feature 1, and a on feature 0; only a has both.
    labels, sources, features = [], [], []
    for label in (0, 1):
        for name, used in (("a", (0, 1)), ("b", (1,)), ("c", (0,))):
            part = rng.normal(size=(80, 8)).astype(np.float32)
            for k in used:
                part[:, k] += 5 * (label - 0.5)
            features.append(part)
            labels += [label] * 80
            sources += [name] * 80
    found = nested(
        np.concatenate(features), np.array(labels), np.array(sources),
        options=HeldOutOptions(), level=0.9,
    )  # fmt: skip
    assert found.leaning[0].source == "a"
    assert found.leaning[0].mean > 0.2


def test_false_alarms_come_at_the_rate_that_was_asked_for():
    features, labels, sources = of_sources([0] * 6, rows=150)
    folds = np.unique(sources, return_inverse=True)[1].astype(np.int64)
    options = NoveltyOptions(reference=500, false_alarms=0.1)
    fitted = fit_novelty(features, labels, sources, folds, options)
    rates = list(false_alarms(fitted.own, labels, sources, 0.1).values())
    assert len(rates) == 12
    assert np.mean(rates) == pytest.approx(0.1, abs=0.04)
    strange = np.full((20, features.shape[1]), -5, np.float32)
    scores = fitted.novelty.scores(strange)
    assert not fitted.novelty.known(scores).any()
    inside = fitted.novelty.known(fitted.novelty.scores(features))
    assert inside.mean() > 0.85
