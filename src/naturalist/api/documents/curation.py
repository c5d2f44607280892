"""Documents about names, quality, overlap, reviewers, tags and categories."""

from typing_extensions import TypedDict

from naturalist.categories import Category
from naturalist.curation.overlap import Leak
from naturalist.curation.quality import PoorPicture


class GroupName(TypedDict):
    """A name, what it comes from, and the shares of the group and of the rest it is true of."""

    name: str
    by: str
    support: float
    elsewhere: float


class NamedGroup(TypedDict):
    """A group and the names that fit it, best first; none without clear evidence."""

    group: str | int
    pictures: int
    names: list[GroupName]


class NamesDocument(TypedDict):
    """Names of clusters, map regions or groups of near duplicates."""

    of: str
    name: str
    groups: int
    named: int
    entries: list[NamedGroup]


class QualityDocument(TypedDict):
    """Pictures that may be poor, by check."""

    pictures: int
    limits: dict[str, float]
    counts: dict[str, int]
    rows: list[PoorPicture]
    decisions: int | None


class SharedBySources(TypedDict):
    """What two sources share."""

    first: str
    second: str
    exact: int
    near_first: int
    near_second: int
    share: float
    across_categories: bool


class OverlapDocument(TypedDict):
    """What sources of a collection share, and groups that span values of a column."""

    sources: dict[str, int]
    rows: list[SharedBySources]
    leaks: list[Leak]
    near_duplicates_known: bool


class SketchDocument(TypedDict):
    """How many pictures a sketch stands for."""

    pictures: int


class SharedBySourcesOfBoth(TypedDict):
    """How many pictures a source of each collection have in common."""

    first_category: str
    first_source: str
    first_licence: str
    second_category: str
    second_source: str
    second_licence: str
    exact: int
    near: int
    other_label: bool
    """Whether their categories have different names."""


class SharedByValues(TypedDict):
    """How many pictures have these values of a column in the two collections."""

    first_value: str
    second_value: str
    exact: int
    near: int
    leak: bool
    """Whether the values differ, as train and test do."""


class CommonPictures(TypedDict):
    """What two collections share, by pairs of sources and of values of a column."""

    first: str
    second: str
    first_pictures: int
    second_pictures: int
    exact: int
    near: int
    compares_features: bool
    sources: list[SharedBySourcesOfBoth]
    values: list[SharedByValues]


class CollectionOverlap(TypedDict):
    """What each pair of collections shares."""

    rows: list[CommonPictures]


class TemplateDocument(TypedDict):
    """A file of open questions, and how many it has of each kind."""

    template: str
    questions: dict[str, int]


class ReviewerList(TypedDict):
    """Names of reviewers."""

    rows: list[str]


class AddedReviewer(TypedDict):
    """A reviewer, and the token to sign in with, which is shown once."""

    name: str
    token: str


class RemovedReviewer(TypedDict):
    """The name of a reviewer whose token is refused from now on."""

    removed: str


class TaggedPicture(TypedDict):
    """A picture with a tag or a note."""

    picID: str
    tags: list[str]
    note: str
    by: str
    at: str


class TagDocument(TypedDict):
    """Pictures with a tag or a note."""

    rows: list[TaggedPicture]


class ListedCategory(TypedDict):
    """A category of a workspace, and what it holds, in words."""

    name: str
    label: int | None
    key: str
    since: str
    retired_at: str | None
    former_names: list[str]
    holds: str


class CategoryList(TypedDict):
    """All categories of a workspace, retired ones too."""

    rows: list[ListedCategory]


class CategoryChange(TypedDict):
    """Whether something was changed, and all categories afterwards."""

    changed: bool
    rows: list[Category]


class TakedownDocument(TypedDict):
    """Ids of pictures that were taken down."""

    rows: list[str]


class LedgerReason(TypedDict):
    """A reason for refusal, and whether it counts as a failure."""

    reason: str
    meaning: str
    is_failure: bool


class ReasonList(TypedDict):
    """All reasons for refusal."""

    rows: list[LedgerReason]
