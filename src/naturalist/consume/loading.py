"""Loading the tables of a collection as arrays and data frames, from wherever they are."""

import functools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from naturalist import artifacts
from naturalist.consume import reading
from naturalist.consume.attached import columns_of, read_with_columns
from naturalist.consume.batches import Arrays, in_order, read_arrays, shuffled
from naturalist.consume.locations import TableFile, Tables, find_tables
from naturalist.consume.selection import check_words
from naturalist.errors import ConfigError, MissingExtra
from naturalist.schemas import table_schema
from naturalist.snapshots import parquet
from naturalist.stores import S3Options, Store, open_store

if TYPE_CHECKING:
    import pandas
    import polars

    from naturalist.consume.torch_data import TorchBatches

_FETCHED_AT_ONCE = 8


@dataclass(eq=False, repr=False)
class Collection:
    """The tables of a collection at one time; rows are in the order of category and picture.

    Nothing is read before it is asked for. The bytes of each table are compared with the sha256
    that they were published with when it is read for the first time. Tables that are in a bucket
    are fetched once, into a cache that all processes share. A collection can be handed to other
    processes.
    """

    tables: Tables
    columns: tuple[str, ...] = reading.COLUMNS
    _sure: set[str] = field(default_factory=set, repr=False)

    def __repr__(self) -> str:
        """Place, snapshot, and how many tables of which categories; nothing is read for it."""
        files = self.tables.files
        at = "" if self.snapshot is None else f", snapshot {self.snapshot}"
        categories = ", ".join(dict.fromkeys(file.category for file in files)) or "none"
        return f"Collection({self.tables.url!r}{at}, {len(files)} tables: {categories})"

    @property
    def snapshot(self) -> str | None:
        """Id of the snapshot; None for a workspace."""
        return self.tables.snapshot

    @functools.cached_property
    def labels(self) -> dict[str, int]:
        """The label of each category that has rows here or could have."""
        if self.tables.labels is not None:
            return dict(self.tables.labels)
        first = {file.category: file for file in reversed(self.tables.files)}
        labels = {}
        for category, file in first.items():
            column = reading.read(self.ready(file), ["category_label"])["category_label"]
            if len(column):
                labels[category] = int(column[0].as_py())
        return labels

    @functools.cached_property
    def dim(self) -> int:
        """Number of features; 0 if there are no tables."""
        if not self.tables.files:
            return 0
        schema = reading.read(self.ready(self.tables.files[0]), ["features"]).schema
        size: int = schema.field("features").type.list_size
        return size

    @functools.cached_property
    def backbone(self) -> str:
        """Id of the network that made the features; empty if the tables do not say it (CSV)."""
        if not self.tables.files:
            return ""
        first = self.ready(self.tables.files[0]).path
        if first.suffix != ".parquet":
            return ""
        metadata = pq.read_schema(first).metadata or {}
        return str(metadata.get(b"backbone", b"").decode())

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 that changes when any table does."""
        return artifacts.fingerprint([[file.name, file.fingerprint] for file in self.tables.files])

    def __len__(self) -> int:
        """Rows of all tables; tables that are not here yet are fetched."""
        return sum(reading.count_rows(file) for file in self.fetch())

    def fetch(self) -> Sequence[TableFile]:
        """Have all tables on this machine, verified; gives them.

        Raises:
            StoreError: a table has other bytes than were published, or the store failed.
        """
        needed = [*self.tables.files, *self._beside()]
        unsure = [file for file in needed if file.name not in self._sure]
        if unsure:
            make_sure = functools.partial(reading.make_sure, store=self._store(unsure))
            with ThreadPoolExecutor(_FETCHED_AT_ONCE, "naturalist-load") as threads:
                for file, _ in zip(unsure, threads.map(make_sure, unsure), strict=True):
                    self._sure.add(file.name)
        return self.tables.files

    @functools.cached_property
    def attached(self) -> dict[str, pa.DataType]:
        """Metadata columns of the pictures, by name, with their types."""
        return columns_of(self.tables.about)

    def _beside(self) -> list[TableFile]:
        """Files with metadata columns, if any of them were chosen."""
        if not any(name in self.attached for name in self.columns):
            return []
        return [file.beside for file in self.tables.files if file.beside is not None]

    def parts(self) -> Iterator[pa.Table]:
        """The chosen columns of one table after another, in flat memory."""
        for file in self.tables.files:
            if file.beside is not None and self._beside():
                self.ready(file.beside)
            yield read_with_columns(self.ready(file), self.columns, self.attached)

    def arrow(self) -> pa.Table:
        """All rows as one Arrow table of the chosen columns."""
        self.fetch()
        parts = list(self.parts())
        own = table_schema(self.dim or 1)
        schema = pa.schema(
            [
                pa.field(name, self.attached[name]) if name in self.attached else own.field(name)
                for name in self.columns
            ]
        )
        bare = pa.schema([field.remove_metadata() for field in schema])
        return (
            pa.concat_tables([part.cast(bare) for part in parts]) if parts else bare.empty_table()
        )

    def numpy(self) -> Arrays:
        """All rows as numpy arrays, whatever columns were chosen; one copy is in memory.

        Raises:
            ConfigError: this machine does not have so much memory.
        """
        files = self.fetch()
        rows = [reading.count_rows(file) for file in files]
        _check_memory(sum(rows), self.dim)
        features = np.empty((sum(rows), self.dim), np.float32)
        labels = np.empty(sum(rows), np.int32)
        pic_ids = []
        start = 0
        for file, count in zip(files, rows, strict=True):
            part = read_arrays(file)
            features[start : start + count], labels[start : start + count] = part[:2]
            pic_ids.append(part.pic_ids)
            start += count
        return Arrays(features, labels, np.concatenate(pic_ids) if pic_ids else np.empty(0, "U1"))

    def polars(self) -> "polars.DataFrame":
        """All rows as a polars data frame; features are one column of arrays.

        Raises:
            MissingExtra: polars is not installed.
        """
        try:
            import polars
        except ImportError as error:
            raise MissingExtra("polars", "polars") from error
        return polars.DataFrame(self.arrow())

    def pandas(self) -> "pandas.DataFrame":
        """All rows as a pandas data frame; features are one column of numpy arrays.

        Raises:
            MissingExtra: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtra("pandas", "pandas") from error
        return pandas.DataFrame(self.arrow().to_pandas())

    def batches(
        self, rows: int = 1024, seed: int | Sequence[int] | None = None
    ) -> Iterator[Arrays]:
        """All rows once, `rows` at a time (the last batch may be smaller), in flat memory.

        Args:
            rows: rows in a batch.
            seed: None gives the rows in their order. A number, or several, shuffle them: every
                batch draws from all categories in proportion to what they have left, with one
                table of each category in memory; tables, and rows in them, come in random order.
                Take another number for each epoch.
        """
        if rows < 1:
            raise ConfigError(f"rows is {rows}: expected at least 1 row per batch")
        if seed is None:
            return in_order(self.ready, self.tables.files, rows)
        return shuffled(self.fetch(), rows, np.random.default_rng(seed))

    def share(self, index: int, count: int) -> "Collection":
        """The part of worker `index` of `count`: its share of the tables of every category."""
        files = []
        for k, category in enumerate(sorted({file.category for file in self.tables.files})):
            own = [file for file in self.tables.files if file.category == category]
            # Small categories begin with different workers.
            files += own[(index - k) % count :: count]
        return Collection(replace(self.tables, files=tuple(files)), self.columns, self._sure)

    def torch(self, rows: int = 1024, seed: int | None = None) -> "TorchBatches":
        """A PyTorch dataset of batches (features, labels), for a DataLoader, in flat memory.

        Give it to ``DataLoader(dataset, batch_size=None, num_workers=n)``: each worker goes through
        its `share` of the tables, so take no more workers than the smallest category has tables.
        With a seed, set ``dataset.epoch`` before each epoch.

        Raises:
            MissingExtra: PyTorch is not installed.
        """
        try:
            from naturalist.consume.torch_data import TorchBatches
        except ImportError as error:
            raise MissingExtra("PyTorch", "torch") from error
        return TorchBatches(self, rows, seed)

    def ready(self, file: TableFile) -> TableFile:
        """Have one table on this machine, verified.

        Raises:
            StoreError: it has other bytes than were published, or the store failed.
        """
        if file.name not in self._sure:
            reading.make_sure(file, self._store([file]))
            self._sure.add(file.name)
        return file

    def _store(self, files: Sequence[TableFile]) -> Store | None:
        # Opened when it is needed: an open one cannot be handed to another process.
        if all(file.key is None for file in files):
            return None
        return open_store(self.tables.url, self.tables.options)


