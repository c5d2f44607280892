"""The section `[drift]` of `naturalist.toml`: when a batch is called different."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from naturalist.studies.drift.comparison import Against, DriftOptions

Rows = Annotated[int, Field(ge=2, strict=True)]


class DriftSection(BaseModel):
    """What a new batch is compared with, and how large a difference must be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    against: Against = DriftOptions.against
    alpha: Annotated[float, Field(gt=0, lt=1)] = DriftOptions.alpha
    least_effect: Annotated[float, Field(ge=0, le=1)] = DriftOptions.least_effect
    rows: Rows = DriftOptions.rows
    least_rows: Rows = DriftOptions.least_rows
    pictures: Annotated[int, Field(ge=1, le=200, strict=True)] = DriftOptions.pictures
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] = DriftOptions.seed

    @property
    def options(self) -> DriftOptions:
        """The options that the study takes."""
        return DriftOptions(
            against=self.against,
            alpha=self.alpha,
            least_effect=self.least_effect,
            rows=self.rows,
            least_rows=self.least_rows,
            pictures=self.pictures,
            seed=self.seed,
        )
