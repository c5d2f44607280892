"""Writing a convolutional network as ONNX, node by node, from plain arrays.

The networks here take uint8 pictures (N, side, side, 3), so the smallest possible thing travels to
the runtime, and do the subtraction of the mean inside the graph. The factor that follows it in most
recipes is multiplied into the first convolution instead (see :func:`scaled`).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from naturalist.backbones.spec import GRAPH_INPUT

_OPSET = 17
_IR_VERSION = 8

Floats = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True)
class Kernel:
    """Weight (out, in / groups, height, width) and bias (out,) of a convolution."""

    weight: Floats
    bias: Floats


def folded(
    weight: Floats, gamma: Floats, beta: Floats, mean: Floats, variance: Floats, epsilon: float
) -> Kernel:
    """Fold a batch norm into the bias-free convolution before it (computed in float64)."""
    factor = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    return Kernel(
        (weight * factor.reshape(-1, 1, 1, 1)).astype(np.float32),
        (beta - mean * factor).astype(np.float32),
    )


def scaled(kernel: Kernel, factor: float | Floats) -> Kernel:
    """Fold a multiplication of the input (one factor, or one per channel) into the kernel."""
    factors = np.asarray(factor, np.float64).reshape(1, -1, 1, 1)
    return Kernel((kernel.weight * factors).astype(np.float32), kernel.bias)


class GraphBuilder:
    """Collects nodes and numbers; every method returns the name of the tensor it makes."""

    def __init__(self, side: int) -> None:
        self._side = side
        self._nodes: list[onnx.NodeProto] = []
        self._numbers: list[onnx.TensorProto] = []

    def pictures(self, mean: Sequence[float], *, bgr: bool = False) -> str:
        """Start with uint8 RGB pictures; give float32 (N, 3, side, side) minus `mean`."""
        x = self._node("Transpose", [GRAPH_INPUT], perm=[0, 3, 1, 2])
        if bgr:
            x = self._node("Gather", [x, self._number(np.array([2, 1, 0]))], axis=1)
        x = self._node("Cast", [x], to=TensorProto.FLOAT)
        return self._node("Sub", [x, self._number(np.asarray(mean, np.float32).reshape(-1, 1, 1))])

    def conv(
        self,
        x: str,
        kernel: Kernel,
        *,
        stride: int = 1,
        groups: int = 1,
        padding: Literal["same", "valid"] = "same",
        name: str,
    ) -> str:
        """Convolve; "same" is TensorFlow's padding, for even inputs where the stride is 2."""
        size = kernel.weight.shape[-1]
        total = size - stride if padding == "same" else 0
        before, after = total // 2, total - total // 2
        return self._node(
            "Conv",
            [x, self._number(kernel.weight), self._number(kernel.bias)],
            name=name,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )

    def relu6(self, x: str) -> str:
        """Clip to [0, 6]."""
        bounds = [self._number(np.float32(0)), self._number(np.float32(6))]
        return self._node("Clip", [x, *bounds], name=f"{x}.relu6")

    def relu(self, x: str) -> str:
        """Clip to 0 and more."""
        return self._node("Relu", [x])

    def max_pool(self, x: str) -> str:
        """Take the maximum over windows of 3 x 3 at every second place; sizes are rounded up."""
        return self._node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)

    def concatenate(self, xs: Sequence[str]) -> str:
        """Join tensors along the channels."""
        return self._node("Concat", xs, axis=1)

    def add(self, a: str, b: str, *, name: str) -> str:
        """Add two tensors of one shape."""
        return self._node("Add", [a, b], name=name)

    def global_average(self, x: str) -> str:
        """Average over height and width: (N, C, H, W) to (N, C)."""
        return self._node("Flatten", [self._node("GlobalAveragePool", [x])], axis=1)

    def linear(self, x: str, weight: Floats, bias: Floats | None = None) -> str:
        """Multiply (N, in) by `weight` (out, in) and add `bias` (out,)."""
        inputs = [x, self._number(weight)] + ([] if bias is None else [self._number(bias)])
        return self._node("Gemm", inputs, transB=1)

    def finish(self, outputs: Mapping[str, tuple[str, int]]) -> bytes:
        """Return the serialised model; `outputs` gives name -> (tensor, width)."""
        self._nodes += [helper.make_node("Identity", [x], [o]) for o, (x, _) in outputs.items()]
        shape: list[int | str | None] = ["N", self._side, self._side, 3]
        graph = helper.make_graph(
            self._nodes,
            "naturalist",
            [helper.make_tensor_value_info(GRAPH_INPUT, TensorProto.UINT8, shape)],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])
                for name, (_, width) in outputs.items()
            ],
            self._numbers,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="naturalist",
        )
        onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data

    def _node(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        output = name or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _number(self, value: NDArray[Any] | np.generic) -> str:
        name = f"number_{len(self._numbers)}"
        self._numbers.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name
