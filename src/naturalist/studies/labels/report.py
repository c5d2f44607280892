"""What `reports/label-issues.json` holds; the dashboard's types are checked against it."""

from typing_extensions import TypedDict


class Pair(TypedDict):
    """Pictures of a category that seem to be of another."""

    category: str
    suggested: str
    pictures: int


class DoubtedSource(TypedDict):
    """What a classifier that never saw a source says of its pictures."""

    category: str
    source: str
    rows: int
    judged: bool
    elsewhere: float
    said: dict[str, int]


class LabelReport(TypedDict):
    """A study of label issues."""

    judge: str
    pictures: int
    looked_at: int
    suspects: int
    expected_wrong: float
    pairs: list[Pair]
    sources: list[DoubtedSource]
    single_source: list[str]
    words: list[str]
    fingerprint: str
    at: str
    decided: int
