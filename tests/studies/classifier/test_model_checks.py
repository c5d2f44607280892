"""A classifier's file that rotted, or that a stranger made, is refused with its reason."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper

import tiny
from naturalist.errors import ConfigError
from naturalist.studies.classifier.methods.linear import LinearModel
from naturalist.studies.classifier.methods.novelty import Novelty
from naturalist.studies.classifier.methods.voting import MixedModel, Voters
from naturalist.studies.classifier.model import (
    Classifier,
    predict,
    read_classifier,
    to_onnx,
)
from naturalist.studies.classifier.model_checks import DIGEST_KEY

RNG = np.random.default_rng(0)
REFERENCE = RNG.normal(size=(20, 8))
REFERENCE /= np.linalg.norm(REFERENCE, axis=1, keepdims=True)
CLASSIFIER = Classifier(
    "linear-000000000000",
    MixedModel(
        LinearModel(
            RNG.normal(size=(3, 8)).astype(np.float32),
            RNG.normal(size=3).astype(np.float32),
            np.arange(3),
        ),
        Voters(REFERENCE.astype(np.float16), np.eye(3, dtype=np.float32)[np.arange(20) % 3], 0.1),
        0.3,
        1.5,
    ),
    Novelty(REFERENCE.astype(np.float16), 5, np.linspace(0, 1, 50, dtype=np.float32), 0.05),
    0.6,
    ("plant", "animal", "human"),
    "tiny-f8-0123456789ab",
    "2026-11-28T00:00:00+00:00",
)
Change = Callable[[onnx.ModelProto], None]


def write(folder: Path, change: Change | None = None) -> Path:
    """The file of a classifier; with a change, as a stranger would write it: without a digest."""
    path = folder / "model.onnx"
    data = to_onnx(CLASSIFIER)
    if change is not None:
        model = onnx.load_model_from_string(data)
        kept = [prop for prop in model.metadata_props if prop.key != DIGEST_KEY]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)
        change(model)
        data = model.SerializeToString()
    path.write_bytes(data)
    return path


def test_a_classifier_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = read_classifier(write(tmp_path))
    features = RNG.normal(size=(6, 8)).astype(np.float32)
    before, after = predict(CLASSIFIER, features), predict(found, features)
    assert np.array_equal(before.probabilities, after.probabilities)
    assert np.array_equal(before.outlier_scores, after.outlier_scores)
    assert (found.categories, found.id) == (CLASSIFIER.categories, CLASSIFIER.id)


def test_a_model_of_the_first_format_is_the_linear_model_alone(tmp_path: Path) -> None:
    def as_first(model: onnx.ModelProto) -> None:
        put("votes", None)(model)
        (facts,) = (prop for prop in model.metadata_props if prop.key == "naturalist")
        held = json.loads(facts.value)
        for key in ("width", "linear_share", "sure_from"):
            del held[key]
        facts.value = json.dumps(held | {"format": 1})

    found = read_classifier(write(tmp_path, as_first))
    features = RNG.normal(size=(6, 8)).astype(np.float32)
    linear = found.mixed.linear.scores(features) / 1.5
    expected = np.exp(linear) / np.exp(linear).sum(axis=1, keepdims=True)
    answer = predict(found, features)
    assert np.allclose(answer.probabilities, expected, atol=1e-5)
    assert answer.sure.all()


def test_a_file_without_a_digest_is_still_read(tmp_path: Path) -> None:
    assert read_classifier(write(tmp_path, lambda model: None)).categories == CLASSIFIER.categories


def test_one_flipped_bit_anywhere_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path)
    good = path.read_bytes()
    features = RNG.normal(size=(6, 8)).astype(np.float32)
    expected = predict(CLASSIFIER, features).probabilities
    refused = 0
    for at in random.Random(0).sample(range(8 * len(good)), 400):
        data = bytearray(good)
        data[at // 8] ^= 1 << at % 8
        path.write_bytes(data)
        try:
            found = read_classifier(path)
        except ConfigError as error:
            refused += "damaged" in str(error)
        else:
            assert np.array_equal(predict(found, features).probabilities, expected)
            assert found.categories == CLASSIFIER.categories
    assert refused > 350


def put(name: str, array: Any) -> Change:
    """Replace a tensor."""

    def change(model: onnx.ModelProto) -> None:
        kept = [one for one in model.graph.initializer if one.name != name]
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
        if array is not None:
            model.graph.initializer.append(numpy_helper.from_array(array, name))

    return change


def say(text: str, instead: str) -> Change:
    """Replace a part of what the model says of itself."""

    def change(model: onnx.ModelProto) -> None:
        prop = next(prop for prop in model.metadata_props if prop.key == "naturalist")
        assert text in prop.value
        prop.value = prop.value.replace(text, instead)

    return change


def elsewhere(model: onnx.ModelProto) -> None:
    tensor = next(one for one in model.graph.initializer if one.name == "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


NAN = np.full((8, 3), np.nan, np.float32)
HOSTILE: dict[str, tuple[Change, str]] = {
    "weights elsewhere": (elsewhere, "'weights' is stored in another file"),
    "no number": (put("weights", NAN), "'weights' contains values that are not finite"),
    "no votes": (put("votes", None), "'votes' has the shape None"),
    "negative votes": (put("votes", np.full((20, 3), -1, np.float32)), "'votes' has negative"),
    "infinite": (put("bias", np.full(3, np.inf, np.float32)), "'bias' contains values"),
    "no weights": (put("weights", None), "'weights' is missing"),
    "weights of another kind": (put("weights", np.zeros((8, 3))), "'weights' is float64"),
    "flat weights": (put("weights", np.zeros(24, np.float32)), "1 dimensions"),
    "a bias of another size": (put("bias", np.zeros(2, np.float32)), "'bias' has the shape"),
    "no reference": (put("reference", np.zeros((8, 0), np.float16)), "'votes' has the shape"),
    "too many neighbours": (put("neighbours", np.array([99])), "'neighbours' is 99"),
    "texts": (put("bias", np.array(["x", "y", "z"], object)), "'bias' contains values"),
    "one category": (say('["plant", "animal", "human"]', '["plant"]'), "at least 2 items"),
    "two categories": (say('["plant", "animal", "human"]', '["plant", "x"]'), "have the labels"),
    "a category twice": (say('"animal"', '"plant"'), "is listed twice"),
    "an escape sequence": (say('"plant"', '"\\u001b]0;x\\u0007"'), "categories.0 is "),
    "a hostile id": (say('"linear-000000000000"', '"\\u001b[31m"'), "id is "),
    "no temperature": (say('"temperature": 1.5', '"temperature": 0.0'), "temperature is 0.0"),
    "a list as format": (say('"format": 2', '"format": [2]'), "format is list"),
    "no facts": (lambda model: model.ClearField("metadata_props"), "naturalist"),
    "nested facts": (say("{", "[" * 100_000), "recursion limit"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_model_is_refused_with_what_is_wrong(tmp_path: Path, kind: str) -> None:
    change, said = HOSTILE[kind]
    with pytest.raises(ConfigError, match="classifier of naturalist, or is damaged") as caught:
        read_classifier(write(tmp_path, change))
    assert said in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"text", b"\x08\x08", bytes(100)])
def test_what_is_no_model_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(ConfigError, match="is not a classifier"):
        read_classifier(tmp_path / "model.onnx")


def test_weights_so_large_that_nothing_comes_out_are_an_error(tmp_path: Path) -> None:
    huge = put("weights", np.full((8, 3), 3e38, np.float32))
    found = read_classifier(write(tmp_path, huge))
    with pytest.raises(ConfigError, match="are not numbers"), np.errstate(all="ignore"):
        predict(found, np.full((1, 8), 10, np.float32))


def test_the_same_classifier_gives_the_same_bytes_with_one_digest() -> None:
    data = to_onnx(CLASSIFIER)
    assert data == to_onnx(CLASSIFIER)
    keys = [prop.key for prop in onnx.load_model_from_string(data).metadata_props]
    assert keys.count(DIGEST_KEY) == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6))
def test_whatever_bytes_are_changed_a_strangers_model_is_read_or_refused(
    changes: list[tuple[int, int]],
) -> None:
    with tiny.in_memory() as folder:
        path = write(folder, lambda model: None)
        data = bytearray(path.read_bytes())
        for at, value in changes:
            data[at % len(data)] = value
        path.write_bytes(data)
        try:
            found = read_classifier(path)
        except ConfigError:
            return
        assert all(name.isprintable() for name in (*found.categories, found.id))
