"""Reading the weights of a Keras ``.h5`` file (whole model or weights only) without Keras."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import BackboneError, MissingExtra

MAGIC = b"\x89HDF\r\n\x1a\n"


def read_keras_h5(data: bytes) -> dict[str, NDArray[np.float32]]:
    """Return ``layer/kind`` (such as ``conv_dw_1/kernel``) -> float32 array.

    The state of an optimiser is left out. What Keras 2 names ``depthwise_kernel`` is ``kernel``
    here, as in Keras 3.

    Raises:
        BackboneError: the file is damaged or not HDF5.
        MissingExtra: h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtra("h5py", "keras") from None
    arrays: dict[str, NDArray[np.float32]] = {}

    def note(path: str, item: Any) -> None:
        parts = path.removeprefix("model_weights/").split("/")
        if isinstance(item, h5py.Dataset) and parts[0] != "optimizer_weights":
            kind = parts[-1].removesuffix(":0").removeprefix("depthwise_")
            arrays[f"{parts[0]}/{kind}"] = np.asarray(item, np.float32)

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            file.visititems(note)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise BackboneError(f"the .h5 file cannot be read: {error}") from error
    return arrays
