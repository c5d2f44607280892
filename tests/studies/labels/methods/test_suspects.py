import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from naturalist.studies.labels.methods.suspects import find_suspects


def _rows(seed: int, wrong: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """400 rows of 3 classes: labels, a good classifier's probabilities, places of wrong labels."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, 400)
    scores = rng.normal(size=(400, 3))
    scores[np.arange(400), truth] += 4
    odds = np.exp(scores)
    given = truth.copy()
    places = rng.permutation(400)[:wrong]
    given[places] = (given[places] + 1) % 3
    return given, odds / odds.sum(axis=1, keepdims=True), places


def test_planted_wrong_labels_come_first_with_the_right_suggestion() -> None:
    given, probabilities, wrong = _rows(0, 20)
    found = find_suspects(given, probabilities)
    assert len(set(found.order[:20].tolist()) & set(wrong.tolist())) >= 18
    assert ((found.suggested[wrong] + 1) % 3 == given[wrong]).mean() > 0.9
    assert 12 <= found.count <= 40
    off_diagonal = found.confident.sum() - np.trace(found.confident)
    assert off_diagonal == found.count


def test_a_classifier_that_is_never_sure_of_a_class_is_judged_by_its_own_measure() -> None:
    """Rows of class 1 get 0.4 at best, and 0.6 for class 0: half of them would be suspects."""
    given = np.array([0] * 50 + [1] * 50)
    of_one = np.concatenate([np.full(50, 0.05), np.full(49, 0.4), [0.05]])
    probabilities = np.column_stack([1 - of_one, of_one])
    found = find_suspects(given, probabilities)
    assert found.count == 1
    assert found.order[0] == 99
    assert found.thresholds[1] == pytest.approx(0.393)


def test_a_class_without_rows_is_suggested_by_nobody() -> None:
    given = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.1, 0.1, 0.8], [0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.3, 0.7, 0.0]])
    found = find_suspects(given, probabilities)
    assert found.confident.shape == (3, 3)
    assert found.confident[:, 2].sum() == 0


@for_all(st.integers(0, 10_000), st.integers(0, 100))
def test_every_row_has_one_place_and_suspects_come_before_all_others(seed: int, wrong: int) -> None:
    given, probabilities, _ = _rows(seed, wrong)
    found = find_suspects(given, probabilities)
    assert sorted(found.order.tolist()) == list(range(400))
    assert (found.suggested != given)[found.order[: found.count]].all()
    for part in (found.order[: found.count], found.order[found.count :]):
        assert (np.diff(found.scores[part]) <= 0).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


@pytest.mark.parametrize("learnt", [0.0, 1e-9, 0.02])
def test_a_class_that_is_hardly_learnt_makes_no_suspects_of_the_rest(learnt: float) -> None:
    given, probabilities, wrong = _rows(3, 10)
    rare = np.full((400, 1), 0.03)
    probabilities = np.concatenate([probabilities * 0.97, rare], axis=1)
    one = [[1 - learnt, 0.0, 0.0, learnt]]
    judged = np.array([True] * 400 + [learnt > 0])
    found = find_suspects(np.append(given, 3), np.concatenate([probabilities, one]), judged)
    assert found.count <= 30
    assert len(set(found.order[:10].tolist()) & set(wrong.tolist())) >= 8
    assert not (found.suggested[found.order[: found.count]] == 3).any()
    if not learnt:
        assert 400 not in found.order[: found.count]
        assert found.scores[400] == 0
        assert not (found.suggested[:400] == 3).any(), "nor is it suggested for what is no suspect"
        without = find_suspects(given, probabilities[:, :3])
        assert found.scores[:400] == pytest.approx(without.scores, abs=1e-6)
