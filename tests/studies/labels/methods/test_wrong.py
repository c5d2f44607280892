import numpy as np
import pytest

from naturalist.studies.labels.methods.wrong import estimate_wrong


def rows(seed: int, share: float, sure: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels drawn as a classifier says, a share of them replaced; what it says, made more sure."""
    rng = np.random.default_rng(seed)
    odds = np.exp(rng.normal(size=(8000, 3)) * 3)
    truth = odds / odds.sum(axis=1, keepdims=True)
    given = (truth.cumsum(axis=1) > rng.random((8000, 1))).argmax(axis=1)
    wrong = rng.random(8000) < share
    given[wrong] = (given[wrong] + rng.integers(1, 3, int(wrong.sum()))) % 3
    told = truth**sure
    return given, told / told.sum(axis=1, keepdims=True), wrong


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("sure", [0.5, 1.0, 2.0])
def test_of_labels_scored_so_about_that_share_is_wrong(share: float, sure: float) -> None:
    given, probabilities, wrong = rows(0, share, sure)
    found = estimate_wrong(given, probabilities, np.ones(len(given), bool))
    assert found.share == pytest.approx(share, rel=0.3)
    assert found.temperature == pytest.approx(sure, rel=0.3)
    for low, high in ((0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        part = (found.probabilities > low) & (found.probabilities <= high)
        if part.sum() > 40:
            assert wrong[part].mean() == pytest.approx(found.probabilities[part].mean(), abs=0.15)


def test_odd_rows_are_not_called_wrong_where_nothing_is() -> None:
    given, probabilities, _ = rows(1, 0.0, 3.0)
    found = estimate_wrong(given, probabilities, np.ones(len(given), bool))
    assert (probabilities[np.arange(len(given)), given] < 0.01).sum() > 20
    assert found.probabilities.sum() < 20


def test_rows_that_could_not_be_judged_are_not_called_wrong() -> None:
    given, probabilities, _ = rows(2, 0.1, 1.0)
    judged = np.arange(len(given)) % 2 == 0
    found = estimate_wrong(given, probabilities, judged)
    assert not found.probabilities[~judged].any()
    assert found.probabilities[judged].sum() == pytest.approx(400, rel=0.3)
    assert not estimate_wrong(given, probabilities, np.zeros(len(given), bool)).share
