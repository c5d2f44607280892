"""Evaluating a classifier: what to expect of it on pictures from sources that it never saw."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.progress import Progress, stage
from naturalist.studies.classifier.advice import advice, influence, leaning
from naturalist.studies.classifier.card import model_card
from naturalist.studies.classifier.evaluation_page import page
from naturalist.studies.classifier.methods import intervals, measures
from naturalist.studies.classifier.methods.held_out import learned
from naturalist.studies.classifier.methods.intervals import Interval
from naturalist.studies.classifier.methods.linear import softmax, temperature_for
from naturalist.studies.classifier.methods.measures import Cell
from naturalist.studies.classifier.methods.nested import Nested, count_fits, nested
from naturalist.studies.classifier.methods.novelty import false_alarms
from naturalist.studies.classifier.methods.splits import no_groups, random_split
from naturalist.studies.classifier.methods.trust import flagging, held_out_sure
from naturalist.studies.classifier.methods.weighting import row_weights
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.plots import write_plots
from naturalist.studies.classifier.training import HeldOutRows, hold_out
from naturalist.studies.classifier.training_rows import TrainingRows

FORMAT = 2


def is_evaluated(folder: Path) -> bool:
    """Whether a model was evaluated as this program does it."""
    result = artifacts.read_json(folder / "evaluation.json")
    return result is not None and result["format"] == FORMAT


def evaluate(
    rows: TrainingRows,
    options: ClassifierOptions,
    folder: Path,
    progress: Progress,
    held: HeldOutRows | None = None,
) -> dict[str, Any]:
    """Evaluate the model of these rows and options; write document, report, plots and card.

    Args:
        rows: what the model was made of.
        options: how.
        folder: the model's.
        progress: hears about the work.
        held: the held-out predictions, where they are at hand.

    Returns:
        The document, as it is in `evaluation.json`.

    Raises:
        MissingExtra: scipy or matplotlib is not installed.
    """
    model = artifacts.read_json(folder / "model.json")
    held = held or hold_out(rows, options, progress)
    result = document(rows, options, held, progress)
    write_plots(result, folder)
    artifacts.write_bytes(folder / "report.md", page(model, result).encode())
    artifacts.write_bytes(folder / "card.md", model_card(model, result).encode())
    artifacts.write_json(folder / "evaluation.json", result)
    artifacts.write_json(folder / "model.json", model | {"evaluated": True})
    return result


def document(
    rows: TrainingRows, options: ClassifierOptions, held: HeldOutRows, progress: Progress
) -> dict[str, Any]:
    """Everything that is found out, as JSON values."""
    sample = rows.sample
    truth = held.scores.classes(sample.labels)
    names = list(rows.categories)
    cells = measures.by_cell(
        truth,
        held.probabilities.argmax(axis=1),
        sample.sources,
        held.scores.held_out,
        len(names),
    )
    random, known_cells = _random_split(rows, options, truth)
    tried = _nested(rows, options, progress)
    influences = influence(rows, tried)
    return {
        "format": FORMAT,
        "categories": names,
        "rows": rows.total,
        "evaluated_rows": len(sample),
        "near_duplicates": rows.groups is not None,
        "random_split": random,
        "leave_one_source_out": _left_out(cells, names, options),
        "gap": _gap(known_cells, cells),
        "expected_on_new_sources": _expected(cells, tried, names, options),
        "single_sources": [_name(cell, names) for cell in cells if not cell.held_out],
        **_of_probabilities(held, truth, rows),
        "novelty": _novelty(rows, options, held, names),
        "trust": trust(rows, options, held),
        "influence": influences,
        "leaning": leaning(influences),
        "advice": advice(rows, cells, tried),
    }


def _random_split(
    rows: TrainingRows, options: ClassifierOptions, truth: NDArray[np.int64]
) -> tuple[dict[str, Any], list[Cell]]:
    """How a model does on a fifth of the pictures of the same sources, as most reports have it."""
    sample = rows.sample
    groups = no_groups(len(sample)) if rows.groups is None else rows.groups
    fold = random_split(sample.labels, groups, seed=options.seed)
    how = options.held_out(sample.categories).for_classes(np.unique(sample.labels))
    scorer = learned(sample.features, truth, sample.sources, fold, how, how.learner)
    scores = scorer(sample.features[fold.test])
    own, sources = truth[fold.test], sample.sources[fold.test]
    cells = measures.by_cell(
        own, scores.argmax(axis=1), sources, np.zeros(len(own), np.bool_), len(rows.categories)
    )
    weights = row_weights(own, sources)
    interval = intervals.rows_interval(scores.argmax(axis=1) == own, weights, options.level)
    probabilities = softmax(scores, temperature_for(scores, own, weights))
    result = {
        "balanced_accuracy": measures.balanced_accuracy(cells),
        "interval": [interval.low, interval.high],
        "level": options.level,
        "rows": len(own),
        "log_loss": measures.log_loss(probabilities, own, weights),
    }
    return result, cells


def _left_out(
    cells: list[Cell], names: list[str], options: ClassifierOptions
) -> dict[str, Any] | None:
    left_out = [cell for cell in cells if cell.held_out]
    if not left_out:
        return None
    result = measures.accuracies(left_out)
    mean = intervals.interval_of_mean(result, options.level, 1 / len(names))
    naive = intervals.bootstrap_over_sources(result, options.level, options.seed)
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


def _gap(random: list[Cell], cells: list[Cell]) -> float | None:
    """What a random split promises too much, over the sources that both have tested."""
    left_out = {(cell.category, cell.source): cell for cell in cells if cell.held_out}
    both = [cell for cell in random if (cell.category, cell.source) in left_out]
    if not both:
        return None
    strict = [left_out[cell.category, cell.source] for cell in both]
    return measures.balanced_accuracy(both) - measures.balanced_accuracy(strict)


def _expected(
    cells: list[Cell], tried: Nested, names: list[str], options: ClassifierOptions
) -> dict[str, Any] | None:
    """What one new source of one of the categories will get, and whether such claims have held."""
    left_out = [cell for cell in cells if cell.held_out]
    accuracies = [cell.accuracy for cell in left_out]
    interval = intervals.interval_for_new_source(accuracies, options.level, 1 / len(names))
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
    tested = held.tested
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
        "selective": _points(measures.selective(probabilities, own, weights)),
    }


def trust(rows: TrainingRows, options: ClassifierOptions, held: HeldOutRows) -> dict[str, Any]:
    """What the decisions are worth: thresholds of all other sources, tried on each left-out one."""
    tested, sample = held.tested, rows.sample
    truth = held.scores.classes(sample.labels)[tested]
    probabilities, sources = held.probabilities[tested], sample.sources[tested]
    weights = row_weights(truth, sources)
    right = probabilities.argmax(axis=1) == truth
    unsure = ~held_out_sure(probabilities, truth, sources, options.false_alarms)
    outlier = held.novelty.novelty.scores_of(held.novelty.own)[tested]
    unlike = ~held.novelty.novelty.known(outlier)
    flags = {"unsure": unsure, "unlike": unlike, "either": unsure | unlike}
    decided = {"sure": ~flags["either"], "unsure": unsure & ~unlike, "unlike": unlike}
    return {
        "sure_from": held.sure_from,
        "flags": {name: vars(flagging(one, right, weights)) for name, one in flags.items()},
        "decisions": [_decision(name, one, right, weights) for name, one in decided.items()],
        "selective_by_likeness": _points(measures.selective_by(-outlier, right, weights)),
    }


def _decision(
    name: str, rows: NDArray[np.bool_], right: NDArray[np.bool_], weights: NDArray[np.float64]
) -> dict[str, Any]:
    total = float(weights[rows].sum())
    accuracy = float(weights[rows & right].sum()) / total if total > 0 else None
    return {"decision": name, "share": total / float(weights.sum()), "accuracy": accuracy}


def _points(curve: list[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"coverage": coverage, "accuracy": accuracy} for coverage, accuracy in curve]


def _novelty(
    rows: TrainingRows, options: ClassifierOptions, held: HeldOutRows, names: list[str]
) -> dict[str, Any]:
    sample = rows.sample
    truth = held.scores.classes(sample.labels)
    result = false_alarms(held.novelty.own, truth, sample.sources, options.false_alarms)
    by_category: dict[int, list[float]] = {}
    for (category, _), rate in result.items():
        by_category.setdefault(category, []).append(rate)
    measured = float(np.mean([np.mean(v) for v in by_category.values()])) if result else None
    return {
        "method": "cosine to the 10th nearest of a sample of training pictures",
        "asked_false_alarms": options.false_alarms,
        "measured_false_alarms": measured,
        "per_source": [
            {"source": source, "category": names[category], "false_alarms": rate}
            for (category, source), rate in result.items()
        ],
    }


def _name(cell: Cell, names: list[str]) -> dict[str, str]:
    return {"source": cell.source, "category": names[cell.category]}


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _nested(rows: TrainingRows, options: ClassifierOptions, progress: Progress) -> Nested:
    sample = rows.sample
    how = options.held_out(sample.categories)
    total = count_fits(sample.labels, sample.sources, how.seed)
    with stage(progress, "nested fits", total, "fits") as advance:
        return nested(
            sample.features,
            sample.labels,
            sample.sources,
            groups=rows.groups,
            options=how,
            level=options.level,
            on_fit=lambda done, total: advance(1),
        )
