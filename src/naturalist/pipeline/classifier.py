"""The classifier of a workspace, or of tables anywhere: train, evaluate, refine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naturalist import artifacts
from naturalist.config import Config
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.pipeline.steps import Job
from naturalist.progress import Progress
from naturalist.running import workspace
from naturalist.stores import S3Options
from naturalist.studies.classifier import champions
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.refining import make
from naturalist.studies.classifier.refining import refine as refine_model
from naturalist.studies.classifier.training import HeldOutRows, is_trained, model_id
from naturalist.studies.classifier.training import train as train_model
from naturalist.studies.classifier.training_rows import TrainingRows, open_rows


@dataclass(frozen=True)
class Elsewhere:
    """Tables that are in no workspace of this machine, and where models made of them go."""

    place: str
    out: Path
    snapshot: str | None = None
    s3: S3Options | None = None


def train(config: Config, progress: Progress) -> dict[str, Any]:
    """Train a classifier of the tables of a workspace, unless it is there.

    Returns:
        What its `model.json` says, `folder`, `new`, and whether it is the `champion`.

    Raises:
        ConfigError: the tables cannot be learnt from.
        WorkspaceLocked: somebody else is writing.
        MissingExtra: SciPy is not installed.
    """
    layout, options = config.layout, config.classifier.options
    workspace.reading(layout)
    with workspace.writing(config):
        rows = open_rows(layout.root, options, layout=layout)
        folder = layout.model(model_id(rows, options))
        found = _train(rows, options, folder, progress)
        if champions.champion(layout) is None:
            champions.record(layout, folder.name, "promote", champions.FIRST)
    return found | {"champion": champions.champion(layout) == folder.name}


def train_elsewhere(
    there: Elsewhere, options: ClassifierOptions, progress: Progress
) -> dict[str, Any]:
    """Train a classifier of published or pulled tables, into a folder of the caller's.

    Raises:
        ConfigError: the tables cannot be learnt from.
        StoreError: the store failed.
        MissingExtra: SciPy is not installed.
    """
    rows = open_rows(there.place, options, snapshot=there.snapshot, s3=there.s3)
    return _train(rows, options, there.out / model_id(rows, options), progress)


def _train(
    rows: TrainingRows, options: ClassifierOptions, folder: Path, progress: Progress
) -> dict[str, Any]:
    new = not is_trained(folder)
    held: HeldOutRows | None = train_model(rows, options, folder, progress) if new else None
    del held
    facts: dict[str, Any] = artifacts.read_json(folder / "model.json")
    return facts | {"folder": str(folder), "new": new}


def evaluate(config: Config, progress: Progress) -> dict[str, Any]:
    """Evaluate the classifier of a workspace's tables as they are, training it if need be.

    Returns:
        What its `evaluation.json` says, with `model`, `folder`, and the `champion`.

    Raises:
        ConfigError: the tables cannot be learnt from.
        WorkspaceLocked: somebody else is writing.
        MissingExtra: SciPy or matplotlib is not installed.
    """
    layout, options = config.layout, config.classifier.options
    workspace.reading(layout)
    with workspace.writing(config):
        rows = open_rows(layout.root, options, layout=layout)
        found = _evaluate(rows, options, layout.model(model_id(rows, options)), progress)
        if champions.champion(layout) is None:
            champions.record(layout, found["model"], "promote", champions.FIRST)
    return found | {"champion": champions.champion(layout)}


def evaluate_elsewhere(
    there: Elsewhere, options: ClassifierOptions, progress: Progress
) -> dict[str, Any]:
    """Evaluate a classifier of published or pulled tables, into a folder of the caller's.

    Raises:
        ConfigError: the tables cannot be learnt from.
        StoreError: the store failed.
        MissingExtra: SciPy or matplotlib is not installed.
    """
    rows = open_rows(there.place, options, snapshot=there.snapshot, s3=there.s3)
    return _evaluate(rows, options, there.out / model_id(rows, options), progress)


def _evaluate(
    rows: TrainingRows, options: ClassifierOptions, folder: Path, progress: Progress
) -> dict[str, Any]:
    make(rows, options, folder, progress)
    found: dict[str, Any] = artifacts.read_json(folder / "evaluation.json")
    return {"model": folder.name, "folder": str(folder)} | found


def refine(config: Config, progress: Progress) -> dict[str, Any]:
    """Train a challenger of the newest tables, and make it the champion if it deserves that.

    Raises:
        ConfigError: the tables cannot be learnt from.
        WorkspaceLocked: somebody else is writing.
        MissingExtra: SciPy or matplotlib is not installed.
    """
    workspace.reading(config.layout)
    with workspace.writing(config):
        return _refine(config, progress)


def _refine(config: Config, progress: Progress) -> dict[str, Any]:
    options = config.classifier.options
    rows = open_rows(config.layout.root, options, layout=config.layout)
    return refine_model(rows, options, config.layout, progress, margin=config.classifier.margin)


def step(job: Job) -> dict[str, Any]:
    """The step of a run: `refine`, once two categories have rows."""
    layout = job.config.layout
    held = [name for name in job.config.labels if any(layout.tables.glob(f"{name}/*.parquet"))]
    if len(held) < 2:
        job.progress.note("classifier: fewer than two categories have rows; nothing to learn yet")
        return {}
    found = _refine(job.config, job.progress)
    if found["action"] != "none":
        job.progress.note(f"classifier {found['model']}: {found['action']}, {found['reason']}")
    return {key: found[key] for key in ("model", "action", "reason", "champion")}


def promote(config: Config, name: str, reason: str) -> dict[str, Any]:
    """Make a model the champion by a person's word.

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


def chosen_model(layout: Layout, name: str) -> Path:
    """The ONNX file of a model: of the champion, of one by its id, or a file or folder.

    Raises:
        ConfigError: there is no such model.
    """
    path = Path(name)
    if name and path.is_file():
        return path
    if name and (path / "model.onnx").is_file():
        return path / "model.onnx"
    if name and "/" in name:
        raise ConfigError(f"there is no model {name}: name a model.onnx or its folder")
    return champions.model_folder(layout, name) / "model.onnx"
