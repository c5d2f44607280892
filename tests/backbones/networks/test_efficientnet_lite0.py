"""EfficientNet-Lite0: the graph computes what the weights mean."""

import dataclasses

import numpy as np
import pytest

from naturalist import backbones
from naturalist.backbones.networks import efficientnet_lite0
from naturalist.backbones.projections import read_projection
from naturalist.backbones.readers.pickles import read_legacy_torch
from naturalist.backbones.registry import weights_path
from naturalist.backbones.session import open_session

from ..reference import batch_norm, conv_same, relu6

# Blocks as the paper's Table 1 gives them for B0: (kernel, stride), one for each of the 16.
BLOCKS = (
    [(3, 1)] + [(3, 2), (3, 1)] + [(5, 2), (5, 1)] + [(3, 2), (3, 1), (3, 1)]
    + [(5, 1)] * 3 + [(5, 2)] + [(5, 1)] * 3 + [(3, 1)]
)  # fmt: skip


@pytest.fixture(scope="module")
def weights_file() -> bytes:
    return weights_path("efficientnet_lite0").read_bytes()


def _reference_feature(weights_file: bytes, picture: np.ndarray) -> np.ndarray:
    weights = {k: v.astype(np.float64) for k, v in read_legacy_torch(weights_file).items()}

    def normed(x: np.ndarray, conv: str, norm: str, stride: int = 1) -> np.ndarray:
        x = conv_same(x, weights[f"{conv}.weight"], stride)
        keys = ("weight", "bias", "running_mean", "running_var")
        return batch_norm(x, *(weights[f"{norm}.{key}"] for key in keys))

    x = (picture.transpose(2, 0, 1).astype(np.float64) - 127) / 128
    x = relu6(normed(x, "_conv_stem", "_bn0", 2))
    for number, (kernel, stride) in enumerate(BLOCKS):
        name, start = f"_blocks.{number}", x
        if number:
            x = relu6(normed(x, f"{name}._expand_conv", f"{name}._bn0"))
        assert weights[f"{name}._depthwise_conv.weight"].shape[-1] == kernel
        x = relu6(normed(x, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        x = normed(x, f"{name}._project_conv", f"{name}._bn2")
        x = x + start if x.shape == start.shape else x
    return relu6(normed(x, "_conv_head", "_bn1")).mean((1, 2))


def test_features_equal_a_plain_numpy_pass_within_float32_noise(
    weights_file, real_pictures
) -> None:
    backbone = backbones.load("efficientnet_lite0")
    picture = backbone.prepare(real_pictures["cat"])
    expected = _reference_feature(weights_file, picture)
    spec = dataclasses.replace(backbone.spec, projection=None)
    session = open_session(efficientnet_lite0.model(weights_file, spec))
    (feature,) = session.run(["feature"], {"pictures": picture[None]})
    np.testing.assert_allclose(feature[0], expected, atol=1e-4)
    projected = read_projection("lite0-statistics-512-v1") @ expected
    np.testing.assert_allclose(backbone.features(picture[None])[0], projected, atol=1e-4)


def test_a_cat_is_a_cat(weights_file, real_pictures, labels: list[str]) -> None:
    spec = backbones.describe("efficientnet_lite0")
    session = open_session(efficientnet_lite0.model(weights_file, spec, head=True))
    prepare = backbones.load("efficientnet_lite0").prepare
    batch = np.stack([prepare(real_pictures[name]) for name in ("cat", "coffee")])
    (logits,) = session.run(["logits"], {"pictures": batch})
    cat, coffee = ({labels[i + 1] for i in row.argsort()[-3:]} for row in logits)
    assert {"Egyptian cat", "tabby"} & cat
    assert {"espresso", "cup", "teapot", "coffeepot", "coffee mug"} & coffee


def test_writing_the_model_twice_gives_the_same_bytes(weights_file) -> None:
    spec = backbones.describe("efficientnet_lite0")
    first, second = (efficientnet_lite0.model(weights_file, spec) for _ in range(2))
    assert first == second


def test_the_projection_has_orthonormal_rows() -> None:
    projection = read_projection("lite0-statistics-512-v1")
    assert projection.shape == (512, 1280)
    np.testing.assert_allclose(projection @ projection.T, np.eye(512), atol=2e-3)
