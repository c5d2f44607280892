"""Predicting files, folders and addresses, in as many processes as extraction takes."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired

import numpy as np
from typing_extensions import TypedDict

from naturalist import categories
from naturalist.categories import Categories
from naturalist.config import Config
from naturalist.errors import ConfigError
from naturalist.features import FeatureTable, open_features
from naturalist.images import PictureLimits
from naturalist.pipeline.classifier import resolve_model
from naturalist.progress import Progress, stage
from naturalist.running.executors import Executor, InlineExecutor, ProcessExecutor, worker_count
from naturalist.studies.classifier.evidence import nearest
from naturalist.studies.classifier.fetching import FetchLimits, is_address
from naturalist.studies.classifier.model import read_classifier
from naturalist.studies.classifier.predicting import (
    PredictTask,
    Row,
    TaskPredicted,
    features_of_rows,
    predicted_rows,
    run,
)

FEW = 200
"""Up to this number of pictures, the most similar training pictures are named by default."""
NEAREST = 3
"""How many are named then."""
_NAMES_PER_TASK = 64
_ALONE = 16
"""So few pictures are predicted in this process, for starting others would take longer, and decoded
in a process apart, which can be ended."""


class NearPicture(TypedDict):
    """A training picture that is like the predicted one."""

    picID: str
    category: str
    source: str
    cosine: float


class Prediction(TypedDict):
    """What a picture shows; where it cannot be used all but `path` is None and `reason` says why.

    `decision` is sure, unsure (a low probability) or unlike (nothing like it was learnt from);
    `probabilities` has all categories.
    """

    path: str
    category: str | None
    probability: float | None
    probabilities: dict[str, float] | None
    decision: str | None
    known: bool | None
    outlier_score: float | None
    reason: NotRequired[str]
    detail: NotRequired[str]
    nearest: NotRequired[list[NearPicture]]


@dataclass(frozen=True)
class PredictRequest:
    """What a person asks of predictions.

    Attributes:
        model: id of a model of the workspace, a model.onnx or its folder; empty for the champion.
        nearest: similar training pictures to name for each; None for 3 of up to 200 pictures, where
            there are tables.
        workers: processes; 0 for as many as the configuration says.
        timeout_s: longest time for an address, in seconds.
    """

    model: str = ""
    nearest: int | None = None
    workers: int = 0
    timeout_s: float = FetchLimits.timeout_s


def predict_inputs(
    config: Config | None, inputs: Sequence[str], request: PredictRequest, progress: Progress
) -> Iterator[Row]:
    """A `Prediction` for each picture of some files, folders and addresses.

    Args:
        config: the workspace; None if the model of the request is a file and there is none.
        inputs: files, folders and http(s) addresses.
        request: which model, and how.
        progress: hears how far it is.

    Raises:
        ConfigError: there is no such file, folder or model, the model cannot be read, or a category
            that it answers with is retired in the workspace.
        BackboneError: its backbone is not on this machine.
        NaturalistError: workers are killed again and again.
    """
    names = find_pictures(inputs)
    path = Path(request.model) if config is None else resolve_model(config.layout, request.model)
    path = path / "model.onnx" if path.is_dir() else path
    rows = predict(names, path, _options(config, request, len(names), path, progress), progress)
    return rows if config is None else _renamed(rows, categories.read(config.layout))


def _renamed(rows: Iterator[Row], known: Categories) -> Iterator[Row]:
    """Rows with the present names of categories that were renamed after the model was trained."""
    for row in rows:
        if row["category"] is not None:
            row["category"] = known.present_name(row["category"])
            chances = row["probabilities"].items()
            row["probabilities"] = {known.present_name(name): one for name, one in chances}
        yield row


def _options(
    config: Config | None, request: PredictRequest, count: int, model: Path, progress: Progress
) -> "PredictOptions":
    if config is None:
        limits = FetchLimits(timeout_s=request.timeout_s)
        return PredictOptions(PictureLimits(), limits, request.workers)
    nearest = request.nearest if request.nearest is not None else NEAREST if count <= FEW else 0
    return PredictOptions(
        config.picture_limits,
        FetchLimits(config.limits.max_file_bytes, request.timeout_s),
        request.workers or config.extract.workers,
        config.limits.decode_timeout_s,
        nearest,
        _tables_of(config, model, progress) if nearest else None,
    )


def _tables_of(config: Config, model: Path, progress: Progress) -> FeatureTable | None:
    """The tables of the workspace; None while they have no rows, or are of another network."""
    try:
        tables = open_features(config.layout.root)
    except ConfigError:
        return None
    if tables.backbone == read_classifier(model).backbone_id:
        return tables
    progress.note(
        "no nearest pictures: the model and the tables use different backbones; train or refine a "
        "model on these tables"
    )
    return None


@dataclass(frozen=True)
class PredictOptions:
    """How pictures are predicted.

    Attributes:
        picture_limits, fetch_limits: what is refused.
        workers: processes; 0 is one for each core.
        decode_timeout_s: longest time for one picture.
        nearest: training pictures that are named for each.
        tables: where these are looked for; None if there are none.
    """

    picture_limits: PictureLimits
    fetch_limits: FetchLimits
    workers: int = 0
    decode_timeout_s: float = 120.0
    nearest: int = 0
    tables: FeatureTable | None = None


def find_pictures(inputs: Sequence[str]) -> list[str]:
    """Files and addresses that are meant: those of folders by name, at any depth.

    Hidden files, and what is in hidden folders, are left out.

    Raises:
        ConfigError: there is no such file or folder.
    """
    result: list[str] = []
    for name in inputs:
        if is_address(name) or Path(name).is_file():
            result.append(name)
        elif Path(name).is_dir():
            result += _in_folder(name)
        else:
            raise ConfigError(f"there is no {name}: pass files, folders or http(s) URLs")
    return result


def _in_folder(name: str) -> Iterator[str]:
    for folder, below, files in os.walk(name):
        below[:] = sorted(one for one in below if not one.startswith("."))
        for file in sorted(files):
            if not file.startswith("."):
                yield str(Path(folder) / file)


def predict(
    names: Sequence[str], model: Path, options: PredictOptions, progress: Progress
) -> Iterator[Row]:
    """A row for each picture, in the order of names; one that cannot be used says why.

    Rows come while the work goes on; with `nearest` they come at its end, since the tables are
    gone through once for all pictures.

    Raises:
        ConfigError: the model cannot be read.
        BackboneError: its backbone is not on this machine.
        NaturalistError: workers are killed again and again.
    """
    dim = read_classifier(model).mixed.dim
    with_nearest = options.nearest > 0 and options.tables is not None
    with (
        stage(progress, "predict", len(names), "pictures") as advance,
        tempfile.TemporaryDirectory(prefix="naturalist-predict-") as scratch,
    ):
        done = _in_order(names, model, options, Path(scratch), with_features=with_nearest)
        if with_nearest:
            yield from _with_nearest(list(_counted(done, advance)), options, dim)
        else:
            for one in _counted(done, advance):
                yield from one.rows


def _counted(
    done: Iterator[TaskPredicted], advance: Callable[[int], None]
) -> Iterator[TaskPredicted]:
    for one in done:
        advance(len(one.rows))
        yield one


def _in_order(
    names: Sequence[str],
    model: Path,
    options: PredictOptions,
    scratch: Path,
    *,
    with_features: bool,
) -> Iterator[TaskPredicted]:
    """What each task gave, in the order of tasks, whichever was ready first."""
    tasks = (
        PredictTask(
            start // _NAMES_PER_TASK,
            model,
            tuple(names[start : start + _NAMES_PER_TASK]),
            options.picture_limits,
            options.fetch_limits,
            scratch,
            with_features,
            options.decode_timeout_s if len(names) <= _ALONE else 0.0,
        )
        for start in range(0, len(names), _NAMES_PER_TASK)
    )
    waiting: dict[int, TaskPredicted] = {}
    turn = 0
    with closing(_executor(len(names), options, scratch)) as executor:
        for task, result in executor.map(run, tasks):
            waiting[task.number] = result
            while turn in waiting:
                yield waiting.pop(turn)
                turn += 1


def _executor(count: int, options: PredictOptions, scratch: Path) -> Executor:
    if count <= _ALONE:
        return InlineExecutor()
    return ProcessExecutor(worker_count(options.workers), scratch, options.decode_timeout_s)


def _with_nearest(
    done: Sequence[TaskPredicted], options: PredictOptions, dim: int
) -> Iterator[Row]:
    features = np.concatenate([features_of_rows(one, dim) for one in done])
    rows = [row for one in done for row in one.rows]
    if options.tables is not None and len(features):
        evidence = nearest(options.tables, features, options.nearest)
        for row, near in zip(predicted_rows(rows), evidence, strict=True):
            row["nearest"] = near
    yield from rows
