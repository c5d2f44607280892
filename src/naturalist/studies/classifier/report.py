"""What `model.json`, `evaluation.json` and `champion.json` hold, and what `refine` reports.

The dashboard's types are checked against them.
"""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict


class SourceName(TypedDict):
    """A source of a category."""

    source: str
    category: str


class SourceRows(SourceName):
    """A source, and its pictures in the tables."""

    rows: int


class TablesOfModel(TypedDict):
    """The tables that a model was trained with."""

    place: str
    snapshot: str | None
    fingerprint: str
    rows: int
    near_duplicates: bool


class ModelMetrics(TypedDict):
    """What training measured; `balanced_accuracy...` is None if no source could be left out."""

    balanced_accuracy_on_held_out_sources: float | None
    log_loss: float
    ece: float
    held_out_sources: int
    sources: int


class ModelReport(TypedDict):
    """A classifier: `model.json`, and the facts of its model card."""

    id: str
    made_at: str
    made_by: str
    kind: str
    fingerprint: str
    tables: TablesOfModel
    backbone_id: str
    categories: list[str]
    sources: list[SourceRows]
    options: dict[str, Any]
    temperature: float
    sure_from: float
    metrics: ModelMetrics
    evaluated: bool


class RandomSplit(TypedDict):
    """How a model does on other pictures of the same sources."""

    balanced_accuracy: float
    interval: list[float]
    level: float
    rows: int
    log_loss: float


class SourceAccuracy(TypedDict):
    """How a model does on a source that it never saw."""

    source: str
    category: str
    rows: int
    accuracy: float
    confusion: dict[str, int]


class LeftOut(TypedDict):
    """How models do on sources that they never saw; without intervals of fewer than two."""

    balanced_accuracy: float
    interval: list[float] | None
    level: float
    method: str | None
    bootstrap_interval: list[float] | None
    per_source: list[SourceAccuracy]


class HeldClaim(TypedDict):
    """A source that was held out of the whole procedure, and what was claimed without it."""

    source: str
    category: str
    accuracy: float
    interval: list[float] | None
    inside: bool


class Coverage(TypedDict):
    """How often the claim about a new source held."""

    sources: int
    inside: int
    share: float | None
    held: list[HeldClaim]


class ExpectedOnNewSources(TypedDict):
    """What to expect of one new source."""

    estimate: float
    interval: list[float]
    level: float
    method: str
    quantity: str
    coverage: Coverage


class Confusion(TypedDict):
    """Counts (categories, categories): the row is the category, the column the predicted one."""

    categories: list[str]
    matrix: list[list[int]]


class CalibrationBin(TypedDict):
    """Predictions of about the same confidence."""

    confidence: float
    accuracy: float
    rows: int
    weight: float


class CalibrationReport(TypedDict):
    """How far probabilities can be believed."""

    ece: float
    log_loss: float
    bins: list[CalibrationBin]


class CurvePoint(TypedDict):
    """Accuracy on the share of pictures that the model is surest of."""

    coverage: float
    accuracy: float


class NoveltyOfSource(TypedDict):
    """How many pictures of a left-out source are called unlike anything seen."""

    source: str
    category: str
    false_alarms: float


class NoveltyReport(TypedDict):
    """How the threshold for pictures unlike anything seen holds on left-out sources."""

    method: str
    asked_false_alarms: float
    measured_false_alarms: float | None
    per_source: list[NoveltyOfSource]


class FlagReport(TypedDict):
    """What a flag costs on right predictions and catches of wrong ones; None without any."""

    false_alarms: float | None
    caught: float | None
    wrong: int
    flagged: float


class DecisionReport(TypedDict):
    """Predictions that are sure, unsure, or of something unlike; None if there are none."""

    decision: str
    share: float
    accuracy: float | None


class Trust(TypedDict):
    """What decisions are worth; thresholds of all other sources, tried on each left-out one."""

    sure_from: float
    flags: dict[str, FlagReport]
    decisions: list[DecisionReport]
    selective_by_likeness: list[CurvePoint]


class Influence(TypedDict):
    """A source, and what accuracy on others loses without it; None where it was not tried."""

    source: str
    category: str
    share_of_category: float
    others_lose: float | None
    most_lost: float | None
    most_lost_by: str | None
    leans: bool


class EvaluationReport(TypedDict):
    """What `evaluation.json` holds."""

    format: int
    categories: list[str]
    rows: int
    evaluated_rows: int
    near_duplicates: bool
    random_split: RandomSplit
    leave_one_source_out: LeftOut | None
    gap: float | None
    expected_on_new_sources: ExpectedOnNewSources | None
    single_sources: list[SourceName]
    confusion: Confusion
    calibration: CalibrationReport
    selective: list[CurvePoint]
    novelty: NoveltyReport
    trust: Trust
    influence: list[Influence]
    leaning: list[str]
    advice: list[str]


class ChampionDecision(TypedDict):
    """An entry of the history of champions."""

    model: str
    at: str
    action: Literal["promote", "refuse", "rollback"]
    reason: str
    before: str | None
    compared_with: NotRequired[str]


class Champions(TypedDict):
    """What `champion.json` holds."""

    champion: str | None
    history: list[ChampionDecision]
