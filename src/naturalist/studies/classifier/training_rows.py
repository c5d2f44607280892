"""The rows that a classifier is made of: a sample in memory, and all of them as a stream."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.errors import ConfigError
from naturalist.features import FeatureTable, Rows, joined, open_features
from naturalist.layout import Layout
from naturalist.schemas import NEAR_DUPLICATES
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
        table: all of them.
        place: where they are.
        sample: all rows, or as many as are evaluated, drawn so that small sources stay whole.
        counts: rows of each source of each category, in all tables.
        groups: (sample,) near duplicates have the same number; None if nobody looked for them.
        fingerprint: of tables and groups.
    """

    table: FeatureTable
    place: str
    sample: Rows
    counts: Mapping[CellKey, int]
    groups: Index | None
    fingerprint: str

    @property
    def backbone_id(self) -> str:
        """Of the features."""
        return self.table.backbone

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
    table = open_features(place, snapshot=snapshot, options=s3)
    counts = _count(table)
    if len({label for label, _ in counts}) < 2:
        raise ConfigError(
            f"the tables of {place} have rows of {len({label for label, _ in counts})} category, "
            "and a classifier needs 2: add a category to the configuration, then `naturalist "
            "run`. Everything else works with one category"
        )
    sample = _draw(table, counts, options.evaluated_rows, options.seed)
    groups, digest = (None, "") if layout is None else groups_of(layout, sample.pic_ids)
    fingerprint = artifacts.fingerprint(sample.fingerprint, digest)
    return TrainingRows(table, str(place), sample, counts, groups, fingerprint)


def _count(table: FeatureTable) -> dict[CellKey, int]:
    counts: Counter[CellKey] = Counter()
    for file in table.files:
        counts.update(keys_of(file.outline()))
    return dict(sorted(counts.items()))


def _draw(table: FeatureTable, counts: Mapping[CellKey, int], most: int, seed: int) -> Rows:
    """Rows drawn from every table, those of a source with equal chances, exactly as many as fit."""
    sizes = np.array(list(counts.values()))
    quota = int(sizes.max()) if sizes.sum() <= most else largest_share(sizes, most)
    shares = {key: min(size, quota) for key, size in counts.items()}
    left = dict(counts)
    rng = np.random.default_rng(seed)
    parts = []
    for rows in table.rows():
        index = _drawn_from(keys_of(rows), shares, left, rng)
        parts.append(rows if len(index) == len(rows) else rows.take(index))
    return joined(parts, table.categories, table.fingerprint)


def keys_of(rows: Rows) -> list[CellKey]:
    """Label and source of each row."""
    return list(zip(rows.labels.tolist(), rows.sources.tolist(), strict=True))


def _drawn_from(
    keys: list[CellKey],
    expected: dict[CellKey, int],
    left: dict[CellKey, int],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Rows of one table, so that over all tables every cell gives what is wanted of it."""
    places: dict[CellKey, list[int]] = {}
    for k, key in enumerate(keys):
        places.setdefault(key, []).append(k)
    drawn: list[int] = []
    for key, own in places.items():
        take = int(rng.hypergeometric(expected[key], left[key] - expected[key], len(own)))
        drawn += own if take == len(own) else rng.choice(own, take, replace=False).tolist()
        expected[key] -= take
        left[key] -= len(own)
    return np.sort(np.array(drawn, np.int64))


def groups_of(layout: Layout, pic_ids: NDArray[np.str_]) -> tuple[Index | None, str]:
    """Numbers (N,) of the groups of near duplicates, and the SHA-256 of the file they are from.

    None and an empty text where nobody has looked for near duplicates.
    """
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
        for part in rows.table.rows():
            own = np.array([weights[key] for key in keys_of(part)])
            classes = np.searchsorted(labels, part.labels)
            yield part.features, classes.astype(np.int64), own

    if rows.total > most_in_memory:
        return read
    kept = list(read())
    return lambda: iter(kept)
