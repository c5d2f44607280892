"""What `index.json` of similar pictures holds."""

from typing_extensions import TypedDict


class IndexedPart(TypedDict):
    """The vectors of one table: its name, its hash, and its first and last picture."""

    name: str
    sha256: str
    rows: int
    first: str
    last: str


class Recall(TypedDict):
    """The share of the true nearest pictures that searches find."""

    k: int
    queries: int
    rows: int
    against: str
    recall: float
    of_candidates: float


class IndexReport(TypedDict):
    """The index of similar pictures."""

    format: int
    backbone: str
    dim: int
    made_at: str
    rows: int
    parts: list[IndexedPart]
    candidates: int
    recall: Recall
