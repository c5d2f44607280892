"""Reading weights out of pickles without trusting them: nothing outside of a short list is called.

Two kinds of file are read: state dictionaries in torch's format from before 1.6 (five pickles
for magic number, version, machine, tensors and storage keys, then the raw storages), and plain
pickles of numpy arrays. Any other name in a pickle stream raises
:class:`~naturalist.errors.BackboneError` before anything is done with it.
"""

import collections
import io
import pickle
import pickletools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import BackboneError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001

Weights = dict[str, NDArray[Any]]


class _Tensor(NamedTuple):
    """A tensor as the pickle describes it: its numbers come later in the file."""

    storage: "_Storage"
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Storage(NamedTuple):
    dtype: np.dtype[Any]
    key: str
    length: int


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


_TORCH_NAMES: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _AllowListed(pickle.Unpickler):
    """An unpickler that knows the given names and no others."""

    def __init__(
        self,
        file: io.BytesIO,
        names: Mapping[tuple[str, str], Any],
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(file)
        self._file = file
        self._names = names
        self._persistent = persistent

    def load(self) -> Any:
        start = self._file.tell()
        # Python only warns of escapes that mean nothing; no weights file has any.
        with warnings.catch_warnings(action="error", category=DeprecationWarning):
            _check_memo(self._file)
            self._file.seek(start)
            return super().load()

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._names[module, name]
        except KeyError:
            raise BackboneError(
                f"the weights file names {module}.{name}, which is not allowed in a weights "
                "file: it was not read"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        if self._persistent is None:
            raise BackboneError("the weights file refers to data outside the file")
        return self._persistent(pid)


def _check_memo(file: io.BytesIO) -> None:
    """Refuse a place of the memo that no pickler would use yet.

    The unpickler makes its memo as long as the largest place says: 5 bytes would cost 64 GB.
    """
    for number, (operation, place, _) in enumerate(pickletools.genops(file)):
        is_put = operation.name in ("PUT", "BINPUT", "LONG_BINPUT")
        if is_put and place is not None and place > number + 1:
            raise ValueError(f"place {place} of the memo after {number} operations")


class _Array:
    """What the pickle of an array calls: keeps the shape, the type and the bytes, no more."""

    def __init__(self, *_: object) -> None:
        self.array: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, is_fortran, data = state
        flat = np.frombuffer(data, np.dtype(dtype.code).newbyteorder("<"))
        self.array = flat.reshape(shape, order="F" if is_fortran else "C")


class _Dtype:
    """The type of an array's numbers, by its code ("f4")."""

    def __init__(self, code: str, *_: object) -> None:
        if code not in ("f4", "f8", "i4", "i8"):
            raise ValueError(f"an array of {code!r}")
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] != "<":
            raise ValueError("an array that is not little-endian")


_NUMPY_NAMES: Mapping[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _Dtype,
}


def read_numpy_pickle(data: bytes) -> dict[str, list[NDArray[Any]]]:
    """Return name -> arrays of a pickled dictionary of lists of arrays.

    Raises:
        BackboneError: not such a file, damaged, or naming anything but numpy arrays.
    """
    try:
        content = _AllowListed(io.BytesIO(data), _NUMPY_NAMES).load()
        return {name: [_whole(array) for array in arrays] for name, arrays in content.items()}
    except _DAMAGE as error:
        raise BackboneError(f"the pickle of weights is damaged: {error!r}") from error


def _whole(value: Any) -> NDArray[Any]:
    if not isinstance(value, _Array) or value.array is None:
        raise ValueError(f"{type(value).__name__} where an array was expected")
    return value.array


def read_legacy_torch(data: bytes) -> Weights:
    """Return name -> array of a state dictionary saved by torch before version 1.6.

    Raises:
        BackboneError: not such a file, damaged, or holding anything but float32 and int64 tensors.
    """
    file = io.BytesIO(data)
    storages: dict[str, _Storage] = {}

    def note_storage(pid: tuple[Any, ...]) -> _Storage:
        _kind, dtype, key, _location, length, _view = pid
        return storages.setdefault(key, _Storage(dtype, key, length))

    try:
        header = [_AllowListed(file, {}).load() for _ in range(3)]
        if header[:2] != [_MAGIC, _PROTOCOL] or not header[2]["little_endian"]:
            raise BackboneError("the weights are not in torch's legacy format")
        state = _AllowListed(file, _TORCH_NAMES, note_storage).load()
        keys = _AllowListed(file, {}).load()
        numbers = {key: _read_storage(file, storages[key]) for key in keys}
        return {name: _materialise(tensor, numbers) for name, tensor in state.items()}
    except _DAMAGE as error:
        raise BackboneError(f"the torch weights file is damaged: {error!r}") from error


# What a cut, garbled or foreign pickle stream makes the unpickler and the code around it raise.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    DeprecationWarning,
)


def _read_storage(file: io.BytesIO, storage: _Storage) -> NDArray[Any]:
    (length,) = np.frombuffer(file.read(8), "<i8")
    if length != storage.length:
        raise ValueError(f"storage {storage.key} has {length} numbers, not {storage.length}")
    data = file.read(int(length) * storage.dtype.itemsize)
    return np.frombuffer(data, storage.dtype, count=length)


def _materialise(tensor: _Tensor, numbers: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """View the tensor in its storage; numpy itself refuses a view that leaves the storage."""
    flat = numbers[tensor.storage.key]
    return np.ndarray(
        tensor.shape,
        flat.dtype,
        buffer=flat.data,
        offset=tensor.offset * flat.itemsize,
        strides=[stride * flat.itemsize for stride in tensor.strides],
    )
