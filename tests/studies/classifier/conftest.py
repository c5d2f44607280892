"""A trained and evaluated model of the collection of real photos, made once a worker."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from naturalist.layout import Layout
from naturalist.progress import Silent
from naturalist.studies.classifier.evaluating import evaluate
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training import HeldOutRows, model_id, train
from naturalist.studies.classifier.training_rows import TrainingRows, open_rows


@dataclass(frozen=True)
class Made:
    rows: TrainingRows
    options: ClassifierOptions
    folder: Path
    held: HeldOutRows
    evaluation: dict[str, Any]


@pytest.fixture(scope="session")
def made(photo_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    options = ClassifierOptions()
    rows = open_rows(photo_workspace, options, layout=Layout(photo_workspace))
    folder = tmp_path_factory.mktemp("models") / model_id(rows, options)
    held = train(rows, options, folder, Silent())
    return Made(rows, options, folder, held, evaluate(rows, options, folder, Silent(), held))
