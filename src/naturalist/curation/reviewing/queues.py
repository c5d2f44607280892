"""Queues of pictures to decide about, from what is computed already; nothing is trained here.

Each picture comes with the decision that its study suggests and with why it is asked about.
Pictures that a person decided about, here or with `naturalist review`, are asked about no more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts
from naturalist.config import Config
from naturalist.curation import questions
from naturalist.curation.decisions import BY_BYTES, Decision
from naturalist.curation.measured import is_measured
from naturalist.curation.near_duplicates import Keep, spanning, thin_out
from naturalist.curation.quality import look_for_poor

NEXT = 50
"""Pictures of the queue `next`."""
_MOST = 20_000
_NO_PREDICTIONS = pa.schema({"category": pa.string(), "predicted": pa.string()}).empty_table()
"""Where there is no classifier."""


@dataclass(frozen=True)
class Item:
    """A picture to decide about.

    Attributes:
        key: its id, or `sha256:` and the bytes of files in conflict.
        why: why it is here, for people.
        decision: what is suggested; empty for nothing.
        category: name of the category that is suggested.
        related: pictures to compare it with.
    """

    key: str
    why: str
    decision: str = ""
    category: str = ""
    related: tuple[str, ...] = ()


@dataclass(frozen=True)
class Queue:
    """A kind of question.

    Attributes:
        items: gives the pictures, the most pressing first.
        command: makes what it needs.
    """

    title: str
    about: str
    command: str
    items: Callable[[Config], Iterable[Item]]


def items_of(config: Config, name: str) -> list[Item]:
    """Pictures of a queue, each once, the most pressing first; at most 20,000.

    Raises:
        KeyError: there is no such queue.
        WorkspaceError: a file that it needs is damaged.
    """
    shown = (item for item in QUEUES[name].items(config) if _is_shown(config, item.key))
    return list({item.key: item for item in islice(shown, _MOST)}.values())


def _is_shown(config: Config, key: str) -> bool:
    """Whether it is not a picture of a retired category, of which a study may still tell."""
    return key.startswith(BY_BYTES) or _key_of(key) in config.names


def _key_of(pic_id: str) -> str:
    return pic_id.rpartition("_id_")[0]


def _conflicts(config: Config) -> Iterator[Item]:
    for row in questions.conflicts(config):
        suggested = str(config.names.get(row["suggested"], row["suggested"]))
        yield Item(
            row["picID"],
            f"The same bytes are in several categories: {row['found_in']}",
            "keep" if suggested else "",
            suggested,
        )


def _labels(config: Config) -> Iterator[Item]:
    for row in questions.label_issues(config):
        text = f"Labelled {row['now']}, looks like {row['suggested']} ({row['found_in']})"
        yield Item(row["picID"], text, "relabel", row["suggested"])


def _mixed_clusters(config: Config) -> Iterator[Item]:
    for row in questions.odd_in_clusters(config):
        text = f"Labelled {row['now']} among {row['suggested']} in {row['found_in']}"
        # To lie among others is no reason to be one of them.
        yield Item(row["picID"], text)


def _unsure(config: Config) -> Iterator[Item]:
    for row in _rows(_predictions(config, "sure")):
        text = (
            f"The classifier says {row['predicted']} with a probability of {row['probability']:.2f}"
        )
        yield Item(row["picID"], text, *_suggested(config, row))


def _unlike(config: Config) -> Iterator[Item]:
    for row in _rows(_predictions(config, "known")):
        text = f"Unlike anything the classifier was trained on (score {row['outlier_score']:.2f})"
        yield Item(row["picID"], text)


def _next(config: Config) -> Iterator[Item]:
    """The least certain predictions, taken in turn from every pair of category and prediction."""
    for row in _in_turn(_predictions(config, None)):
        text = (
            f"A label here helps the classifier most: it predicts {row['predicted']} with a "
            "probability "
            f"of only {row['probability']:.2f}"
        )
        yield Item(row["picID"], text, *_suggested(config, row))


def _in_turn(predictions: pa.Table) -> list[dict[str, Any]]:
    """The first `NEXT` rows when each pair of category and prediction gives one in turn."""
    pairs = pc.binary_join_element_wise(predictions["category"], predictions["predicted"], "\0")
    # Numbered by their first row, which is the order in which they take turns.
    numbers = pc.dictionary_encode(pairs.combine_chunks()).indices.to_numpy()
    rows = np.argsort(numbers, kind="stable")
    groups = np.split(rows, np.flatnonzero(np.diff(numbers[rows])) + 1)
    in_turn = chain.from_iterable(zip_longest(*(group[:NEXT].tolist() for group in groups)))
    chosen = [row for row in in_turn if row is not None][:NEXT]
    return list(_rows(predictions.take(pa.array(chosen, pa.int64()))))


def _suggested(config: Config, row: Mapping[str, Any]) -> tuple[str, str]:
    predicted = config.names.get(row["predicted"], row["predicted"])
    same = predicted == config.names.get(row["category"], row["category"])
    return ("keep", "") if same else ("relabel", predicted)


def _predictions(config: Config, column: str | None) -> pa.Table:
    """Undecided pictures of which the champion's `column` is false, the least certain first."""
    held = artifacts.read_json(config.layout.champion) or {}
    path = config.layout.model(str(held.get("champion") or "none")) / "predictions.parquet"
    if not path.exists():
        return _NO_PREDICTIONS
    table = artifacts.read_parquet(path)
    if column is not None:
        table = table.filter(pc.invert(table[column]))
    order = ("outlier_score", "descending") if column == "known" else ("probability", "ascending")
    return questions.undecided(config, table).sort_by([order])


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows, made into Python's values only as far as they are used."""
    for batch in table.to_batches(max_chunksize=1_000):
        yield from batch.to_pylist()


