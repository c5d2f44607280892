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
import pyarrow.parquet as pq
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.dashboard.catalogue import Catalogue
from naturalist.dashboard.collection import Collection
from naturalist.layout import pic_number
from naturalist.studies.maps import published_pictures

_STEPS = 4
_KEPT_BYTES = 24_000_000
_KEPT_PARTS = 1_000
"""Shards of which is known where each picture is: some 20 kB each."""
_FETCHED_AT_ONCE = 8


_Key = tuple[Path, int, int]
"""A file as it is now: its path, inode and time."""


@dataclass(frozen=True, eq=False)
class _Part:
    """Which pictures a shard has, (rows,) ascending, and where each of its row groups begins."""

    file: _Key
    metadata: pq.FileMetaData
    numbers: NDArray[np.int64]
    starts: NDArray[np.int64]

    def row_of(self, number: int) -> int | None:
        at = int(np.searchsorted(self.numbers, number))
        return at if at < len(self.numbers) and self.numbers[at] == number else None


@dataclass(eq=False)
class Thumbnails:
    """JPEG thumbnails of a place's pictures; safe to use from several threads."""

    place: Collection
    catalogue: Catalogue
    _of_maps: dict[str, bytes] | None = field(default=None, repr=False)
    _files: "artifacts.FolderMemo[list[Path]]" = field(
        default_factory=artifacts.FolderMemo, repr=False
    )
    _parts: "OrderedDict[_Key, _Part]" = field(default_factory=OrderedDict, repr=False)
    _kept: "OrderedDict[tuple[_Key, int], pa.ChunkedArray]" = field(
        default_factory=OrderedDict, repr=False
    )
    _kept_bytes: int = field(default=0, repr=False)
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
            row = part.row_of(number)
            if row is not None:
                return self._thumbnail(part, row)
            if not len(part.numbers):
                return None
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

        def of_batch() -> list[Path]:
            names = self.place.names(folder, ".parquet")
            return [path for path in names if path.name.startswith(f"{batch:06d}-")]

        return self._files.get((category, batch), [folder], of_batch)

    def _part(self, path: Path) -> _Part | None:
        here = self.place.ready(path)
        if here is None:
            return None
        state = here.stat()
        key = (here, state.st_ino, state.st_mtime_ns)
        with self._lock:
            if key in self._parts:
                self._parts.move_to_end(key)
                return self._parts[key]
        part = _read_part(key)
        with self._lock:
            self._parts[key] = part
            while len(self._parts) > _KEPT_PARTS:
                self._parts.popitem(last=False)
        return part

    def _thumbnail(self, part: _Part, row: int) -> bytes | None:
        """One JPEG; its row group is read, which is a fraction of the shard."""
        group = int(np.searchsorted(part.starts, row, side="right")) - 1
        key = (part.file, group)
        with self._lock:
            thumbnails = self._kept.get(key)
            if thumbnails is not None:
                self._kept.move_to_end(key)
        if thumbnails is None:
            thumbnails = self._keep(part, group)
        result: bytes | None = thumbnails[row - int(part.starts[group])].as_py()
        return result

    def _keep(self, part: _Part, group: int) -> pa.ChunkedArray:
        path, *_ = part.file
        table = artifacts.read_row_groups(
            path, [group], ["thumbnail"], part.metadata, threads=False
        )
        thumbnails = table["thumbnail"]
        with self._lock:
            if (part.file, group) not in self._kept:
                self._kept_bytes += thumbnails.nbytes
            self._kept[part.file, group] = thumbnails
            while self._kept_bytes > _KEPT_BYTES:
                self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes
        return thumbnails


def _read_part(key: _Key) -> _Part:
    metadata = artifacts.read_parquet_metadata(key[0])
    groups = range(metadata.num_row_groups)
    ids = artifacts.read_row_groups(key[0], groups, ["pic_id"], metadata, threads=False)["pic_id"]
    found = pc.extract_regex(ids, "_id_(?P<number>[0-9]+)$")
    numbers = pc.struct_field(found, "number").cast(pa.int64()).to_numpy()
    rows = [metadata.row_group(group).num_rows for group in groups]
    return _Part(key, metadata, numbers, np.cumsum([0, *rows]))
