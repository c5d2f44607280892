import json
from dataclasses import replace

import numpy as np
import pytest

from naturalist.progress import Silent
from naturalist.studies.classifier.evaluating import document
from naturalist.studies.classifier.evaluation_page import page
from naturalist.studies.classifier.report import EvaluationReport, ModelReport
from naturalist.studies.classifier.training import hold_out
from report_shapes import assert_declared


def test_new_sources_do_worse_than_a_random_split_promises(made) -> None:
    found = made.evaluation
    assert found["random_split"]["balanced_accuracy"] > 0.95
    assert found["gap"] > 0.01
    low, high = found["leave_one_source_out"]["interval"]
    naive = found["leave_one_source_out"]["bootstrap_interval"]
    assert low < found["leave_one_source_out"]["balanced_accuracy"] < high
    assert high - low > naive[1] - naive[0]


def test_every_source_is_left_out_and_counted(made) -> None:
    per_source = made.evaluation["leave_one_source_out"]["per_source"]
    assert len(per_source) == 8
    assert sum(one["rows"] for one in per_source) == made.rows.total
    for one in per_source:
        assert sum(one["confusion"].values()) == one["rows"]
        assert one["accuracy"] == one["confusion"][one["category"]] / one["rows"]
    assert np.sum(made.evaluation["confusion"]["matrix"]) == made.rows.total


def test_the_claim_about_a_new_source_is_tried_on_every_source(made) -> None:
    expected = made.evaluation["expected_on_new_sources"]
    assert expected["coverage"]["sources"] == 8
    assert expected["coverage"]["share"] >= 0.75
    low, high = expected["interval"]
    assert low < expected["estimate"] <= high


def test_calibration_and_coverage_are_of_held_out_sources(made) -> None:
    found = made.evaluation
    assert found["calibration"]["ece"] < 0.1
    assert sum(one["rows"] for one in found["calibration"]["bins"]) == made.rows.total
    curve = found["selective"]
    assert curve[-1]["coverage"] == 1
    assert curve[49]["accuracy"] >= curve[-1]["accuracy"]


def test_the_report_begins_with_the_number_that_new_pictures_will_keep(made) -> None:
    text = (made.folder / "report.md").read_text()
    accuracy = made.evaluation["leave_one_source_out"]["balanced_accuracy"]
    assert f"**{100 * accuracy:.1f} %**" in text.split("\n\n")[1]
    for plot in ("sources", "confusion", "calibration", "selective"):
        assert f"({plot}.png)" in text
        assert (made.folder / f"{plot}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (made.folder / f"{plot}.svg").read_bytes()
    model = json.loads((made.folder / "model.json").read_text())
    assert model["evaluated"]
    assert_declared(ModelReport, model)
    assert_declared(EvaluationReport, made.evaluation)


def test_the_report_promises_no_share_of_flags_for_a_single_new_source(made) -> None:
    text = (made.folder / "report.md").read_text()
    assert "on one new source both shares can be several times as large or as small" in text


def test_where_every_category_has_one_source_it_says_that_nobody_knows(made) -> None:
    rows = made.rows
    alone = replace(rows.sample, sources=rows.sample.category_names)
    counts = {(label, name): 1 for name, label in rows.sample.categories.items()}
    single = replace(rows, sample=alone, counts=counts)
    held = hold_out(single, made.options, Silent())
    found = document(single, made.options, held, Silent())
    assert found["leave_one_source_out"] is None
    assert_declared(EvaluationReport, found)
    assert found["gap"] is None
    assert found["expected_on_new_sources"] is None
    assert len(found["single_sources"]) == 3
    assert "cannot be left out" in found["advice"][0]
    text = page({"id": "a-model"}, found)
    assert "Unknown" in text
    assert "random folds of known sources" in text
    assert "left-out" not in text


def test_a_source_that_others_need_is_said_to_be_leant_on(made) -> None:
    leaning = made.evaluation["influence"]
    leant = {one["source"] for one in leaning if one["leans"]}
    assert set(made.evaluation["leaning"]) == leant
    assert {one["category"] for one in leaning} == {"plant", "animal", "human"}
    lost = [one["others_lose"] for one in leaning]
    assert lost == sorted(lost, reverse=True)
    shares: dict[str, float] = {}
    for one in leaning:
        shares[one["category"]] = shares.get(one["category"], 0) + one["share_of_category"]
    assert list(shares.values()) == pytest.approx([1, 1, 1])
