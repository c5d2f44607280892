"""The section `[words]` of `naturalist.toml`: which columns come from the network and concepts."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

WordColumn = Literal["class", "concepts"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class WordOptions:
    """Columns of recognised classes and concepts, kept beside the tables as metadata are.

    Attributes:
        columns: `class` adds `network_class`, the most probable class of the network; `concepts`
            adds `concept_<name>`, whether a picture matches, for each concept of the collection.
        least_probability: below it a picture has no `network_class`.
    """

    columns: tuple[WordColumn, ...] = ()
    least_probability: Annotated[float, Field(ge=0, le=1)] = 0.8
