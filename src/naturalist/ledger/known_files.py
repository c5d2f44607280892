"""Which files the ledger knows, for listing a million of them in seconds."""

from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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


class KnownFiles:
    """Which files are known, by their 128-bit `seen_key`; 16 bytes of memory a file."""

    def __init__(self, keys: list[bytes] | pa.ChunkedArray) -> None:
        raw = b"".join(keys) if isinstance(keys, list) else _bytes_of(keys)
        table = np.frombuffer(raw, _HALVES)
        order = np.argsort(table["high"], kind="stable")
        self._high = table["high"][order].astype(np.uint64)
        self._low = table["low"][order].astype(np.uint64)

    @classmethod
    def load(cls, layout: Layout, category: str) -> "KnownFiles":
        """Read the keys of a category; a file that was lost before it was placed is not known."""
        folder = layout.ledger / category
        parts = [
            _keys(path, layout.losses(category, int(path.stem)))
            for path in sorted(folder.glob("[0-9]*.parquet"))
        ]
        parts += [_keys(path, None) for path in sorted(folder.glob("touched/*.parquet"))]
        chunks = [chunk for part in parts for chunk in part.drop_null().chunks]
        return cls(pa.chunked_array(chunks, pa.binary(16)))

    def contains(self, keys: list[bytes]) -> list[bool]:
        """Tell for each key whether it is known."""
        if not keys or not len(self._high):
            return [False] * len(keys)
        asked = np.frombuffer(b"".join(keys), _HALVES)
        high, low = asked["high"].astype(np.uint64), asked["low"].astype(np.uint64)
        at = np.minimum(np.searchsorted(self._high, high), len(self._high) - 1)
        # Two keys with equal first halves: the second is taken for new and examined again,
        # which is slow and right.
        found: list[bool] = ((self._high[at] == high) & (self._low[at] == low)).tolist()
        return found


def _keys(path: Path, losses: Path | None) -> pa.ChunkedArray:
    if losses is None or not losses.exists():
        return artifacts.read_parquet(path, ["seen_key"])["seen_key"]
    rows = artifacts.read_parquet(path, ["seen_key", "pic_id"])
    lost = artifacts.read_parquet(losses, ["pic_id"])["pic_id"]
    return rows.filter(pc.invert(pc.is_in(rows["pic_id"], lost.combine_chunks())))["seen_key"]


def _bytes_of(keys: pa.ChunkedArray) -> bytes:
    return b"".join(
        memoryview(chunk.buffers()[1])[chunk.offset * 16 : (chunk.offset + len(chunk)) * 16]
        for chunk in keys.chunks
        if len(chunk)
    )
