"""SavedModel variables, written by TensorFlow 2.21 (tools/make_tensorflow_references.py)."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naturalist.backbones.readers.tensor_bundle import read_bundle
from naturalist.errors import BackboneError

DATA = Path(__file__).parents[1] / "data"


def _files(version: str) -> tuple[bytes, bytes]:
    folder = DATA / version / "variables"
    return (
        (folder / "variables.index").read_bytes(),
        (folder / "variables.data-00000-of-00001").read_bytes(),
    )


@pytest.mark.parametrize(
    ("version", "name"),
    [("tensorflow_1", "module/layer_{}/weights"), ("tensorflow_2", "layer_{}/weights")],
)
def test_every_variable_comes_back_under_its_own_name(version: str, name: str) -> None:
    index, data = _files(version)
    variables = read_bundle(index, {0: data})
    assert set(variables) == {name.format(number) for number in range(40)}
    for number in range(40):
        expected = np.arange(number, number + 6, dtype=np.float32).reshape(2, 3)
        np.testing.assert_array_equal(variables[name.format(number)], expected)


def test_a_missing_or_short_data_file_is_named() -> None:
    index, data = _files("tensorflow_1")
    with pytest.raises(BackboneError, match=r"variables\.data-00000 is missing"):
        read_bundle(index, {})
    with pytest.raises(BackboneError, match="shorter"):
        read_bundle(index, {0: data[:-1]})


@given(st.data())
def test_a_damaged_index_is_refused_or_read_and_never_anything_else(data: st.DataObject) -> None:
    index, numbers = _files(data.draw(st.sampled_from(["tensorflow_1", "tensorflow_2"])))
    harmed = bytearray(index)
    for _ in range(3):
        harmed[data.draw(st.integers(0, len(harmed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(harmed[data.draw(st.integers(0, 40)) :])
    try:
        variables = read_bundle(cut, {0: numbers})
    except BackboneError:
        return
    assert all(array.dtype == np.float32 for array in variables.values())
