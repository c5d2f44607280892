"""The section `[clusters]` of `naturalist.toml`: how features are clustered, and when rebuilt."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Method = Literal["kmeans", "hdbscan"]
Count = Annotated[int, Field(ge=2, le=512, strict=True)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ClusterOptions:
    """Clusters of the features of all pictures.

    Attributes:
        method: kmeans, or hdbscan for dense groups of any shape and size.
        count: clusters of kmeans; 0 chooses the finest count that is found again.
        max_count: largest count that is tried.
        floor: least agreement (adjusted Rand index) of the chosen count with clusters of halves.
        min_size: least members of a cluster of hdbscan, among the rows that it is made from.
        axes: principal axes that are kept.
        rows: rows that clusters are made from, at most.
        seed: of everything random.
        remake_noise: clusters are rebuilt when the share of noise among rows added since is so
            much above what it was.
        remake_growth: clusters are rebuilt when so many times the rows they were made for have been
            added.
    """

    method: Method = "kmeans"
    count: Annotated[int, Field(ge=0, le=512, strict=True)] = 0
    max_count: Count = 96
    floor: Annotated[float, Field(gt=0, lt=1)] = 0.7
    min_size: Annotated[int, Field(ge=3, strict=True)] = 10
    axes: Annotated[int, Field(ge=1, le=512, strict=True)] = 64
    rows: Annotated[int, Field(ge=100, le=200_000, strict=True)] = 20_000
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] = 0
    remake_noise: Annotated[float, Field(gt=0, le=1)] = 0.2
    remake_growth: Annotated[float, Field(gt=0)] = 1.0

    @property
    def of_model(self) -> dict[str, Any]:
        """What decides about the clusters themselves, and not about when they are rebuilt."""
        return {k: v for k, v in asdict(self).items() if not k.startswith("remake_")}
