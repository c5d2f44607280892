"""The pictures that a study of drift compares: those of a batch, and a sample of what was before.

Which pictures a sample holds follows from their numbers and the seed alone: a lottery in which each
picture has a fixed ticket. So a sample hardly changes from one day to the next, and the cost is one
look at the ledger and at the features of the chosen pictures.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import ledger
from naturalist.backbones import BackboneSpec
from naturalist.errors import ConfigError
from naturalist.features.shards import finished_shards, read_previews, vectors_by_name
from naturalist.layout import Layout
from naturalist.ledger import Outcome
from naturalist.stages.extract import Part
from naturalist.suggestions import did_you_mean

_COLUMNS = ["pic_id", "category", "source", "outcome", "size_bytes", "format", "width", "height"]
_MEASURES = ["blur", "brightness", "contrast"]
_MEASURES_SCHEMA = pa.schema([(name, pa.float32()) for name in _MEASURES])


@dataclass(frozen=True)
class Subject:
    """Which pictures are looked at: those of a batch, of a source, or of a source in a batch."""

    batch: int | None
    source: str = ""
    """A name, or category/name."""

    @property
    def name(self) -> str:
        """Names the report: 000012, or 000012-zoo, or zoo."""
        parts = [] if self.batch is None else [f"{self.batch:06d}"]
        return "-".join([*parts, *filter(None, [self.source.replace("/", "-")])])

    def is_source(self, category: str, source: str) -> bool:
        """Whether a source is the chosen one; every source is if none was chosen."""
        return self.source in ("", source, f"{category}/{source}")


@dataclass(frozen=True, eq=False)
class Pictures:
    """What is known of some pictures; row i of each belongs to the same one.

    Attributes:
        pic_ids: (rows,) names.
        groups: (rows,) category/source of each.
        features: (rows, dim) float32.
        numbers: name of a measure to (rows,) float64.
        words: name of a property to (rows,) words.
    """

    pic_ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    features: NDArray[np.float32]
    numbers: dict[str, NDArray[np.float64]]
    words: dict[str, NDArray[np.str_]]

    def __len__(self) -> int:
        return len(self.pic_ids)


@dataclass(frozen=True, eq=False)
class DrawnPictures:
    """Pictures to compare, and of how many they were drawn, by category/source."""

    new: Pictures
    before: Pictures
    new_counts: dict[str, int]
    before_counts: dict[str, int]


def find(
    layout: Layout,
    spec: BackboneSpec,
    categories: Iterable[str],
    subject: Subject,
    rows: int,
    seed: int,
    on_rows: Callable[[int], None],
) -> DrawnPictures:
    """Draw at most `rows` pictures of what is chosen, and as many of what was before it.

    Before a batch are the batches with lower numbers; beside a source that is chosen alone, all
    other sources. Every source gets an equal share of the sample, as far as it has the pictures.

    Raises:
        ConfigError: there is no such batch or source.
    """
    facts = [_accepted(layout, name) for name in categories if ledger.batches(layout, name)]
    table = pa.concat_tables(facts) if facts else _accepted_schema().empty_table()
    is_new, is_before = _sides(table, subject)
    if not is_new.any():
        what = f"batch {subject.batch}" if subject.batch is not None else "the collection"
        of = f" of source {subject.source!r}" if subject.source else ""
        raise ConfigError(
            f"no accepted pictures{of} in {what}: run `naturalist ledger` to see what there is"
            f"{did_you_mean(subject.source, table['source'].unique().to_pylist())}"
        )
    sides = []
    for mask in (is_new, is_before):
        part = table.filter(pa.array(mask))
        sides.append((part.take(_drawn(part, rows, seed)), _counts(part)))
    (new, new_counts), (before, before_counts) = sides
    return DrawnPictures(
        _read(layout, spec, new, on_rows),
        _read(layout, spec, before, on_rows),
        new_counts,
        before_counts,
    )


def _accepted_schema() -> pa.Schema:
    numbers = {"batch": pa.int32(), "size_bytes": pa.int64()}
    numbers |= dict.fromkeys(("width", "height"), pa.int32())
    names = [name for name in [*_COLUMNS, "batch"] if name != "outcome"]
    return pa.schema([(name, numbers.get(name, pa.string())) for name in names])


def _accepted(layout: Layout, category: str) -> pa.Table:
    """Accepted pictures of a category with the facts of their files; about 60 bytes a picture."""
    gone = pa.array(ledger.not_accepted(layout, category), pa.string())
    parts = [_accepted_schema().empty_table()]
    for summary in ledger.batches(layout, category):
        rows = ledger.batch_rows(layout, category, summary.batch, _COLUMNS)
        there = pc.and_(
            pc.equal(rows["outcome"], Outcome.ACCEPTED),
            pc.invert(pc.is_in(rows["pic_id"], gone)),
        )
        kept = rows.filter(there).drop_columns(["outcome"])
        batch = pa.array(np.full(kept.num_rows, summary.batch, np.int32))
        parts.append(kept.append_column("batch", batch).cast(_accepted_schema()))
    return pa.concat_tables(parts)


def _sides(table: pa.Table, subject: Subject) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    known, at = _groups(table)
    of_source = np.array([subject.is_source(*one.split("/", 1)) for one in known], bool)
    mine = of_source[at] if known else np.zeros(0, bool)
    if subject.batch is None:
        return mine, ~mine
    batches = table["batch"].to_numpy()
    return mine & (batches == subject.batch), batches < subject.batch


def _groups(table: pa.Table) -> tuple[list[str], NDArray[np.int64]]:
    """All category/source in their order, and for each row the place of its own among them."""
    joined = pc.binary_join_element_wise(table["category"], table["source"], "/")
    encoded = joined.dictionary_encode().combine_chunks()
    names = np.array(encoded.dictionary.to_pylist(), np.str_)
    places = np.empty(len(names), np.int64)
    order = np.argsort(names)
    places[order] = np.arange(len(names))
    return names[order].tolist(), places[encoded.indices.to_numpy()]


def _group_of_each(table: pa.Table) -> NDArray[np.str_]:
    names, at = _groups(table)
    of_each: NDArray[np.str_] = np.array(names, np.str_)[at]
    return of_each


def _counts(table: pa.Table) -> dict[str, int]:
    names, at = _groups(table)
    return dict(zip(names, np.bincount(at, minlength=len(names)).tolist(), strict=True))


def _drawn(table: pa.Table, rows: int, seed: int) -> pa.Array:
    """Places of the rows with the lowest tickets of each source, in their order."""
    tickets = _tickets(table, seed)
    names, at = _groups(table)
    counts = np.bincount(at, minlength=len(names))
    selected: list[NDArray[np.int64]] = []
    for group, share in enumerate(_shares(counts, rows)):
        mine = np.flatnonzero(at == group)
        selected.append(mine[np.argsort(tickets[mine], kind="stable")[:share]])
    places = np.sort(np.concatenate(selected)) if selected else np.empty(0, np.int64)
    return pa.array(places, pa.int64())


def _shares(counts: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Equal shares of `rows`; what small sources leave goes to the larger ones."""
    shares = np.zeros(len(counts), np.int64)
    left = rows
    for rank, k in enumerate(np.argsort(counts, kind="stable")):
        shares[k] = min(counts[k], left // (len(counts) - rank))
        left -= shares[k]
    return shares


def _tickets(table: pa.Table, seed: int) -> NDArray[np.uint64]:
    """A number for each picture, as good as random and always the same (SplitMix64)."""
    of_name = pc.replace_substring_regex(table["pic_id"], r"_id_[0-9]+$", "")
    salts = of_name.dictionary_encode().combine_chunks()
    salt = np.array([zlib.crc32(name.encode()) for name in salts.dictionary.to_pylist()], np.uint64)
    number = pc.cast(pc.replace_substring_regex(table["pic_id"], r"^.*_", ""), pa.uint64())
    state = (salt[salts.indices.to_numpy()] << np.uint64(32)) ^ number.to_numpy() ^ np.uint64(seed)
    with np.errstate(over="ignore"):
        state = state * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed


def _read(
    layout: Layout, spec: BackboneSpec, facts: pa.Table, on_rows: Callable[[int], None]
) -> Pictures:
    """Features and measures of the rows of `facts`; rows that have none of them are left out."""
    parts = [_Part.empty(spec.dim)]
    for category in pc.unique(facts["category"]).to_pylist():
        mine = facts.filter(pc.equal(facts["category"], category))
        names = mine["pic_id"].to_pylist()
        for part in finished_shards(layout, category, spec):
            here = ledger.between(names, *part.numbers)
            if here:
                parts.append(_read_part(layout, part, mine, here, spec.dim))
                on_rows(len(here))
    return _joined(parts)


@dataclass(frozen=True, eq=False)
class _Part:
    facts: pa.Table
    features: NDArray[np.float32]
    measures: pa.Table

    @classmethod
    def empty(cls, dim: int) -> "_Part":
        measures = _MEASURES_SCHEMA.empty_table()
        return cls(_accepted_schema().empty_table(), np.empty((0, dim), np.float32), measures)


def _read_part(
    layout: Layout,
    part: Part,
    facts: pa.Table,
    names: Sequence[str],
    dim: int,
) -> _Part:
    expected = pa.array(names, pa.string())
    there, vectors = vectors_by_name(part, dim)
    features = vectors[pc.is_in(there, expected).to_numpy()]
    measures = _in_order(read_previews(layout, part, ["pic_id", *_MEASURES]), expected)
    known = facts.filter(pc.is_in(facts["pic_id"], expected))
    values = measures.select(_MEASURES).cast(_MEASURES_SCHEMA)
    return _Part(known, features, values)


def _in_order(table: pa.Table, names: pa.Array) -> pa.Table:
    """Rows of these pictures; all files of a shard hold them in id order."""
    return table.filter(pc.is_in(table["pic_id"], names))


def _joined(parts: Sequence[_Part]) -> Pictures:
    facts = pa.concat_tables([part.facts for part in parts])
    measures = pa.concat_tables([part.measures for part in parts])
    numbers = {name: measures[name].to_numpy().astype(np.float64) for name in _MEASURES}
    width, height = (facts[name].to_numpy().astype(np.float64) for name in ("width", "height"))
    numbers["size_bytes"] = facts["size_bytes"].to_numpy().astype(np.float64)
    numbers["pixels"] = width * height
    numbers["shape"] = width / np.maximum(height, 1)
    return Pictures(
        np.array(facts["pic_id"].to_pylist(), np.str_),
        _group_of_each(facts),
        np.concatenate([part.features for part in parts]),
        numbers,
        {"format": np.array(facts["format"].to_pylist(), np.str_)},
    )
