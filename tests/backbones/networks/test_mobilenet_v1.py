"""MobileNet v1: three kinds of file, one network, and the numbers that they mean."""

import dataclasses
import io
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from naturalist import backbones
from naturalist.backbones.networks import mobilenet_v1
from naturalist.backbones.readers.keras_h5 import read_keras_h5
from naturalist.backbones.registry import entry_of
from naturalist.backbones.session import open_session
from naturalist.errors import BackboneError
from naturalist.images import letterbox

from ..reference import batch_norm, conv_same, cosine, relu6

STRIDES = {2, 4, 6, 12}
SPEC = entry_of("mobilenet_v1_050_128").spec


@pytest.fixture(scope="module")
def tflite(models: Path) -> bytes:
    return (models / "mobilenet_v1_0.5_128_quant.tflite").read_bytes()


@pytest.fixture(scope="module")
def keras(models: Path) -> bytes:
    pytest.importorskip("h5py")
    return (models / "mobilenet_v1_0.5_224_flowers.h5").read_bytes()


def _run(data: bytes, pictures: np.ndarray, output: str = "feature") -> np.ndarray:
    model = mobilenet_v1.model(data, SPEC, head=output == "logits")
    return open_session(model).run([output], {"pictures": pictures})[0]


def _prepared(real_pictures: dict) -> np.ndarray:
    return np.stack([letterbox(picture, 128) for picture in real_pictures.values()])


def test_keras_weights_give_what_a_plain_numpy_pass_gives(keras: bytes, real_pictures) -> None:
    weights = {k: v.astype(np.float64) for k, v in read_keras_h5(keras).items()}

    def layer(x: np.ndarray, conv: str, norm: str, stride: int = 1) -> np.ndarray:
        order = (2, 3, 0, 1) if "dw" in conv else (3, 2, 0, 1)
        x = conv_same(x, weights[f"{conv}/kernel"].transpose(order), stride)
        keys = ("gamma", "beta", "moving_mean", "moving_variance")
        return relu6(batch_norm(x, *(weights[f"{norm}/{key}"] for key in keys)))

    picture = _prepared(real_pictures)[0]
    x = (picture.transpose(2, 0, 1).astype(np.float64) - 127.5) / 127.5
    x = layer(x, "conv2d", "batch_normalization", 2)
    for number in range(1, 14):
        x = layer(x, f"conv_dw_{number}", f"conv_dw_{number}_bn", 2 if number in STRIDES else 1)
        x = layer(x, f"conv_pw_{number}", f"conv_pw_{number}_bn")
    feature = _run(keras, picture[np.newaxis])[0]
    np.testing.assert_allclose(feature, x.mean((1, 2)), atol=1e-4)


def test_the_dequantised_network_is_close_to_the_quantised_one(
    models: Path, tflite: bytes, real_pictures
) -> None:
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")
    resolver = interpreter_module.OpResolverType.BUILTIN_REF
    interpreter = interpreter_module.Interpreter(
        model_content=tflite,
        experimental_op_resolver_type=resolver,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    start = interpreter.get_input_details()[0]["index"]
    pooled = next(t for t in interpreter.get_tensor_details() if t["name"].endswith("AvgPool"))
    pictures = _prepared(real_pictures)
    quantised = []
    for picture in pictures:
        interpreter.set_tensor(start, picture[np.newaxis])
        interpreter.invoke()
        tensor = interpreter.get_tensor(pooled["index"]).ravel()
        quantised.append(tensor * pooled["quantization"][0])
    assert cosine(_run(tflite, pictures), np.array(quantised)).min() > 0.998


@pytest.mark.parametrize("side", [128, 160])
def test_the_head_names_what_is_in_the_picture(
    models: Path, labels: list[str], real_pictures, side: int
) -> None:
    data = (models / f"mobilenet_v1_0.5_{side}_quant.tflite").read_bytes()
    spec = dataclasses.replace(SPEC, side=side)
    session = open_session(mobilenet_v1.model(data, spec, head=True))
    pictures = np.stack([letterbox(real_pictures[n], side) for n in ("cat", "coffee")])
    (logits,) = session.run(["logits"], {"pictures": pictures})
    cat, coffee = ({labels[i] for i in row.argsort()[-3:]} for row in logits)
    assert {"Egyptian cat", "tabby", "tiger cat"} & cat
    assert {"espresso", "cup", "coffee mug"} & coffee


def _slim_arrays(keras: bytes) -> dict[str, np.ndarray]:
    """The same weights under TensorFlow-Slim's names, below a TF-Hub module's scope."""
    kinds = {"kernel": "weights"}
    found = {}
    for name, array in read_keras_h5(keras).items():
        layer, kind = name.split("/")
        layer = {"conv2d": "conv1", "batch_normalization": "conv1_bn"}.get(layer, layer)
        match = re.fullmatch(r"conv(?:_(dw|pw))?_?(\d+)(_bn)?", layer)
        if match is None:
            continue
        part, number, norm = match.groups()
        base = f"Conv2d_{number}_{'depthwise' if part == 'dw' else 'pointwise'}"
        base = base if part else "Conv2d_0"
        kind = "depthwise_weights" if part == "dw" and not norm else kinds.get(kind, kind)
        middle = "BatchNorm/" if norm else ""
        found[f"module/MobilenetV1/{base}/{middle}{kind}"] = array
    return found


def test_a_saved_model_gives_the_same_network_as_the_keras_file(
    keras: bytes, real_pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = _slim_arrays(keras)
    # How variables are read from their files is tested with what TensorFlow wrote; here is about
    # names and archives.
    monkeypatch.setattr(mobilenet_v1, "read_bundle", lambda index, shards: arrays)
    pictures = _prepared(real_pictures)
    expected = _run(keras, pictures)
    for pack in (_tar_gz, _zip):
        archive = pack({"variables/variables.index": b"i", "saved_model.pb": b"p"})
        np.testing.assert_array_equal(_run(archive, pictures), expected)


def _tar_gz(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return data.getvalue()


def test_files_that_hold_something_else_are_refused_with_what_was_found() -> None:
    for data in (b"<!DOCTYPE html><html>", b"", bytes(1000), _zip({"readme.txt": b"x"})):
        with pytest.raises(BackboneError, match="web page"):
            mobilenet_v1.read_layers(data)
    broken = _tar_gz({"variables/variables.index": b"no index"})
    with pytest.raises(BackboneError, match="variables cannot be read"):
        mobilenet_v1.read_layers(broken)


def test_another_depth_multiplier_is_refused_by_its_number(tflite: bytes) -> None:
    kernels = mobilenet_v1.read_layers(tflite).kernels
    halved = dataclasses.replace(kernels[0], weight=kernels[0].weight[:8])
    with pytest.raises(BackboneError, match=r"multiplier of 0\.25"):
        mobilenet_v1._check_shapes([halved, *kernels[1:]])


def test_a_head_is_not_made_up(keras: bytes) -> None:
    with pytest.raises(BackboneError, match="no classification head"):
        mobilenet_v1.model(keras, SPEC, head=True)


def test_int8_is_close_to_float32(fetched_mobilenet, real_pictures) -> None:
    pictures = _prepared(real_pictures)
    exact = backbones.load("mobilenet_v1_050_128").features(pictures)
    whole = backbones.load("mobilenet_v1_050_128_int8").features(pictures)
    assert cosine(exact, whole).min() > 0.97
