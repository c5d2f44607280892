"""Verdicts on maps and samples."""

import pytest

from naturalist.studies.maps.samples import default_size
from naturalist.studies.maps.thresholds import verdict, worse_than_random


def test_a_sample_that_loses_to_chance_is_not_praised() -> None:
    sample = {"ari": 0.4, "hausdorff": 0.9, "nmi": 0.6, "clusters": 24}
    uniform = {
        "ari": {"mean": 0.56, "interval": [0.48, 0.64]},
        "hausdorff": {"mean": 0.82, "interval": [0.81, 0.84]},
        "nmi": {"mean": 0.55, "interval": [0.5, 0.58]},
        "mean_distance": {"mean": 0.5, "interval": None},
    }
    report = {"sample": sample | {"clusters_without_members": 1}, "uniform": uniform}
    words = worse_than_random(report)
    assert words[0] == "worse than a random sample in ari, hausdorff"
    assert words[1].startswith("1 of 24 clusters")
    assert not verdict(words)["good"]
    better = {"ari": 0.7, "hausdorff": 0.8, "clusters": 24, "clusters_without_members": 0}
    assert worse_than_random({"sample": better, "uniform": uniform}) == []


@pytest.mark.parametrize(("pictures", "size"), [(3, 3), (20, 5), (4159, 415), (1_000_000, 30_000)])
def test_the_default_size_fits_any_collection(pictures: int, size: int) -> None:
    assert default_size(pictures) == size
