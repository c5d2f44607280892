"""Documents of `init`, `demo`, `plan` and of the commands that run one stage."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from naturalist.api.documents.made import extended
from naturalist.consume.checking import Checked
from naturalist.pipeline.status import CollectionStatus, SourceStatus
from naturalist.pipeline.steps import ExtractResult, TablesResult
from naturalist.planning.capacity import Workload
from naturalist.planning.estimate import Estimate
from naturalist.stages.publish import Published


class ProposedSource(TypedDict):
    """A source of a new configuration, and how many pictures seem to be in it."""

    path: str
    pictures: int


class ProposedCategory(TypedDict):
    """A category of a new configuration."""

    name: str
    label: int
    sources: list[ProposedSource]


class InitDocument(TypedDict):
    """The configuration that was written, or would be; `config` is null if none was written."""

    config: str | None
    categories: NotRequired[list[ProposedCategory]]


class RunDocument(TypedDict):
    """What a run did, and what the workspace holds afterwards; `stages` have facts by stage."""

    outcome: str
    started_at: str
    duration_s: float
    made_by: str
    stages: dict[str, dict[str, Any]]
    studied: list[str]
    """Studies that were brought up to date, by name."""
    nodes: dict[str, dict[str, dict[str, float]]]
    free_bytes: int | None
    """Free on the drive of the workspace when the run ended."""
    changed: NotRequired[bool]
    status: CollectionStatus


class DemoDocument(RunDocument):
    """What the run of the demo did; `notes` say which pictures were used."""

    notes: list[str]


_STAGE: dict[str, Any] = {"stage": str, "duration_s": float, "status": CollectionStatus}


class IngestDocument(TypedDict):
    """What an ingest added, and what the workspace holds afterwards."""

    stage: str
    batches: list[int]
    added: dict[str, SourceStatus]
    """Files of each category by outcome."""
    retired: int
    restored: int
    overwritten: int
    repaired: int
    duration_s: float
    status: CollectionStatus


ExtractDocument = extended(
    "ExtractDocument",
    "What an extraction did, and what the workspace holds afterwards.",
    ExtractResult,
    **_STAGE,
)


TablesDocument = extended(
    "TablesDocument",
    "What the tables stage wrote, and what the workspace holds afterwards.",
    TablesResult,
    **_STAGE,
)


PublishDocument = extended(
    "PublishDocument",
    "What was published, and what the workspace holds.",
    Published,
    **_STAGE,
)


PublishEstimate = extended(
    "PublishEstimate",
    "What publishing would send, and about what it would cost and take.",
    Estimate,
    dry_run=bool,
    url=str,
)


class CheckFinding(TypedDict):
    """What a check found about a picture or a file; both are null if it is about all."""

    check: str
    severity: Literal["error", "warning"]
    detail: str
    pic_id: str | None
    file: str | None


class Repaired(TypedDict):
    """Damaged files that were made again, and what only a person can bring back."""

    taken_away: list[str]
    left: list[CheckFinding]


class ChecksBySeverity(TypedDict):
    """What each check asks, by its name."""

    errors: dict[str, str]
    warnings: dict[str, str]


class VerifyDocument(TypedDict):
    """A verification of a workspace: errors, warnings, and what was checked."""

    collection: str
    backbone: dict[str, Any]
    passed: bool
    categories: dict[str, dict[str, int]]
    errors: list[CheckFinding]
    warnings: list[CheckFinding]
    checks: ChecksBySeverity
    repaired: NotRequired[Repaired]


CheckedDocument = extended(
    "CheckedDocument",
    "What a verification of a published or pulled collection found.",
    Checked,
    url=str,
    passed=bool,
)


class PlannedStage(TypedDict):
    """The time that a stage takes, at a rate per worker of pictures or MB a second."""

    stage: str
    divided: bool
    """Whether machines share it."""
    rate: float
    unit: str
    one_machine_s: float
    machines_s: float


class PlannedStudy(TypedDict):
    """The time that a study takes; studies are no part of the stages."""

    study: str
    s: float


class PlanDocument(TypedDict):
    """Estimated time, disk, memory and cost; money is in the currency of the prices."""

    requested: Workload
    rates: str
    stages: list[PlannedStage]
    one_machine_s: float
    machines_s: float
    studies: list[PlannedStudy]
    nothing_new_s: float
    disk_bytes: dict[str, float]
    memory_mb: dict[str, float]
    publish: dict[str, float]
    money: dict[str, float]
    assumptions: list[str]
