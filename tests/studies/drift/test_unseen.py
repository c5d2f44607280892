"""New sources: what a classifier that never saw them says, and verdicts that promise nothing."""

import numpy as np
import pytest

from naturalist.studies.drift.comparison import compare_pictures
from naturalist.studies.drift.options import DriftOptions
from naturalist.studies.drift.rows import DrawnPictures, Pictures
from naturalist.studies.drift.unseen import Unseen, labels_to_know, recognised

QUICK = DriftOptions(permutations=20, frequencies=8)
USUAL = {"plant/a": 0.9, "animal/b": 1.0}


def _pictures(group: str, count: int, seed: int) -> Pictures:
    vectors = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    names = np.array([f"{group}-{k}" for k in range(count)])
    return Pictures(names, np.full(count, group), vectors, {}, {})


def _found(count: int) -> DrawnPictures:
    new, before = _pictures("plant/new", count, 0), _pictures("plant/old", 60, 1)
    return DrawnPictures(new, before, {"plant/new": count}, {"plant/old": 60})


def _answers(said: list[str]) -> Unseen:
    return Unseen(np.array(said), np.zeros(len(said), np.bool_), USUAL)


def test_a_new_source_that_the_classifier_takes_for_another_category_is_drift() -> None:
    answers = _answers(["animal"] * 45 + ["plant"] * 5)
    report, blamed = compare_pictures(_found(50), QUICK, None, lambda _: answers)
    assert report["verdict"] == "drift"
    (row,) = report["by_source"]
    assert (row["recognised"], row["recognised_usually"]) == (0.1, 0.95)
    assert [row[key] for key in ("flagged", "unrecognised", "far_away")] == [True, True, False]
    assert set(blamed[:24]) <= {f"plant/new-{k}" for k in range(45)}
    (said,) = [one for one in report["words"] if one.startswith("new source")]
    assert "recognises 10% of it as it is filed, of earlier sources 95%" in said
    assert "it sees animal in 90%, and finds 0% unlike" in said
    assert row["taken_for"] == {"animal": 0.9}
    assert "filed under the wrong category" in said


@pytest.mark.parametrize("count", [50, 5])
def test_a_new_source_is_never_no_drift(count: int) -> None:
    report, _ = compare_pictures(_found(count), QUICK, None, lambda _: _answers(["plant"] * count))
    assert report["verdict"] == "new_source"
    (row,) = report["by_source"]
    assert not row["flagged"]
    assert any("the accuracy on it is unknown" in said for said in report["words"])


def test_too_few_points_lost_or_too_few_pictures_are_no_failure() -> None:
    mine = np.ones(20, np.bool_)
    good = recognised(_answers(["plant"] * 16 + ["animal"] * 4), mine, "plant")
    bad = recognised(_answers(["plant"] * 4 + ["animal"] * 16), mine, "plant")
    p_values = [one.p_value or 1.0 for one in (good, bad) if one is not None]
    assert p_values[0] > 0.2
    assert p_values[1] < 1e-6
    assert recognised(_answers(["plant"] * 19 + [""]), mine, "plant") is None


def test_labels_to_know_are_bounded_and_never_more_than_there_are() -> None:
    assert labels_to_know(1_000_000) == 68
    assert [labels_to_know(n) for n in (1, 30)] == [1, 21]
