"""What the server answers reviewers, key by key; `review/client.ts` is checked against it."""

from typing import NotRequired

from typing_extensions import TypedDict

from naturalist.curation.concept_reports import DroppedConcept, MadeConcept
from naturalist.curation.reviewing.history import Part


class Standing(TypedDict):
    """What stands about one picture; `at` is null while nobody decided."""

    decision: str
    category: str
    tags: list[str]
    note: str
    by: str
    at: str | None
    version: int
    pending: bool


class Suggestion(TypedDict):
    """What a queue suggests to decide."""

    decision: str
    category: str


class LedgerFacts(TypedDict):
    """What the ledger says of a picture; `picture` is null where its file has no id."""

    picture: str | None
    category: str
    categories: list[str]
    source: str
    path: str
    batch: int
    width: int | None
    height: int | None
    size_bytes: int
    state: str


class Item(LedgerFacts):
    """A picture to decide about."""

    key: str
    why: str
    suggested: Suggestion
    related: list[str]
    standing: Standing


class Items(TypedDict):
    """Pictures that a reviewer chose."""

    items: list[Item]


class Queue(Items):
    """Pictures of a queue, and how many it has."""

    of: int


class QueueInfo(TypedDict):
    """A queue; `open` is null where its pictures have not been looked for yet."""

    name: str
    title: str
    about: str
    command: str
    open: int | None


class NewsEntry(TypedDict):
    """An entry of the journal; `part` is what it changed of its first picture."""

    number: int
    kind: str
    by: str
    at: str
    pictures: int
    first: str
    decision: str
    category: str
    part: Part
    tags: list[str]
    stands: bool


class News(TypedDict):
    """What was decided after an entry, and what stands now about those pictures."""

    upto: int
    pending: int
    tags: list[str]
    entries: list[NewsEntry]
    standing: dict[str, Standing]


class Me(News):
    """The reviewer, and the news from the beginning."""

    name: str
    categories: list[str]


class CategoryEffect(TypedDict):
    """What becomes of one category; `allowed` is what a run may withdraw by itself."""

    name: str
    accepted: int
    leave: int
    enter: int
    tables: list[str]
    table_bytes: int
    allowed: int


class Effect(TypedDict):
    """What decisions would do to tables and snapshots."""

    categories: list[CategoryEffect]
    snapshot_bytes: int
    accuracy: str


class Change(TypedDict):
    """What becomes of a picture, or of a file without an id."""

    what: str
    was: str
    now: str


class LeftOut(TypedDict):
    """A decision that cannot be followed, and why."""

    key: str
    why: str


class Plan(TypedDict):
    """What applying all pending decisions would do."""

    upto: int
    by: dict[str, int]
    dry_run: bool
    decided: int
    unchanged: int
    new_ids: dict[str, str]
    changes: list[Change]
    left_out: list[LeftOut]
    effect: Effect


class Answer(TypedDict):
    """That a decision, an undo or a redo was written."""

    number: int
    kind: str
    standing: dict[str, Standing]
    pending: int


class ConceptExamples(TypedDict):
    """The examples and counter-examples of a concept that are in the collection.

    `names` clusters and regions of maps are called after it.
    """

    concept: str
    yes: list[str]
    no: list[str]
    names: int


class ConceptApplied(TypedDict):
    """How many pictures were scored by a concept, and how many match."""

    concept: str
    pictures: int
    matches: int


class CategoryMatches(TypedDict):
    """How many pictures of a category match a concept."""

    category: str
    pictures: int


class ConceptMatches(TypedDict):
    """The pictures that match a concept; `matches` is null until it is applied as it is now.

    `ids` are in another category than the one that was asked about and undecided, the best match
    first, at most as many as one decision may have; `decided` have a decision that stands.
    """

    concept: str
    matches: int | None
    categories: list[CategoryMatches]
    decided: int
    left: int
    ids: list[str]


class SharedView(TypedDict):
    """A view of the map that a reviewer shares; `version` is another one each time it is saved."""

    name: str
    hash: str
    by: str
    at: str
    version: int


class SharedViews(TypedDict):
    """All views that reviewers share."""

    views: list[SharedView]


class JobState(TypedDict):
    """What runs or ran last: only `kind`, null, and `jobs` where nothing did.

    `result` is there when a concept was taught, `applied` and `dropped` when that was done.
    """

    kind: str | None
    jobs: dict[str, str]
    title: NotRequired[str]
    by: NotRequired[str]
    at: NotRequired[str]
    exit_code: NotRequired[int | None]
    lines: NotRequired[list[str]]
    for_s: NotRequired[float]
    result: NotRequired[MadeConcept]
    applied: NotRequired[ConceptApplied]
    dropped: NotRequired[DroppedConcept]
