"""A classifier as one ONNX file from picture to probabilities, which runs without naturalist."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper, version_converter

from naturalist import artifacts, backbones
from naturalist.backbones import BackboneSpec
from naturalist.backbones.quantisation import with_uint8_weights
from naturalist.errors import BackboneError
from naturalist.studies.classifier.model import OUTPUTS, read_classifier, to_onnx
from naturalist.studies.classifier.model_checks import DIGEST_KEY

_OPSET = 18
_IR = 10
"""What Resize with an antialiasing filter takes."""


def backbone_named(backbone_id: str) -> BackboneSpec:
    """The backbone of this machine whose features have this id.

    Raises:
        BackboneError: none has, because it was added elsewhere or another version made them.
    """
    for listed in backbones.listing():
        if listed.spec is not None and listed.spec.id == backbone_id:
            return listed.spec
    raise BackboneError(
        f"no backbone of this machine gives the features {backbone_id!r} that the model takes: add "
        "or fetch it (naturalist backbones list), or train a model on features of a backbone here"
    )


def export_model(model: Path, file: Path, *, any_size: bool) -> dict[str, Any]:
    """Write a classifier with its backbone before it.

    Args:
        model: its `model.onnx`, or the folder that has one.
        file: where to.
        any_size: take one picture of any size; or pictures that are prepared.

    Returns:
        What was written: `input`, `categories`, `size_bytes`, `backbone`.

    Raises:
        ConfigError: there is no such model.
        BackboneError: the backbone is not on this machine, or has no network.
    """
    classifier = read_classifier(model / "model.onnx" if model.is_dir() else model)
    spec = backbone_named(classifier.backbone_id)
    network = backbones.model_of(spec.name)
    data = with_backbone(to_onnx(classifier), network, spec, any_size=any_size)
    artifacts.write_bytes(file, data)
    return {
        "file": str(file),
        "model": classifier.id,
        "backbone": spec.name,
        "input": (
            "picture, uint8 (height, width, 3)"
            if any_size
            else f"pictures, uint8 (N, {spec.side}, {spec.side}, 3)"
        ),
        "categories": list(classifier.categories),
        "size_bytes": len(data),
    }


def with_backbone(
    classifier: bytes, network: bytes, spec: BackboneSpec, *, any_size: bool
) -> bytes:
    """One ONNX model from pictures to what the classifier gives.

    Args:
        classifier: as `to_onnx` gives it.
        network: from `pictures` to `feature`, as backbones have it.
        spec: of the backbone.
        any_size: take `picture`, uint8 (height, width, 3), RGB; or `pictures`, uint8 (N, side,
            side, 3), prepared as the backbone says.

    Raises:
        BackboneError: pictures cannot be prepared by the model itself for this backbone.
    """
    head, base = (_upgraded(onnx.load_model_from_string(data)) for data in (classifier, network))
    with_uint8_weights(base)
    merged = compose.merge_models(
        compose.add_prefix(base, "backbone/"),
        compose.add_prefix(head, "classifier/"),
        io_map=[("backbone/feature", "classifier/features")],
        outputs=[f"classifier/{name}" for name in OUTPUTS],
    )
    start = "backbone/pictures"
    if any_size:
        merged = compose.merge_models(_preparing(spec), merged, io_map=[("prepared", start)])
    names = {start: "pictures"} | {f"classifier/{name}": name for name in OUTPUTS}
    _rename(merged.graph, names)
    held = {prop.key: prop.value for prop in head.metadata_props if prop.key != DIGEST_KEY}
    helper.set_model_props(merged, held | {"backbone": spec.name, "side": str(spec.side)})
    onnx.checker.check_model(merged)
    data: bytes = merged.SerializeToString(deterministic=True)
    return data


def _upgraded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model in the operators that all parts share."""
    held = [(prop.key, prop.value) for prop in model.metadata_props]
    current = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if current > _OPSET:
        raise BackboneError(
            f"the backbone uses version {current} of ONNX's operators, and exporting takes at most "
            f"{_OPSET}: export the backbone's ONNX file again with opset {_OPSET}"
        )
    if current < _OPSET:
        model = version_converter.convert_version(model, _OPSET)
    model.ir_version = _IR
    helper.set_model_props(model, dict(held))
    return model


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(name, name) for name in ends]


def _preparing(spec: BackboneSpec) -> onnx.ModelProto:
    """From `picture` of any size to `prepared`, the one picture that the network takes."""
    if spec.preprocessing not in ("letterbox-v3", "stretch-v3"):
        raise BackboneError(
            f"{spec.name} prepares pictures by {spec.preprocessing}, which the exported model "
            "cannot do itself: export it with --prepared"
        )
    nodes = _sizes(letterbox=spec.fit == "pad")
    numbers = {
        "side": np.array(spec.side, np.float32),
        "square": np.array([spec.side, spec.side]),
        "two": np.array([2]),
        "one": np.array([1.0], np.float32),
        "one_by_three": np.array([1, 3]),
        "none_before": np.array([0, 0]),
        "batch": np.array([0]),
        "lowest": np.array(0, np.float32),
        "highest": np.array(255, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "preparing",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, ["height", "width", 3])],
        [
            helper.make_tensor_value_info(
                "prepared", TensorProto.UINT8, [1, spec.side, spec.side, 3]
            )
        ],
        [numpy_helper.from_array(_plain(value), name) for name, value in numbers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)


def _plain(value: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(value) if value.ndim else value


def _sizes(*, letterbox: bool) -> list[onnx.NodeProto]:
    """Resize with antialiasing and, for a letterbox, lay the picture into the black square."""
    make = helper.make_node
    inner = (
        [
            make("Shape", ["picture"], ["shape"], end=2),
            make("Cast", ["shape"], ["sizes"], to=TensorProto.FLOAT),
            make("ReduceMax", ["sizes"], ["longer"], keepdims=1),
            make("Div", ["side", "longer"], ["scale"]),
            make("Mul", ["sizes", "scale"], ["exact"]),
            make("Round", ["exact"], ["rounded"]),
            make("Max", ["rounded", "one"], ["at_least_one"]),
            make("Cast", ["at_least_one"], ["inner"], to=TensorProto.INT64),
        ]
        if letterbox
        else [make("Identity", ["square"], ["inner"])]
    )
    resize = [
        make("Cast", ["picture"], ["floats"], to=TensorProto.FLOAT),
        make("Transpose", ["floats"], ["planes"], perm=[2, 0, 1]),
        make("Unsqueeze", ["planes", "batch"], ["one_picture"]),
        make("Concat", ["one_by_three", "inner"], ["wanted"], axis=0),
        make("Resize", ["one_picture", "", "", "wanted"], ["resized"], mode="linear", antialias=1),
        make("Round", ["resized"], ["whole"]),
        make("Clip", ["whole", "lowest", "highest"], ["clipped"]),
    ]
    pad = [
        make("Sub", ["square", "inner"], ["free"]),
        make("Div", ["free", "two"], ["before"]),
        make("Sub", ["free", "before"], ["after"]),
        make("Concat", ["none_before", "before", "none_before", "after"], ["margins"], axis=0),
        make("Pad", ["clipped", "margins", "lowest"], ["padded"]),
        make("Cast", ["padded"], ["bytes"], to=TensorProto.UINT8),
        make("Transpose", ["bytes"], ["prepared"], perm=[0, 2, 3, 1]),
    ]
    return [*inner, *resize, *pad]
