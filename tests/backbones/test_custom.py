"""Any ONNX file with a descriptor: tried when it is added, then a backbone like the others."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from naturalist import backbones
from naturalist.backbones.networks import efficientnet_lite0
from naturalist.backbones.registry import weights_path
from naturalist.errors import BackboneError

DESCRIPTOR = {
    "name": "mine",
    "file": "net.onnx",
    "side": 32,
    "mean": [10.0, 20.0, 30.0],
    "scale": [0.1, 0.2, 0.4],
    "licence": "MIT",
    "pooling": "average",
}


def _write(folder: Path, model: onnx.ModelProto, **told: object) -> Path:
    onnx.save_model(model, folder / "net.onnx")
    lines = (f"{key} = {_toml(value)}" for key, value in (DESCRIPTOR | told).items())
    path = folder / "mine.toml"
    path.write_text("\n".join(lines))
    return path


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _model(
    nodes: list, shape: list, *, outputs: tuple[str, ...] = ("y",), numbers=()
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        list(numbers),
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def _identity(layout: str = "nchw") -> onnx.ModelProto:
    shape = ["N", 3, 32, 32] if layout == "nchw" else ["N", 32, 32, 3]
    return _model([helper.make_node("Identity", ["x"], ["y"])], shape)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_pixels_enter_as_the_descriptor_says(tmp_path: Path, layout: str, channels: str) -> None:
    path = _write(tmp_path, _identity(layout), layout=layout, channels=channels)
    spec = backbones.add(path, home=tmp_path / "home")
    assert spec == backbones.describe("mine", home=tmp_path / "home")
    assert spec.dim == 3
    backbone = backbones.load("mine", home=tmp_path / "home")
    batch = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    order = [2, 1, 0] if channels == "bgr" else [0, 1, 2]
    expected = (batch[..., order].mean((1, 2)) - [10, 20, 30]) * [0.1, 0.2, 0.4]
    np.testing.assert_allclose(backbone.features(batch), expected, rtol=1e-4)


def test_a_real_network_gives_what_it_gives_as_a_built_in_one(
    tmp_path: Path, real_pictures
) -> None:
    built_in = backbones.load("efficientnet_lite0")
    data = efficientnet_lite0.model(weights_path("efficientnet_lite0").read_bytes(), built_in.spec)
    model = onnx.load_model_from_string(data)
    # Cut off what turns pixels into floats, as a foreign model has none of it.
    kept = [node for node in model.graph.node if node.op_type not in ("Transpose", "Cast", "Sub")]
    start = next(node.input[0] for node in kept if node.op_type == "Conv")
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend(kept)
    shape = ["N", 3, 128, 128]
    model.graph.input.append(helper.make_tensor_value_info(start, TensorProto.FLOAT, shape))
    told = {"side": 128, "mean": [127.0] * 3, "scale": [1.0] * 3, "pooling": "none"}
    backbones.add(_write(tmp_path, model, **told), home=tmp_path)
    added = backbones.load("mine", home=tmp_path)
    batch = np.stack([added.prepare(picture) for picture in real_pictures.values()])
    np.testing.assert_allclose(added.features(batch), built_in.features(batch), atol=1e-4)


def test_an_added_backbone_is_listed_and_found_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbones.add(_write(tmp_path, _identity()), home=tmp_path / "home")
    assert "mine" not in backbones.names()
    monkeypatch.setenv("NATURALIST_BACKBONES", str(tmp_path / "home"))
    assert "mine" in backbones.names()
    assert {x.name: x.state for x in backbones.listing()}["mine"] == "ready"


def test_another_mean_is_another_backbone(tmp_path: Path) -> None:
    first = backbones.add(_write(tmp_path, _identity()), home=tmp_path)
    second = backbones.add(_write(tmp_path, _identity(), mean=[0.0, 0.0, 1.0]), home=tmp_path)
    third = backbones.add(_write(tmp_path, _identity(), licence="BSD"), home=tmp_path)
    assert first.id != second.id
    assert first.id == third.id


def test_vectors_can_be_projected_by_a_matrix_that_stays(tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).random((40, 3, 1, 1), np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    model = _model(nodes, ["N", 3, 32, 32], numbers=[numpy_helper.from_array(kernel, "w")])
    whole = backbones.add(_write(tmp_path, model), home=tmp_path / "a")
    assert (whole.dim, whole.projection) == (40, None)
    specs = [
        backbones.add(_write(tmp_path, model, project_to=16), home=tmp_path / home)
        for home in ("b", "c")
    ]
    assert specs[0] == specs[1]
    assert specs[0].dim == 16
    batch = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    wide = backbones.load("mine", home=tmp_path / "a").features(batch)
    narrow = backbones.load("mine", home=tmp_path / "b").features(batch)
    matrix = np.load(tmp_path / "b" / "mine" / "projection.npy")
    np.testing.assert_allclose(narrow, wide @ matrix.T, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(16), atol=1e-6)


def test_the_first_token_can_stand_for_the_picture(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["tokens"]),
        helper.make_node("Transpose", ["tokens"], ["y"], perm=[0, 2, 1]),
    ]
    numbers = [numpy_helper.from_array(np.array([0, 3, 1024]), "shape")]
    model = _model(nodes, ["N", 3, 32, 32], numbers=numbers)
    told = {"pooling": "first", "mean": [0.0] * 3, "scale": [1.0] * 3}
    backbones.add(_write(tmp_path, model, **told), home=tmp_path)
    batch = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    vectors = backbones.load("mine", home=tmp_path).features(batch)
    np.testing.assert_array_equal(vectors, batch[:, 0, 0].astype(np.float32))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"name": "efficientnet_lite0"}, "built-in"),
        ({"name": "../up"}, "name"),
        ({"resize": "squash"}, "letterbox-v3"),
        ({"side": "big"}, "side"),
        ({"colour": "rgb"}, "colour"),
        ({"mean": [1.0]}, "mean"),
        ({"file": "missing.onnx"}, r"missing\.onnx"),
        ({"output": "z"}, "outputs y"),
        ({"pooling": "none"}, "not one vector"),
        ({"scale": [1e38, 1e38, 1e38]}, "infinity"),
        ({"project_to": 8}, "have 3 values: choose fewer"),
    ],
)
def test_a_wrong_descriptor_is_refused_with_what_is_wrong(
    tmp_path: Path, told: dict[str, object], words: str
) -> None:
    path = _write(tmp_path, _identity(), **told)
    with pytest.raises(BackboneError, match=words):
        backbones.add(path, home=tmp_path / "home")
    assert not list((tmp_path / "home").glob("*/*.onnx"))


def test_what_is_no_model_or_no_toml_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, _identity())
    (tmp_path / "net.onnx").write_bytes(b"<html>")
    with pytest.raises(BackboneError, match="not an ONNX model"):
        backbones.add(path, home=tmp_path)
    path.write_text("name = ")
    with pytest.raises(BackboneError, match="cannot be read"):
        backbones.add(path, home=tmp_path)


def test_a_network_that_mixes_its_batch_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["all"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "all"], ["y"]),
    ]
    path = _write(tmp_path, _model(nodes, ["N", 3, 32, 32]))
    with pytest.raises(BackboneError, match="depend on the other pictures"):
        backbones.add(path, home=tmp_path)


def test_a_model_with_its_numbers_elsewhere_is_refused(tmp_path: Path) -> None:
    kernel = numpy_helper.from_array(np.ones((40, 3, 8, 8), np.float32), "w")
    model = _model(
        [helper.make_node("Conv", ["x", "w"], ["y"])], ["N", 3, 32, 32], numbers=[kernel]
    )
    path = _write(tmp_path, model)
    onnx.save_model(
        model, tmp_path / "net.onnx", save_as_external_data=True, location="n.bin", size_threshold=0
    )
    with pytest.raises(BackboneError, match="single file"):
        backbones.add(path, home=tmp_path)
