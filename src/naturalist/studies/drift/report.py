"""What `reports/drift/NAME.json` holds; the dashboard's types are checked against it."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

Verdict = Literal["drift", "new_source", "none", "first", "too_few"]


class Compared(TypedDict):
    """How many pictures of either side were compared."""

    new: int
    before: int


class Reference(TypedDict):
    """What the pictures were compared with."""

    question: str
    against: str
    rows: int
    compared: Compared


class Share(TypedDict):
    """The share of a source among the new pictures and among those from before."""

    source: str
    share: float
    share_before: float


class DriftTest(TypedDict):
    """One test."""

    what: str
    method: str
    statistic: float
    p_value: float
    effect: float
    adjusted_p: float
    flagged: bool


class SourceDrift(TypedDict):
    """One source of the batch; `p_value` is None where its distance could not be tested.

    The keys that may be absent are of new sources; `recognised` and what follows it are there
    where a classifier that never saw the source was asked.
    """

    source: str
    kind: Literal["known", "new"]
    rows: int
    reference_rows: int
    distance: NotRequired[float]
    ordinary: NotRequired[list[float]]
    p_value: float | None
    effect: float | None
    flagged: bool
    found_from: NotRequired[float]
    labels_to_know: NotRequired[int]
    recognised: NotRequired[float]
    recognised_usually: NotRequired[float | None]
    unlike: NotRequired[float]
    taken_for: NotRequired[dict[str, float]]
    far_away: NotRequired[bool]
    unrecognised: NotRequired[bool]


class CategoryDrift(TypedDict):
    """One category: the smallest p-value of its sources, times their number."""

    category: str
    rows: int
    p_value: float | None
    effect: float
    flagged: bool


class DriftReport(TypedDict):
    """A study of drift."""

    name: str
    batch: int | None
    source: str
    model: str
    at: str
    fingerprint: str
    rows: int
    reference: Reference
    options: dict[str, Any]
    mix: list[Share]
    verdict: Verdict
    tests: list[DriftTest]
    by_source: list[SourceDrift]
    by_category: list[CategoryDrift]
    words: list[str]
    pictures: list[str]
    sheet: str
