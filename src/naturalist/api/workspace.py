"""A workspace that is opened from Python."""

import getpass
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from naturalist import consume
from naturalist.api.findings import Drift, Evaluation, Names
from naturalist.api.groups import clusters_of, duplicate_groups, map_of
from naturalist.api.opened import Opened, as_text
from naturalist.api.results import (
    Clusters,
    Duplicates,
    LedgerRows,
    Map,
    Picture,
    Pictures,
    Predictions,
    Reviewed,
    Run,
    Status,
)
from naturalist.config import Config
from naturalist.curation import ledger_query, naming, searching
from naturalist.curation.decisions import Decision, decisions_of, read_decisions
from naturalist.curation.review import review
from naturalist.curation.reviewing.effects import effect_of
from naturalist.document_keys import ROWS, printed
from naturalist.errors import ConfigError
from naturalist.pipeline import classifier, runner, studies
from naturalist.pipeline.predicting import Prediction, PredictRequest, predict_inputs
from naturalist.pipeline.similar import similar_pictures
from naturalist.pipeline.status import CollectionStatus, collection_status
from naturalist.progress import SILENT, Progress
from naturalist.studies.drift.options import Against
from naturalist.studies.labels.options import LabelIssueOptions
from naturalist.studies.labels.ranking import read_suspects
from naturalist.studies.thumbnails import read_thumbnails
from naturalist.studies.words.groups import Kind

_COLUMNS = ("category", "seen", "accepted", "duplicates", "refused", "table_rows")


