"""Evaluating a classifier: what to expect of it on pictures from sources that it never saw."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.studies.classifier.advice import advice, influence, leaning
from naturalist.studies.classifier.card import model_card
from naturalist.studies.classifier.methods import intervals, measures
from naturalist.studies.classifier.methods.held_out import learned, linear
from naturalist.studies.classifier.methods.intervals import Interval
from naturalist.studies.classifier.methods.linear import softmax, temperature_for
from naturalist.studies.classifier.methods.measures import Cell
from naturalist.studies.classifier.methods.nested import Nested, nested
from naturalist.studies.classifier.methods.novelty import false_alarms
from naturalist.studies.classifier.methods.splits import no_groups, random_split
from naturalist.studies.classifier.methods.weighting import row_weights
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.plots import write_plots
from naturalist.studies.classifier.report import report
from naturalist.studies.classifier.training import HeldOutRows, Progress, hold_out
from naturalist.studies.classifier.training_rows import TrainingRows

FORMAT = 1


def is_evaluated(folder: Path) -> bool:
    """Whether a model was evaluated as this program does it."""
    found = artifacts.read_json(folder / "evaluation.json")
    return found is not None and found["format"] == FORMAT


def evaluate(
    rows: TrainingRows,
    options: ClassifierOptions,
    folder: Path,
    watch: Progress,
    held: HeldOutRows | None = None,
) -> dict[str, Any]:
    """Evaluate the model of these rows and options; write document, report, plots and card.

    Args:
        rows: what the model was made of.
        options: how.
        folder: the model's.
        watch: hears about the work.
        held: the held-out predictions, where they are at hand.

    Returns:
        The document, as it is in `evaluation.json`.

    Raises:
        MissingExtra: scipy or matplotlib is not installed.
    """
    model = artifacts.read_json(folder / "model.json")
    held = held or hold_out(rows, options, watch)
    found = document(rows, options, held, watch)
    write_plots(found, folder)
    artifacts.write_bytes(folder / "report.md", report(model, found).encode())
    artifacts.write_bytes(folder / "card.md", model_card(model, found).encode())
    artifacts.write_json(folder / "evaluation.json", found)
    artifacts.write_json(folder / "model.json", model | {"evaluated": True})
    return found


def document(
    rows: TrainingRows, options: ClassifierOptions, held: HeldOutRows, watch: Progress
) -> dict[str, Any]:
    """Everything that is found out, as JSON values."""
    sample = rows.sample
    truth = held.found.classes(sample.labels)
    names = list(rows.categories)
    cells = measures.by_cell(
        truth,
        held.probabilities.argmax(axis=1),
        sample.sources,
        held.found.held_out,
        len(names),
    )
    random = _random_split(rows, options, truth)
    tried = _nested(rows, options, watch)
    influences = influence(rows, tried)
    return {
        "format": FORMAT,
        "categories": names,
        "rows": rows.total,
        "evaluated_rows": len(sample),
        "near_duplicates": rows.groups is not None,
        "random_split": random,
        "leave_one_source_out": _left_out(cells, names, options),
        "gap": _gap(random, cells),
        "expected_on_new_sources": _expected(cells, tried, names, options),
        "single_sources": [_name(cell, names) for cell in cells if not cell.held_out],
        **_of_probabilities(held, truth, rows),
        "novelty": _novelty(rows, options, held, names),
        "influence": influences,
        "leaning": leaning(influences),
        "advice": advice(rows, cells, tried),
    }


def _random_split(
    rows: TrainingRows, options: ClassifierOptions, truth: NDArray[np.int64]
) -> dict[str, Any]:
    """How a model does on a fifth of the pictures of the same sources, as most reports have it."""
    sample = rows.sample
    groups = no_groups(len(sample)) if rows.groups is None else rows.groups
    fold = random_split(sample.labels, groups, seed=options.seed)
    how = options.held_out(sample.categories)
    scorer = learned(
        sample.features,
        truth,
        sample.sources,
        fold,
        how.for_classes(np.unique(sample.labels)),
        linear(options.fit),
    )
    scores = scorer(sample.features[fold.test])
    own, sources = truth[fold.test], sample.sources[fold.test]
    cells = measures.by_cell(
        own, scores.argmax(axis=1), sources, np.zeros(len(own), np.bool_), len(rows.categories)
    )
    weights = row_weights(own, sources)
    interval = intervals.rows_interval(scores.argmax(axis=1) == own, weights, options.level)
    probabilities = softmax(scores, temperature_for(scores, own, weights))
    return {
        "balanced_accuracy": measures.balanced_accuracy(cells),
        "interval": [interval.low, interval.high],
        "level": options.level,
        "rows": len(own),
        "log_loss": measures.log_loss(probabilities, own, weights),
    }


def _left_out(
    cells: list[Cell], names: list[str], options: ClassifierOptions
) -> dict[str, Any] | None:
    left_out = [cell for cell in cells if cell.held_out]
    if not left_out:
        return None
    found = measures.accuracies(left_out)
    mean = intervals.interval_of_mean(found, options.level)
    naive = intervals.bootstrap_over_sources(found, options.level, options.seed)
    return {
        "balanced_accuracy": measures.balanced_accuracy(left_out),
        "interval": _ends(mean),
        "level": options.level,
        "method": None if mean is None else mean.method,
        "bootstrap_interval": _ends(naive),
        "per_source": [
            {
                "source": cell.source,
                "category": names[cell.category],
                "rows": cell.rows,
                "accuracy": cell.accuracy,
                "confusion": dict(zip(names, cell.predicted, strict=True)),
            }
            for cell in left_out
        ],
    }


def _gap(random: Mapping[str, Any], cells: list[Cell]) -> float | None:
    left_out = [cell for cell in cells if cell.held_out]
    if not left_out:
        return None
    return float(random["balanced_accuracy"]) - measures.balanced_accuracy(left_out)


def _expected(
    cells: list[Cell], tried: Nested, names: list[str], options: ClassifierOptions
) -> dict[str, Any] | None:
    """What one new source of one of the categories will get, and whether such claims have held."""
    left_out = [cell for cell in cells if cell.held_out]
    interval = intervals.interval_for_new_source([c.accuracy for c in left_out], options.level)
    if interval is None:
        return None
    return {
        "estimate": measures.balanced_accuracy(left_out),
        "interval": _ends(interval),
        "level": options.level,
        "method": interval.method,
        "quantity": "accuracy on the pictures of one new source of one of the categories",
        "coverage": {
            "sources": len(tried.held),
            "inside": sum(one.inside for one in tried.held),
            "share": tried.coverage,
            "held": [
                {
                    "source": one.source,
                    "category": names[one.category],
                    "accuracy": one.accuracy,
                    "interval": _ends(one.interval),
                    "inside": one.inside,
                }
                for one in tried.held
            ],
        },
    }


def _of_probabilities(
    held: HeldOutRows, truth: NDArray[np.int64], rows: TrainingRows
) -> dict[str, Any]:
    """Confusion, calibration and accuracy against coverage on rows of held-out sources."""
    tested = held.found.held_out if held.found.held_out.any() else np.ones(len(truth), np.bool_)
    own, probabilities = truth[tested], held.probabilities[tested]
    weights = row_weights(rows.sample.labels[tested], rows.sample.sources[tested])
    matrix = measures.confusion(own, probabilities.argmax(axis=1), probabilities.shape[1])
    calibration = measures.calibration(probabilities, own, weights)
    return {
        "confusion": {"categories": list(rows.categories), "matrix": matrix.tolist()},
        "calibration": {
            "ece": calibration.ece,
            "log_loss": measures.log_loss(probabilities, own, weights),
            "bins": [vars(one) for one in calibration.bins],
        },
        "selective": [
            {"coverage": coverage, "accuracy": accuracy}
            for coverage, accuracy in measures.selective(probabilities, own, weights)
        ],
    }


def _novelty(
    rows: TrainingRows, options: ClassifierOptions, held: HeldOutRows, names: list[str]
) -> dict[str, Any]:
    sample = rows.sample
    truth = held.found.classes(sample.labels)
    found = false_alarms(held.novelty.own, truth, sample.sources, options.false_alarms)
    by_category: dict[int, list[float]] = {}
    for (category, _), rate in found.items():
        by_category.setdefault(category, []).append(rate)
    measured = float(np.mean([np.mean(v) for v in by_category.values()])) if found else None
    return {
        "method": "cosine to the 10th nearest of a sample of training pictures",
        "asked_false_alarms": options.false_alarms,
        "measured_false_alarms": measured,
        "per_source": [
            {"source": source, "category": names[category], "false_alarms": rate}
            for (category, source), rate in found.items()
        ],
    }


def _name(cell: Cell, names: list[str]) -> dict[str, str]:
    return {"source": cell.source, "category": names[cell.category]}


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _nested(rows: TrainingRows, options: ClassifierOptions, watch: Progress) -> Nested:
    sample = rows.sample
    begun = False

    def on_fit(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            watch.begin("nested fits", total, "fits")
            begun = True
        watch.advance(1)

    found = nested(
        sample.features,
        sample.labels,
        sample.sources,
        groups=rows.groups,
        options=options.held_out(sample.categories),
        level=options.level,
        on_fit=on_fit,
    )
    watch.end()
    return found
