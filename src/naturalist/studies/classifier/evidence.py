"""The training pictures that are most like a picture: why a prediction is what it is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.consume.loading import Collection
from naturalist.stages.tables import features_of
from naturalist.studies.classifier.methods.novelty import unit


def nearest(
    collection: Collection, features: NDArray[np.float32], count: int
) -> list[list[dict[str, Any]]]:
    """For each of N pictures its `count` nearest training pictures, by the cosine of features.

    All tables are gone through once, one at a time; every picture is compared with every other.

    Args:
        collection: the tables, with sources.
        features: (N, dim) float32.
        count: how many are wanted.

    Returns:
        For each picture: `picID`, `category`, `source` and `cosine`, the nearest first.
    """
    wanted = unit(features)
    names = {label: name for name, label in collection.labels.items()}
    who: list[list[dict[str, Any]]] = [[] for _ in range(len(features))]
    for part in collection.parts():
        cosines = wanted @ unit(features_of(part, collection.dim)).T
        few = min(count, cosines.shape[1])
        at = np.argpartition(-cosines, few - 1, axis=1)[:, :few]
        ids, labels, sources = (part[name] for name in ("picID", "category_label", "source"))
        for k, places in enumerate(at.tolist()):
            for place in places:
                who[k].append(
                    {
                        "picID": ids[place].as_py(),
                        "category": names[labels[place].as_py()],
                        "source": sources[place].as_py(),
                        "cosine": round(float(cosines[k, place]), 4),
                    }
                )
            who[k].sort(key=lambda one: -one["cosine"])
            del who[k][count:]
    return who
