"""TensorFlow Lite files: weights as TensorFlow Lite itself sees them, and nothing else."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naturalist.backbones.readers.tflite import read_tflite
from naturalist.errors import BackboneError

FILES = ("mobilenet_v1_0.5_128_quant.tflite", "mobilenet_v1_0.5_160_quant.tflite")


@pytest.mark.parametrize("file", FILES)
def test_numbers_and_grids_are_those_that_the_interpreter_has(models: Path, file: str) -> None:
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = interpreter_module.Interpreter(str(models / file))
    details = {d["index"]: d for d in interpreter.get_tensor_details()}

    def real(index: int) -> np.ndarray:
        scale, zero = details[index]["quantization"]
        return (interpreter.get_tensor(index).astype(np.float64) - zero) * scale

    model = read_tflite((models / file).read_bytes())
    operators = [op for op in interpreter._get_ops_details() if "CONV_2D" in op["op_name"]]
    assert len(model.convolutions) == len(operators) == 28
    for convolution, operator in zip(model.convolutions, operators, strict=True):
        assert convolution.depthwise == operator["op_name"].startswith("DEPTHWISE")
        _, weight, bias = operator["inputs"]
        np.testing.assert_allclose(convolution.weight, real(weight), rtol=1e-6)
        np.testing.assert_allclose(convolution.bias, real(bias), rtol=1e-6)
    scale, zero = interpreter.get_input_details()[0]["quantization"]
    assert (model.input_scale, model.input_zero) == pytest.approx((scale, zero))


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_refused_or_read_and_never_anything_else(
    models: Path, data: st.DataObject
) -> None:
    whole = bytearray((models / FILES[0]).read_bytes())
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole))) :]
    else:
        start = data.draw(st.sampled_from([0, len(whole) - 3000]))
        for _ in range(20):
            whole[start + data.draw(st.integers(0, 2999))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BackboneError):
        read_tflite(bytes(whole))
