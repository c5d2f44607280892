"""Thumbnails by picture: out of the previews of its shard, with the shards asked for last kept."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.dashboard.catalogue import Catalogue
from naturalist.dashboard.collection import Collection
from naturalist.layout import pic_number
from naturalist.studies.maps import published_pictures

_STEPS = 4
_KEPT_BYTES = 24_000_000
_FETCHED_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class _Part:
    numbers: NDArray[np.int64]
    thumbnails: pa.ChunkedArray

    def get(self, number: int) -> bytes | None:
        at = int(np.searchsorted(self.numbers, number))
        if at == len(self.numbers) or self.numbers[at] != number:
            return None
        result: bytes | None = self.thumbnails[at].as_py()
        return result


@dataclass(eq=False)
class Thumbnails:
    """JPEG thumbnails of a place's pictures; safe to use from several threads."""

    place: Collection
    catalogue: Catalogue
    _of_maps: dict[str, bytes] | None = field(default=None, repr=False)
    _kept: "OrderedDict[Path, _Part]" = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self, pic_id: str) -> bytes | None:
        """The JPEG of a picture that the ledger knows; None if it has no preview."""
        if pic_id in self.catalogue.withheld():
            return None
        if (known := self.of_maps().get(pic_id)) is not None:
            return known
        category, number = pic_id.rpartition("_id_")[0], pic_number(pic_id)
        found_in = self.catalogue.batch_of(category, number)
        if found_in is None:
            return None
        batch, first, last = found_in
        paths = self._paths(category, batch)
        # Shards of a batch are of one size, but for the last: at most a step from this guess.
        at = min(len(paths) - 1, max(0, (number - first) * len(paths) // (last - first + 1)))
        tried: set[int] = set()
        while 0 <= at < len(paths) and at not in tried and len(tried) < _STEPS:
            tried.add(at)
            part = self._part(paths[at])
            if part is None:
                return None
            result = part.get(number)
            if result is not None or not len(part.numbers):
                return result
            at += 1 if number > part.numbers[-1] else -1
        return None

    def of_maps(self) -> Mapping[str, bytes]:
        """The JPEGs that were published beside maps, by picture; none of a workspace."""
        if self._of_maps is None:
            result: dict[str, bytes] = {}
            for path in sorted(self.place.layout.maps.glob(f"*/{published_pictures.NAME}")):
                result |= published_pictures.read_pictures(path.parent)
            self._of_maps = result
        return self._of_maps

    def several(self, pic_ids: Sequence[str]) -> list[bytes | None]:
        """The JPEGs of pictures, as `get`; shards that are not here yet are fetched together."""
        if self.place.kind != "published":
            return [self.get(one) for one in pic_ids]
        with ThreadPoolExecutor(_FETCHED_AT_ONCE) as pool:
            return list(pool.map(self.get, pic_ids))

    def every(self, expected: AbstractSet[str]) -> Iterator[tuple[str, bytes]]:
        """Picture and JPEG of all that are wanted, one shard after another; nothing is kept."""
        withheld = self.catalogue.withheld()
        for category in self.place.labels:
            folder = self.place.layout.previews(category, 0, 0).parent
            for path in self.place.names(folder, ".parquet"):
                here = self.place.ready(path)
                if here is None:
                    continue
                table = artifacts.read_parquet(here, ["pic_id", "thumbnail"])
                for row in table.to_pylist():
                    if row["pic_id"] in expected and row["pic_id"] not in withheld:
                        yield row["pic_id"], row["thumbnail"]

    def _paths(self, category: str, batch: int) -> list[Path]:
        folder = self.place.layout.previews(category, batch, 0).parent
        names = self.place.names(folder, ".parquet")
        return [path for path in names if path.name.startswith(f"{batch:06d}-")]

    def _part(self, path: Path) -> _Part | None:
        with self._lock:
            if path in self._kept:
                self._kept.move_to_end(path)
                return self._kept[path]
        here = self.place.ready(path)
        if here is None:
            return None
        table = artifacts.read_parquet(here, ["pic_id", "thumbnail"])
        numbers = pc.extract_regex(table["pic_id"], "_id_(?P<number>[0-9]+)$")
        column = pc.struct_field(numbers, "number").cast(pa.int64()).to_numpy()
        part = _Part(column, table["thumbnail"])
        with self._lock:
            self._kept[path] = part
            pa.default_memory_pool().release_unused()
            while sum(p.thumbnails.nbytes for p in self._kept.values()) > _KEPT_BYTES:
                self._kept.popitem(last=False)
        return part
