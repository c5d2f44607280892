"""The training pictures that are most like a picture: why a prediction is what it is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.features import FeatureTable
from naturalist.studies.classifier.methods.novelty import unit


def nearest(
    table: FeatureTable, features: NDArray[np.float32], count: int
) -> list[list[dict[str, Any]]]:
    """For each of N pictures its `count` nearest training pictures, by the cosine of features.

    All tables are gone through once, one at a time; every picture is compared with every other.

    Args:
        table: the tables, with sources.
        features: (N, dim) float32.
        count: how many are wanted.

    Returns:
        For each picture: `picID`, `category`, `source` and `cosine`, the nearest first.
    """
    expected = unit(features)
    names = {label: name for name, label in table.categories.items()}
    who: list[list[dict[str, Any]]] = [[] for _ in range(len(features))]
    for rows in table.rows():
        cosines = expected @ unit(rows.features).T
        few = min(count, cosines.shape[1])
        at = np.argpartition(-cosines, few - 1, axis=1)[:, :few]
        for k, places in enumerate(at.tolist()):
            for place in places:
                who[k].append(
                    {
                        "picID": str(rows.pic_ids[place]),
                        "category": names[int(rows.labels[place])],
                        "source": str(rows.sources[place]),
                        "cosine": round(float(cosines[k, place]), 4),
                    }
                )
            who[k].sort(key=lambda one: -one["cosine"])
            del who[k][count:]
    return who
