"""int8: integers where there were floats, and nearly the same vectors."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from naturalist import backbones
from naturalist.backbones.networks.graph import GraphBuilder, Kernel
from naturalist.backbones.quantisation import (
    measured_tensors,
    quantised,
    read_ranges,
    with_uint8_weights,
)
from naturalist.backbones.session import run_once

from .reference import cosine


def _small_network(mean: float) -> bytes:
    rng = np.random.default_rng(1)

    def kernel(*shape: int) -> Kernel:
        scale = 1 / np.sqrt(np.prod(shape[1:]))
        return Kernel(
            rng.normal(0, scale, shape).astype(np.float32),
            rng.normal(0, 0.1, shape[0]).astype(np.float32),
        )

    graph = GraphBuilder(32)
    first = kernel(8, 3, 3, 3)
    first = Kernel(first.weight / 64, first.bias)
    x = graph.relu6(graph.conv(graph.pictures([mean] * 3), first, stride=2, name="a"))
    y = graph.conv(x, kernel(8, 1, 3, 3), groups=8, name="b")
    x = graph.add(x, y, name="sum")
    x = graph.relu6(graph.conv(x, kernel(16, 8, 1, 1), name="c"))
    return graph.finish({"feature": (graph.global_average(x), 16)})


@pytest.mark.parametrize("mean", [127.0, 127.5])
def test_a_quantised_network_answers_nearly_as_the_float_one(mean: float) -> None:
    data = _small_network(mean)
    ranges = {"*": (-6.0, 6.0), "a.relu6": (0.0, 6.0), "c.relu6": (0.0, 6.0)}
    pictures = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    exact, whole = run_once(data, pictures), run_once(quantised(data, ranges), pictures)
    assert cosine(exact, whole).min() > 0.999


def test_every_convolution_gets_integer_weights_and_clamps_become_grids() -> None:
    model = onnx.load_model_from_string(quantised(_small_network(127.0), {"*": (0.0, 6.0)}))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("QuantizeLinear") == 4
    assert not {"Clip", "Sub", "Cast"} & set(kinds)
    large = [t for t in model.graph.initializer if t.name.endswith("weight/int")]
    assert len(large) == 3
    assert {t.data_type for t in large} == {TensorProto.INT8}


def test_uint8_weights_are_the_same_numbers_and_no_int8_is_left(real_pictures) -> None:
    """Nothing saturates then: ONNX Runtime's defaults give what `open_session` gives."""
    model = onnx.load_model_from_string(backbones.model_of("efficientnet_lite0_int8"))
    with_uint8_weights(model)
    assert TensorProto.INT8 not in {tensor.data_type for tensor in model.graph.initializer}
    backbone = backbones.load("efficientnet_lite0_int8")
    batch = np.stack([backbone.prepare(picture) for picture in real_pictures.values()])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert np.array_equal(
        session.run(["feature"], {"pictures": batch})[0], backbone.features(batch)
    )


def test_a_tensor_without_a_range_is_named() -> None:
    with pytest.raises(KeyError, match="b"):
        quantised(_small_network(127.0), {"a.relu6": (0.0, 6.0)})


def test_the_shipped_ranges_cover_the_default_network() -> None:
    from naturalist.backbones.networks import efficientnet_lite0
    from naturalist.backbones.registry import weights_path

    spec = backbones.describe("efficientnet_lite0")
    data = efficientnet_lite0.model(weights_path(spec.name).read_bytes(), spec)
    ranges = read_ranges("lite0-ranges-v1")
    assert set(measured_tensors(onnx.load_model_from_string(data))) == set(ranges)
    assert all(low <= 0 < high for low, high in ranges.values())


def test_int8_vectors_are_close_to_float32_ones(real_pictures) -> None:
    exact, whole = (backbones.load(f"efficientnet_lite0{kind}") for kind in ("", "_int8"))
    batch = np.stack([exact.prepare(picture) for picture in real_pictures.values()])
    assert cosine(exact.features(batch), whole.features(batch)).min() > 0.97
