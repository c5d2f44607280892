"""The section `[analyse]` of `naturalist.toml`: which studies are part of every run."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Step = Literal["duplicates", "index", "clusters", "map", "classifier", "drift"]


class AnalyseSection(BaseModel):
    """What is made of the tables when they are verified, before they are published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: tuple[Step, ...] = ()
