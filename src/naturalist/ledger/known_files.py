"""Which files the ledger knows, for listing a million of them in seconds."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.layout import Layout

_HALVES = np.dtype([("high", ">u8"), ("low", ">u8")])


class Known(Protocol):
    """Tells which files the ledger knows."""

    def contains(self, keys: list[bytes]) -> list[bool]:
        """Tell for each key whether it is known."""
        ...


class LazilyKnownFiles:
    """The known files of a category, read when the first of them is asked for.

    Where no folder of a source has changed, none is.
    """

    def __init__(self, layout: Layout, category: str) -> None:
        self._layout, self._category = layout, category
        self._known: KnownFiles | None = None

    def contains(self, keys: list[bytes]) -> list[bool]:
        """See `Known.contains`."""
        if self._known is None:
            self._known = KnownFiles.load(self._layout, self._category)
        return self._known.contains(keys)


class KnownAnywhere:
    """The known files of several categories."""

    def __init__(self, each: Sequence[Known]) -> None:
        self._each = each

    def contains(self, keys: list[bytes]) -> list[bool]:
        """See `Known.contains`."""
        found = [False] * len(keys)
        for known in self._each:
            left = [k for k, is_known in enumerate(found) if not is_known]
            for k, is_known in zip(left, known.contains([keys[k] for k in left]), strict=True):
                found[k] = is_known
        return found


class KnownFiles:
    """Which files are known, by their 128-bit `seen_key`.

    16 bytes of memory a file, and three times as much while they are read and sorted.
    """

    def __init__(self, keys: list[bytes] | pa.ChunkedArray) -> None:
        parts = [b"".join(keys)] if isinstance(keys, list) else list(_bytes_of(keys))
        halves = [np.frombuffer(part, _HALVES) for part in parts]
        one = np.empty(sum(map(len, halves)), np.uint64)
        _fill(one, halves, "high")
        order = np.argsort(one)
        self._high = one[order]
        _fill(one, halves, "low")
        self._low = one[order]

    @classmethod
    def load(cls, layout: Layout, category: str) -> "KnownFiles":
        """Read the keys of a category; a file that was lost before it was placed is not known."""
        folder = layout.ledger / category
        batches = sorted(folder.glob("[0-9]*.parquet"))
        files: list[tuple[Path, Path | None]] = [
            (path, layout.losses(category, int(path.stem))) for path in batches
        ]
        files += [(path, None) for path in sorted(folder.glob("touched/*.parquet"))]
        # One after another: only the keys of a file are kept, not what they were read with.
        chunks = [chunk for path, losses in files for chunk in _keys(path, losses).chunks]
        return cls(pa.chunked_array(chunks, pa.binary(16)))

    def contains(self, keys: list[bytes]) -> list[bool]:
        """Tell for each key whether it is known."""
        if not keys or not len(self._high):
            return [False] * len(keys)
        requested = np.frombuffer(b"".join(keys), _HALVES)
        high, low = requested["high"].astype(np.uint64), requested["low"].astype(np.uint64)
        at = np.minimum(np.searchsorted(self._high, high), len(self._high) - 1)
        # Two keys with equal first halves: the second is taken for new and examined again,
        # which is slow and right.
        result: list[bool] = ((self._high[at] == high) & (self._low[at] == low)).tolist()
        return result


def _keys(path: Path, losses: Path | None) -> pa.ChunkedArray:
    if losses is None or not losses.exists():
        return _without_null(artifacts.read_column(path, "seen_key"))
    rows = artifacts.read_parquet(path, ["seen_key", "pic_id"])
    lost = artifacts.read_parquet(losses, ["pic_id"])["pic_id"]
    placed = rows.filter(pc.invert(pc.is_in(rows["pic_id"], lost.combine_chunks())))
    return _without_null(placed["seen_key"])


def _without_null(keys: pa.ChunkedArray) -> pa.ChunkedArray:
    return keys.drop_null() if keys.null_count else keys


def _bytes_of(keys: pa.ChunkedArray) -> Iterator[memoryview]:
    for chunk in keys.chunks:
        if len(chunk):
            whole = memoryview(chunk.buffers()[1])
            yield whole[chunk.offset * 16 : (chunk.offset + len(chunk)) * 16]


def _fill(into: NDArray[np.uint64], halves: list[NDArray[Any]], name: str) -> None:
    at = 0
    for part in halves:
        into[at : at + len(part)] = part[name]
        at += len(part)
