"""Single pictures, which a snapshot names through an index of each shard."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import pyarrow as pa

from naturalist.errors import StoreError
from naturalist.schemas import PICTURE_INDEX
from naturalist.snapshots import parquet
from naturalist.snapshots.reading import File
from naturalist.snapshots.schema import MAX_DOCUMENT_BYTES, MAX_FILE_BYTES
from naturalist.stores import Store
from naturalist.stores.keys import check_key

_COLUMNS = pa.schema([PICTURE_INDEX.field(n) for n in ("pic_id", "name", "size_bytes", "sha256")])


def with_pictures(store: Store, files: Iterable[File]) -> Iterator[File]:
    """The files, each index followed by the pictures that it names one by one.

    A picture's name is that of its object without the hash: pictures/plant/1-0/plant_id_7.jpg.

    Raises:
        StoreError: an index is gone or damaged.
    """
    for file in files:
        yield file
        if file.objects_below:
            yield from _pictures(store, file)


def _pictures(store: Store, index: File) -> Iterator[File]:
    data, info = store.get_bytes(index.key, min(index.size_bytes, MAX_DOCUMENT_BYTES))
    where = f"{index.key} in {store.url}"
    if info.sha256 != index.sha256:
        raise StoreError(
            f"{where} is damaged: its sha256 is {info.sha256}, not {index.sha256}; publish again"
        )
    with parquet.opened(data, where, parquet.INDEX, _COLUMNS) as file:
        table = parquet.plain(file.read(_COLUMNS.names), where)
    for row in table.to_pylist():
        suffix = PurePosixPath(row["name"]).suffix
        if not 0 <= row["size_bytes"] <= MAX_FILE_BYTES:
            raise StoreError(f"{where} says that {row['pic_id']} has {row['size_bytes']:,} bytes")
        yield File(
            name=check_key(f"{index.objects_below}{row['pic_id']}{suffix}"),
            key=check_key(f"{index.objects_below}{row['name']}"),
            size_bytes=row["size_bytes"],
            sha256=row["sha256"].hex(),
        )
