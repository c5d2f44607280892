"""What an ONNX file must hold to be a classifier: a stranger's, or one with a flipped bit, may not.

A file carries the digest of its own content, so that a weight that rotted on a drive is noticed
wherever the file is read. A digest is no signature: whoever writes a model writes its digest too.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_MODEL_BYTES = 2**31 - 1
"""What a file in the protobuf format may have."""
DIGEST_KEY = "naturalist_sha256"

Name = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._+-]{0,199}\z")]
Category = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z][A-Za-z0-9_-]{0,63}\z")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Facts(BaseModel):
    """What a classifier's file says of itself."""

    model_config = ConfigDict(strict=True, frozen=True)

    format: Literal[1, 2]
    id: Name
    made_at: Annotated[str, StringConstraints(max_length=100)]
    categories: Annotated[list[Category], Field(min_length=2, max_length=10_000)]
    labels: list[Annotated[int, Field(ge=0, lt=2**31)]]
    backbone_id: Name
    false_alarms: Annotated[float, Field(ge=0, le=1)]
    temperature: Positive
    # The first format had no neighbours that vote, and no threshold for being sure.
    width: Positive = 1.0
    linear_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    sure_from: Annotated[float, Field(ge=0, le=1)] = 0.0


def sign(model: onnx.ModelProto) -> None:
    """Add the digest of a model's content to it."""
    digest = _digest(model)
    model.metadata_props.add(key=DIGEST_KEY, value=digest)


def check_digest(model: onnx.ModelProto) -> None:
    """Compare a model with the digest that it carries; development versions wrote none.

    Raises:
        ValueError: they differ.
    """
    kept = [prop for prop in model.metadata_props if prop.key != DIGEST_KEY]
    digests = [prop.value for prop in model.metadata_props if prop.key == DIGEST_KEY]
    if not digests:
        return
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.metadata_props[:]
    bare.metadata_props.extend(kept)
    if digests != [_digest(bare)]:
        raise ValueError("its content is not what was written: it is damaged, or was changed")


def _digest(model: onnx.ModelProto) -> str:
    data: bytes = model.SerializeToString(deterministic=True)
    return hashlib.sha256(data).hexdigest()


def tensors(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """The numbers of a model by name; none is read from another file.

    Raises:
        ValueError: a tensor is kept elsewhere, is no array, or holds what is no finite number.
    """
    held = {}
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ValueError(f"{tensor.name!r} is stored in another file, which is never opened")
        array = numpy_helper.to_array(tensor)
        if not np.issubdtype(array.dtype, np.number) or not np.isfinite(array).all():
            raise ValueError(f"{tensor.name!r} contains values that are not finite")
        held[tensor.name] = array
    return held


def check_shapes(held: Mapping[str, NDArray[Any]], facts: Facts) -> None:
    """Compare the numbers of a model with what it says of itself.

    Raises:
        ValueError: a number is missing, or has another type or shape.
    """
    classes = len(facts.categories)
    if len(facts.labels) != classes or len(set(facts.labels)) != classes:
        raise ValueError(f"{classes} categories have the labels {facts.labels[:10]}")
    if len(set(facts.categories)) != classes:
        raise ValueError("a category is listed twice")
    dim = _array(held, "weights", np.float32, 2).shape[0]
    expected = {
        "weights": (dim, classes),
        "bias": (classes,),
        "reference": (dim, _array(held, "reference", np.float16, 2).shape[1]),
        "neighbours": (1,),
        "quantiles": (1, _array(held, "quantiles", np.float32, 2).shape[1]),
    }
    if facts.format > 1:
        expected["votes"] = (expected["reference"][1], classes)
    for name, shape in expected.items():
        result = held[name].shape if name in held else None
        if result != shape or not dim:
            raise ValueError(f"{name!r} has the shape {result}, not {shape}")
    _array(held, "bias", np.float32, 1)
    if facts.format > 1 and (_array(held, "votes", np.float32, 2) < 0).any():
        raise ValueError("'votes' has negative numbers")
    neighbours = int(_array(held, "neighbours", np.int64, 1)[0])
    if not 1 <= neighbours <= expected["reference"][1]:
        raise ValueError(f"'neighbours' is {neighbours}")


def _array(
    held: Mapping[str, NDArray[Any]], name: str, kind: type[np.number[Any]], dims: int
) -> NDArray[Any]:
    array = held.get(name)
    if array is None or array.dtype != kind or array.ndim != dims:
        result = "missing" if array is None else f"{array.dtype} with {array.ndim} dimensions"
        raise ValueError(f"{name!r} is {result}, not {np.dtype(kind)} with {dims} dimensions")
    return array
