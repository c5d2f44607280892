"""Reading the variables of a TensorFlow SavedModel or checkpoint without TensorFlow.

``variables.index`` is a sorted string table in LevelDB's format, from variable names to protocol
buffers that say where in ``variables.data-*`` the numbers lie (tensorflow/core/protobuf/
tensor_bundle.proto). In TensorFlow 2 the names are positions in a graph of objects, which the table
also holds and which gives each variable's full name (trackable_object_graph.proto).
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import BackboneError

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_FLOAT = 1
_OBJECT_GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"

Fields = dict[int, list[Any]]


def read_bundle(index: bytes, shards: Mapping[int, bytes]) -> dict[str, NDArray[np.float32]]:
    """Return full name -> array of every float32 variable.

    Args:
        index: bytes of ``variables.index``.
        shards: bytes of each ``variables.data-XXXXX-of-YYYYY``, by number.

    Raises:
        BackboneError: the files are damaged or do not belong together.
    """
    try:
        entries = dict(_table(index))
        if _one(_message(entries[b""]), 2):
            raise ValueError("written by a big-endian machine")
        names = _full_names(entries, shards)
        result = {}
        for key, value in entries.items():
            fields = _message(value)
            if key and _one(fields, 1) == _FLOAT:
                shape = [
                    _one(_message(dim), 1) for dim in _message(_one(fields, 2, b"")).get(2, [])
                ]
                array = np.frombuffer(_bytes_of(fields, shards), "<f4").reshape(shape)
                name = key.decode()
                result[names.get(name, name)] = array
        return result
    except (struct.error, LookupError, ValueError, TypeError) as error:
        raise BackboneError(f"the SavedModel's variables cannot be read: {error!r}") from error


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    footer = data[-_FOOTER_BYTES:]
    if struct.unpack_from("<Q", footer, _FOOTER_BYTES - 8)[0] != _MAGIC:
        raise ValueError("not a TensorFlow index file")
    _, position = _varint(footer, 0)
    _, position = _varint(footer, position)
    for _, handle in _block(data, footer, position):
        yield from _block(data, handle, 0)


def _block(data: bytes, handle: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Give the entries of the block that a handle (offset, size) at `at` points to."""
    offset, at = _varint(handle, at)
    size, _ = _varint(handle, at)
    if data[offset + size] != 0:
        raise ValueError("a compressed index file")
    block = data[offset : offset + size]
    (restarts,) = struct.unpack_from("<I", block, size - 4)
    end = size - 4 * (restarts + 1)
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        fresh, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + fresh]
        position += fresh
        yield key, block[position : position + length]
        position += length


def _full_names(entries: Mapping[bytes, bytes], shards: Mapping[int, bytes]) -> dict[str, str]:
    """Map the keys of TensorFlow 2 to the variables' own names; nothing for TensorFlow 1."""
    entry = entries.get(_OBJECT_GRAPH)
    if entry is None:
        return {}
    stored = _bytes_of(_message(entry), shards)
    length, position = _varint(stored, 0)
    graph = _message(stored[position + 4 : position + 4 + length])
    attributes = (a for node in graph.get(1, []) for a in _message(node).get(2, []))
    return {_text(fields, 3): _text(fields, 2) for fields in map(_message, attributes)}


def _bytes_of(fields: Fields, shards: Mapping[int, bytes]) -> bytes:
    shard, offset, size = (_one(fields, number) for number in (3, 4, 5))
    if shard not in shards:
        raise ValueError(f"the part variables.data-{shard:05d} is missing")
    data = shards[shard][offset : offset + size]
    if len(data) != size:
        raise ValueError("the data file is shorter than its index says")
    return data


def _message(data: bytes) -> Fields:
    """Split a protocol buffer into field number -> values (numbers, or bytes)."""
    fields: Fields = {}
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        value: int | bytes
        match key & 7:
            case 0:
                value, position = _varint(data, position)
            case 1:
                value, position = data[position : position + 8], position + 8
            case 2:
                length, position = _varint(data, position)
                value, position = data[position : position + length], position + length
            case 5:
                value, position = data[position : position + 4], position + 4
            case kind:
                raise ValueError(f"a field of unknown kind {kind}")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise ValueError("a number of more than 64 bits")


def _one(fields: Fields, number: int, default: Any = 0) -> Any:
    return fields.get(number, [default])[-1]


def _text(fields: Fields, number: int) -> str:
    return bytes(_one(fields, number, b"")).decode()
