"""Which sources the data leans on, and where more varied pictures are needed, in words."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from naturalist.studies.classifier.methods.measures import Cell
from naturalist.studies.classifier.methods.nested import Nested
from naturalist.studies.classifier.training_rows import TrainingRows

FEW_SOURCES = 3
"""With fewer sources in a category hardly anything can be said about a new one."""
LARGE_SHARE = 0.6
"""A source that has more of its category's pictures than this stands for it alone."""
POOR = 0.9
"""Held-out accuracy below which a source's pictures are called hard."""
LOSS = 0.02
"""What other sources lose on average without a source that the data leans on."""


def influence(rows: TrainingRows, tried: Nested) -> list[dict[str, Any]]:
    """Every source by what others lose without it, and its share of its category's pictures."""
    shares = _shares(rows)
    lost = {name: one for one in tried.leaning for name in one.source.split(", ")}
    result = []
    for (label, source), share in shares.items():
        one = lost.get(source)
        leans = share > LARGE_SHARE or (one is not None and one.mean > LOSS)
        result.append(
            {
                "source": source,
                "category": _names(rows)[label],
                "share_of_category": share,
                "others_lose": None if one is None else one.mean,
                "most_lost": None if one is None else one.worst,
                "most_lost_by": None if one is None else one.worst_source,
                "leans": leans,
            }
        )
    return sorted(result, key=lambda one: (-(one["others_lose"] or 0), -one["share_of_category"]))


def leaning(result: list[dict[str, Any]]) -> list[str]:
    """Names of the sources that the data leans on, of what `influence` gives."""
    return list(dict.fromkeys(one["source"] for one in result if one["leans"]))


def advice(rows: TrainingRows, cells: list[Cell], tried: Nested) -> list[str]:
    """Sentences for people, what matters most first."""
    return [
        *_about_single_sources(rows, cells),
        *_about_hard_sources(rows, cells),
        *_about_leaning(rows, tried),
        *_about_few_sources(rows, cells),
    ]


def _about_single_sources(rows: TrainingRows, cells: list[Cell]) -> Iterator[str]:
    sources_of = Counter(cell.category for cell in cells)
    for cell in cells:
        if cell.held_out:
            continue
        name = rows.categories[cell.category]
        if sources_of[cell.category] == 1:
            yield (
                f"{name} has one source only ({cell.source}), which cannot be left out: its "
                f"accuracy on {name} from other sources is unknown. Add a second source of {name}."
            )
        else:
            yield (
                f"{cell.source} cannot be left out of {name}, whose other sources have only near "
                f"duplicates of it. Add a source of {name} with other pictures."
            )


def _about_hard_sources(rows: TrainingRows, cells: list[Cell]) -> Iterator[str]:
    hard = [cell for cell in cells if cell.held_out and cell.accuracy < POOR]
    for cell in sorted(hard, key=lambda cell: cell.accuracy):
        others = [(n, k) for k, n in enumerate(cell.predicted) if k != cell.category]
        most, taken_for = max(others)
        name = rows.categories[cell.category]
        yield (
            f"When {cell.source} is left out, {cell.accuracy:.0%} of its {cell.rows:,} pictures of "
            f"{name} are recognised, and {most / cell.rows:.0%} are taken for "
            f"{rows.categories[taken_for]}: gather more varied pictures of {name} like these."
        )


def _about_leaning(rows: TrainingRows, tried: Nested) -> Iterator[str]:
    for one in tried.leaning:
        if one.mean > LOSS:
            yield (
                f"The result depends on {one.source}: without it, accuracy on the other sources "
                "falls "
                f"by {100 * one.mean:.1f} points on average, and by {100 * one.worst:.0f} on "
                f"{one.worst_source}. More sources like it would reduce this dependence."
            )
    for (label, source), share in _shares(rows).items():
        if LARGE_SHARE < share < 1:
            name = _names(rows)[label]
            yield (
                f"{share:.0%} of the pictures of {name} are from {source}: new ones of {name} "
                "should come from elsewhere."
            )


def _about_few_sources(rows: TrainingRows, cells: list[Cell]) -> Iterator[str]:
    counted: dict[int, int] = {}
    for cell in cells:
        counted[cell.category] = counted.get(cell.category, 0) + 1
    few = [rows.categories[k] for k, n in counted.items() if 1 < n < FEW_SOURCES]
    for name in few:
        yield (
            f"{name} has two sources: the estimate for a new source of {name} rests on two "
            "measurements. A third source would help more than more pictures of these two."
        )
    held = sum(cell.held_out for cell in cells)
    if held:
        yield (
            f"These numbers rest on {held} held-out sources. The interval for a new source is "
            "only valid if it resembles them."
        )


def _shares(rows: TrainingRows) -> Mapping[tuple[int, str], float]:
    labels = np.array([label for label, _ in rows.counts])
    sizes = np.array(list(rows.counts.values()), np.float64)
    return {
        key: float(size / sizes[labels == key[0]].sum())
        for key, size in zip(rows.counts, sizes, strict=True)
    }


def _names(rows: TrainingRows) -> dict[int, str]:
    return {label: name for name, label in rows.sample.categories.items()}
