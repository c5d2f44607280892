"""The section `[clusters]` of `naturalist.toml`: how features are clustered, and when anew."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from naturalist.studies.clusters.methods.clustering import ClusterOptions, Method
from naturalist.studies.clusters.study import ClusterStudy

Count = Annotated[int, Field(ge=2, le=512, strict=True)]


class ClustersSection(BaseModel):
    """Clusters of the features of all pictures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Method = ClusterOptions.method
    count: Annotated[int, Field(ge=0, le=512, strict=True)] = ClusterOptions.count
    max_count: Count = ClusterOptions.max_count
    floor: Annotated[float, Field(gt=0, lt=1)] = ClusterOptions.floor
    min_size: Annotated[int, Field(ge=3, strict=True)] = ClusterOptions.min_size
    axes: Annotated[int, Field(ge=1, le=512, strict=True)] = ClusterOptions.axes
    rows: Annotated[int, Field(ge=100, le=200_000, strict=True)] = ClusterOptions.rows
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] = ClusterOptions.seed
    remake_noise: Annotated[float, Field(gt=0, le=1)] = ClusterStudy.remake_noise
    remake_growth: Annotated[float, Field(gt=0)] = ClusterStudy.remake_growth

    @property
    def study(self) -> ClusterStudy:
        """The options that the study takes."""
        names = ("method", "count", "max_count", "floor", "min_size", "axes", "rows", "seed")
        options = ClusterOptions(**{name: getattr(self, name) for name in names})
        return ClusterStudy(options, self.remake_noise, self.remake_growth)
