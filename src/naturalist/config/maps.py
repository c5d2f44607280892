"""The section `[map]` of `naturalist.toml`: how maps are made, and when anew."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from naturalist.studies.maps.methods.drawing import MapOptions
    from naturalist.studies.maps.thresholds import Floors

Dims = Literal[2, 3]
Method = Literal["tsne", "umap", "pacmap"]
SampleSize = Literal["auto", "all"] | Annotated[int, Field(ge=5, strict=True)]
Share = Annotated[float, Field(ge=0, le=1)]


class MapSection(BaseModel):
    """Maps of all pictures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dims: Annotated[tuple[Dims, ...], Field(min_length=1)] = (2, 3)
    method: Method = "tsne"
    sample: SampleSize = "auto"
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
    perplexity: Annotated[float, Field(ge=2, le=500)] = 30.0
    min_trustworthiness: Share = 0.85
    min_continuity: Share = 0.85
    min_rare_cluster_recall: Share = 0.9
    min_category_share: Share = 0.25
    max_far_share: Share = 0.1
    max_distance_ks: Share = 0.2
    min_batch_trustworthiness: Share = 0.8
    max_grown: Annotated[float, Field(gt=0)] = 1.0

    def options(self, dims: int) -> "MapOptions":
        """The options that a map of so many dimensions takes."""
        # Imported here: what makes maps takes a second to load, and most commands make none.
        from naturalist.studies.maps.methods.drawing import MapOptions
        from naturalist.studies.maps.methods.tsne import TsneOptions

        return MapOptions(
            dims=dims,
            method=self.method,
            sample=sample_size(self.sample),
            seed=self.seed,
            tsne=TsneOptions(perplexity=self.perplexity),
        )

    @property
    def floors(self) -> "Floors":
        """What a map must reach, and when it is made anew."""
        from naturalist.studies.maps.methods.growth import DriftLimits
        from naturalist.studies.maps.thresholds import Floors

        return Floors(
            self.min_trustworthiness,
            self.min_continuity,
            self.min_rare_cluster_recall,
            self.min_category_share,
            DriftLimits(
                self.max_far_share,
                self.max_distance_ks,
                self.min_batch_trustworthiness,
                self.max_grown,
            ),
        )


def sample_size(asked: int | str) -> int:
    """Points that are laid out: "all" is 0, "auto" the usual number."""
    from naturalist.studies.maps.methods.drawing import AUTO_SAMPLE

    return AUTO_SAMPLE if asked == "auto" else 0 if asked == "all" else int(asked)