class Workspace(Opened):
    """A workspace: everything that an opened collection can do.

    Attributes:
        config: its settings.
    """

    def __init__(self, config: Config, progress: Progress = SILENT) -> None:
        self.config = config
        self.name = config.name
        self.place = str(config.layout.root)
        self._progress = progress

    def __repr__(self) -> str:
        return f"Workspace({self.place!r})"

    def load(
        self, *, columns: Sequence[str] | None = None, categories: Sequence[str] | None = None
    ) -> consume.Collection:
        """See `Opened.load`."""
        return consume.load(self.config.layout.root, columns=columns, categories=categories)

    def status(self) -> Status:
        """See `Opened.status`."""
        return _status(collection_status(self.config))

    def run(
        self,
        *,
        accept_failures: bool = False,
        accept_withdrawals: bool = False,
        accept_low_space: bool = False,
    ) -> Run:
        """See `Opened.run`."""
        options = runner.RunOptions(
            accept_failures=accept_failures,
            accept_withdrawals=accept_withdrawals,
            accept_low_space=accept_low_space,
        )
        return Run(runner.run(self.config, self._progress, options), self.status())

    def ledger(self, *, limit: int = 100, **conditions: str) -> LedgerRows:
        """See `Opened.ledger`."""
        try:
            wanted = ledger_query.Filter(**conditions)
        except TypeError as error:
            raise ConfigError(
                f"ledger(): {', '.join(conditions)}: choose one of outcome, reason, category, "
                "source and pic_id"
            ) from error
        ledger_query.check_names(self.config, wanted)
        rows = tuple(ledger_query.rows(self.config, wanted, limit))
        return LedgerRows(rows, ledger_query.count(self.config, wanted))

    def search(
        self,
        query: str = "",
        k: int = 20,
        *,
        category: str = "",
        source: str = "",
        where: str = "",
        like: str = "",
    ) -> Pictures:
        """See `Opened.search`."""
        request = searching.Request(query, k, category, source, where, like)
        found = searching.search_words(self.config, request, self._progress)
        pictures = tuple(
            Picture(
                hit["picID"],
                hit["category"],
                hit["source"],
                hit["score"],
                hit["path"],
                searching.reason_text(hit),
            )
            for hit in found["rows"]
        )
        title = query or f"similar to {like}"
        return Pictures(title, pictures, printed(found), tuple(found["messages"]), self.thumbnails)

    def similar(self, picture: str | os.PathLike[str], k: int = 10) -> Pictures:
        """See `Opened.similar`."""
        (asked,) = as_text([picture])
        found = similar_pictures(self.config, asked, k, self._progress)
        pictures = tuple(
            Picture(
                hit["picID"],
                hit["category"],
                hit["source"],
                hit["cosine"],
                hit.get("path"),
            )
            for hit in found["rows"]
        )
        return Pictures(f"similar to {asked}", pictures, printed(found), (), self.thumbnails)

    def map(self, name: str = "", *, dims: int = 2, rebuild: bool = False) -> Map:
        """See `Opened.map`."""
        request = studies.MapRequest(self.config.map, dims, name)
        make = partial(studies.one_map, request=request)
        made = studies.study(self.config, self._progress, make, rebuild=rebuild).as_json
        return map_of(self.config.layout.map(made["name"]), made)

    def clusters(self, name: str = "default", *, rebuild: bool = False) -> Clusters:
        """See `Opened.clusters`."""
        studies.check_name(name)
        make = partial(studies.clusters, name=name)
        made = studies.study(self.config, self._progress, make, rebuild=rebuild).as_json
        return clusters_of(self.config.layout.clustering(name), made, self.thumbnails)

    def duplicates(self) -> Duplicates:
        """See `Opened.duplicates`."""
        report = studies.study(self.config, self._progress, studies.duplicates).report
        groups = duplicate_groups(self.config.layout.near_duplicates, report)
        return Duplicates(groups, printed(report), self.thumbnails)

    def suspects(self) -> Pictures:
        """See `Opened.suspects`."""
        make = partial(studies.label_issues, options=LabelIssueOptions())
        report = studies.study(self.config, self._progress, make).report
        rows = read_suspects(self.config.layout.label_issues).to_pylist()
        pictures = tuple(
            Picture(
                row["picID"],
                row["category"],
                row.get("source") or "",
                row["score"],
                why=f"{row['category']}, seems to be {row['suggested']}",
            )
            for row in rows
        )
        listed = printed({**report, ROWS: rows})
        words = tuple(report["words"])
        return Pictures("labels to look at", pictures, listed, words, self.thumbnails)

    def names(self, of: Kind = "clusters", name: str = "", *, level: int = 0) -> Names:
        """See `Opened.names`."""
        return Names.of(printed(naming.name_all(self.config, of, name, level, self._progress)))

    def drift(
        self, batch: int | None = None, *, source: str = "", against: Against | None = None
    ) -> Drift:
        """See `Opened.drift`."""
        options = replace(self.config.drift, against=against or self.config.drift.against)
        make = partial(studies.drift, batch=batch, source=source, options=options)
        report = studies.study(self.config, self._progress, make).report
        sheet = self.config.layout.drift(report["name"]).with_name(report["sheet"])
        return Drift(printed(report), sheet.read_bytes() if sheet.is_file() else b"")

    def evaluate(self) -> Evaluation:
        """See `Opened.evaluate`."""
        return Evaluation(printed(classifier.evaluate(self.config, self._progress)))

    def predict(self, *inputs: str | os.PathLike[str], model: str = "") -> Predictions:
        """See `Opened.predict`."""
        request = PredictRequest(model=model)
        rows = predict_inputs(self.config, as_text(inputs), request, self._progress)
        return Predictions(tuple(cast("Iterator[Prediction]", rows)), self.thumbnails)

    def review(
        self,
        decisions: str | os.PathLike[str] | Iterable[Mapping[str, str]],
        *,
        by: str = "",
        dry_run: bool = False,
    ) -> Reviewed:
        """See `Opened.review`."""
        rows, file = self._decisions(decisions)
        result = review(
            self.config,
            self._progress,
            rows,
            by or getpass.getuser(),
            path=str(file or "the decisions"),
            dry_run=dry_run,
        )
        effect = effect_of(self.config, result) if dry_run else None
        return Reviewed(result, effect, file)

    def _decisions(
        self, decisions: str | os.PathLike[str] | Iterable[Mapping[str, str]]
    ) -> tuple[list[Decision], Path | None]:
        keys = self.config.keys_by_any_name
        if isinstance(decisions, str | os.PathLike):
            file = Path(decisions).expanduser()
            return read_decisions(file, keys), file
        return decisions_of(decisions, keys, "the decisions"), None

    def thumbnails(self, pic_ids: Iterable[str]) -> dict[str, bytes]:
        """See `Opened.thumbnails`."""
        return read_thumbnails(self.config.layout, pic_ids)


def _status(report: CollectionStatus) -> Status:
    rows: list[tuple[Any, ...]] = []
    for name, one in report["categories"].items():
        refused = sum(one["refused"].values())
        counts = (one["seen"], one["accepted"], one["duplicates"], refused, one["table_rows"])
        rows.append((name, *counts))
    accepted = {name: one["accepted"] for name, one in report["categories"].items()}
    return Status(printed(report), accepted, _COLUMNS, tuple(rows))
