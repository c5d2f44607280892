"""Training a classifier: held-out models for calibration, then one of all rows."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import __version__, artifacts
from naturalist.progress import Progress, stage
from naturalist.schemas import PREDICTIONS
from naturalist.stores.opening import is_bucket
from naturalist.studies.classifier.card import model_card
from naturalist.studies.classifier.methods.held_out import (
    HeldOut,
    at_temperatures,
    fold_temperatures,
    held_out_scores,
    learnt,
    shrunk_temperature,
)
from naturalist.studies.classifier.methods.linear import (
    LinearModel,
    fit,
    fit_blocks,
    softmax,
)
from naturalist.studies.classifier.methods.measures import (
    balanced_accuracy,
    by_cell,
    calibration,
    log_loss,
)
from naturalist.studies.classifier.methods.novelty import FittedNovelty, fit_novelty
from naturalist.studies.classifier.methods.trust import sure_threshold
from naturalist.studies.classifier.methods.voting import MixedModel, Voters, fit_voters
from naturalist.studies.classifier.methods.weighting import cell_weights, cells, row_weights
from naturalist.studies.classifier.model import Classifier, to_onnx
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training_rows import CellKey, TrainingRows, all_blocks, keys_of

FORMAT = 3
"""Changes when the same tables and options would give another model."""
PRIOR_SOURCES = 4.0
"""How many left-out sources a temperature of 1 weighs as much as: few sources say little."""
_SOME = 30_000
"""Rows of a fit that a stream begins with."""


@dataclass(frozen=True, eq=False)
class HeldOutRows:
    """The sample as held-out models see it; the ground of calibration and evaluation.

    Attributes:
        scores: scores of the sample's rows by models that never saw their source.
        probabilities: (sample, classes) calibrated, each fold by the others.
        temperatures: of each fold.
        temperature: of the model of all rows.
        novelty: the detector of the unlike.
        sure_from: least probability of a prediction that is called sure.
        tested: (sample,) the rows that say something of new sources: those of sources that were
            left out; where none can be, those of categories that were learnt without them.
    """

    scores: HeldOut
    probabilities: NDArray[np.float32]
    temperatures: Mapping[int, float]
    temperature: float
    novelty: FittedNovelty
    sure_from: float
    tested: NDArray[np.bool_]


def model_id(rows: TrainingRows, options: ClassifierOptions) -> str:
    """The name of the model that these rows and options give."""
    return f"mixed-{fingerprint(rows, options)[:12]}"


def fingerprint(rows: TrainingRows, options: ClassifierOptions) -> str:
    """What a model is made from."""
    return artifacts.fingerprint(FORMAT, rows.fingerprint, options.as_dict())


def train(
    rows: TrainingRows, options: ClassifierOptions, folder: Path, progress: Progress
) -> HeldOutRows:
    """Train a classifier and write it to its folder, the summary last.

    Args:
        rows: what it is made of.
        options: how.
        folder: where to.
        progress: hears about the work.

    Raises:
        ConfigError: there are too few categories, or options do not fit them.
        MissingExtra: scipy is not installed.
        StorageFull: there is no space left.
    """
    held = hold_out(rows, options, progress)
    linear = _fit_all(rows, options, progress)
    mixed = MixedModel(linear, _voters(rows, options), options.linear_share, held.temperature)
    made_at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    classifier = Classifier(
        folder.name,
        mixed,
        held.novelty.novelty,
        held.sure_from,
        rows.categories,
        rows.backbone_id,
        made_at,
    )
    artifacts.write_bytes(folder / "model.onnx", to_onnx(classifier))
    _write_predictions(rows, held, folder / "predictions.parquet", progress)
    facts = _facts(rows, options, classifier, held)
    artifacts.write_bytes(folder / "card.md", model_card(facts, None).encode())
    artifacts.write_json(folder / "model.json", facts)
    return held


def hold_out(rows: TrainingRows, options: ClassifierOptions, progress: Progress) -> HeldOutRows:
    """Predict the sample by models that never saw the source of what they predict."""
    sample = rows.sample
    with stage(progress, "held-out fits", len(sample), "rows") as advance:
        result = held_out_scores(
            sample.features,
            sample.labels,
            sample.sources,
            groups=rows.groups,
            options=options.held_out(sample.categories),
            on_fold=lambda _, count: advance(count),
        )
    tested = _tested(result, sample.labels)
    temperatures = fold_temperatures(
        result,
        sample.labels,
        sample.sources,
        options.fit,
        counted=tested,
        prior_sources=PRIOR_SOURCES,
    )
    probabilities = at_temperatures(result, temperatures)
    novelty = fit_novelty(
        sample.features, sample.labels, sample.sources, result.folds, options.novelty
    )
    temperature = shrunk_temperature(
        result.scores[tested],
        result.classes(sample.labels[tested]),
        sample.sources[tested],
        prior_sources=PRIOR_SOURCES,
    )
    sure_from = sure_threshold(
        probabilities[tested],
        result.classes(sample.labels[tested]),
        sample.sources[tested],
        options.false_alarms,
    )
    return HeldOutRows(result, probabilities, temperatures, temperature, novelty, sure_from, tested)


def _tested(result: HeldOut, labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """The rows that say something of new sources; see `HeldOutRows`."""
    tested = result.held_out if result.held_out.any() else learnt(result, labels)
    return tested if tested.any() else np.ones_like(tested)


def _voters(rows: TrainingRows, options: ClassifierOptions) -> Voters:
    """The neighbours of the model of all rows, drawn from the sample; small sources are whole."""
    sample = rows.sample
    counts = _sample_weights(rows, options)
    classes = np.searchsorted(np.unique(sample.labels), sample.labels).astype(np.int64)
    cell = cells(sample.labels, sample.sources)
    return fit_voters(sample.features, classes, cell, counts, options.vote)


def _fit_all(rows: TrainingRows, options: ClassifierOptions, progress: Progress) -> LinearModel:
    sample, by_label = rows.sample, options.weights_by_label(rows.sample.categories)
    if rows.whole:
        return fit(
            sample.features,
            sample.labels,
            sources=sample.sources,
            class_weights=by_label,
            options=options.fit,
        )
    some = np.sort(np.random.default_rng(options.seed).permutation(len(sample))[:_SOME])
    start = fit(
        sample.features[some],
        sample.labels[some],
        sources=sample.sources[some],
        class_weights=by_label,
        options=options.fit,
    )
    weights = cell_weights(rows.counts, options.balance, by_label)
    blocks = all_blocks(rows, weights, options.rows_in_memory)
    passes = replace(options.fit, iterations=options.passes)
    with stage(progress, "fit", None, "passes") as advance:
        return fit_blocks(
            blocks,
            start.labels,
            rows.table.dim,
            passes,
            start=start,
            on_pass=lambda number, loss: advance(1),
        )


def _facts(
    rows: TrainingRows, options: ClassifierOptions, classifier: Classifier, held: HeldOutRows
) -> dict[str, Any]:
    sample = rows.sample
    names = {label: name for name, label in sample.categories.items()}
    return {
        "id": classifier.id,
        "made_at": classifier.made_at,
        "made_by": __version__,
        "kind": "mixed",
        "fingerprint": fingerprint(rows, options),
        "tables": {
            # A model is published; where somebody's workspace lies is nobody's business.
            "place": rows.place if is_bucket(rows.place) else "",
            "snapshot": rows.table.snapshot,
            "fingerprint": sample.fingerprint,
            "rows": rows.total,
            "near_duplicates": rows.groups is not None,
        },
        "backbone_id": rows.backbone_id,
        "categories": list(rows.categories),
        "sources": [
            {"category": names[label], "source": source, "rows": count}
            for (label, source), count in rows.counts.items()
        ],
        "options": options.as_dict(),
        "temperature": round(classifier.mixed.temperature, 4),
        "sure_from": round(classifier.sure_from, 4),
        "metrics": _metrics(rows, held),
        "evaluated": False,
    }


def _metrics(rows: TrainingRows, held: HeldOutRows) -> dict[str, Any]:
    sample = rows.sample
    truth = held.scores.classes(sample.labels)
    weights = row_weights(sample.labels, sample.sources)
    cells = by_cell(
        truth,
        held.probabilities.argmax(axis=1),
        sample.sources,
        held.scores.held_out,
        held.probabilities.shape[1],
    )
    left_out = [cell for cell in cells if cell.held_out]
    return {
        "balanced_accuracy_on_held_out_sources": balanced_accuracy(left_out) if left_out else None,
        "log_loss": log_loss(held.probabilities, truth, weights),
        "ece": calibration(held.probabilities, truth, weights).ece,
        "held_out_sources": len(left_out),
        "sources": len(cells),
    }


def _write_predictions(
    rows: TrainingRows, held: HeldOutRows, path: Path, progress: Progress
) -> None:
    names = {label: name for name, label in rows.sample.categories.items()}
    with stage(progress, "predictions", rows.total, "rows") as advance:
        parts = _predicted_parts(rows, held, names, advance)
        artifacts.write_parquet_parts(path, PREDICTIONS, parts)


def _predicted_parts(
    rows: TrainingRows, held: HeldOutRows, names: Mapping[int, str], advance: Callable[[int], None]
) -> Iterator[pa.Table]:
    """Predictions of each table's rows by the models that never saw their source."""
    if rows.whole:
        yield _predictions_of_sample(rows, held, names)
        advance(rows.total)
        return
    fold_of = _fold_finder(rows, held)
    for part in rows.table.rows():
        folds, left_out = fold_of(part.pic_ids.tolist(), keys_of(part))
        probabilities = np.empty((len(part), len(held.scores.labels)), np.float32)
        for fold in np.unique(folds).tolist():
            own = folds == fold
            scores = held.scores.scorers[fold](part.features[own])
            probabilities[own] = softmax(scores, held.temperatures[fold])
        outlier = held.novelty.held_out_scores(part.features, folds)
        pic_ids = pa.array(part.pic_ids.tolist(), pa.string())
        yield _predictions(pic_ids, part.labels, names, held, probabilities, outlier, left_out)
        advance(len(part))


