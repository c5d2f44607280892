"""The section `[map]` of `naturalist.toml`, and how one map is drawn that follows from it."""

import dataclasses
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

AUTO_SAMPLE = 100_000
Dims = Literal[2, 3]
Method = Literal["tsne", "umap", "pacmap"]
SampleSize = Literal["auto", "all"] | Annotated[int, Field(ge=5, strict=True)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclasses.dataclass(frozen=True)
class TsneOptions:
    """How a layout is made.

    Attributes:
        perplexity: about how many neighbours count for each point.
        early_iterations: steps in which neighbours are drawn `early_exaggeration` times as much.
        early_exaggeration: see above.
        iterations: steps after them.
        exaggeration: of the steps after them; 1 is plain t-SNE.
        theta: in three dimensions, boxes of a side less than `theta` times their distance act as
            one point; 0 is exact.
    """

    perplexity: float = 30.0
    early_iterations: int = 250
    early_exaggeration: float = 12.0
    iterations: int = 500
    exaggeration: float = 1.0
    theta: float = 0.5

    @property
    def neighbours(self) -> int:
        """Neighbours that each point needs."""
        return int(3 * self.perplexity)

    @property
    def total(self) -> int:
        """All steps."""
        return self.early_iterations + self.iterations


@dataclasses.dataclass(frozen=True)
class PlacementOptions:
    """How points are placed.

    Attributes:
        neighbours: of the layout's points, that each point looks at.
        perplexity: about how many of them count.
        steps: down the objective; 0 leaves each point at the median of its neighbours.
        recall: share of the true neighbours to find.
    """

    neighbours: int = 30
    perplexity: float = 10.0
    steps: int = 8
    recall: float = 0.95


@dataclasses.dataclass(frozen=True)
class DrawingOptions:
    """How one map is drawn.

    Attributes:
        dims: 2 or 3.
        method: tsne, umap or pacmap; own where coordinates are given.
        sample: points that are laid out, the others being placed among them; 0 for all.
        seed: of everything that is drawn by chance.
        kept: principal axes that stay.
        unit: scale features to length 1 first, so that distances follow cosines.
        tsne: see there.
        placement: see there.
    """

    dims: int = 2
    method: str = "tsne"
    sample: int = AUTO_SAMPLE
    seed: int = 0
    kept: int = 100
    unit: bool = True
    tsne: TsneOptions = dataclasses.field(default_factory=TsneOptions)
    placement: PlacementOptions = dataclasses.field(default_factory=PlacementOptions)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MapOptions:
    """Maps of all pictures.

    Attributes:
        dims: of each map that a run brings up to date.
        method: of laying out.
        sample: points that are laid out, the others being placed among them.
        seed: of everything that is drawn by chance.
        perplexity: see `TsneOptions`.
        min_trustworthiness: least of a map, or of a sample whose members stand for all.
        min_continuity: likewise.
        min_rare_cluster_recall: least share of rare clusters that a sample keeps.
        min_category_share: least part of its due share that each category keeps in a sample.
        max_far_share: most of a batch that may lie farther from the layout than 99 % of its own
            points lie from each other; beyond it, as beyond the next three, a map is rebuilt.
        max_distance_ks: most of `BatchDrift.distance_ks`, beyond what chance makes of so few.
        min_batch_trustworthiness: least trustworthiness of the batch among the points of the
            layout.
        max_grown: points that were placed after the map was made, for each one that it had then,
            at most.
    """

    dims: Annotated[tuple[Dims, ...], Field(min_length=1)] = (2, 3)
    method: Method = "tsne"
    sample: SampleSize = "auto"
    seed: Annotated[int, Field(ge=0, strict=True)] = DrawingOptions.seed
    perplexity: Annotated[float, Field(ge=2, le=500)] = TsneOptions.perplexity
    min_trustworthiness: Share = 0.85
    min_continuity: Share = 0.85
    min_rare_cluster_recall: Share = 0.9
    min_category_share: Share = 0.25
    max_far_share: Share = 0.1
    max_distance_ks: Share = 0.2
    min_batch_trustworthiness: Share = 0.8
    max_grown: Annotated[float, Field(gt=0)] = 1.0

    def drawing(self, dims: int) -> DrawingOptions:
        """How a map of so many dimensions is drawn."""
        sizes = {"auto": AUTO_SAMPLE, "all": 0}
        return DrawingOptions(
            dims=dims,
            method=self.method,
            sample=sizes[self.sample] if isinstance(self.sample, str) else self.sample,
            seed=self.seed,
            tsne=TsneOptions(perplexity=self.perplexity),
        )
