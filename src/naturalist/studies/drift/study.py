"""The study of drift: the report on a batch, and its contact sheet."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from naturalist import artifacts, ledger
from naturalist.backbones import BackboneSpec
from naturalist.layout import Layout
from naturalist.progress import SILENT, Progress, stage
from naturalist.studies.classifier import champions
from naturalist.studies.contact_sheet import Tile, contact_sheet
from naturalist.studies.drift import wording as drift_words
from naturalist.studies.drift.comparison import Predict, Report, compare_pictures
from naturalist.studies.drift.options import DriftOptions
from naturalist.studies.drift.predictions import unseen_answers
from naturalist.studies.drift.rows import DrawnPictures, Pictures, Subject, find
from naturalist.studies.drift.unseen import Ask
from naturalist.studies.study import Outgrown, Result, WholeStudy
from naturalist.studies.thumbnails import read_thumbnails

FORMAT = 2
"""Changes when the same pictures would give another report."""
_OTHERS_SHOWN = 12


@dataclass(frozen=True, eq=False)
class DriftStudy(WholeStudy):
    """What is chosen, compared with what was before it.

    Attributes:
        layout: the workspace.
        spec: backbone whose features are compared.
        categories: those of the collection.
        subject: which pictures are new.
        options: how.
        progress: is notified of pictures whose features were read.
        predict: what a classifier says, if there is one that knows these pictures.
        model: its id.
    """

    layout: Layout
    spec: BackboneSpec
    categories: Iterable[str]
    subject: Subject
    options: DriftOptions
    progress: Progress = SILENT
    predict: Predict | None = None
    model: str = ""
    name: str = "drift"

    @property
    def _path(self) -> Path:
        return self.layout.drift(self.subject.name)

    @cached_property
    def _fingerprint(self) -> str:
        """Later batches do not matter to a report on an earlier one."""
        layout, selected = self.layout, self.subject
        until = selected.batch if selected.batch is not None else ledger.last_batch(layout)
        held = [
            [summary.category, summary.batch, summary.sha256]
            for category in sorted(self.categories)
            for summary in ledger.batches(layout, category)
            if summary.batch <= until
        ]
        gone = [ledger.not_accepted(layout, category) for category in sorted(self.categories)]
        options = asdict(self.options)
        models = [self.model, self._model_id]
        return artifacts.fingerprint(
            FORMAT, self.spec.fingerprint, asdict(selected), options, models, held, gone
        )

    @cached_property
    def _model_id(self) -> str:
        """The model that is asked about new sources; "" if there is none."""
        return self.model or champions.usable_champion(self.layout) or ""

    @property
    def _answers(self) -> Ask | None:
        model = self.layout.model(self._model_id)
        if not self._model_id or not (model / "predictions.parquet").exists():
            return None
        return partial(unseen_answers, model, self.spec.id)

    def current(self) -> Report | None:
        """The report that is there, if ledger, options and model are the same."""
        report: Report | None = artifacts.read_json(self._path)
        return report if report is not None and report["fingerprint"] == self._fingerprint else None

    def make(self, outgrown: Outgrown[None] | None) -> Report:
        """Compare, and write the report and its contact sheet.

        Raises:
            ConfigError: there are no such pictures.
            MissingExtra: SciPy is not installed.
        """
        del outgrown
        selected, options = self.subject, self.options
        with stage(self.progress, self.name, None, "pictures") as advance:
            result = find(
                self.layout,
                self.spec,
                sorted(self.categories),
                selected,
                options.rows,
                options.seed,
                advance,
            )
            report, order = compare_pictures(result, options, self.predict, self._answers)
        report |= {
            "name": selected.name,
            "batch": selected.batch,
            "source": selected.source,
            "model": self.model,
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "fingerprint": self._fingerprint,
        }
        report["pictures"] = order
        sheet = self._path.with_suffix(".png")
        report["sheet"] = sheet.name
        artifacts.write_bytes(sheet, _sheet(self.layout, result, report, selected))
        artifacts.write_json(self._path, report)
        return report

    def summary(self, result: Result) -> Report:
        """Batch and verdict."""
        return {key: result.report[key] for key in ("batch", "verdict", "words")}

    def warning(self, report: Report) -> str:
        """Drift and new sources fail no run: they are reported."""
        what = {"drift": "drift", "new_source": "a new source"}.get(report["verdict"])
        if what is None:
            return ""
        return f"{what} in batch {report['batch']}: {'; '.join(report['words'])}"


def _sheet(layout: Layout, drawn: DrawnPictures, report: Report, subject: Subject) -> bytes:
    """Suspect new pictures, or any new ones if there is no drift; then some from before."""
    rng = np.random.default_rng(report["options"]["seed"])
    new = report["pictures"] or _some(drawn.new, report["options"]["pictures"], rng)
    before = _like(drawn, new)
    old = sorted(rng.permutation(before)[:_OTHERS_SHOWN].tolist()) if before else []
    thumbnails = read_thumbnails(layout, [*new, *old])
    tiles = [Tile(thumbnails.get(name), f"new: {name}") for name in new]
    tiles += [Tile(thumbnails.get(name), f"before: {name}") for name in old]
    return contact_sheet(tiles, f"{subject.name}: {drift_words.VERDICTS[report['verdict']]}")


def _some(pictures: Pictures, count: int, rng: np.random.Generator) -> list[str]:
    drawn: list[str] = rng.permutation(pictures.pic_ids)[:count].tolist()
    return drawn


def _like(drawn: DrawnPictures, new: list[str]) -> list[str]:
    """Pictures from before of the sources of new ones; of their categories if those are new."""
    mine = np.isin(drawn.new.pic_ids, new)
    groups = np.unique(drawn.new.groups[mine])
    selected = np.isin(drawn.before.groups, groups)
    if not selected.any():
        expected = {group.split("/", 1)[0] for group in groups.tolist()}
        own = [group.split("/", 1)[0] in expected for group in drawn.before.groups.tolist()]
        selected = np.array(own, np.bool_)
    names: list[str] = drawn.before.pic_ids[selected].tolist()
    return names
