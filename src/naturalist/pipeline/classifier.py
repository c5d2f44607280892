"""The classifier of a workspace, or of tables anywhere: train, evaluate, choose."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naturalist.config import Config
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.pipeline import studies
from naturalist.progress import Progress
from naturalist.running import workspace
from naturalist.stores import S3Options
from naturalist.studies.classifier import champions
from naturalist.studies.classifier.model import read_classifier
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.study import EvaluationStudy, ModelStudy
from naturalist.studies.classifier.training_rows import TrainingRows, open_rows
from naturalist.studies.study import Result, bring_up_to_date


@dataclass(frozen=True)
class Elsewhere:
    """Tables that are in no workspace of this machine, and where models made of them go."""

    place: str
    out: Path
    snapshot: str | None = None
    s3: S3Options | None = None

    def rows(self, options: ClassifierOptions) -> TrainingRows:
        """The rows to learn from.

        Raises:
            ConfigError: the tables cannot be learnt from.
            StoreError: the store failed.
        """
        return open_rows(self.place, options, snapshot=self.snapshot, s3=self.s3)


def train(config: Config, progress: Progress) -> dict[str, Any]:
    """Train a classifier of the tables of a workspace, unless it is there.

    Returns:
        What its `model.json` says, `folder`, `new`, whether it is the `champion`, and `replaces`:
        why it became that now; empty if it did not.

    Raises:
        ConfigError: the tables cannot be learnt from.
        WorkspaceLocked: another process is writing.
        MissingExtra: SciPy is not installed.
    """
    made, result, replaces = _study_here(config, progress, ModelStudy)
    is_champion = champions.champion(config.layout) == made.folder.name
    return _trained(made, result) | {"champion": is_champion, "replaces": replaces}


def train_elsewhere(
    there: Elsewhere, options: ClassifierOptions, progress: Progress
) -> dict[str, Any]:
    """Train a classifier of published or pulled tables, into a folder of the caller's.

    Raises:
        ConfigError: the tables cannot be learnt from.
        StoreError: the store failed.
        MissingExtra: SciPy is not installed.
    """
    made = ModelStudy(there.rows(options), options, there.out, progress)
    return _trained(made, bring_up_to_date(made))


def _trained(made: ModelStudy, result: Result) -> dict[str, Any]:
    return result.report | {"folder": str(made.folder), "new": result.changed}


def evaluate(config: Config, progress: Progress) -> dict[str, Any]:
    """Evaluate the classifier of a workspace's tables as they are, training it if need be.

    Returns:
        What its `evaluation.json` says, with `model`, `folder`, and the `champion`.

    Raises:
        ConfigError: the tables cannot be learnt from.
        WorkspaceLocked: another process is writing.
        MissingExtra: SciPy or matplotlib is not installed.
    """
    made, result, _ = _study_here(config, progress, EvaluationStudy)
    return _evaluated(made, result) | {"champion": champions.champion(config.layout)}


def evaluate_elsewhere(
    there: Elsewhere, options: ClassifierOptions, progress: Progress
) -> dict[str, Any]:
    """Evaluate a classifier of published or pulled tables, into a folder of the caller's.

    Raises:
        ConfigError: the tables cannot be learnt from.
        StoreError: the store failed.
        MissingExtra: SciPy or matplotlib is not installed.
    """
    made = EvaluationStudy(there.rows(options), options, there.out, progress)
    return _evaluated(made, bring_up_to_date(made))


def _evaluated(made: ModelStudy, result: Result) -> dict[str, Any]:
    return {"model": made.folder.name, "folder": str(made.folder)} | result.report


def _study_here(
    config: Config, progress: Progress, kind: type[ModelStudy]
) -> tuple[ModelStudy, Result, str]:
    """A model of the workspace, and why it became the champion; see `champions.succeed`."""
    layout, options = config.layout, config.classifier
    workspace.reading(layout)
    with workspace.writing(config):
        made = kind(studies.training_rows(config), options, layout.models, progress)
        result = bring_up_to_date(made)
        replaces = champions.succeed(layout, made.folder.name)
    return made, result, replaces


def promote(config: Config, name: str, reason: str) -> dict[str, Any]:
    """Make a model the champion by a person's decision.

    Raises:
        ConfigError: there is no such model, or it is the champion already.
        WorkspaceLocked: somebody else is writing.
    """
    with workspace.writing(config):
        return champions.promote(config.layout, name, reason)


def roll_back(config: Config, reason: str) -> dict[str, Any]:
    """Go back to the champion before this one.

    Raises:
        ConfigError: there was none.
        WorkspaceLocked: somebody else is writing.
    """
    with workspace.writing(config):
        return champions.roll_back(config.layout, reason)


def resolve_model(layout: Layout, name: str) -> Path:
    """The ONNX file of a model: of the champion, of one by its id, or a file or folder.

    Raises:
        ConfigError: there is no such model, it cannot be read, or a category that it answers with
            is retired in the workspace.
    """
    path = _model_file(layout, name)
    model = read_classifier(path)
    champions.check_answers(layout, model.id, model.categories)
    return path


def _model_file(layout: Layout, name: str) -> Path:
    path = Path(name)
    if name and path.is_file():
        return path
    if name and (path / "model.onnx").is_file():
        return path / "model.onnx"
    if name and "/" in name:
        raise ConfigError(f"there is no model {name}: name a model.onnx or its folder")
    return champions.model_folder(layout, name) / "model.onnx"
