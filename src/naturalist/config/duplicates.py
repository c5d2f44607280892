"""The section `[duplicates]` of `naturalist.toml`: which pictures are near duplicates."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from naturalist.studies.duplicates.methods.grouping import MOST_DISTANCE, NearDuplicateOptions


class DuplicatesSection(BaseModel):
    """How near two pictures must be; a change of either compares everything again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_distance: Annotated[int, Field(ge=0, le=MOST_DISTANCE, strict=True)] = (
        NearDuplicateOptions.max_distance
    )
    min_cosine: Annotated[float, Field(ge=-1, le=1)] = NearDuplicateOptions.min_cosine

    @property
    def options(self) -> NearDuplicateOptions:
        """The options that the study takes."""
        return NearDuplicateOptions(self.max_distance, self.min_cosine)
