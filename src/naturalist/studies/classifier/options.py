"""How classifiers are made; what they are made of is in the tables."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from naturalist.errors import ConfigError
from naturalist.studies.classifier.methods.held_out import HeldOutOptions
from naturalist.studies.classifier.methods.linear import FitOptions
from naturalist.studies.classifier.methods.novelty import NoveltyOptions
from naturalist.studies.classifier.methods.voting import VoteOptions
from naturalist.studies.classifier.methods.weighting import Balance


@dataclass(frozen=True)
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
    """

    penalty: float = 10.0
    linear_share: float = 0.3
    balance: Balance = "sources"
    class_weights: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    rows_in_memory: int = 1_000_000
    evaluated_rows: int = 100_000
    passes: int = 15
    level: float = 0.9
    false_alarms: float = 0.05

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
        unknown = set(self.class_weights) - set(labels)
        if unknown:
            raise ConfigError(
                f"class_weights names {', '.join(sorted(unknown))}, and the categories are "
                f"{', '.join(labels)}"
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
        """All options as JSON values."""
        return asdict(self) | {"class_weights": dict(self.class_weights)}
