from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests import tiny

from naturalist import artifacts
from naturalist.layout import Layout
from naturalist.schemas import PREDICTIONS
from naturalist.studies.drift import predictions as drift_predictions
from naturalist.studies.drift.predictions import (
    covering_model,
    held_out_predictions,
    unseen_answers,
)
from naturalist.studies.drift.rows import DrawnPictures, Pictures


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Two batches of three plants; the old model knows the first, the new one both."""
    layout = Layout(tmp_path)
    made = tiny.HandMade(layout)
    first = made.add(tiny.vectors(3))
    both = first + made.add(tiny.vectors(3, seed=1))
    for name, known in (("old", first), ("new", both)):
        rows = [
            {
                "picID": pic,
                "category": "plant",
                "predicted": "animal" if pic == "plant_id_2" else "plant",
                "probability": 0.9,
                "given_probability": k / 10,
                "outlier_score": 0.5,
                "known": True,
                "sure": True,
                "held_out": True,
            }
            for k, pic in enumerate(known)
        ]
        table = pa.Table.from_pylist(rows, PREDICTIONS)
        artifacts.write_parquet(layout.model(name) / "predictions.parquet", table)
    listed = [{"id": "old"}, {"id": "new"}]
    monkeypatch.setattr(drift_predictions.champions, "models", lambda _: listed)
    monkeypatch.setattr(drift_predictions.champions, "champion", lambda _: "old")
    return layout


def test_the_champion_is_asked_if_it_knows_the_batch_else_the_newest_that_does(
    layout: Layout,
) -> None:
    assert covering_model(layout, 1) == "old"
    assert covering_model(layout, 2) == covering_model(layout, None) == "new"
    assert covering_model(layout, 3) == ""


def test_stored_predictions_come_in_the_order_that_was_asked_for(layout: Layout) -> None:
    names = np.array(["plant_id_6", "plant_id_2"])
    found = held_out_predictions(layout.model("new"), names)
    assert found is not None
    assert found.categories.tolist() == ["plant", "animal"]
    assert found.numbers["probability of the category"].tolist() == pytest.approx([0.5, 0.1])
    assert held_out_predictions(layout.model("old"), names) is None


def test_stored_answers_about_a_new_source_are_set_beside_earlier_sources(layout: Layout) -> None:
    def pictures(numbers: list[int], group: str) -> Pictures:
        names = np.array([f"plant_id_{k}" for k in numbers])
        return Pictures(names, np.full(len(names), group), np.zeros((len(names), 2)), {}, {})

    new, before = pictures([5, 4], "plant/new"), pictures([1, 2, 9], "plant/old")
    found = unseen_answers(layout.model("new"), "any", DrawnPictures(new, before, {}, {}))
    assert found is not None
    assert found.categories.tolist() == ["plant", "plant"]
    assert found.usual == {"plant/old": 0.5}
    assert not found.unlike.any()
