"""Documents about classifiers."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from naturalist.studies.classifier.report import ChampionDecision, EvaluationReport, ModelReport


class TrainDocument(ModelReport):
    """A classifier, where it is, and whether this call made it."""

    folder: str
    new: bool
    champion: NotRequired[bool]
    replaces: NotRequired[str]
    """Why it became the champion; empty if it did not."""


class EvaluateDocument(EvaluationReport):
    """How a classifier does on sources that it never saw, and where its report is."""

    model: str
    folder: str
    champion: NotRequired[str | None]


class ListedModel(ModelReport):
    """A classifier, and whether it is the champion or was refused."""

    state: str


class ModelList(TypedDict):
    """All classifiers of a workspace, and the decisions between them, oldest first."""

    rows: list[ListedModel]
    history: list[ChampionDecision]


class ModelDocument(ModelReport):
    """A classifier with its evaluation, if there is one."""

    evaluation: EvaluationReport | None


class ExportedModel(TypedDict):
    """An ONNX file with a classifier and its network."""

    file: str
    model: str
    backbone: str
    input: str
    categories: list[str]
    size_bytes: int


class RefineDocument(TypedDict):
    """The newest model, the champion, and why it was promoted or refused."""

    action: str
    model: str
    champion: str
    reason: str
    comparison: NotRequired[dict[str, Any] | None]
