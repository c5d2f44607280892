"""What maps and samples must reach; what is below says so, in words too."""

from collections.abc import Mapping
from typing import Any

from naturalist.counting import counted
from naturalist.studies.maps.options import MapOptions

_MEASURES = ("trustworthiness", "continuity", "rare_cluster_recall", "category_share")


def below_thresholds(values: Mapping[str, Any], options: MapOptions) -> list[str]:
    """In words, each measure that is below its floor; measures that are not there are not."""
    least = {word: getattr(options, f"min_{word}") for word in _MEASURES}
    return [
        f"{word} is {values[word]:.3f}, below the threshold of {least[word]:.3f}"
        for word in _MEASURES
        if values.get(word) is not None and values[word] < least[word]
    ]


def worse_than_random(report: Mapping[str, Any]) -> list[str]:
    """In words, what a sample keeps worse than random samples of its size do.

    Args:
        report: "sample" with the measures of the sample, "uniform" with mean and 95 % interval of
            those of random samples.
    """
    sample, uniform = report["sample"], report["uniform"]
    worse = [
        word
        for word, signs in _BETTER.items()
        if sample.get(word) is not None
        and (ends := (uniform.get(word) or {}).get("interval")) is not None
        and signs * sample[word] < min(signs * end for end in ends)
    ]
    words = [f"worse than a random sample in {', '.join(worse)}"] if worse else []
    if empty := sample["clusters_without_members"]:
        words.append(
            f"{empty:,} of {counted(sample['clusters'], 'cluster')} have no picture in the sample"
        )
    return words


# 1 where a high value is good, -1 where a low one is.
_BETTER = {
    "category_share": 1,
    "rare_cluster_recall": 1,
    "ari": 1,
    "nmi": 1,
    "density_correlation": 1,
    "trustworthiness": 1,
    "continuity": 1,
    "hausdorff": -1,
    "robust_hausdorff": -1,
    "mean_distance": -1,
    "kl_divergence": -1,
}


def verdict(below: list[str]) -> dict[str, Any]:
    """The verdict as JSON values: whether all is well, and in words."""
    return {"good": not below, "words": below or ["all measures reach their thresholds"]}
