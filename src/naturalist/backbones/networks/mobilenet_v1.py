"""MobileNet v1 with depth multiplier 0.5, from the files in which TensorFlow's world keeps it.

The network: Howard et al., "MobileNets", arXiv:1704.04861, 2017. The weights come from a Keras
Applications ``.h5``, a ``.tflite``, or a SavedModel (as ``.tar``, ``.tar.gz`` or ``.zip``); the
first bytes of a file tell which of them it is.
"""

import dataclasses
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO

import numpy as np
from numpy.typing import NDArray

from naturalist.backbones.networks.graph import Floats, GraphBuilder, Kernel, folded, scaled
from naturalist.backbones.readers import keras_h5, tflite
from naturalist.backbones.readers.tensor_bundle import read_bundle
from naturalist.backbones.spec import BackboneSpec
from naturalist.errors import BackboneError

FEATURES = 512

_EPSILON = 1e-3
_MEAN, _SCALE = 127.5, 1 / 127.5
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
_CHANNELS = (32, 64, 64, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512)
_LARGEST_PART = 1 << 30
_VARIABLES = re.compile(r"variables\.(index|data-\d{5}-of-\d{5})$")

Arrays = Mapping[str, NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, slots=True)
class Layers:
    """The 27 convolutions with batch norms folded, the head where the file has one, the input.

    ``head`` is (classes, 512) with its bias; a pixel enters as ``(pixel - mean) * scale``.
    """

    kernels: list[Kernel]
    head: tuple[Floats, Floats] | None = None
    mean: float = _MEAN
    scale: float = _SCALE


def read_layers(data: bytes) -> Layers:
    """Read the weights from the bytes of any of the supported files.

    Raises:
        BackboneError: the file is of no supported kind, damaged, or holds another network.
        MissingExtra: the file is a ``.h5`` and h5py is not installed.
    """
    if data.startswith(keras_h5.MAGIC):
        layers = _from_keras(keras_h5.read_keras_h5(data))
    elif data[4:8] == tflite.MAGIC:
        layers = _from_tflite(tflite.read_tflite(data))
    else:
        layers = _from_tensorflow(_read_saved_model(data))
    _check_shapes(layers.kernels)
    return layers


def model(data: bytes, spec: BackboneSpec, *, head: bool = False) -> bytes:
    """Make the ONNX model from the bytes of the weights file.

    Outputs: ``feature`` (N, 512), and with `head` also ``logits`` (N, classes).

    Raises:
        BackboneError: see :func:`read_layers`; or `head` is asked of a file without one.
    """
    layers = read_layers(data)
    graph = GraphBuilder(spec.side)
    x = graph.pictures([layers.mean] * 3)
    kernels = iter(layers.kernels)
    stem = scaled(next(kernels), layers.scale)
    x = graph.relu6(graph.conv(x, stem, stride=2, name="stem"))
    for number, stride in enumerate(_STRIDES, start=1):
        depthwise = next(kernels)
        groups = len(depthwise.bias)
        x = graph.conv(x, depthwise, stride=stride, groups=groups, name=f"depthwise_{number}")
        x = graph.conv(graph.relu6(x), next(kernels), name=f"pointwise_{number}")
        x = graph.relu6(x)
    pooled = graph.global_average(x)
    outputs = {"feature": (pooled, FEATURES)}
    if head:
        if layers.head is None:
            raise BackboneError("this weights file has no classification head")
        outputs["logits"] = (graph.linear(pooled, *layers.head), len(layers.head[1]))
    return graph.finish(outputs)


def _from_keras(arrays: Arrays) -> Layers:
    """Names as in Keras Applications; a first layer of any other name is taken by its shape."""
    first, norm = "conv1", "conv1_bn"
    if f"{first}/kernel" not in arrays:
        first, norm = "conv2d", "batch_normalization"
    pairs = ((f"conv_dw_{number}", f"conv_pw_{number}") for number in range(1, 14))
    kernels = [_keras_kernel(arrays, first, norm)]
    kernels += [_keras_kernel(arrays, layer, f"{layer}_bn") for pair in pairs for layer in pair]
    head = arrays.get("conv_preds/kernel")
    bias = arrays.get("conv_preds/bias")
    if head is None or bias is None:
        return Layers(kernels)
    return Layers(kernels, (np.ascontiguousarray(head[0, 0].T), bias))


def _keras_kernel(arrays: Arrays, layer: str, norm: str) -> Kernel:
    norms = (f"{norm}/{k}" for k in ("gamma", "beta", "moving_mean", "moving_variance"))
    return _folded(arrays, f"{layer}/kernel", *norms, depthwise=layer.startswith("conv_dw"))


