"""What maps and samples must reach; what is below says so, in words too."""

from collections.abc import Mapping
from typing import Any

from naturalist.studies.maps.options import MapOptions

_MEASURES = ("trustworthiness", "continuity", "rare_cluster_recall", "category_share")


def below_thresholds(values: Mapping[str, Any], options: MapOptions) -> list[str]:
    """In words, each measure that is below its floor; measures that are not there are not."""
    least = {word: getattr(options, f"min_{word}") for word in _MEASURES}
    return [
        f"{word} is {values[word]:.3f}, the floor is {least[word]:.3f}"
        for word in _MEASURES
        if values.get(word) is not None and values[word] < least[word]
    ]


def verdict(below: list[str]) -> dict[str, Any]:
    """The verdict as JSON values: whether all is well, and in words."""
    return {"good": not below, "words": below or ["every measure reaches its floor"]}
