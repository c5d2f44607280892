"""Turning a float32 model into one that computes its convolutions in int8.

Static quantisation as of Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018: weights per output channel, symmetric, int8;
activations uint8 over ranges that were measured once on real pictures (``tools/fit_ranges.py``)
and are shipped as plain numbers. The model is written with QuantizeLinear and DequantizeLinear
around each layer, which ONNX Runtime fuses into integer kernels.
"""

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from naturalist.backbones.spec import GRAPH_INPUT

Ranges = Mapping[str, tuple[float, float]]
"""Tensor name (or ``*`` for all others) to the lowest and highest value on its grid."""

_QUANTISED = ("Conv", "Add")
_CLAMPS = ("Clip", "Relu")


def read_ranges(name: str) -> Ranges:
    """Return shipped ranges by name."""
    file = resources.files("naturalist.backbones") / "numbers" / f"{name}.json"
    return {tensor: (low, high) for tensor, (low, high) in json.loads(file.read_text()).items()}


def measured_tensors(model: onnx.ModelProto) -> list[str]:
    """Name the tensors that need a range: the results of convolutions and additions.

    Where a clamp follows, its result counts.
    """
    clamped = {n.input[0]: n.output[0] for n in model.graph.node if n.op_type in _CLAMPS}
    results = [n.output[0] for n in model.graph.node if n.op_type in _QUANTISED]
    return [clamped.get(name, name) for name in results]


def quantised(data: bytes, ranges: Ranges) -> bytes:
    """Return the int8 version of a model written by :class:`GraphBuilder`.

    Raises:
        KeyError: a tensor has no range.
    """
    model = onnx.load_model_from_string(data)
    rewriter = _Rewriter(model, ranges)
    rewriter.rewrite()
    onnx.checker.check_model(model, full_check=True)
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def with_uint8_weights(model: onnx.ModelProto) -> None:
    """Rewrite int8 weights as uint8 around 128: the same numbers in a form that cannot saturate.

    ONNX Runtime multiplies uint8 by int8 with instructions that saturate where a processor lacks
    VNNI; :func:`~naturalist.backbones.session.open_session` forbids that, and other programs that
    run a model do not know that they should.
    """
    numbers = model.graph.initializer
    integers = {tensor.name: tensor for tensor in numbers if tensor.data_type == TensorProto.INT8}
    made: dict[str, onnx.TensorProto] = {}
    for node in model.graph.node:
        ends = [*node.input[:1], *node.input[2:3]]
        if node.op_type == "DequantizeLinear" and len(ends) == 2 and integers.keys() >= set(ends):
            made |= {name: _as_uint8(integers[name]) for name in ends if name not in made}
            node.input[0], node.input[2] = (made[name].name for name in ends)
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in (*numbers, *made.values()) if tensor.name in used]
    del numbers[:]
    numbers.extend(kept)


def _as_uint8(tensor: onnx.TensorProto) -> onnx.TensorProto:
    shifted = numpy_helper.to_array(tensor).astype(np.int16) + 128
    return numpy_helper.from_array(shifted.astype(np.uint8), f"{tensor.name}/uint8")


