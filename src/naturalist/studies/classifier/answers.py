"""What a champion and a challenger say of the same pictures, in the form that is compared."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist.studies.classifier.held_back import NewPictures
from naturalist.studies.classifier.methods.comparing import Comparison, compare
from naturalist.studies.classifier.training_rows import TrainingRows

_SIDES = ("champion", "challenger")


@dataclass(frozen=True, eq=False)
class Answers:
    """What both models said of N pictures: true class and source of each, whether each was right,
    and the log losses."""

    truth: NDArray[np.int64]
    sources: NDArray[np.str_]
    right: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    loss: tuple[NDArray[np.float64], NDArray[np.float64]]

    def with_more(self, more: "Answers") -> "Answers":
        """These pictures and others."""
        join = np.concatenate
        return Answers(
            join([self.truth, more.truth]),
            join([self.sources, more.sources]),
            (join([self.right[0], more.right[0]]), join([self.right[1], more.right[1]])),
            (join([self.loss[0], more.loss[0]]), join([self.loss[1], more.loss[1]])),
        )


def compare_answers(answers: Answers) -> Comparison:
    """Compare the two models on all pictures."""
    return compare(answers.truth, answers.sources, *answers.right, *answers.loss)


def paired_answers(rows: TrainingRows, pairs: pa.Table, names: list[str]) -> Answers:
    """The answers of held-out predictions, joined by picture, with the suffixes of both sides."""
    order = np.argsort(rows.sample.pic_ids)
    expected = np.array(pairs["picID"].to_pylist(), np.str_)
    at = order[np.searchsorted(rows.sample.pic_ids, expected, sorter=order)]
    category = np.array(pairs["category"].to_pylist(), np.str_)
    before, after = (
        np.array(pairs[f"predicted_{side}"].to_pylist(), np.str_) == category for side in _SIDES
    )
    losses = (_loss(pairs[f"given_probability_{side}"].to_numpy()) for side in _SIDES)
    truth = np.searchsorted(np.array(names), category).astype(np.int64)
    first, second = losses
    return Answers(truth, rows.sample.sources[at], (before, after), (first, second))


def new_answers(rows: TrainingRows, fresh: NewPictures, names: list[str]) -> Answers:
    """The same for pictures of new sources."""
    sample = rows.sample
    classes = np.searchsorted(np.unique(sample.labels), sample.labels[fresh.rows])
    every = np.arange(len(classes))
    right = [p.argmax(axis=1) == classes for p in (fresh.champion, fresh.challenger)]
    loss = [_loss(p[every, classes]) for p in (fresh.champion, fresh.challenger)]
    category = np.array(rows.categories)[classes]
    truth = np.searchsorted(np.array(names), category).astype(np.int64)
    sources = sample.sources[fresh.rows]
    return Answers(truth, sources, (right[0], right[1]), (loss[0], loss[1]))


def _loss(probability: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    loss: NDArray[np.float64] = -np.log(np.maximum(probability.astype(np.float64), 1e-6))
    return loss


def new_source_facts(rows: TrainingRows, fresh: NewPictures | None) -> list[dict[str, Any]]:
    """How many pictures of each new source each model recognises."""
    if fresh is None:
        return []
    answers = new_answers(rows, fresh, sorted(rows.categories))
    names = sorted(rows.categories)
    cell = sorted(set(zip(answers.truth.tolist(), answers.sources.tolist(), strict=True)))
    facts = []
    for truth, source in cell:
        own = (answers.truth == truth) & (answers.sources == source)
        champion, challenger = (float(side[own].mean()) for side in answers.right)
        facts.append(
            {
                "category": names[truth],
                "source": source,
                "pictures": int(own.sum()),
                "champion": champion,
                "challenger": challenger,
            }
        )
    return facts
