"""The section `[duplicates]` of `naturalist.toml`: which pictures are near duplicates."""

from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

MOST_DISTANCE = 15
Invariance = Literal["mirror", "rotate", "border", "crop", "colour"]
INVARIANCES: tuple[Invariance, ...] = get_args(Invariance)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class NearDuplicateOptions:
    """What makes two pictures near duplicates; a change of either compares everything again.

    Attributes:
        max_distance: most bits in which their perceptual hashes differ.
        min_cosine: least cosine of their feature vectors.
        invariant: changes that near duplicates may differ by as well. mirror: left and right;
            rotate: turned by quarters; border: a plain border around one; crop: up to an eighth of
            width and height cut off; colour: shades of grey, another tint. With any but mirror,
            pixels confirm what features do not.
    """

    max_distance: Annotated[int, Field(ge=0, le=MOST_DISTANCE, strict=True)] = 8
    min_cosine: Annotated[float, Field(ge=-1, le=1)] = 0.85
    invariant: tuple[Invariance, ...] = ()

    @property
    def by_pixels(self) -> bool:
        """Whether pixels confirm pairs of hashes that features do not confirm."""
        return any(name != "mirror" for name in self.invariant)
