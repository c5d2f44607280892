"""Fitting a foreign ONNX model with the same input and output as our own."""

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, compose, helper, numpy_helper

from naturalist.backbones.descriptors import Descriptor
from naturalist.backbones.networks.graph import Floats
from naturalist.backbones.spec import GRAPH_INPUT
from naturalist.errors import BackboneError

_PREFIX = "model/"


def wrapped(descriptor: Descriptor, data: bytes, projection: Floats | None) -> bytes:
    """Put colours, mean and scale before the model, and pooling and projection after it.

    Returns:
        A model from ``pictures``, uint8 (N, side, side, 3), to ``feature``, float32 (N, dim).

    Raises:
        BackboneError: not an ONNX model, several inputs, no such output, or numbers kept in
            other files.
    """
    model = _read(descriptor, data)
    graph = model.graph
    start, end = _input(descriptor, graph), _output(descriptor, graph)
    before, numbers = _before(descriptor, start)
    after, more_numbers = _after(descriptor, end, projection)
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*numbers, *more_numbers])
    shape: list[int | str | None] = ["N", descriptor.side, descriptor.side, 3]
    graph.input.append(helper.make_tensor_value_info(GRAPH_INPUT, TensorProto.UINT8, shape))
    graph.output.append(helper.make_tensor_value_info("feature", TensorProto.FLOAT, None))
    wrapped_data: bytes = model.SerializeToString(deterministic=True)
    return wrapped_data


def _read(descriptor: Descriptor, data: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise BackboneError(f"{descriptor.file} is not an ONNX model") from error
    if not model.graph.node:
        raise BackboneError(f"{descriptor.file} is not an ONNX model, or it is empty")
    if any(t.data_location == TensorProto.EXTERNAL for t in model.graph.initializer):
        raise BackboneError(
            f"{descriptor.file} keeps its weights in other files: save it as a single file "
            "(onnx.save_model with save_as_external_data=False)"
        )
    return compose.add_prefix(model, _PREFIX)


def _input(descriptor: Descriptor, graph: onnx.GraphProto) -> str:
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise BackboneError(f"{descriptor.file} must have one input, of float32")
    return str(inputs[0].name)


def _output(descriptor: Descriptor, graph: onnx.GraphProto) -> str:
    outputs = [value.name.removeprefix(_PREFIX) for value in graph.output]
    if descriptor.output is None and len(outputs) == 1:
        return str(graph.output[0].name)
    if descriptor.output is None or descriptor.output not in outputs:
        raise BackboneError(
            f"{descriptor.file} has the outputs {', '.join(outputs)}: name one of them as `output` "
            f"in the descriptor (it says {descriptor.output!r})"
        )
    return _PREFIX + descriptor.output


def _before(
    descriptor: Descriptor, start: str
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """From uint8 (N, side, side, 3) to what the model takes under the name `start`."""
    numbers = {
        "order": np.array([2, 1, 0] if descriptor.channels == "bgr" else [0, 1, 2]),
        "mean": np.array(descriptor.mean, np.float32),
        "scale": np.array(descriptor.scale, np.float32),
    }
    perm = [0, 3, 1, 2] if descriptor.layout == "nchw" else [0, 1, 2, 3]
    nodes = [
        helper.make_node("Cast", [GRAPH_INPUT], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["floats", "order"], ["ordered"], axis=3),
        helper.make_node("Sub", ["ordered", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], [start], perm=perm),
    ]
    return nodes, [numpy_helper.from_array(value, name) for name, value in numbers.items()]


def _after(
    descriptor: Descriptor, end: str, projection: Floats | None
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """From the model's output to ``feature``."""
    nodes, numbers = [], []
    if descriptor.pooling == "average":
        if descriptor.layout == "nhwc":
            nodes.append(helper.make_node("Transpose", [end], ["by_channel"], perm=[0, 3, 1, 2]))
            end = "by_channel"
        nodes.append(helper.make_node("GlobalAveragePool", [end], ["pooled"]))
        nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], axis=1))
        end = "flat"
    elif descriptor.pooling == "first":
        numbers.append(numpy_helper.from_array(np.array(0), "first"))
        nodes.append(helper.make_node("Gather", [end, "first"], ["token"], axis=1))
        end = "token"
    if projection is not None:
        numbers.append(numpy_helper.from_array(np.ascontiguousarray(projection.T), "projection"))
        nodes.append(helper.make_node("MatMul", [end, "projection"], ["projected"]))
        end = "projected"
    nodes.append(helper.make_node("Identity", [end], ["feature"]))
    return nodes, numbers
