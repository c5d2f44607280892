"""What maps and samples must reach; what is below says so, in words too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from naturalist.studies.maps.methods.growth import DriftLimits

_MEASURES = ("trustworthiness", "continuity", "rare_cluster_recall", "category_share")


@dataclass(frozen=True)
class Floors:
    """The least of each measure.

    Attributes:
        trustworthiness: of a map, or of a sample whose members stand for all.
        continuity: likewise.
        rare_cluster_recall: share of rare clusters that a sample keeps.
        category_share: part of its due share that each category keeps in a sample, 0 to 1.
        drift: when a map is made anew.
    """

    trustworthiness: float = 0.85
    continuity: float = 0.85
    rare_cluster_recall: float = 0.9
    category_share: float = 0.25
    drift: DriftLimits = field(default_factory=DriftLimits)


def below_floors(values: Mapping[str, Any], floors: Floors) -> list[str]:
    """In words, each measure that is below its floor; measures that are not there are not."""
    return [
        f"{word} is {values[word]:.3f}, the floor is {getattr(floors, word):.3f}"
        for word in _MEASURES
        if values.get(word) is not None and values[word] < getattr(floors, word)
    ]


def verdict(below: list[str]) -> dict[str, Any]:
    """The verdict as JSON values: whether all is well, and in words."""
    return {"good": not below, "words": below or ["every measure reaches its floor"]}
