import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from naturalist.errors import ConfigError
from naturalist.studies.classifier.methods.held_out import (
    HeldOutOptions,
    calibrate_held_out,
    held_out_scores,
)
from naturalist.studies.classifier.methods.linear import (
    FitOptions,
    calibrated,
    fit,
    fit_blocks,
    softmax,
    temperature_for,
)
from naturalist.studies.classifier.methods.weighting import row_weights, sample_cells


def blobs(rows=600, dim=8, classes=3, spread=1.5, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows) * 10
    centres = rng.normal(size=(classes, dim)) * 2
    features = centres[labels // 10] + rng.normal(size=(rows, dim)) * spread
    scales = rng.uniform(0.1, 20, dim)
    return (features * scales + 3).astype(np.float32), labels.astype(np.int32)


def test_the_fit_is_that_of_an_independent_logistic_regression():
    features, labels = blobs()
    model = fit(features, labels, options=FitOptions(penalty=0.02, balance="none", tolerance=1e-12))
    standard = (features - features.mean(0)) / features.std(0)
    other = LogisticRegression(C=1 / (0.02 * len(labels)), tol=1e-10, max_iter=2000)
    expected = other.fit(standard.astype(np.float64), labels).predict_proba(standard)
    assert np.abs(model.probabilities(features) - expected).max() < 2e-3
    assert model.labels.tolist() == [0, 10, 20]


def blas_threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_products_of_a_fit_stay_on_one_thread_and_others_do_not():
    features, labels = blobs()
    before, during = blas_threads(), []
    blocks = [(features, labels.astype(np.int64) // 10, np.ones(len(labels)))]
    fit_blocks(
        lambda: blocks,
        np.array([0, 10, 20]),
        features.shape[1],
        FitOptions(),
        on_pass=lambda number, loss: during.append(blas_threads()),
    )
    assert during
    assert all(one == {1} for one in during)
    assert blas_threads() == before


def test_rows_in_blocks_give_the_model_of_rows_in_memory():
    features, labels = blobs()
    options = FitOptions(penalty=0.02, balance="none", tolerance=1e-12)
    whole = fit(features, labels, options=options)

    def blocks():
        for start in range(0, len(labels), 97):
            part = slice(start, start + 97)
            yield features[part], labels[part].astype(np.int64) // 10, np.ones(len(labels[part]))

    begun = fit(features[:200], labels[:200], options=options)
    losses = []
    model = fit_blocks(
        blocks, whole.labels, 8, options, start=begun, on_pass=lambda n, loss: losses.append(loss)
    )
    assert np.abs(model.probabilities(features) - whole.probabilities(features)).max() < 2e-3
    assert losses[-1] < losses[0]


def test_a_feature_that_never_changes_does_no_harm():
    features, labels = blobs()
    features[:, 3] = 7.25
    model = fit(features, labels)
    assert np.isfinite(model.probabilities(features)).all()
    assert np.abs(model.weights[:, 3]).max() < 1e-5


def test_one_category_alone_is_refused():
    with pytest.raises(ConfigError, match="at least 2 categories"):
        fit(np.ones((4, 2), np.float32), np.zeros(4, np.int32))


def test_weights_give_every_source_of_every_category_the_same_total():
    labels = np.array([0] * 90 + [0] * 10 + [1] * 50)
    sources = np.array(["a"] * 90 + ["b"] * 10 + ["a"] * 50)
    weights = row_weights(labels, sources)
    assert weights.mean() == pytest.approx(1)
    assert weights[:90].sum() == pytest.approx(weights[90:100].sum())
    assert weights[:100].sum() == pytest.approx(weights[100:].sum())
    by_class = row_weights(labels, sources, balance="categories", class_weights={1: 2.0})
    assert by_class[100:].sum() == pytest.approx(2 * by_class[:100].sum())


def test_a_sample_keeps_small_cells_whole_and_stands_for_all_rows():
    cell = np.repeat([0, 1, 2], [1000, 30, 500])
    drawn, stands_for = sample_cells(cell, 230, seed=1)
    counts = np.bincount(cell[drawn])
    assert counts.tolist() == [100, 30, 100]
    assert stands_for.sum() == pytest.approx(len(cell))
    again, _ = sample_cells(cell, 230, seed=1)
    assert (drawn == again).all()


def test_temperature_undoes_scores_that_are_too_sure():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(20_000, 3))
    chances = softmax(scores)
    classes = np.array([rng.choice(3, p=p / p.sum()) for p in chances.astype(np.float64)])
    assert temperature_for(scores * 4, classes) == pytest.approx(4, rel=0.08)
    features, labels = blobs(spread=6)
    half = np.arange(len(labels)) % 2 == 0
    model = fit(features[half], labels[half], options=FitOptions(penalty=1e-6))
    model = calibrated(model, model.scores(features[~half]), labels[~half])
    assert model.temperature > 1


def test_no_row_is_predicted_by_a_model_that_saw_its_source_or_its_near_duplicates():
    rng = np.random.default_rng(0)
    # Features say only which source (or group) a row is of: whoever has not seen it must guess.
    labels = np.repeat([0, 0, 1, 1], 50)
    sources = np.repeat(["a", "b", "c", "d"], 50)
    features = rng.normal(size=(200, 60)).astype(np.float32)
    for k, name in enumerate("abcd"):
        features[sources == name, k] += 30
    found = held_out_scores(features, labels, sources)
    assert found.held_out.all()
    correct = found.scores.argmax(axis=1) == labels
    assert correct.mean() < 0.75
    seen = fit(features, labels)
    assert (seen.probabilities(features).argmax(axis=1) == labels).all()


def test_categories_with_one_source_come_from_random_folds_and_say_so():
    features, labels = blobs(rows=300)
    sources = np.where(np.arange(300) % 2 == 0, "a", "b")
    sources[labels == 20] = "only"
    found = held_out_scores(features, labels, sources)
    assert (found.held_out == (labels != 20)).all()
    assert (found.folds >= 0).all()
    chances = calibrate_held_out(found, labels, sources, FitOptions())
    assert np.allclose(chances.sum(axis=1), 1, atol=1e-5)
    assert (chances.argmax(axis=1) * 10 == labels).mean() > 0.8


def test_a_row_whose_class_no_model_had_learnt_changes_no_temperature():
    features, labels = blobs(rows=300)
    sources = np.where(np.arange(300) % 2 == 0, "a", "b")
    alone = np.append(labels, 99), np.append(sources, "lone")
    found = held_out_scores(np.vstack([features, features[:1]]), *alone)
    chances = calibrate_held_out(found, *alone, FitOptions())[:300]
    expected = calibrate_held_out(
        held_out_scores(features, labels, sources), labels, sources, FitOptions()
    )
    assert chances.max(axis=1).mean() > 0.95 * expected.max(axis=1).mean()


def test_held_out_fits_read_at_most_so_many_rows():
    features, labels = blobs(rows=900)
    sources = np.array(["a", "b", "c"])[np.arange(900) % 3]
    sizes = []

    def learner(part, classes, cell, weights):
        sizes.append(len(part))
        return lambda asked: np.zeros((len(asked), 3), np.float32)

    held_out_scores(
        features, labels, sources, options=HeldOutOptions(most_rows=120), learner=learner
    )
    assert sizes == [120] * 3
