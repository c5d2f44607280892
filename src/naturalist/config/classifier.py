"""The section `[classifier]` of `naturalist.toml`: how classifiers are made and chosen."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from naturalist.studies.classifier.methods.weighting import Balance
from naturalist.studies.classifier.options import ClassifierOptions

_DEFAULT = ClassifierOptions()
Weight = Annotated[float, Field(ge=0)]


class ClassifierSection(BaseModel):
    """How a classifier is fitted, evaluated and compared with the one in use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    penalty: Annotated[float, Field(gt=0)] = _DEFAULT.penalty
    linear_share: Annotated[float, Field(ge=0, le=1)] = _DEFAULT.linear_share
    balance: Balance = _DEFAULT.balance
    class_weights: dict[str, Weight] = {}
    seed: Annotated[int, Field(ge=0, strict=True)] = _DEFAULT.seed
    rows_in_memory: Annotated[int, Field(ge=1, strict=True)] = _DEFAULT.rows_in_memory
    evaluated_rows: Annotated[int, Field(ge=100, strict=True)] = _DEFAULT.evaluated_rows
    level: Annotated[float, Field(ge=0.5, le=0.99)] = _DEFAULT.level
    false_alarms: Annotated[float, Field(ge=0.001, le=0.5)] = _DEFAULT.false_alarms
    margin: Annotated[float, Field(ge=0, le=1)] = 0.02

    @property
    def options(self) -> ClassifierOptions:
        """Options of training and evaluation."""
        return ClassifierOptions(
            penalty=self.penalty,
            linear_share=self.linear_share,
            balance=self.balance,
            class_weights=self.class_weights,
            seed=self.seed,
            rows_in_memory=self.rows_in_memory,
            evaluated_rows=self.evaluated_rows,
            level=self.level,
            false_alarms=self.false_alarms,
        )