def _check_memory(rows: int, dim: int) -> None:
    size_bytes, memory_bytes = 4 * rows * dim, parquet.memory_bytes()
    if size_bytes > memory_bytes:
        raise ConfigError(
            f"{rows:,} rows of {dim} features take {size_bytes / 1e9:,.1f} GB, and this machine "
            f"has {memory_bytes / 1e9:,.1f} GB of memory: read them with batches()"
        )


def load(
    place: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    categories: Sequence[str] | None = None,
    snapshot: str | None = None,
    options: S3Options | None = None,
    cache: Path | None = None,
) -> Collection:
    """Load a collection: published (folder or s3://bucket/prefix), pulled, or a workspace.

    Args:
        place: the address or folder.
        columns: columns that `arrow`, `polars` and `pandas` give: picID, category_label, source
            (not in a folder that only CSV was pulled into), features, and metadata columns
            with the pictures; None for all. picID is the pic_id of the ledger and of previews.
        categories: categories to take; None for all.
        snapshot: id of a snapshot such as "000012"; None for the newest.
        options: how to reach an S3 server; ``S3Options(anonymous=True)`` for a public bucket.
        cache: folder for fetched tables; None for naturalist/tables below XDG_CACHE_HOME.

    Raises:
        NotFound: there is no collection, or no such snapshot.
        ConfigError: there is no such column or category, or a pull was interrupted.
        StoreError: the store failed.

    Example:
        >>> import naturalist
        >>> collection = naturalist.load(published, categories=["plant"])
        >>> features, labels, pic_ids = collection.numpy()
        >>> features.shape == (len(collection), collection.dim)
        True
        >>> str(pic_ids[0]), int(labels[0])
        ('plant_id_1', 0)
        >>> for batch in collection.batches(rows=2, seed=0):
        ...     assert batch.features.dtype == "float32"
        >>> collection.arrow().column_names
        ['picID', 'category_label', 'source', 'features']
    """
    result = find_tables(place, snapshot, options, cache or reading.cache_folder())
    held = (*reading.columns_of(result.files), *columns_of(result.about))
    check_words("column", columns or (), held)
    if categories is not None:
        known = {file.category for file in result.files} | set(result.labels or ())
        check_words("category", categories, known)
        result = replace(
            result,
            labels=result.labels and {k: v for k, v in result.labels.items() if k in categories},
            files=tuple(file for file in result.files if file.category in categories),
        )
    return Collection(result, held if columns is None else tuple(columns))
