"""The section `[classifier]` of `naturalist.toml`: how classifiers are made and chosen."""

from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from naturalist.errors import ConfigError
from naturalist.studies.classifier.methods.held_out import HeldOutOptions
from naturalist.studies.classifier.methods.linear import FitOptions
from naturalist.studies.classifier.methods.novelty import NoveltyOptions
from naturalist.studies.classifier.methods.voting import VoteOptions
from naturalist.studies.classifier.methods.weighting import Balance
from naturalist.suggestions import choose_one_of

Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ClassifierOptions:
    """Options of training and evaluation.

    Attributes:
        penalty: strength of the penalty on squared weights.
        linear_share: weight of the linear model beside the vote of neighbours, 0 to 1.
        balance: what is given the same weight: sources, categories, or none.
        class_weights: what the rows of a category count besides, by its name.
        seed: of samples, folds and bootstraps.
        rows_in_memory: most rows that are held in memory at once; more are streamed.
        evaluated_rows: most rows that held-out models are trained and tested with.
        passes: most passes over the rows where they are streamed.
        level: of intervals.
        false_alarms: share of pictures from new sources that may be called unlike anything seen.
        margin: most that a category may lose where a challenger replaces the champion, 0 to 1.
    """

    penalty: Annotated[float, Field(gt=0)] = 10.0
    linear_share: Annotated[float, Field(ge=0, le=1)] = 0.3
    balance: Balance = "sources"
    class_weights: Mapping[str, Weight] = field(default_factory=dict)
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
    rows_in_memory: Annotated[int, Field(ge=1, strict=True)] = 1_000_000
    evaluated_rows: Annotated[int, Field(ge=100, strict=True)] = 100_000
    passes: Annotated[int, Field(ge=1, le=1000, strict=True)] = 15
    level: Annotated[float, Field(ge=0.5, le=0.99)] = 0.9
    false_alarms: Annotated[float, Field(ge=0.001, le=0.5)] = 0.05
    margin: Annotated[float, Field(ge=0, le=1)] = 0.02

    @property
    def fit(self) -> FitOptions:
        """Of a fit in memory."""
        return FitOptions(self.penalty, self.balance)

    def held_out(self, labels: Mapping[str, int]) -> HeldOutOptions:
        """Of models that have not seen a source.

        Raises:
            ConfigError: there is a weight for a category that is not there.
        """
        weights = self.weights_by_label(labels)
        return HeldOutOptions(self.fit, seed=self.seed, class_weights=weights, vote=self.vote)

    def weights_by_label(self, labels: Mapping[str, int]) -> dict[int, float]:
        """The class weights by the labels of the categories.

        Raises:
            ConfigError: there is a weight for a category that is not there.
        """
        unknown = sorted(set(self.class_weights) - set(labels))
        if unknown:
            raise ConfigError(
                f"class_weights has unknown categories {', '.join(unknown)}: "
                f"{choose_one_of(unknown[0], labels)}"
            )
        return {labels[name]: weight for name, weight in self.class_weights.items()}

    @property
    def vote(self) -> VoteOptions:
        """Of the neighbours."""
        return VoteOptions(linear_share=self.linear_share, seed=self.seed)

    @property
    def novelty(self) -> NoveltyOptions:
        """Of telling the unlike."""
        return NoveltyOptions(false_alarms=self.false_alarms, seed=self.seed)

    def as_dict(self) -> dict[str, Any]:
        """What decides about a model, as JSON values."""
        values = asdict(self) | {"class_weights": dict(self.class_weights)}
        return {key: value for key, value in values.items() if key != "margin"}
