"""What decisions would do to accuracy on sources that are left out, tried on a bounded sample.

Two classifiers are compared: one learns the labels as they are, one the labels as decided. Both are
tested on the same pictures, whose source they never saw, and on the labels as decided.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.config import Config
from naturalist.counting import counted
from naturalist.curation.review import Reviewed
from naturalist.features import Rows, joined
from naturalist.ledger import Outcome
from naturalist.progress import Progress, stage
from naturalist.studies.classifier import champions
from naturalist.studies.classifier.methods.held_out import HeldOut, held_out_scores
from naturalist.studies.classifier.methods.measures import balanced_accuracy, by_cell
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training_rows import TrainingRows, groups_of, open_rows

MOST_ROWS = 4_000
"""Pictures that are drawn beside those that were decided about; small sources stay whole."""
NO_CHAMPION = "unknown: no classifier was trained yet"
NO_SOURCES = "unknown: every category has one source only, so none can be left out"
NOTHING_MOVES = "unchanged: no picture of the tables changes its category or leaves"


@dataclass(frozen=True)
class AccuracyEffect:
    """Accuracy on sources left out, every source of a category counting the same.

    Attributes:
        rows: pictures that were tested.
        decided: pictures of the tables that change their category or leave.
        before: of what learns the labels as they are.
        after: of what learns the labels as decided.
    """

    rows: int
    decided: int
    before: float
    after: float

    def __str__(self) -> str:
        """In words."""
        points = 100 * (self.after - self.before)
        return (
            f"{self.before:.1%} without and {self.after:.1%} with these decisions "
            f"({points:+.1f} points), tried on {counted(self.rows, 'picture')}"
        )

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self)


def accuracy_effect(
    config: Config, reviewed: Reviewed, progress: Progress, most_rows: int = MOST_ROWS
) -> AccuracyEffect | str:
    """Train with and without what decisions change, and compare; nothing is written.

    Args:
        config: the collection.
        reviewed: what the decisions would change.
        progress: told how many pictures have been tested.
        most_rows: pictures that are drawn.

    Returns:
        The effect, or why there is none.

    Raises:
        ConfigError: the tables cannot be learnt from.
        MissingExtra: SciPy is not installed.
    """
    if champions.champion(config.layout) is None:
        return NO_CHAMPION
    labels, gone = _moves(config, reviewed)
    if not labels and not gone:
        return NOTHING_MOVES
    options = replace(config.classifier, evaluated_rows=most_rows)
    layout = config.layout
    drawn = open_rows(layout.root, options, layout=layout)
    rows = _with(drawn, {*labels, *gone})
    groups = groups_of(layout, rows.pic_ids)[0]
    decided = _relabelled(rows, labels)
    stays = ~np.isin(rows.pic_ids, sorted(gone))
    with stage(progress, "held-out fits", len(rows) + int(stays.sum()), "rows") as advance:
        before = _held_out(rows, groups, options, advance)
        after = _held_out(decided.take(stays), _of(groups, stays), options, advance)
    tested = before.held_out[stays] & after.held_out
    if not tested.any():
        return NO_SOURCES
    truth = decided.take(stays).take(tested)
    was = _accuracy(before.labels[before.scores[stays][tested].argmax(axis=1)], truth)
    now = _accuracy(after.labels[after.scores[tested].argmax(axis=1)], truth)
    return AccuracyEffect(int(tested.sum()), len(labels) + len(gone), was, now)


def _moves(config: Config, reviewed: Reviewed) -> tuple[dict[str, int], set[str]]:
    """Labels of pictures that change their category, and pictures that leave the tables."""
    labels = {
        old: config.labels[key]
        for old, new in reviewed.new_ids.items()
        if (key := new.rpartition("_id_")[0]) in config.labels
    }
    gone = {
        one.what
        for one in reviewed.changes
        if one.was == Outcome.ACCEPTED and one.now not in (Outcome.ACCEPTED, "confirmed")
    }
    return {old: label for old, label in labels.items() if old in gone}, gone - labels.keys()


def _with(drawn: TrainingRows, ids: set[str]) -> Rows:
    """The sample, and those of some pictures that are not in it."""
    missing = sorted(ids - set(drawn.sample.pic_ids.tolist()))
    if not missing:
        return drawn.sample
    parts = (part.take(np.isin(part.pic_ids, missing)) for part in drawn.table.rows())
    return joined(
        [drawn.sample, *(part for part in parts if len(part))],
        drawn.sample.categories,
        drawn.sample.fingerprint,
    )


def _relabelled(rows: Rows, labels: Mapping[str, int]) -> Rows:
    changed = [
        labels.get(name, label)
        for name, label in zip(rows.pic_ids.tolist(), rows.labels.tolist(), strict=True)
    ]
    return replace(rows, labels=np.array(changed, np.int32))


def _of(groups: NDArray[np.int64] | None, stays: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    return None if groups is None else groups[stays]


def _held_out(
    rows: Rows, groups: NDArray[np.int64] | None, options: ClassifierOptions, advance: Any
) -> HeldOut:
    return held_out_scores(
        rows.features,
        rows.labels,
        rows.sources,
        groups=groups,
        options=options.held_out(rows.categories),
        on_fold=lambda _, count: advance(count),
    )


def _accuracy(predicted: NDArray[np.integer], truth: Rows) -> float:
    known = np.unique(np.concatenate([predicted, truth.labels]))
    classes, own = np.searchsorted(known, predicted), np.searchsorted(known, truth.labels)
    everywhere = np.ones(len(truth), np.bool_)
    cells = by_cell(
        own.astype(np.int64), classes.astype(np.int64), truth.sources, everywhere, len(known)
    )
    return balanced_accuracy(cells)
