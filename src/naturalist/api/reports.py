"""The documents that commands print with `--json`, by command, as types that can be checked."""

import re
from typing import Any, Literal, NotRequired

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from naturalist.api.documents import curation, models, published, sources, stages
from naturalist.backbones.bench import Bench
from naturalist.backbones.weights import FetchedFile
from naturalist.catalogue.url_lists import Listed
from naturalist.consume.pulling import Pulled
from naturalist.curation import concept_reports
from naturalist.curation.review import Change, LeftOut
from naturalist.curation.reviewing.accuracy import AccuracyEffect
from naturalist.curation.reviewing.effects import Effect
from naturalist.curation.searching import SearchReport
from naturalist.dashboard.export import ExportedPages
from naturalist.document_keys import printed_schema
from naturalist.pipeline.predicting import Prediction
from naturalist.pipeline.similar import SimilarReport
from naturalist.pipeline.status import CollectionStatus
from naturalist.planning.doctor import Check
from naturalist.snapshots.rollback import RolledBack
from naturalist.stores.buckets import Created
from naturalist.studies.classifier.report import ChampionDecision
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

    rows: list[Check]


class ReviewDocument(TypedDict):
    """What decisions changed or, with `--dry-run`, would change."""

    dry_run: bool
    decided: int
    unchanged: int
    new_ids: dict[str, str]
    changes: list[Change]
    left_out: list[LeftOut]
    effect: NotRequired[Effect]
    accuracy: NotRequired[AccuracyEffect]


class ClusterDocument(ClusterReport):
    """A clustering, and whether this call changed it."""

    changed: NotRequired[bool]


class MapDocument(MapReport):
    """A map, and whether this call changed it."""

    changed: NotRequired[bool]


class IndexDocument(IndexReport):
    """An index of similar pictures, and whether this call changed it."""

    changed: NotRequired[bool]


class SampleDocument(SampleReport):
    """A sample, and whether this call drew it."""

    changed: NotRequired[bool]


class ThinnedGroups(TypedDict):
    """Pictures that would be retired so that one of each group is left."""

    retired: list[str]
    groups: int
    left_alone: int
    """Groups of several categories: a person has to decide."""


class DuplicateDocument(DuplicateReport):
    """Near duplicates and their files; `keep` says which of them to keep, if that was asked."""

    table: NotRequired[str]
    sheet: NotRequired[str]
    keep: NotRequired[ThinnedGroups]


class SuspectPicture(TypedDict):
    """A picture and the category that it seems to belong to; `score` says how surely."""

    picID: str
    category: str
    suggested: str
    score: float
    rank: int
    is_suspect: bool


class LabelDocument(LabelReport):
    """Label issues, their files, and the pictures that were asked for."""

    table: NotRequired[str]
    sheet: NotRequired[str]
    rows: list[SuspectPicture]


class ErrorFacts(TypedDict):
    """Why a command failed."""

    type: str
    message: str
    exit_code: int


class Envelope(TypedDict):
    """Keys that every document has."""

    envelope: Literal[1]
    command: str
    ok: bool
    outputs: NotRequired[list[str]]
    """Files and folders that the command wrote."""
    error: NotRequired[ErrorFacts]
    """There if it failed."""


