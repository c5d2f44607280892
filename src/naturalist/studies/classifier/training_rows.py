"""The rows that a classifier is made of: a sample in memory, and all of them as a stream."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.consume import load
from naturalist.consume.loading import Collection
from naturalist.errors import ConfigError
from naturalist.features import Rows
from naturalist.layout import Layout
from naturalist.schemas import NEAR_DUPLICATES
from naturalist.stages.tables import features_of
from naturalist.stores import S3Options
from naturalist.studies.classifier.methods.linear import Block
from naturalist.studies.classifier.methods.splits import Index
from naturalist.studies.classifier.methods.weighting import largest_share
from naturalist.studies.classifier.options import ClassifierOptions

CellKey = tuple[int, str]
"""Label and source."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """What is known of the rows of a place.

    Attributes:
        collection: the tables.
        place: where they are.
        backbone_id: of the features.
        sample: all rows, or as many as are evaluated, drawn so that small sources stay whole.
        counts: rows of each source of each category, in all tables.
        groups: (sample,) near duplicates have the same number; None if nobody looked for them.
        fingerprint: of tables and groups.
    """

    collection: Collection
    place: str
    backbone_id: str
    sample: Rows
    counts: Mapping[CellKey, int]
    groups: Index | None
    fingerprint: str

    @property
    def total(self) -> int:
        """Rows of all tables."""
        return sum(self.counts.values())

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories that have rows, by label."""
        held = {label for label, _ in self.counts}
        return tuple(name for name, label in self.sample.categories.items() if label in held)

    @property
    def whole(self) -> bool:
        """Whether the sample holds all rows."""
        return len(self.sample) == self.total


def open_rows(
    place: str | os.PathLike[str],
    options: ClassifierOptions,
    *,
    layout: Layout | None = None,
    snapshot: str | None = None,
    s3: S3Options | None = None,
) -> TrainingRows:
    """Count the rows of a place and read a sample of them.

    Args:
        place: a workspace, a published or a pulled collection.
        options: the seed and the size of the sample.
        layout: the workspace, whose groups of near duplicates are taken; None for other places.
        snapshot: id of a snapshot of a published collection.
        s3: how to reach an S3 server.

    Raises:
        ConfigError: there are no rows, no sources, or fewer than two categories.
        StoreError: the store failed.
    """
    collection = load(place, snapshot=snapshot, options=s3)
    if "source" not in collection.columns:
        raise ConfigError(
            f"the tables of {place} are CSV and do not say the source of each picture, without "
            "which no honest evaluation is possible: pull the Parquet tables"
        )
    counts = _count(collection)
    if len({label for label, _ in counts}) < 2:
        raise ConfigError(
            f"the tables of {place} have rows of {len({label for label, _ in counts})} category, "
            "and a classifier needs 2: add a category to the configuration, then  naturalist run . "
            "All else works with one category"
        )
    sample = _draw(collection, counts, options.evaluated_rows, options.seed)
    groups, digest = (None, "") if layout is None else _groups(layout, sample.pic_ids)
    fingerprint = artifacts.fingerprint(sample.fingerprint, digest)
    backbone = _backbone_id(collection)
    return TrainingRows(collection, str(place), backbone, sample, counts, groups, fingerprint)


def _count(collection: Collection) -> dict[CellKey, int]:
    counts: Counter[CellKey] = Counter()
    narrow = replace(collection, columns=("category_label", "source"))
    for part in narrow.parts():
        grouped = part.group_by(["category_label", "source"]).aggregate([([], "count_all")])
        for row in grouped.to_pylist():
            counts[row["category_label"], row["source"]] += row["count_all"]
    return dict(sorted(counts.items()))


def _backbone_id(collection: Collection) -> str:
    metadata = pq.read_metadata(collection.fetch()[0].path).metadata or {}
    found: bytes = metadata.get(b"backbone", b"")
    return found.decode()


def _draw(collection: Collection, counts: Mapping[CellKey, int], most: int, seed: int) -> Rows:
    """Rows drawn from every table, those of a source with equal chances, exactly as many as fit."""
    sizes = np.array(list(counts.values()))
    quota = int(sizes.max()) if sizes.sum() <= most else largest_share(sizes, most)
    wanted = {key: min(size, quota) for key, size in counts.items()}
    left = dict(counts)
    rng = np.random.default_rng(seed)
    parts = []
    for part in collection.parts():
        index = _drawn_from(keys_of(part), wanted, left, rng)
        parts.append(part if len(index) == part.num_rows else part.take(pa.array(index)))
    table = pa.concat_tables(parts)
    known = dict(sorted(collection.labels.items(), key=lambda pair: pair[1]))
    return Rows(
        np.array(table["picID"].to_pylist(), np.str_),
        features_of(table, collection.dim),
        table["category_label"].to_numpy(),
        np.array(table["source"].to_pylist(), np.str_),
        known,
        collection.fingerprint,
    )


def keys_of(part: pa.Table) -> list[CellKey]:
    """Label and source of each row of a table."""
    pairs = zip(part["category_label"].to_pylist(), part["source"].to_pylist(), strict=True)
    return list(pairs)


def _drawn_from(
    keys: list[CellKey],
    wanted: dict[CellKey, int],
    left: dict[CellKey, int],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Rows of one table, so that over all tables every cell gives what is wanted of it."""
    places: dict[CellKey, list[int]] = {}
    for k, key in enumerate(keys):
        places.setdefault(key, []).append(k)
    drawn: list[int] = []
    for key, own in places.items():
        take = int(rng.hypergeometric(wanted[key], left[key] - wanted[key], len(own)))
        drawn += own if take == len(own) else rng.choice(own, take, replace=False).tolist()
        wanted[key] -= take
        left[key] -= len(own)
    return np.sort(np.array(drawn, np.int64))


def _groups(layout: Layout, pic_ids: NDArray[np.str_]) -> tuple[Index | None, str]:
    """Numbers of the groups of near duplicates, and what stands for the file they are from."""
    path = layout.near_duplicates
    if not path.exists():
        return None, ""
    table = artifacts.read_parquet(path, [NEAR_DUPLICATES.names[0], "group"])
    group_of = dict(zip(table["picID"].to_pylist(), table["group"].to_pylist(), strict=True))
    # A picture that is in no group is one by itself.
    names = np.array([group_of.get(name, name) for name in pic_ids.tolist()], np.str_)
    return np.unique(names, return_inverse=True)[1].astype(np.int64), artifacts.sha256_file(path)


def all_blocks(
    rows: TrainingRows, weights: Mapping[CellKey, float], most_in_memory: int
) -> Callable[[], Iterator[Block]]:
    """All rows in blocks, as often as asked: kept in memory where they fit, else read each time.

    Args:
        rows: the tables.
        weights: what a row of each source of each category counts.
        most_in_memory: rows that are kept at most.
    """
    labels = np.array(sorted({label for label, _ in rows.counts}))

    def read() -> Iterator[Block]:
        narrow = replace(rows.collection, columns=("category_label", "source", "features"))
        for part in narrow.parts():
            own = np.array([weights[key] for key in keys_of(part)])
            classes = np.searchsorted(labels, part["category_label"].to_numpy())
            yield features_of(part, rows.collection.dim), classes.astype(np.int64), own

    if rows.total > most_in_memory:
        return read
    kept = list(read())
    return lambda: iter(kept)