def _from_tensorflow(arrays: Arrays) -> Layers:
    """Names as in TensorFlow-Slim and the TF-Hub modules, below any scope."""
    inner = {re.sub(r"^.*?MobilenetV1/", "", name): array for name, array in arrays.items()}
    kernels = [_slim_kernel(inner, "Conv2d_0", "weights")]
    for number in range(1, 14):
        layer = f"Conv2d_{number}"
        kernels.append(_slim_kernel(inner, f"{layer}_depthwise", "depthwise_weights"))
        kernels.append(_slim_kernel(inner, f"{layer}_pointwise", "weights"))
    head = inner.get("Logits/Conv2d_1c_1x1/weights")
    bias = inner.get("Logits/Conv2d_1c_1x1/biases")
    if head is None or bias is None:
        return Layers(kernels)
    return Layers(kernels, (np.ascontiguousarray(head[0, 0].T), bias))


def _slim_kernel(arrays: Arrays, layer: str, kind: str) -> Kernel:
    norm = f"{layer}/BatchNorm"
    norms = (f"{norm}/{k}" for k in ("gamma", "beta", "moving_mean", "moving_variance"))
    return _folded(arrays, f"{layer}/{kind}", *norms, depthwise=kind.startswith("depthwise"))


def _folded(arrays: Arrays, weight: str, *norms: str, depthwise: bool) -> Kernel:
    try:
        kernel = arrays[weight]
        numbers = [arrays[name] for name in norms]
    except KeyError as error:
        raise BackboneError(
            f"the weights file does not hold MobileNet v1: it has no {error.args[0]}"
        ) from None
    if kernel.ndim != 4:
        raise BackboneError(
            f"{weight} has the shape {kernel.shape}, which is not that of a convolution"
        )
    # TensorFlow's (height, width, in, out), or by depth (height, width, channels, 1).
    order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
    gamma, beta, mean, variance = numbers
    return folded(kernel.transpose(order), gamma, beta, mean, variance, _EPSILON)


def _from_tflite(model: tflite.TfliteModel) -> Layers:
    kernels = []
    for weight, bias, depthwise in model.convolutions:
        order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
        kernels.append(Kernel(np.ascontiguousarray(weight.transpose(order)), bias))
    head = kernels[27] if len(kernels) == 28 else None
    mean = _MEAN if model.input_zero is None else model.input_zero
    scale = _SCALE if model.input_scale is None else model.input_scale
    weights = None if head is None else (head.weight[:, :, 0, 0], head.bias)
    return Layers(kernels[:27], weights, mean, scale)


def _read_saved_model(data: bytes) -> Arrays:
    index, shards = None, {}
    for name, content in _variables(data):
        if name.endswith("index"):
            index = content
        else:
            shards[int(name.split("-")[1])] = content
    if index is None:
        raise BackboneError(
            "the weights file is not in a supported format: Keras .h5, .tflite or SavedModel "
            "(.tar, .tar.gz, .zip "
            "with variables/variables.index in it): was a web page saved instead of the file?"
        )
    return read_bundle(index, shards)


def _variables(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Give name and bytes of an archive's variables files; nothing is unpacked to the disk."""
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as zipped:
                for info in zipped.infolist():
                    if match := _VARIABLES.search(info.filename):
                        yield match[0], _limited(zipped.open(info))
        elif tarfile.is_tarfile(io.BytesIO(data)):
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.isfile() else None
                    if content is not None and (match := _VARIABLES.search(member.name)):
                        yield match[0], _limited(content)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise BackboneError(f"the archive of weights is damaged: {error}") from error


def _limited(content: IO[bytes]) -> bytes:
    data = content.read(_LARGEST_PART + 1)
    if len(data) > _LARGEST_PART:
        raise BackboneError("the archive of weights unpacks to more than 1 GiB")
    return data


def _check_shapes(kernels: list[Kernel]) -> None:
    expected, channels = [(16, 3, 3, 3)], 16
    for out in _CHANNELS:
        expected += [(channels, 1, 3, 3), (out, channels, 1, 1)]
        channels = out
    result = [kernel.weight.shape for kernel in kernels]
    if result != expected:
        width = result[0][0] / 32 if result else 0
        raise BackboneError(
            f"the weights file holds {len(result)} convolutions and a depth multiplier of "
            f"{width:g}, not MobileNet v1 with 27 convolutions and 0.5"
        )
