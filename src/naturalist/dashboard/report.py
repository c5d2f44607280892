"""What the server answers, key by key; the types of the pages are checked against it."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from naturalist.studies.classifier.report import (
    ChampionDecision,
    EvaluationReport,
    ModelReport,
)
from naturalist.studies.drift.report import DriftReport
from naturalist.studies.labels.report import LabelReport
from naturalist.studies.maps.report import SampleReport

Kind = Literal["workspace", "published", "pulled"]


class Category(TypedDict):
    """A category that is shown; `key` begins the ids of its pictures."""

    name: str
    key: str
    label: int


class About(TypedDict):
    """What is shown, and what it has; `review` and `selection` are left out of an export."""

    collection: str
    kind: Kind
    address: str
    snapshot: str | None
    version: str
    categories: list[Category]
    maps: list[str]
    clusterings: list[str]
    similar: bool
    drop: bool
    changes: bool
    large: bool
    review: NotRequired[bool]
    selection: NotRequired[bool]
    samples: list[SampleReport]


class FileRow(TypedDict):
    """A file of the ledger; `number` is that of its id."""

    category: str
    number: int | None
    pic_id: str | None
    batch: int
    source: str
    path_text: str
    outcome: str
    reason: str | None
    detail: str | None
    same_as: str | None
    size_bytes: int
    sha256: str | None
    format: str | None
    width: int | None
    height: int | None


class Files(TypedDict):
    """A page of files, and of how many."""

    of: int
    rows: list[FileRow]


class Copy(TypedDict):
    """A file with the bytes of a picture."""

    category: str
    source: str
    path_text: str
    outcome: str


class PictureRow(FileRow):
    """A picture, some of its copies, and its metadata by the names of columns."""

    copies: list[Copy]
    columns: dict[str, str | None]


class ColumnTitle(TypedDict):
    """A column that a map can be coloured by."""

    name: str
    title: str
    kind: Literal["code", "scale", "number"]


class ColumnInfo(ColumnTitle):
    """How the bytes of a column are read."""

    bytes: int
    names: list[str]
    low: float
    high: float
    about: str


class RegionLevel(TypedDict):
    """Named places of a map at a zoom level; `cells` has the regions of each, as numbers.

    A region's number is its place in a grid of `across` on each axis, from `low` to `high` in the
    units of the map's positions (0 to 1).
    """

    across: int
    low: list[float]
    high: list[float]
    names: list[str]
    cells: list[list[int]]


class MapInfo(TypedDict):
    """A map before its columns are asked for; `meta` is a `MapReport`, or what is left of one.

    `pictured` rows have pictures that cost little: they were published beside the map.
    """

    name: str
    rows: int
    dims: int
    low: list[float]
    step: float
    meta: dict[str, Any]
    sampled: int
    placed: int
    pictured: list[int]
    regions: list[RegionLevel]
    columns: list[ColumnTitle]


class SimilarPicture(TypedDict):
    """A picture that is like another, and how much."""

    pic_id: str
    cosine: float


class Similar(TypedDict):
    """The pictures that are most like a picture."""

    pictures: list[SimilarPicture]


class Alert(TypedDict):
    """What a person should look at; `value` and `limit` where a number is compared."""

    name: str
    level: Literal["bad", "warn"]
    text: str
    value: float | None
    limit: float | None


class Run(TypedDict):
    """The report of a run; older ones may lack what came later."""

    number: int
    outcome: NotRequired[str]
    started_at: NotRequired[str]
    duration_s: NotRequired[float]
    made_by: NotRequired[str]
    stages: NotRequired[dict[str, dict[str, Any]]]
    studied: NotRequired[list[str]]
    nodes: NotRequired[dict[str, Any]]
    error: NotRequired[str | None]


class RunTrend(TypedDict):
    """What a run recorded that is drawn over time; None for what it did not do or note.

    `storage_month` is what keeping what it published costs a month, in the prices' currency;
    `free_bytes` what was free on the drive of the workspace when it ended.
    """

    number: int
    at: str | None
    is_good: bool
    pictures_per_s: float | None
    seen: int | None
    refused: int | None
    published_bytes: int | None
    storage_month: float | None
    free_bytes: int | None


class LastRun(TypedDict):
    """The newest run."""

    number: int
    at: str | None
    age_s: float | None
    outcome: str | None
    error: str | None
    duration_s: float | None


class NextRun(TypedDict):
    """When the schedule starts a run."""

    at: str | None
    schedule: str
    time_zone: str


class NewestSnapshot(TypedDict):
    """The newest snapshot, or why it cannot be read."""

    id: str | None
    at: str | None
    age_s: float | None
    files: NotRequired[int]
    size_bytes: NotRequired[int]
    error: NotRequired[str]


class Freshness(TypedDict):
    """How old everything is; None for what there is not."""

    last_run: LastRun | None
    next_run: NextRun | None
    snapshot: NewestSnapshot | None


class Total(TypedDict):
    """Files of a source, by what became of them."""

    category: str
    source: str
    seen: int
    accepted: int
    duplicates: int
    conflicts: int
    refused: int
    size_bytes: int


class Growth(TypedDict):
    """What a batch added of a source, and when its run started."""

    batch: int
    category: str
    source: str
    accepted: int
    refused: int
    repeated: int
    at: str | None


class FailedFile(TypedDict):
    """A refused file."""

    category: str
    source: str
    path_text: str
    detail: str | None


class Failure(TypedDict):
    """A reason, how many files were refused for it, and some of them."""

    reason: str | None
    files: int
    meaning: str
    is_failure: bool
    examples: list[FailedFile]


class CheckCount(TypedDict):
    """A check of the verification, and how much it found."""

    check: str
    severity: str
    asks: str
    findings: int


class Finding(TypedDict):
    """Something that a check found."""

    check: str
    severity: str
    detail: str
    pic_id: str | None
    file: str | None


class Verification(TypedDict):
    """The last verification of the workspace; `at` is null for a copy, which does not know it."""

    at: str | None
    passed: bool
    hard: int
    soft: int
    checks: list[CheckCount]
    verdicts: list[Finding]


class Used(TypedDict):
    """How much files of a kind take."""

    kind: str
    files: int
    size_bytes: int


class Storage(TypedDict):
    """What the workspace takes of its drive."""

    kinds: list[Used]
    free_bytes: int | None
    total_bytes: int | None


class Fault(TypedDict):
    """A published object that is not as the snapshot says."""

    name: str
    key: str
    fault: str
    detail: str


class Consistency(TypedDict):
    """Whether the published objects are as the snapshot says; `passed` is None without answer."""

    at: str
    passed: bool | None
    error: NotRequired[str]
    snapshot: NotRequired[str]
    files: NotRequired[int]
    size_bytes: NotRequired[int]
    findings: NotRequired[list[Fault]]


class Cost(TypedDict):
    """What keeping the snapshot costs a month, and fetching it once, in the prices' currency."""

    url: str
    size_bytes: int
    storage_month: float
    one_download: float


