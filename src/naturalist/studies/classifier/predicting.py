"""Predicting pictures: the unit of work is a task of some files, done in any process."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist import artifacts, backbones, breadcrumbs, images
from naturalist.backbones import Backbone
from naturalist.errors import PictureError
from naturalist.images import PictureLimits, Pixels
from naturalist.images.apart import Decode, DecoderProcess
from naturalist.reasons import Reason
from naturalist.stages.extract import decode_for, shrinks_first
from naturalist.studies.classifier.exporting import backbone_named
from naturalist.studies.classifier.fetching import FetchLimits, read_input
from naturalist.studies.classifier.model import Classifier, Predicted, predict, read_classifier

NETWORK_BATCH = 16

Row = dict[str, Any]


@dataclass(frozen=True)
class PredictTask:
    """Some pictures, and the model that they are shown to."""

    number: int
    model: Path
    names: tuple[str, ...]
    picture_limits: PictureLimits
    fetch_limits: FetchLimits
    trails: Path
    with_features: bool = False
    decode_apart_s: float = 0.0
    """If not 0, pictures are decoded in a process of their own, each for so long at most."""
    blamed: tuple[tuple[int, Reason], ...] = ()

    @property
    def key(self) -> str:
        """Names the task among those under way."""
        return f"predict-{self.number:08d}"

    def suspect(self, index: int, reason: Reason) -> "PredictTask":
        """The same task, with one more picture refused unopened."""
        return replace(self, blamed=(*self.blamed, (index, reason)))


@dataclass(frozen=True)
class TaskPredicted:
    """A row for each picture of a task, and the features of those that were predicted, if asked.

    `features` holds float32 (predicted, dim) as bytes.
    """

    rows: tuple[Row, ...]
    features: bytes = field(default=b"", repr=False)


def run(task: PredictTask) -> TaskPredicted:
    """Predict the pictures of one task; one that cannot be used has a row with the reason.

    Raises:
        ConfigError: the model cannot be read.
        BackboneError: its backbone cannot be loaded.
    """
    with _decoder(task) as decode:
        return _run(task, decode)


@contextlib.contextmanager
def _decoder(task: PredictTask) -> Iterator[Decode]:
    if not task.decode_apart_s:
        yield images.decode
        return
    with contextlib.closing(DecoderProcess(task.decode_apart_s)) as process:
        yield process.decode


def _run(task: PredictTask, decode: Decode) -> TaskPredicted:
    classifier, backbone = _opened(task.model)
    refused: dict[int, PictureError] = {
        index: PictureError(reason, "happened twice, in a process of its own")
        for index, reason in task.blamed
    }
    with breadcrumbs.trail(task.trails, task.key) as trail:
        prepared = _prepared(task, backbone, refused, trail, decode)
        vectors = [backbone.features(batch) for batch in prepared]
    features = np.concatenate([np.empty((0, backbone.spec.dim), np.float32), *vectors])
    result = iter(_rows(classifier, predict(classifier, features)))
    rows = [
        {"path": name, **(_refusal(refused[k]) if k in refused else next(result))}
        for k, name in enumerate(task.names)
    ]
    return TaskPredicted(tuple(rows), features.tobytes() if task.with_features else b"")


@lru_cache(maxsize=1)
def _opened(model: Path) -> tuple[Classifier, Backbone]:
    classifier = read_classifier(model)
    return classifier, backbones.load(backbone_named(classifier.backbone_id).name)


def _prepared(
    task: PredictTask,
    backbone: Backbone,
    refused: dict[int, PictureError],
    trail: breadcrumbs.Trail,
    decode: Decode,
) -> Iterator[Pixels]:
    """Batches of prepared pictures; what goes wrong is entered in `refused`."""
    waiting: list[Pixels] = []
    for index, name in enumerate(task.names):
        if index in refused:
            continue
        trail.at(index)
        try:
            with artifacts.memory_errors(partial(_predicting, name)):
                data = read_input(name, task.fetch_limits)
                waiting.append(prepare(backbone, data, task.picture_limits, decode))
        except PictureError as error:
            refused[index] = error
        if len(waiting) == NETWORK_BATCH:
            yield np.stack(waiting)
            waiting = []
    trail.at(-1)
    if waiting:
        yield np.stack(waiting)


def _predicting(name: str) -> str:
    return f"predicting {name}"


def prepare(
    backbone: Backbone, data: bytes, limits: PictureLimits, decode: Decode = images.decode
) -> Pixels:
    """Decode and prepare a picture exactly as extraction does.

    Raises:
        PictureError: it cannot be decoded.
    """
    pixels = decode_for(backbone.spec, data, limits, decode).pixels
    if shrinks_first(backbone.spec):
        pixels = images.shrink(pixels, backbone.spec.side)
    return backbone.prepare(pixels)


def _rows(classifier: Classifier, predicted: Predicted) -> Iterator[Row]:
    best = predicted.probabilities.argmax(axis=1)
    for k, chances in enumerate(predicted.probabilities.tolist()):
        named = zip(classifier.categories, chances, strict=True)
        yield {
            "category": classifier.categories[int(best[k])],
            "probability": round(chances[int(best[k])], 6),
            "probabilities": {name: round(chance, 6) for name, chance in named},
            "decision": predicted.decision(k),
            "known": bool(predicted.known[k]),
            "outlier_score": round(float(predicted.outlier_scores[k]), 4),
        }


def _refusal(error: PictureError) -> Row:
    return {
        "category": None,
        "probability": None,
        "probabilities": None,
        "decision": None,
        "known": None,
        "outlier_score": None,
        "reason": error.reason.value,
        "detail": error.detail,
    }


def features_of_rows(predicted: TaskPredicted, dim: int) -> NDArray[np.float32]:
    """The features (predicted, dim) of a task's rows that have a category."""
    return np.frombuffer(predicted.features, np.float32).reshape(-1, dim)


def predicted_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows that have a category."""
    return [row for row in rows if row["category"] is not None]
