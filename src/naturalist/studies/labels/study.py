"""The study of label issues: pictures whose category is suspected to be wrong.

Two judges look at every picture, and neither has seen it:

- *folds*: trained on other pictures of all sources, near duplicates kept together. It finds single
  pictures that were filed wrongly; it cannot find a source that is wrong as a whole, because it has
  learnt that source.
- *sources*: trained without the picture's source. It knows nothing of that source, so it can doubt
  all of it, and is often wrong about an unusual one.

Pictures are ranked by both (the geometric mean of their probabilities, folds counting twice), and
sources by the second alone.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.counting import counted
from naturalist.layout import Layout
from naturalist.progress import Progress, stage
from naturalist.schemas import LABEL_ISSUES
from naturalist.studies.classifier.methods.held_out import (
    HeldOut,
    calibrate_held_out,
    held_out_scores,
    learnt,
    linear,
)
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training_rows import TrainingRows, open_rows
from naturalist.studies.contact_sheet import Tile, contact_sheet
from naturalist.studies.labels.methods.suspects import Suspects, find_suspects
from naturalist.studies.labels.options import Judge, LabelIssueOptions
from naturalist.studies.study import Outgrown, Report, Result, WholeStudy, check_installed
from naturalist.studies.thumbnails import read_thumbnails

FORMAT = 4
Probabilities = NDArray[np.float64]
_DOUBTED = 0.5
_LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class LabelStudy(WholeStudy):
    """Suspects of a wrong category among the pictures of a workspace's tables.

    Attributes:
        layout: the workspace.
        decided: pictures that a person has decided about; they are suspects no more.
        options: how.
        fits: how the judges are trained, and how many pictures are looked at.
        progress: is notified of the fits.
    """

    layout: Layout
    decided: Iterable[str]
    options: LabelIssueOptions
    fits: ClassifierOptions
    progress: Progress
    name: str = "label issues"

    @cached_property
    def _rows(self) -> TrainingRows:
        return open_rows(self.layout.root, self.fits, layout=self.layout)

    @cached_property
    def _fingerprint(self) -> str:
        fits = self.fits.as_dict() | {"class_weights": None}
        return artifacts.fingerprint(
            FORMAT, self._rows.fingerprint, asdict(self.options), fits, sorted(self.decided)
        )

    def current(self) -> Report | None:
        """The report that is there, if it is of the same rows, options and decisions."""
        path = self.layout.label_issues
        old: Report | None = artifacts.read_json(path.with_suffix(".json"))
        is_current = old is not None and old["fingerprint"] == self._fingerprint and path.exists()
        return old if is_current else None

    def make(self, outgrown: Outgrown[None] | None) -> Report:
        """Rank the pictures; write table, contact sheet and report.

        Raises:
            ConfigError: there are fewer than two categories.
            MissingExtra: SciPy is not installed.
        """
        del outgrown
        check_installed()
        rows, options, known = self._rows, self.options, set(self.decided)
        folds, sources, held, judged = judge(rows, self.fits, self.progress)
        probabilities = combine(folds, sources, options.judge)
        given = np.searchsorted(held.labels, rows.sample.labels)
        result = find_suspects(given, probabilities, judged)
        table = _table(rows, result, given, known)
        doubts = _doubts(rows, sources, held)
        report = _report(rows, table, result, doubts, options)
        if options.judge == "sources":
            report["words"].append(
                "scores of this judge alone are not probabilities: they are far too high or too "
                "low for pictures from unusual sources"
            )
        report["words"] += _not_judged(rows, judged, report["single_source"])
        report |= {
            "fingerprint": self._fingerprint,
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "decided": len(known),
        }
        path = self.layout.label_issues
        artifacts.write_parquet(path, table)
        artifacts.write_bytes(path.with_suffix(".png"), _sheet(self.layout, table, options.shown))
        artifacts.write_json(path.with_suffix(".json"), report)
        return report

    def summary(self, result: Result) -> Report:
        """How many suspects there are."""
        return {key: result.report[key] for key in ("pictures", "suspects")}


def judge(
    rows: TrainingRows, fits: ClassifierOptions, progress: Progress
) -> tuple[Probabilities, Probabilities, HeldOut, NDArray[np.bool_]]:
    """What both judges say of the sample: probabilities (rows, classes) of folds and of sources.

    The third value is the raw answer of the second judge: what could be held out, and what not. The
    fourth tells of each row whether both judges had seen other pictures of its category.
    """
    sample, how = rows.sample, fits.held_out(rows.sample.categories)
    probabilities = []
    judged = np.ones(len(sample), np.bool_)
    # With one source in all, nothing can be left out but folds of pictures.
    for sources in (np.full(len(sample), "all"), sample.sources):
        with stage(progress, "judging labels", len(sample), "rows") as advance:
            held = held_out_scores(
                sample.features,
                sample.labels,
                sources,
                groups=rows.groups,
                options=how,
                learner=linear(how.fit),
                on_fold=partial(_count_rows, advance),
            )
        judged &= learnt(held, sample.labels)
        probabilities.append(
            calibrate_held_out(held, sample.labels, sources, how.fit).astype(np.float64)
        )
    return probabilities[0], probabilities[1], held, judged


def _not_judged(
    rows: TrainingRows, judged: NDArray[np.bool_], alone: Collection[str]
) -> Iterator[str]:
    """What is said of categories that could not be judged, or only without leaving sources out.

    Args:
        rows: the pictures.
        judged: which of the sample both judges could judge.
        alone: categories that have one source only.
    """
    labels, known = rows.sample.labels, np.unique(rows.sample.labels)
    for name, label in zip(rows.categories, known, strict=True):
        pictures = labels == label
        if name in alone and (pictures & judged).any():
            yield (
                f"{name} has one source only, so it cannot be judged by a classifier that never "
                "saw it: single wrong pictures are found, but not a source that is wrong as a whole"
            )
        if count := int((pictures & ~judged).sum()):
            yield (
                f"{name}: {counted(count, 'picture')} could not be judged, because the "
                "category has no other "
                "pictures to learn from except near duplicates"
            )


def _count_rows(advance: Callable[[int], None], fold: int, rows: int) -> None:
    del fold
    advance(rows)


def combine(folds: Probabilities, sources: Probabilities, judge: Judge) -> Probabilities:
    """What the chosen judges say together: (rows, classes), rows sum to 1."""
    if judge != "both":
        return folds if judge == "folds" else sources
    logs = (2 * np.log(folds + _LEAST) + np.log(sources + _LEAST)) / 3
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    together: Probabilities = odds / odds.sum(axis=1, keepdims=True)
    return together


def _table(
    rows: TrainingRows, suspects: Suspects, given: NDArray[np.int64], kept: set[str]
) -> pa.Table:
    """All pictures that nobody has decided about, in the order of suspicion."""
    names = np.array(rows.categories, np.str_)
    is_open = ~np.isin(rows.sample.pic_ids[suspects.order], sorted(kept))
    selected = suspects.order[is_open]
    is_suspect = (np.arange(len(suspects.order)) < suspects.count)[is_open]
    columns = [
        pa.array(rows.sample.pic_ids[selected].tolist(), pa.string()),
        pa.array(names[given[selected]].tolist(), pa.string()),
        pa.array(names[suspects.suggested[selected]].tolist(), pa.string()),
        pa.array(suspects.scores[selected].astype(np.float32)),
        pa.array(np.arange(1, len(selected) + 1, dtype=np.int32)),
        pa.array(is_suspect),
    ]
    return pa.Table.from_arrays(columns, schema=LABEL_ISSUES)


def _report(
    rows: TrainingRows,
    table: pa.Table,
    suspects: Suspects,
    doubts: list[dict[str, Any]],
    options: LabelIssueOptions,
) -> Report:
    alone = sorted({one["category"] for one in doubts if not one["judged"]})
    return {
        "judge": options.judge,
        "pictures": rows.total,
        "looked_at": len(rows.sample),
        "suspects": _suspects(table),
        "expected_wrong": round(float(suspects.scores.sum()), 1),
        "pairs": _pairs(rows.categories, suspects),
        "sources": doubts,
        "single_source": alone,
        "words": list(_words(rows, table, suspects, doubts)),
    }


def _suspects(table: pa.Table) -> int:
    return int(np.count_nonzero(table["is_suspect"].to_numpy()))


def _pairs(categories: tuple[str, ...], suspects: Suspects) -> list[dict[str, Any]]:
    return [
        {"category": categories[i], "suggested": categories[j], "pictures": int(count)}
        for (i, j), count in np.ndenumerate(suspects.confident)
        if i != j and count
    ]


def _doubts(rows: TrainingRows, sources: Probabilities, held: HeldOut) -> list[dict[str, Any]]:
    """For each source, what a classifier that never saw it says of its pictures."""
    sample = rows.sample
    predicted = sources.argmax(axis=1)
    doubts = []
    pairs = zip(sample.labels.tolist(), sample.sources.tolist(), strict=True)
    for label, source in sorted(set(pairs)):
        mine = (sample.labels == label) & (sample.sources == source)
        own = int(np.searchsorted(held.labels, label))
        counts = np.bincount(predicted[mine], minlength=len(held.labels))
        doubts.append(
            {
                "category": rows.categories[own],
                "source": source,
                "rows": int(mine.sum()),
                "judged": bool(held.held_out[mine].any()),
                "elsewhere": round(1 - counts[own] / mine.sum(), 4),
                "said": {
                    name: int(n) for name, n in zip(rows.categories, counts, strict=True) if n
                },
            }
        )
    return doubts


def _words(
    rows: TrainingRows,
    table: pa.Table,
    suspects: Suspects,
    doubts: list[dict[str, Any]],
) -> Iterable[str]:
    count = _suspects(table)
    share = count / len(rows.sample)
    yield f"{count:,} of {counted(len(rows.sample), 'picture')} are suspects ({share:.1%})"
    wrong = suspects.scores.sum()
    yield (
        f"about {wrong:,.0f} labels are estimated to be wrong: the sum of the scores, which are "
        "the probability that a label is wrong"
        if wrong >= 1
        else "the classifier's answers can be explained without wrong labels: suspects are "
        "unusual pictures, as far as it can tell"
    )
    if not rows.whole:
        yield f"a sample was examined, of {counted(rows.total, 'picture')}"
    for one in sorted(doubts, key=lambda one: -one["elsewhere"]):
        if one["judged"] and one["elsewhere"] >= _DOUBTED:
            yield (
                f"{one['category']}/{one['source']}: a linear model that never saw this source "
                f"takes {one['elsewhere']:.0%} of its pictures for another category; either it is "
                "unlike the other sources of its category, or all of it has the wrong label: check "
                "it (in `naturalist evaluate` similar pictures vote too, so its share may differ)"
            )


def _sheet(layout: Layout, table: pa.Table, shown: int) -> bytes:
    top = table.slice(0, shown).to_pylist()
    thumbnails = read_thumbnails(layout, [row["picID"] for row in top])
    tiles = [
        Tile(
            thumbnails.get(row["picID"]),
            f"{row['rank']}. {row['picID']}\n{row['suggested']}? {row['score']:.2f}",
        )
        for row in top
    ]
    return contact_sheet(
        tiles, f"{_suspects(table):,} suspects of a wrong category come first, then all others"
    )
