"""The section `[drift]` of `naturalist.toml`: what is compared, and what is called drift."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Against = Literal["sources", "everything"]
Rows = Annotated[int, Field(ge=2, strict=True)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DriftOptions:
    """How drift is measured.

    Attributes:
        against: what a batch is compared with; see `comparison`.
        alpha: share of ordinary batches that may be called drift, over all tests together.
        least_effect: smaller effects are reported and never called drift.
        rows: most pictures of the batch, and of what was before it, that are compared.
        least_rows: a source is compared if it has this many pictures in the batch and before it.
        frequencies: of the random Fourier features.
        permutations: exchanges that give a p-value.
        pictures: pictures shown.
        seed: of sample, frequencies and exchanges.
    """

    against: Against = "sources"
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.01
    least_effect: Annotated[float, Field(ge=0, le=1)] = 0.1
    rows: Rows = 20_000
    least_rows: Rows = 20
    frequencies: Annotated[int, Field(ge=8, le=4096, strict=True)] = 128
    permutations: Annotated[int, Field(ge=20, le=100_000, strict=True)] = 300
    pictures: Annotated[int, Field(ge=1, le=200, strict=True)] = 24
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] = 0
