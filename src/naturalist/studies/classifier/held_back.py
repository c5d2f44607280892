"""What a challenger says of pictures from sources that came after the champion.

Such pictures are in no held-out prediction of the champion, which has seen none of them: it can
simply be asked. The challenger has learnt from them, so each is predicted by a model that was
trained with the other pictures of its source and without it and its near duplicates.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.categories import Categories
from naturalist.studies.classifier.methods.held_out import learned
from naturalist.studies.classifier.methods.linear import softmax
from naturalist.studies.classifier.methods.splits import folds_within
from naturalist.studies.classifier.model import predict, read_classifier
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training_rows import TrainingRows

FEWEST = 10
"""Pictures that a new source needs to be looked at."""


@dataclass(frozen=True, eq=False)
class NewPictures:
    """Pictures of sources that the champion was not trained with, and what both say of them.

    Attributes:
        rows: (n,) their places in the sample.
        champion, challenger: (n, categories of the rows) probabilities.
    """

    rows: NDArray[np.int64]
    champion: NDArray[np.float32]
    challenger: NDArray[np.float32]


def facts_of(model: Path, known: Categories) -> dict[str, Any]:
    """What a `model.json` says, its categories by their present names."""
    facts: dict[str, Any] = artifacts.read_json(model / "model.json")
    return facts | {
        "categories": [known.present_name(name) for name in facts["categories"]],
        "sources": [
            one | {"category": known.present_name(one["category"])} for one in facts["sources"]
        ],
    }


def new_pictures(
    rows: TrainingRows,
    options: ClassifierOptions,
    champion: Path,
    challenger: Path,
    known: Categories,
) -> NewPictures | None:
    """Predict the pictures of sources that came after the champion by both models.

    Args:
        rows: what the challenger was made of.
        options: how.
        champion, challenger: folders of the models.
        known: the categories of the workspace.

    Returns:
        None where there are no such pictures, or the champion takes other features or categories.
    """
    before, after = facts_of(champion, known), facts_of(challenger, known)
    same = all(before[key] == after[key] for key in ("backbone_id", "categories"))
    new = _of_new_sources(rows, before["sources"])
    if not same or not new.any():
        return None
    result = np.flatnonzero(new)
    answers = predict(read_classifier(champion / "model.onnx"), rows.sample.features[result])
    scores = _held_back_scores(rows, options, new)[result]
    return NewPictures(result, answers.probabilities, softmax(scores, after["temperature"]))


def _of_new_sources(rows: TrainingRows, known: list[dict[str, object]]) -> NDArray[np.bool_]:
    """Rows (sample,) of sources that are not among those that a model was trained with."""
    sample = rows.sample
    names = {label: name for name, label in sample.categories.items()}
    trained = {(one["category"], one["source"]) for one in known}
    new = np.zeros(len(sample), np.bool_)
    for label, source in rows.counts:
        if (names[label], source) not in trained:
            own = (sample.labels == label) & (sample.sources == source)
            new |= own if own.sum() >= FEWEST else False
    return new


def _held_back_scores(
    rows: TrainingRows, options: ClassifierOptions, new: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Scores (sample, classes) of new rows by models trained with all but a fold of them."""
    sample = rows.sample
    known, classes = np.unique(sample.labels, return_inverse=True)
    how = options.held_out(sample.categories).for_classes(known)
    scores = np.zeros((len(sample), len(known)), np.float32)
    for fold in folds_within(sample.labels, new, rows.groups, how.folds, how.seed):
        scorer = learned(
            sample.features, classes.astype(np.int64), sample.sources, fold, how, how.learner
        )
        scores[fold.test] = scorer(sample.features[fold.test])
    return scores
