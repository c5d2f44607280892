"""The section `[duplicates]` of `naturalist.toml`: which pictures are near duplicates."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

MOST_DISTANCE = 15
Invariance = Literal["mirror"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class NearDuplicateOptions:
    """What makes two pictures near-duplicates; a change of either compares everything again.

    Attributes:
        max_distance: most bits in which their perceptual hashes differ.
        min_cosine: least cosine of their feature vectors.
        invariant: changes that near duplicates may differ by as well; mirror: left and right.
    """

    max_distance: Annotated[int, Field(ge=0, le=MOST_DISTANCE, strict=True)] = 8
    min_cosine: Annotated[float, Field(ge=-1, le=1)] = 0.85
    invariant: tuple[Invariance, ...] = ()