REPORTS: dict[str, Any] = {
    "demo": stages.DemoDocument,
    "init": stages.InitDocument,
    "sources list": sources.SourceList,
    "sources show": sources.SourceDocument,
    "sources fetch": sources.FetchDocument,
    "sources urls": Listed,
    "sources status": sources.SourceStatus,
    "run": stages.RunDocument,
    "status": CollectionStatus,
    "ledger": LedgerReport,
    "ledger --reasons": curation.ReasonList,
    "search": SearchReport,
    "similar": SimilarReport,
    "map": MapDocument,
    "dashboard": ExportedPages,
    "cluster": ClusterDocument,
    "names": curation.NamesDocument,
    "concept make": concept_reports.MadeConcept,
    "concept list": concept_reports.ConceptList,
    "concept show": concept_reports.ShownConcept,
    "concept apply": concept_reports.AppliedConcept,
    "concept drop": concept_reports.DroppedConcept,
    "index": IndexDocument,
    "sample": SampleDocument,
    "drift": DriftReport,
    "train": models.TrainDocument,
    "evaluate": models.EvaluateDocument,
    "refine": models.RefineDocument,
    "predict": PredictReport,
    "models list": models.ModelList,
    "models show": models.ModelDocument,
    "models promote": ChampionDecision,
    "models rollback": ChampionDecision,
    "models export": models.ExportedModel,
    "duplicates": DuplicateDocument,
    "quality": curation.QualityDocument,
    "overlap": curation.OverlapDocument,
    "overlap COLLECTION...": curation.CollectionOverlap,
    "overlap --sketch": curation.SketchDocument,
    "label-issues": LabelDocument,
    "review": ReviewDocument,
    "review --template": curation.TemplateDocument,
    "reviewers list": curation.ReviewerList,
    "reviewers add": curation.AddedReviewer,
    "reviewers remove": curation.RemovedReviewer,
    "tags": curation.TagDocument,
    "category list": curation.CategoryList,
    "category rename": curation.CategoryChange,
    "category relabel": curation.CategoryChange,
    "category retire": curation.CategoryChange,
    "category restore": curation.CategoryChange,
    "takedown": curation.TakedownDocument,
    "metadata": sources.MetadataDocument,
    "metadata --decisions": sources.DecisionCount,
    "publish": stages.PublishDocument,
    "publish --dry-run": stages.PublishEstimate,
    "pull": Pulled,
    "snapshots list": published.SnapshotList,
    "snapshots diff": published.SnapshotDiff,
    "snapshots diff --pictures": published.PictureDiff,
    "snapshots rollback": RolledBack,
    "snapshots release": published.ReleasedHold,
    "snapshots prune": published.PruneDocument,
    "mcp": sources.ToolList,
    "export": published.ExportDocument,
    "audit": published.ExposureDocument,
    "bucket create": Created,
    "bucket delete": published.DeletedBucket,
    "bucket policy": published.BucketReaders,
    "bucket policy --links": published.LinkList,
    "bucket audit": published.BucketAudit,
    "doctor": DoctorReport,
    "ingest": stages.IngestDocument,
    "extract": stages.ExtractDocument,
    "verify": stages.VerifyDocument,
    "verify URL": stages.CheckedDocument,
    "tables": stages.TablesDocument,
    "plan": stages.PlanDocument,
    "backbones list": sources.BackboneList,
    "backbones show": sources.BackboneDocument,
    "backbones fetch": FetchedFile,
    "backbones add": sources.AddedBackbone,
    "backbones bench": Bench,
    "airflow init": sources.AirflowDocument,
    "help": sources.HelpDocument,
}
"""The type of what each document is made of; `schema_of` says what is printed of it.

A command that prints several kinds has one entry for each: with the option or argument that asks
for it, the name of the command comes first.
"""


def of_command(command: str) -> dict[str, Any]:
    """The types of the documents that a command prints, by how it is called."""
    called = re.compile(rf"{re.escape(command)}( [A-Z-].*)?")
    return {name: kind for name, kind in REPORTS.items() if called.fullmatch(name)}


class _WithoutTitles(GenerateJsonSchema):
    """Properties get no titles: they would say only what their keys do."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_of(name: str) -> dict[str, Any]:
    """The JSON schema of a document as it is printed, with its envelope.

    Args:
        name: a key of `REPORTS`.
    """
    envelope = _json_schema(Envelope)
    own = printed_schema(_json_schema(REPORTS[name]))
    return own | {
        "$defs": own.get("$defs", {}) | envelope["$defs"],
        "properties": envelope["properties"] | own["properties"],
        "required": [*envelope["required"], *own["required"]],
    }


def _json_schema(kind: Any) -> dict[str, Any]:
    adapter = TypeAdapter(kind)
    return adapter.json_schema(mode="serialization", schema_generator=_WithoutTitles)
