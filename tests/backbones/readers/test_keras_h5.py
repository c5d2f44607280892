"""Keras files: layers by name, whichever Keras wrote them."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from naturalist.backbones.readers.keras_h5 import read_keras_h5
from naturalist.errors import BackboneError, MissingExtra

h5py = pytest.importorskip("h5py")


def _h5(arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        for name, array in arrays.items():
            h5[name] = array
    return file.getvalue()


def test_whole_models_weight_files_and_both_names_of_depthwise_kernels_are_read() -> None:
    kernel = np.ones((3, 3, 4, 1), np.float32)
    for path in (
        "conv_dw_1/conv_dw_1/depthwise_kernel:0",
        "model_weights/conv_dw_1/conv_dw_1/depthwise_kernel:0",
        "model_weights/conv_dw_1/conv_dw_1/kernel",
    ):
        arrays = read_keras_h5(_h5({path: kernel}))
        np.testing.assert_array_equal(arrays["conv_dw_1/kernel"], kernel)


def test_what_an_optimiser_keeps_is_left_out() -> None:
    kept = {"optimizer_weights/Adam/dense/kernel/m:0": np.ones(3, np.float32)}
    assert read_keras_h5(_h5(kept)) == {}


def test_a_real_file_is_read(models: Path) -> None:
    arrays = read_keras_h5((models / "mobilenet_v1_0.5_224_flowers.h5").read_bytes())
    assert arrays["conv_pw_13/kernel"].shape == (1, 1, 512, 512)


def test_a_cut_file_is_refused(models: Path) -> None:
    data = (models / "mobilenet_v1_0.5_224_flowers.h5").read_bytes()
    with pytest.raises(BackboneError, match="cannot be read"):
        read_keras_h5(data[: len(data) // 2])


def test_without_h5py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtra, match=r"naturalist\[keras\]"):
        read_keras_h5(b"")
