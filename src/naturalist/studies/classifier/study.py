"""The classifier as studies: a model, its evaluation, and the choice between two models."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from naturalist import artifacts
from naturalist.layout import Layout
from naturalist.progress import Progress
from naturalist.studies.classifier import refining
from naturalist.studies.classifier.champions import is_trained
from naturalist.studies.classifier.evaluating import is_evaluated
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training import model_id, train
from naturalist.studies.classifier.training_rows import TrainingRows
from naturalist.studies.study import Outgrown, Report, Result, WholeStudy, check_installed


@dataclass(frozen=True, eq=False)
class ModelStudy(WholeStudy):
    """A model of some rows.

    Attributes:
        rows: what it is made of.
        options: how.
        models: the folder that has a folder for each model.
        progress: hears about the work.
    """

    rows: TrainingRows
    options: ClassifierOptions
    models: Path
    progress: Progress
    name: str = "classifier"

    @cached_property
    def folder(self) -> Path:
        """The folder of the model; its name follows from rows and options."""
        return self.models / model_id(self.rows, self.options)

    def current(self) -> Report | None:
        """The content of `model.json`, if the model is whole."""
        return self._facts() if is_trained(self.folder) else None

    def make(self, outgrown: Outgrown[None] | None) -> Report:
        """Train it."""
        del outgrown
        check_installed()
        train(self.rows, self.options, self.folder, self.progress)
        return self._facts()

    def summary(self, result: Result) -> Report:
        """Which model it is, and whether it is new."""
        return {"model": self.folder.name, "new": result.changed}

    def _facts(self) -> Report:
        facts: Report = artifacts.read_json(self.folder / "model.json")
        return facts


@dataclass(frozen=True, eq=False)
class EvaluationStudy(ModelStudy):
    """A model and what is measured of it; the model is trained if it is not there."""

    def current(self) -> Report | None:
        """The content of `evaluation.json`, if model and evaluation are whole."""
        is_done = is_trained(self.folder) and is_evaluated(self.folder)
        return self._facts() if is_done else None

    def make(self, outgrown: Outgrown[None] | None) -> Report:
        """Train and evaluate it, each only where it is not done."""
        del outgrown
        check_installed()
        refining.make(self.rows, self.options, self.folder, self.progress)
        return self._facts()

    def _facts(self) -> Report:
        facts: Report = artifacts.read_json(self.folder / "evaluation.json")
        return facts


@dataclass(frozen=True, eq=False)
class ChampionStudy(WholeStudy):
    """The model in use: a challenger of the newest rows against the champion.

    Attributes:
        rows: the newest tables.
        options: how models are made, and what a category may lose.
        layout: the workspace.
        progress: hears about the work.
    """

    rows: TrainingRows
    options: ClassifierOptions
    layout: Layout
    progress: Progress
    name: str = "classifier"

    def current(self) -> Report | None:
        """That there is nothing new, if the champion or a refused model is of these rows."""
        return refining.settled(self.rows, self.options, self.layout)

    def make(self, outgrown: Outgrown[None] | None) -> Report:
        """Make the challenger, and the champion of it if it deserves that."""
        del outgrown
        check_installed()
        return refining.refine(
            self.rows, self.options, self.layout, self.progress, margin=self.options.margin
        )

    def summary(self, result: Result) -> Report:
        """Which model, what was done with it and why."""
        return {key: result.report[key] for key in ("model", "action", "reason", "champion")}

    def warning(self, report: Report) -> str:
        """What was decided; empty if nothing was new."""
        if report["action"] == "none":
            return ""
        return f"classifier {report['model']}: {report['action']}, {report['reason']}"
