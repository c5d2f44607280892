"""A classifier as one ONNX file: from features to probabilities, and how far to trust them.

The file is all there is: nothing else has to be read to use it, and nothing in it is run but ONNX
operators. `exporting` puts the network before it, so that pictures go in.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from pydantic import ValidationError

from naturalist.errors import ConfigError
from naturalist.snapshots.schema import describe
from naturalist.studies.classifier.methods.linear import LinearModel
from naturalist.studies.classifier.methods.novelty import Novelty
from naturalist.studies.classifier.methods.voting import FLOOR, MixedModel, Voters
from naturalist.studies.classifier.model_checks import (
    MAX_MODEL_BYTES,
    Facts,
    check_digest,
    check_shapes,
    sign,
    tensors,
)

FORMAT = 2
_LINEAR_ALONE = 1
"""Format of models that have no neighbours and no threshold for being sure."""
_OPSET = 17
_IR = 8
_KEY = "naturalist"
OUTPUTS = ("probabilities", "outlier_score", "known", "sure")
Decision = Literal["sure", "unsure", "unlike"]
"""Whether to rely on a prediction: no doubt, a low probability, or nothing seen like it."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """Everything that predicting takes.

    Attributes:
        id: name of the model.
        mixed: the linear model and the neighbours; those are the reference of `novelty` too.
        novelty: tells what is unlike anything seen.
        sure_from: least probability of a prediction that is called sure.
        categories: name of each class.
        backbone_id: of the features that it takes.
        made_at: when, in UTC.
    """

    id: str
    mixed: MixedModel
    novelty: Novelty
    sure_from: float
    categories: tuple[str, ...]
    backbone_id: str
    made_at: str


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a classifier says of N pictures.

    Attributes:
        probabilities: (N, classes) float32, calibrated.
        outlier_scores: (N,) share of pictures from sources unseen in training that are less unlike
            the training pictures than each.
        known: (N,) false for pictures that are unlike anything seen.
        sure: (N,) false for predictions whose probability is low.
    """

    probabilities: NDArray[np.float32]
    outlier_scores: NDArray[np.float32]
    known: NDArray[np.bool_]
    sure: NDArray[np.bool_]

    def decision(self, row: int) -> Decision:
        """Whether to rely on the prediction of a row."""
        if not self.known[row]:
            return "unlike"
        return "sure" if self.sure[row] else "unsure"


def predict(classifier: Classifier, features: NDArray[np.float32]) -> Predicted:
    """Predictions for features (N, dim).

    Raises:
        ConfigError: the classifier takes another number of features, or gives no finite numbers.
    """
    if features.shape[1] != classifier.mixed.dim:
        raise ConfigError(
            f"model {classifier.id} takes {classifier.mixed.dim} features of backbone "
            f"{classifier.backbone_id}, but there are {features.shape[1]}: train a model on these"
        )
    scores = classifier.novelty.scores(features)
    probabilities = classifier.mixed.probabilities(features)
    if not (np.isfinite(probabilities).all() and np.isfinite(scores).all()):
        raise ConfigError(
            f"model {classifier.id} returns probabilities that are not numbers: its weights are "
            "damaged; use another model"
        )
    sure = probabilities.max(axis=1) >= np.float32(classifier.sure_from)
    return Predicted(probabilities, scores, classifier.novelty.known(scores), sure)