def _predictions_of_sample(
    rows: TrainingRows, held: HeldOutRows, names: Mapping[int, str]
) -> pa.Table:
    """The same where the sample holds all rows, of which all is known already."""
    sample = rows.sample
    pic_ids = pa.array(sample.pic_ids.tolist(), pa.string())
    outlier = held.novelty.novelty.scores_of(held.novelty.own)
    left_out = held.scores.held_out.tolist()
    return _predictions(pic_ids, sample.labels, names, held, held.probabilities, outlier, left_out)


def _sample_weights(rows: TrainingRows, options: ClassifierOptions) -> NDArray[np.float64]:
    """What each row of the sample counts, the rows that it stands for included."""
    sample, by_label = rows.sample, options.weights_by_label(rows.sample.categories)
    if rows.whole:
        return row_weights(
            sample.labels, sample.sources, balance=options.balance, class_weights=by_label
        )
    keys = list(zip(sample.labels.tolist(), sample.sources.tolist(), strict=True))
    drawn, weights = Counter(keys), cell_weights(rows.counts, options.balance, by_label)
    return np.array([weights[key] * rows.counts[key] / drawn[key] for key in keys])


FoldFinder = Callable[[list[str], list[CellKey]], tuple[NDArray[np.int64], list[bool]]]


def _fold_finder(rows: TrainingRows, held: HeldOutRows) -> FoldFinder:
    """Gives the fold of rows, and whether their source was left out of it.

    The sources that can be left out have a fold each. Of the others, a row of the sample has the
    fold that it was tested in, and one that is not in the sample was trained with in none.
    """
    sample, result = rows.sample, held.scores
    by_source: dict[CellKey, int] = {}
    by_name: dict[str, int] = {}
    cells = zip(sample.labels.tolist(), sample.sources.tolist(), strict=True)
    for k, key in enumerate(cells):
        if result.held_out[k]:
            by_source[key] = int(result.folds[k])
        else:
            by_name[str(sample.pic_ids[k])] = int(result.folds[k])
    other = next(iter(by_name.values()), 0)

    def find(pic_ids: list[str], keys: list[CellKey]) -> tuple[NDArray[np.int64], list[bool]]:
        folds = [
            by_source.get(key, by_name.get(name, other))
            for name, key in zip(pic_ids, keys, strict=True)
        ]
        return np.array(folds, np.int64), [key in by_source for key in keys]

    return find


def _predictions(
    pic_ids: pa.Array,
    labels: NDArray[np.int32],
    names: Mapping[int, str],
    held: HeldOutRows,
    probabilities: NDArray[np.float32],
    outlier: NDArray[np.float32],
    left_out: list[bool],
) -> pa.Table:
    classes = held.scores.classes(labels)
    best = probabilities.argmax(axis=1)
    every = np.arange(len(labels))
    return pa.Table.from_arrays(
        [
            pic_ids,
            pa.array([names[label] for label in labels.tolist()], pa.string()),
            pa.array([names[label] for label in held.scores.labels[best].tolist()], pa.string()),
            pa.array(probabilities[every, best]),
            pa.array(probabilities[every, classes]),
            pa.array(outlier),
            pa.array(held.novelty.novelty.known(outlier)),
            pa.array(probabilities[every, best] >= np.float32(held.sure_from)),
            pa.array(left_out, pa.bool_()),
        ],
        schema=PREDICTIONS,
    )