def _mixed_duplicates(config: Config) -> Iterator[Item]:
    layout, names = config.layout, list(config.names)
    if not layout.near_duplicates.exists() or not is_measured(layout, names):
        return
    groups = spanning(layout, names)
    open_ones = questions.undecided_ids(config, chain.from_iterable(groups))
    for group in groups:
        for key in (one for one in group if one in open_ones):
            # Those of other categories first: they are what it is compared with.
            related = sorted(set(group) - {key}, key=lambda one: _key_of(one) == _key_of(key))
            text = f"Nearly the same as {related[0]}: one of their categories is wrong"
            yield Item(key, text, related=tuple(related))


def _near_duplicates(keep: Keep) -> Callable[[Config], Iterator[Item]]:
    def items(config: Config) -> Iterator[Item]:
        layout, names = config.layout, list(config.names)
        if not layout.near_duplicates.exists() or not is_measured(layout, names):
            return
        for one in _undecided(config, thin_out(layout, names, keep).decisions):
            kept = one.note.rpartition(" ")[2]
            text = f"Nearly the same as {kept}, which is the {keep.value} of its group"
            yield Item(one.key, text, "retire", "", (kept,))

    return items


def _poor(config: Config) -> Iterator[Item]:
    layout, names = config.layout, list(config.names)
    if not is_measured(layout, names):
        return
    for one in _undecided(config, look_for_poor(layout, names).decisions):
        yield Item(one.key, f"Poor quality: {one.note}", "retire")


def _undecided(config: Config, decisions: Iterable[Decision]) -> list[Decision]:
    proposed = list(decisions)
    open_ones = questions.undecided_ids(config, (one.key for one in proposed))
    return [one for one in proposed if one.key in open_ones]


_MIXED = "Near duplicates in several categories"
_THINNED = (
    "Retire the others of each group. Groups whose pictures are in several categories are not "
    f"here: decide about them in the queue {_MIXED}."
)

QUEUES: Mapping[str, Queue] = {
    "next": Queue(
        f"Label these {NEXT} next",
        "Pictures whose labels help the classifier most.",
        "naturalist train",
        _next,
    ),
    "conflicts": Queue(
        "Conflicts",
        "The same bytes are in several categories: they are in no table until you decide.",
        "naturalist run",
        _conflicts,
    ),
    "labels": Queue(
        "Suspect labels",
        "Pictures whose category seems wrong.",
        "naturalist label-issues",
        _labels,
    ),
    "unsure": Queue(
        "Unsure predictions",
        "Pictures the classifier is not sure about.",
        "naturalist train",
        _unsure,
    ),
    "unlike": Queue(
        "Unlike the rest",
        "Pictures unlike anything the classifier was trained on.",
        "naturalist train",
        _unlike,
    ),
    "duplicates": Queue(
        "Near duplicates: keep the largest",
        _THINNED,
        "naturalist duplicates",
        _near_duplicates(Keep.LARGEST),
    ),
    "duplicates-sharpest": Queue(
        "Near duplicates: keep the sharpest",
        _THINNED,
        "naturalist duplicates",
        _near_duplicates(Keep.SHARPEST),
    ),
    "duplicates-mixed": Queue(
        _MIXED,
        "Pictures of groups that are in several categories: relabel or retire wrong ones. "
        "The other queues of near duplicates leave these groups out.",
        "naturalist duplicates",
        _mixed_duplicates,
    ),
    "quality": Queue(
        "Poor quality",
        "Dark, bright, blank, blurred, tiny or oddly shaped pictures.",
        "naturalist run",
        _poor,
    ),
    "clusters": Queue(
        "Mixed clusters",
        "Pictures of a category that is rare in their cluster.",
        "naturalist cluster",
        _mixed_clusters,
    ),
}
"""By name, in the order in which they are offered."""