class _Rewriter:
    """Rewrites one graph; knows each activation's scale while it goes along."""

    def __init__(self, model: onnx.ModelProto, ranges: Ranges) -> None:
        self._graph = model.graph
        self._ranges = ranges
        self._measured = set(measured_tensors(model))
        self._numbers = {t.name: numpy_helper.to_array(t) for t in self._graph.initializer}
        self._scales: dict[str, float] = {}
        self._renamed: dict[str, str] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._offset = np.float32(0)

    def rewrite(self) -> None:
        """Replace the graph's nodes and numbers."""
        for node in list(self._graph.node):
            self._rewrite_node(node)
        used = {name for node in self._nodes for name in node.input}
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend(
            numpy_helper.from_array(np.array(value, order="C"), name)
            for name, value in self._numbers.items()
            if name in used
        )

    def _rewrite_node(self, node: onnx.NodeProto) -> None:
        if node.op_type == "Cast":
            return
        if node.op_type == "Sub":
            self._enter(node)
            return
        for i, name in enumerate(node.input):
            node.input[i] = self._renamed.get(name, name)
        result = node.output[0]
        if node.op_type in _CLAMPS and result in self._measured:
            # The grid ends where the clamp does, so putting values on it clamps them.
            self._quantise(node.input[0], result)
            return
        if node.op_type == "Conv":
            self._quantise_weights(node)
        self._nodes.append(node)
        if result in self._measured:
            self._quantise(result, result)

    def _enter(self, sub: onnx.NodeProto) -> None:
        """Take pixels as the quantised numbers they are: scale 1, the rounded mean as zero point.

        What rounding took from the mean goes into the first bias.
        """
        mean = self._numbers[sub.input[1]].ravel()
        zero = np.ceil(mean[0])
        if np.ptp(mean):
            raise ValueError("int8 needs one mean for all three channels")
        self._offset = np.float32(zero - mean[0])
        pixels = next(n.output[0] for n in self._nodes if n.input[0] == GRAPH_INPUT)
        self._dequantise(pixels, sub.output[0], np.float32(1), np.uint8(zero))

    def _quantise(self, source: str, name: str) -> None:
        """Put `source` on a grid of 256 values that holds 0 exactly, over the range of `name`."""
        low, high = self._ranges["*" if "*" in self._ranges and name not in self._ranges else name]
        low, high = min(low, 0.0), max(high, 0.0)
        scale = np.float32((high - low) / 255)
        zero = np.uint8(np.clip(round(-low / float(scale)), 0, 255))
        grid = f"{name}/int8"
        inputs = [source, self._number(f"{grid}/scale", scale), self._number(f"{grid}/zero", zero)]
        self._nodes.append(helper.make_node("QuantizeLinear", inputs, [grid], name=grid))
        self._dequantise(grid, f"{name}/back", scale, zero)
        self._renamed[name] = f"{name}/back"

    def _dequantise(self, grid: str, result: str, scale: np.float32, zero: np.uint8) -> None:
        inputs = [
            grid,
            self._number(f"{result}/scale", scale),
            self._number(f"{result}/zero", zero),
        ]
        self._nodes.append(helper.make_node("DequantizeLinear", inputs, [result], name=result))
        self._scales[result] = float(scale)

    def _quantise_weights(self, conv: onnx.NodeProto) -> None:
        """Turn weights into int8 and the bias into int32, with a scale for each output channel."""
        weight = self._numbers.pop(conv.input[1]).astype(np.float64)
        bias = self._numbers.pop(conv.input[2]).astype(np.float64)
        if self._offset:
            bias = bias + weight.sum((1, 2, 3)) * self._offset
            self._offset = np.float32(0)
        scale = np.maximum(np.abs(weight).max((1, 2, 3)), 1e-12) / 127
        whole = np.rint(weight / scale.reshape(-1, 1, 1, 1)).clip(-127, 127).astype(np.int8)
        bias_scale = scale * self._scales[conv.input[0]]
        whole_bias = np.rint(bias / bias_scale).clip(-(2**31), 2**31 - 1).astype(np.int32)
        conv.input[1] = self._constant(f"{conv.name}/weight", whole, scale)
        conv.input[2] = self._constant(f"{conv.name}/bias", whole_bias, bias_scale)

    def _constant(self, name: str, whole: NDArray[Any], scale: NDArray[Any]) -> str:
        zeros = np.zeros(len(scale), whole.dtype)
        inputs = [
            self._number(f"{name}/int", whole),
            self._number(f"{name}/scale", scale.astype(np.float32)),
            self._number(f"{name}/zero", zeros),
        ]
        self._nodes.append(helper.make_node("DequantizeLinear", inputs, [name], name=name, axis=0))
        return name

    def _number(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self._numbers[name] = np.asarray(value)
        return name
