import numpy as np
import pytest

from naturalist.errors import ConfigError
from naturalist.studies.words.methods.concepts import (
    cross_validate,
    fit_concept,
    interval_of_share,
    most_informative,
)

DIM = 32


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def drawn(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Vectors of length 1; `shift` moves them along the axis that the concept is about."""
    rows = np.random.default_rng(seed).standard_normal((count, DIM))
    rows[:, 0] += shift
    return unit(rows)


def test_five_examples_rank_others_of_their_kind_before_the_rest() -> None:
    concept = fit_concept(drawn(5, 1, 8), drawn(0, 1), drawn(300, 2))
    right, wrong = concept.scores(drawn(100, 3, 8)), concept.scores(drawn(500, 4))
    assert (right[:, np.newaxis] > wrong).mean() > 0.95


def test_a_no_pushes_its_kind_down() -> None:
    odd = unit(drawn(40, 5, 8) + np.eye(DIM)[1] * 1.5)
    plain = fit_concept(drawn(5, 1, 8), odd[:0], drawn(300, 2))
    told = fit_concept(drawn(5, 1, 8), odd[:5], drawn(300, 2))
    others = drawn(100, 3, 8)
    gap_before = plain.scores(others).mean() - plain.scores(odd[5:]).mean()
    gap_after = told.scores(others).mean() - told.scores(odd[5:]).mean()
    assert gap_after > gap_before + 0.1


def test_cross_validation_tells_a_concept_from_examples_that_have_nothing_in_common() -> None:
    real = cross_validate(drawn(10, 1, 8), drawn(0, 1), drawn(300, 2))
    none = cross_validate(drawn(10, 6), drawn(0, 1), drawn(300, 2))
    assert real.above > 0.95
    assert none.above < 0.8
    assert real.average_precision > none.average_precision


def test_the_pictures_to_ask_about_are_near_the_threshold_and_unlike_each_other() -> None:
    vectors = drawn(200, 7)
    vectors[1] = vectors[0]
    scores = np.linspace(0, 1, 200, dtype=np.float32)
    scores[:2] = 0.5
    chosen = most_informative(vectors, scores, 0.5, 10)
    assert len(chosen) == 10
    assert not {0, 1} <= set(chosen.tolist())
    assert np.abs(scores[chosen] - 0.5).max() < 0.2


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_examples_are_refused(count: int) -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        fit_concept(drawn(count, 1), drawn(0, 1), drawn(10, 2))


def test_the_interval_of_a_share_holds_it_and_narrows_with_more_answers() -> None:
    few, many = interval_of_share(8, 10), interval_of_share(80, 100)
    assert few[0] < many[0] < 0.8 < many[1] < few[1]
    assert interval_of_share(0, 0) == (0.0, 1.0)
