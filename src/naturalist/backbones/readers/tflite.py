"""Reading the convolutions of a TensorFlow Lite file, dequantised, without TensorFlow.

The file is a FlatBuffer of TensorFlow Lite's schema (version 3); the numbers of the fields below
are those of that schema.
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import BackboneError

MAGIC = b"TFL3"
"""At bytes 4 to 8."""

_CONV_2D, _DEPTHWISE_CONV_2D = 3, 4
_DTYPES = {0: "<f4", 2: "<i4", 3: "u1", 4: "<i8", 9: "i1"}


class Convolution(NamedTuple):
    """One layer: `weight` is (out, height, width, in), or (1, height, width, channels) by depth."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    depthwise: bool


class TfliteModel(NamedTuple):
    """What is read of the file.

    A pixel's value is ``(pixel - input_zero) * input_scale``; both are None in a file whose input
    is float32.
    """

    convolutions: list[Convolution]
    input_scale: float | None
    input_zero: float | None


class _Table:
    """A table of a FlatBuffer: fields by number, absent ones by their default."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        vtable = position - self._read("<i", position)
        size = self._read("<H", vtable)
        self._fields = struct.unpack_from(f"<{(size - 4) // 2}H", data, vtable + 4)

    def number(self, field: int, kind: str, default: int = 0) -> int:
        at = self._at(field)
        return default if at is None else self._read(kind, at)

    def table(self, field: int) -> "_Table | None":
        at = self._at(field)
        return None if at is None else self._follow(at)

    def tables(self, field: int) -> list["_Table"]:
        start, length = self._vector(field)
        return [self._follow(start + 4 * i) for i in range(length)]

    def array(self, field: int, dtype: str) -> NDArray[Any]:
        start, length = self._vector(field)
        return np.frombuffer(self._data, dtype, length, start)

    def _at(self, field: int) -> int | None:
        offset = self._fields[field] if field < len(self._fields) else 0
        return self._position + offset if offset else None

    def _vector(self, field: int) -> tuple[int, int]:
        at = self._at(field)
        if at is None:
            return 0, 0
        start = at + self._read("<I", at)
        length = self._read("<I", start)
        if length > len(self._data):
            raise ValueError(f"a vector of {length} items in a file of {len(self._data)} bytes")
        return start + 4, length

    def _follow(self, at: int) -> "_Table":
        return _Table(self._data, at + self._read("<I", at))

    def _read(self, kind: str, at: int) -> int:
        if at < 0:
            raise ValueError("an offset before the start of the file")
        value: int = struct.unpack_from(kind, self._data, at)[0]
        return value


def read_tflite(data: bytes) -> TfliteModel:
    """Read the convolutions in the order in which they run.

    Raises:
        BackboneError: the file is damaged, or a layer has numbers of an unknown type.
    """
    try:
        return _read(data)
    except (struct.error, ValueError, LookupError) as error:
        raise BackboneError(f"the .tflite file cannot be read: {error!r}") from error


def _read(data: bytes) -> TfliteModel:
    (root,) = struct.unpack_from("<I", data)
    model = _Table(data, root)
    codes = [max(code.number(0, "<b"), code.number(3, "<i")) for code in model.tables(1)]
    graph, buffers = model.tables(2)[0], model.tables(4)
    tensors = graph.tables(0)
    start = tensors[graph.array(1, "<i4")[0]]
    convolutions = list(_convolutions(graph, codes, tensors, buffers))
    grid = _quantisation(start)
    if grid is None:
        return TfliteModel(convolutions, None, None)
    scale, zero = grid
    return TfliteModel(convolutions, float(scale[0]), float(zero[0]))


def _convolutions(
    graph: _Table, codes: list[int], tensors: list[_Table], buffers: list[_Table]
) -> Iterator[Convolution]:
    for operator in graph.tables(3):
        code = codes[operator.number(0, "<I")]
        if code in (_CONV_2D, _DEPTHWISE_CONV_2D):
            _, weight, bias = (tensors[i] for i in operator.array(1, "<i4"))
            yield Convolution(
                _dequantised(weight, buffers),
                _dequantised(bias, buffers),
                depthwise=code == _DEPTHWISE_CONV_2D,
            )


def _dequantised(tensor: _Table, buffers: list[_Table]) -> NDArray[np.float32]:
    dtype = _DTYPES[tensor.number(1, "<b")]
    raw = buffers[tensor.number(2, "<I")].array(0, "u1").tobytes()
    values = np.frombuffer(raw, dtype).reshape(tensor.array(0, "<i4")).astype(np.float64)
    grid = _quantisation(tensor)
    if grid is not None:
        scale, zero = grid
        values = (values - zero) * scale
    return values.astype(np.float32)


def _quantisation(tensor: _Table) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return scale and zero point, shaped to spread over the tensor; None where it has none."""
    parameters = tensor.table(4)
    if parameters is None:
        return None
    scale = parameters.array(2, "<f4").astype(np.float64)
    zero = parameters.array(3, "<i8").astype(np.float64)
    if not len(scale):
        return None
    if len(scale) == 1:
        return scale, zero
    axis, dimensions = parameters.number(6, "<i"), len(tensor.array(0, "<i4"))
    along = [-1 if i == axis else 1 for i in range(dimensions)]
    return scale.reshape(along), zero.reshape(along)
