"""The documents that commands print with `--json`, by command, as types that can be checked."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from naturalist.consume.pulling import Pulled
from naturalist.curation.review import Change, LeftOut
from naturalist.curation.reviewing.effects import Effect
from naturalist.curation.searching import SearchReport
from naturalist.pipeline.predicting import Prediction
from naturalist.pipeline.similar import SimilarReport
from naturalist.pipeline.status import CollectionStatus
from naturalist.planning.doctor import Check
from naturalist.studies.classifier.report import EvaluationReport, ModelReport
from naturalist.studies.clusters.report import ClusterReport
from naturalist.studies.drift.report import DriftReport
from naturalist.studies.duplicates.report import DuplicateReport
from naturalist.studies.labels.report import LabelReport
from naturalist.studies.maps.report import MapReport, SampleReport
from naturalist.studies.similar.report import IndexReport


class LedgerRow(TypedDict):
    """What became of one file; hashes and exact paths are hexadecimal."""

    category: str
    batch: int
    source: str
    path_text: str
    path_hex: str
    occurrence: int
    outcome: str
    reason: str | None
    detail: str | None
    pic_id: str | None
    same_as: str | None
    size_bytes: int | None
    sha256: str | None
    format: str | None
    width: int | None
    height: int | None


class LedgerReport(TypedDict):
    """Rows of the ledger."""

    rows: list[LedgerRow]


class PredictReport(TypedDict):
    """What pictures show."""

    rows: list[Prediction]


class DoctorReport(TypedDict):
    """What works on this machine, and what does not."""

    checks: list[Check]


class RunDocument(TypedDict):
    """What a run did, and what the workspace holds afterwards."""

    outcome: str
    started_at: str
    duration_s: float
    made_by: str
    stages: dict[str, dict[str, Any]]
    studied: list[str]
    """Studies that were brought up to date, by name."""
    nodes: dict[str, dict[str, dict[str, float]]]
    error: str | None
    free_bytes: int | None
    """Free on the drive of the workspace when the run ended."""
    changed: bool
    status: CollectionStatus


class ReviewDocument(TypedDict):
    """What decisions changed or, with `--dry-run`, would change."""

    dry_run: bool
    decided: int
    unchanged: int
    new_ids: dict[str, str]
    changes: list[Change]
    left_out: list[LeftOut]
    effect: NotRequired[Effect]


REPORTS: dict[str, Any] = {
    "run": RunDocument,
    "status": CollectionStatus,
    "ledger": LedgerReport,
    "search": SearchReport,
    "similar": SimilarReport,
    "predict": PredictReport,
    "review": ReviewDocument,
    "cluster": ClusterReport,
    "map": MapReport,
    "sample": SampleReport,
    "duplicates": DuplicateReport,
    "label-issues": LabelReport,
    "drift": DriftReport,
    "index": IndexReport,
    "train": ModelReport,
    "evaluate": EvaluationReport,
    "pull": Pulled,
    "doctor": DoctorReport,
}
"""The type of each document, without the keys of the envelope (docs/json.md)."""
