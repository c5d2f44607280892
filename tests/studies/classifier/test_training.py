import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest

from naturalist.errors import ConfigError
from naturalist.progress import Silent
from naturalist.schemas import PREDICTIONS
from naturalist.studies.classifier.model import predict, read_classifier
from naturalist.studies.classifier.training import model_id, train
from naturalist.studies.classifier.training_rows import open_rows


def test_the_onnx_file_gives_what_the_classifier_gives(made) -> None:
    features = made.rows.sample.features
    ours = predict(read_classifier(made.folder / "model.onnx"), features)
    session = onnxruntime.InferenceSession((made.folder / "model.onnx").read_bytes())
    probabilities, outlier, known, sure = session.run(None, {"features": features})
    assert np.abs(probabilities - ours.probabilities).max() < 1e-5
    assert np.abs(outlier - ours.outlier_scores).max() < 2e-3
    assert (known == ours.known).mean() > 0.99
    assert (sure == ours.sure).mean() > 0.99
    assert {ours.decision(k) for k in range(len(features))} <= {"sure", "unsure", "unlike"}
    right = made.rows.sample.labels == np.array([0, 1, 2])[probabilities.argmax(axis=1)]
    assert right.mean() > 0.98


def test_every_row_has_a_prediction_of_a_model_that_never_saw_its_source(made) -> None:
    table = pq.read_table(made.folder / "predictions.parquet")
    assert table.schema.names == PREDICTIONS.names
    assert table["picID"].to_pylist() == made.rows.sample.pic_ids.tolist()
    assert all(table["held_out"].to_pylist())
    probability = made.held.probabilities.max(axis=1)
    assert np.abs(table["probability"].to_numpy() - probability).max() < 1e-5
    agree = np.array(table["predicted"].to_pylist()) == np.array(table["category"].to_pylist())
    assert 0.8 < agree.mean() < 1


def test_rows_that_do_not_fit_into_memory_are_streamed_to_the_same_model(made, tmp_path) -> None:
    options = replace(made.options, evaluated_rows=300, rows_in_memory=100)
    rows = open_rows(made.rows.place, options)
    assert len(rows.sample) <= 300 < rows.total
    train(rows, options, tmp_path / "streamed", Silent())
    features = made.rows.sample.features
    streamed = read_classifier(tmp_path / "streamed" / "model.onnx").mixed.linear
    whole = read_classifier(made.folder / "model.onnx").mixed.linear
    assert np.abs(streamed.weights - whole.weights).max() < 0.02 * np.abs(whole.weights).max()
    same = streamed.scores(features).argmax(axis=1) == whole.scores(features).argmax(axis=1)
    assert same.mean() > 0.995
    table, other = (
        pq.read_table(folder / "predictions.parquet")
        for folder in (tmp_path / "streamed", made.folder)
    )
    assert table["picID"].to_pylist() == other["picID"].to_pylist()
    assert all(table["held_out"].to_pylist())
    pairs = zip(table["predicted"].to_pylist(), other["predicted"].to_pylist(), strict=True)
    assert np.mean([one == two for one, two in pairs]) > 0.9
    assert np.corrcoef(table["outlier_score"], other["outlier_score"])[0, 1] > 0.6


def test_a_sample_holds_small_sources_whole_and_is_the_same_again(made) -> None:
    options = replace(made.options, evaluated_rows=300)
    one, other = (open_rows(made.rows.place, options) for _ in range(2))
    assert one.sample.pic_ids.tolist() == other.sample.pic_ids.tolist()
    drawn = [
        ((one.sample.labels == label) & (one.sample.sources == source)).sum()
        for label, source in one.counts
    ]
    most = max(drawn)
    wanted = [min(count, most) for count in one.counts.values()]
    assert drawn == wanted


def test_the_same_rows_and_options_give_the_same_bytes(made, tmp_path) -> None:
    folder = tmp_path / made.folder.name
    train(made.rows, made.options, folder, Silent())
    again, before = (read_classifier(f / "model.onnx") for f in (folder, made.folder))
    assert again.mixed.linear.weights.tobytes() == before.mixed.linear.weights.tobytes()
    assert again.novelty.quantiles.tobytes() == before.novelty.quantiles.tobytes()
    assert model_id(made.rows, replace(made.options, seed=1)) != made.folder.name


def test_a_weight_for_an_unknown_category_is_refused(made, tmp_path) -> None:
    options = replace(made.options, class_weights={"fungus": 2.0})
    with pytest.raises(
        ConfigError, match="class_weights has unknown categories fungus: choose one of pla"
    ):
        train(made.rows, options, tmp_path / "model", Silent())
    assert not (tmp_path / "model" / "model.json").exists()


def test_a_file_that_is_no_classifier_is_refused(tmp_path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ConfigError, match="not a classifier of naturalist"):
        read_classifier(path)


def test_the_card_says_what_the_model_is_made_of(made) -> None:
    card = (made.folder / "card.md").read_text()
    model = json.loads((made.folder / "model.json").read_text())
    assert model["tables"]["fingerprint"] in card
    assert made.rows.backbone_id in card
    for one in model["sources"]:
        assert one["source"] in card
    assert "Known failures" in card