def to_onnx(classifier: Classifier) -> bytes:
    """The ONNX file of a classifier, the same bytes for the same classifier.

    It takes `features`, float32 (N, dim), and gives `probabilities`, float32 (N, classes),
    `outlier_score`, float32 (N), and `known` and `sure`, bool (N).
    """
    graph = helper.make_graph(
        _nodes(),
        "classifier",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", classifier.mixed.dim])],
        [
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, ["N", len(classifier.categories)]
            ),
            helper.make_tensor_value_info("outlier_score", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("known", TensorProto.BOOL, ["N"]),
            helper.make_tensor_value_info("sure", TensorProto.BOOL, ["N"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in _numbers(classifier).items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR
    )
    _describe(model, _facts(classifier))
    sign(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _nodes() -> list[onnx.NodeProto]:
    return [*_near(), *_mixed(), *_trust()]


def _near() -> list[onnx.NodeProto]:
    """Cosines to the reference, and from them the neighbours' shares."""
    make = helper.make_node
    return [
        make("ReduceL2", ["features"], ["norms"], axes=[1], keepdims=1),
        make("Max", ["norms", "tiny"], ["lengths"]),
        make("Div", ["features", "lengths"], ["directions"]),
        make("Cast", ["reference"], ["references"], to=TensorProto.FLOAT),
        make("MatMul", ["directions", "references"], ["cosines"]),
        make("ReduceMax", ["cosines"], ["closest"], axes=[1], keepdims=1),
        make("Sub", ["cosines", "closest"], ["farther"]),
        make("Div", ["farther", "width"], ["in_widths"]),
        make("Exp", ["in_widths"], ["near"]),
        make("MatMul", ["near", "votes"], ["voted"]),
        make("ReduceSum", ["voted", "class_axis"], ["all_votes"], keepdims=1),
        make("Max", ["all_votes", "tiny"], ["some_votes"]),
        make("Div", ["voted", "some_votes"], ["shares"]),
        make("Add", ["shares", "floor"], ["possible"]),
        make("Log", ["possible"], ["vote_scores"]),
    ]


def _mixed() -> list[onnx.NodeProto]:
    """Probabilities of the linear model and the votes together."""
    make = helper.make_node
    return [
        make("MatMul", ["features", "weights"], ["weighted"]),
        make("Add", ["weighted", "bias"], ["linear"]),
        make("LogSoftmax", ["linear"], ["linear_scores"], axis=1),
        make("Mul", ["linear_scores", "linear_share"], ["linear_part"]),
        make("Mul", ["vote_scores", "vote_share"], ["vote_part"]),
        make("Add", ["linear_part", "vote_part"], ["scores"]),
        make("Div", ["scores", "temperature"], ["tempered"]),
        make("Softmax", ["tempered"], ["probabilities"], axis=1),
    ]


def _trust() -> list[onnx.NodeProto]:
    """How unlike a picture is, and whether its probability is high."""
    make = helper.make_node
    return [
        make("TopK", ["cosines", "neighbours"], ["nearest", "places"], axis=1),
        make("Gather", ["nearest", "last"], ["cosine"], axis=1),
        make("Sub", ["one", "cosine"], ["distance"]),
        make("Less", ["quantiles", "distance"], ["below"]),
        make("Cast", ["below"], ["counted"], to=TensorProto.FLOAT),
        make("ReduceMean", ["counted"], ["outlier_score"], axes=[1], keepdims=0),
        make("LessOrEqual", ["outlier_score", "most"], ["known"]),
        make("ReduceMax", ["probabilities"], ["probability"], axes=[1], keepdims=0),
        make("GreaterOrEqual", ["probability", "sure_from"], ["sure"]),
    ]


def _numbers(classifier: Classifier) -> dict[str, NDArray[Any]]:
    mixed, novelty = classifier.mixed, classifier.novelty
    neighbours = min(novelty.neighbours, len(novelty.reference))
    return {
        "weights": np.ascontiguousarray(mixed.linear.weights.T),
        "bias": mixed.linear.bias,
        "linear_share": np.array(mixed.linear_share, np.float32),
        "vote_share": np.array(1 - mixed.linear_share, np.float32),
        "votes": mixed.voters.votes,
        "width": np.array(mixed.voters.width, np.float32),
        "floor": np.array(FLOOR, np.float32),
        "class_axis": np.array([1]),
        "temperature": np.array(mixed.temperature, np.float32),
        "reference": np.ascontiguousarray(novelty.reference.T),
        "neighbours": np.array([neighbours]),
        "last": np.array([neighbours - 1]),
        "quantiles": novelty.quantiles[np.newaxis, :],
        "most": np.array(1 - novelty.false_alarms, np.float32),
        "sure_from": np.array(classifier.sure_from, np.float32),
        "tiny": np.array(1e-12, np.float32),
        "one": np.array(1, np.float32),
    }


def _facts(classifier: Classifier) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "id": classifier.id,
        "made_at": classifier.made_at,
        "categories": list(classifier.categories),
        "labels": classifier.mixed.labels.tolist(),
        "backbone_id": classifier.backbone_id,
        "false_alarms": classifier.novelty.false_alarms,
        "temperature": classifier.mixed.temperature,
        "width": classifier.mixed.voters.width,
        "linear_share": classifier.mixed.linear_share,
        "sure_from": classifier.sure_from,
    }


def _describe(model: onnx.ModelProto, facts: dict[str, Any]) -> None:
    helper.set_model_props(
        model,
        {_KEY: json.dumps(facts, sort_keys=True), "categories": ",".join(facts["categories"])},
    )


def read_classifier(path: Path) -> Classifier:
    """Read the ONNX file of a classifier; nothing in it is run.

    Raises:
        ConfigError: there is none, or it was not written by this program.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_MODEL_BYTES:
            raise ValueError(f"it has {size_bytes:,} bytes, at most {MAX_MODEL_BYTES:,} can be")
        return from_onnx(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ConfigError(f"there is no model {path}: make one with `naturalist train`") from error
    except (DecodeError, onnx.checker.ValidationError, KeyError, TypeError, ValueError) as error:
        why = describe(error) if isinstance(error, ValidationError) else error
        raise ConfigError(
            f"{path} is not a classifier of naturalist, or is damaged ({why}): pass a model.onnx "
            "written by `naturalist train`; to rebuild one of a workspace, delete its folder and "
            "run `naturalist train`"
        ) from error


def from_onnx(data: bytes) -> Classifier:
    """The classifier that an ONNX file holds; nothing in it is run, and no other file is opened.

    Raises:
        DecodeError, KeyError, ValueError: it holds none, or is not what was written.
    """
    model = onnx.load_model_from_string(data)
    check_digest(model)
    props = {prop.key: prop.value for prop in model.metadata_props}
    facts = Facts.model_validate_json(props[_KEY])
    held = tensors(model)
    check_shapes(held, facts)
    if facts.format == _LINEAR_ALONE:
        nobody = (held["reference"].shape[1], len(held["bias"]))
        held["votes"] = np.zeros(nobody, np.float32)
    linear = LinearModel(
        np.ascontiguousarray(held["weights"].T), held["bias"], np.array(facts.labels, np.int64)
    )
    reference = np.ascontiguousarray(held["reference"].T)
    novelty = Novelty(
        reference, int(held["neighbours"][0]), held["quantiles"][0], facts.false_alarms
    )
    voters = Voters(reference, held["votes"], facts.width)
    return Classifier(
        facts.id,
        MixedModel(linear, voters, facts.linear_share, facts.temperature),
        novelty,
        facts.sure_from,
        tuple(facts.categories),
        facts.backbone_id,
        facts.made_at,
    )