class IssueCount(TypedDict):
    """Pictures whose category is suspected to be wrong."""

    rows: int


class ChampionAccuracy(TypedDict):
    """How the champion does; None for what was not measured."""

    id: str
    random_split: float | None
    new_sources: float | None
    gap: float | None


class HealthDoc(TypedDict):
    """Everything that the page of health shows.

    `missing` are folders that were there before; `damaged` says of each report that is left out
    because it cannot be read what is wrong with it.
    """

    collection: str
    kind: Kind
    address: str
    checked_at: str
    running: bool
    freshness: Freshness
    missing: list[str]
    damaged: list[str]
    runs: list[Run]
    trends: list[RunTrend]
    totals: list[Total]
    growth: list[Growth]
    failures: list[Failure]
    verification: Verification | None
    drift: list[DriftReport]
    storage: Storage
    consistency: Consistency | None
    cost: Cost | None
    issues: IssueCount | None
    model: ChampionAccuracy | None
    alerts: list[Alert]


class Model(ModelReport):
    """A classifier, and its evaluation if there is one."""

    evaluation: EvaluationReport | None


class DamagedModel(TypedDict):
    """A classifier that cannot be read."""

    id: str
    error: str


class Models(TypedDict):
    """Every classifier, and which one is in use."""

    champion: str | None
    history: list[ChampionDecision]
    models: list[Model | DamagedModel]


class LabelIssue(TypedDict):
    """A row of the table of label issues."""

    picID: str
    category: str
    suggested: str
    score: float
    rank: int


class LabelIssues(TypedDict):
    """Pictures whose category is suspected to be wrong, and the report of the study."""

    rows: int
    summary: LabelReport | dict[str, Any]
    issues: list[LabelIssue]


class GroupMember(TypedDict):
    """A row of the table of near duplicates."""

    picID: str
    group: str
    distance: int
    cosine: float


class DuplicateGroup(TypedDict):
    """Pictures that are nearly the same."""

    group: str
    members: list[GroupMember]


class DuplicateGroups(TypedDict):
    """Some groups of near duplicates, and of how many."""

    of: int
    pictures: int
    groups: list[DuplicateGroup]
    summary: dict[str, Any]


class SnapshotInfo(TypedDict):
    """A snapshot that can be compared."""

    id: str
    at: str
    rows: int
    latest: bool


class ChangedPicture(TypedDict):
    """A picture that came, left or was relabelled; of one that left, with its thumbnail."""

    id: str
    was: str
    source: str
    hidden: bool
    thumbnail: str | None


class ChangeGroup(TypedDict):
    """Pictures to which the same happened for the same reason in one region."""

    what: str
    reason: str
    region: str
    pictures: int
    shown: list[ChangedPicture]


class ChangeCounts(TypedDict):
    """How many pictures of each kind."""

    came: int
    left: int
    relabelled: int


class ChangesDoc(TypedDict):
    """What changed between two snapshots."""

    before: str
    after: str
    counts: ChangeCounts
    groups: list[ChangeGroup]
