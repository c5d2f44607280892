"""Published JSON files (maps, clusters, models, reports), checked before anything relies on them.

A published collection has documents beside its tables. Who wrote them may be a stranger: each is
read with a limit for its bytes, its depth and its numbers, and those that naturalist reads itself
must have the fields it relies on with the right types. What else they hold is kept.
"""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic_core import from_json

from naturalist.snapshots.schema import Count, Published, ShortText, check, not_understood

MAX_BYTES = 256 << 20
"""The clusters of a million pictures have some megabytes."""
_MOST_VALUES = 20_000_000
_LONGEST_TEXT = 1 << 20
_INTEGER = 1 << 63
"""Larger ones are not numbers to most readers, and take seconds to print."""

Text = Annotated[str, Field(max_length=10_000)]
Share = Annotated[float, Field(ge=-1e9, le=1e9)]
Number = Annotated[int, Field(ge=-1, lt=1 << 31)]


class _Map(Published):
    name: ShortText = ""
    dims: Annotated[int, Field(ge=2, le=3)] | None = None
    method: ShortText | None = None
    rows: Count = 0
    metrics: dict[str, Any] = Field(default_factory=dict)
    integrity: dict[str, Any] | None = None


class _Cluster(Published):
    cluster: Number
    size: Count = 0
    purity: Share | None = None
    mixed: bool = False
    sheet: ShortText | None = None
    category: ShortText | None = None
    categories: dict[ShortText, Count] = Field(default_factory=dict)
    sources: dict[ShortText, Count] = Field(default_factory=dict)
    medoids: list[ShortText] = Field(default_factory=list)
    boundary: list[ShortText] = Field(default_factory=list)


class _Clusters(Published):
    name: ShortText = ""
    method: ShortText | None = None
    rows: Count = 0
    noise: Count = 0
    metrics: dict[str, Any] = Field(default_factory=dict)
    clusters: list[_Cluster]


class _Names(Published):
    members_sha256: ShortText = ""
    names: dict[ShortText, ShortText] = Field(default_factory=dict)


class _Model(Published):
    id: ShortText = ""
    made_at: ShortText = ""
    kind: ShortText = ""
    categories: list[ShortText] = Field(default_factory=list)


class _Evaluation(Published):
    random_split: dict[str, Any] | None = None
    leave_one_source_out: dict[str, Any] | None = None
    advice: list[Text] = Field(default_factory=list)
    leaning: list[ShortText] = Field(default_factory=list)


class _Decision(Published):
    model: ShortText | None = None
    at: ShortText | None = None
    action: ShortText | None = None
    reason: Text | None = None


class _Champion(Published):
    champion: ShortText | None = None
    history: list[_Decision] = Field(default_factory=list)


class _Drift(Published):
    batch: Count | None = None
    rows: Count | None = None
    at: ShortText | None = None
    verdict: ShortText | None = None
    words: list[Text] = Field(default_factory=list)
    tests: list[dict[str, Any]] = Field(default_factory=list)


class _Sample(Published):
    method: ShortText | None = None
    rows: Count | None = None


class _Verification(Published):
    passed: bool
    checks: dict[ShortText, dict[ShortText, Text]] = Field(default_factory=dict)
    hard: list[dict[str, Any]] = Field(default_factory=list)
    soft: list[dict[str, Any]] = Field(default_factory=list)


_KINDS: tuple[tuple[re.Pattern[str], type[Published]], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"maps/[^/]+/map\.json", _Map),
        (r"clusters/[^/]+/clusters\.json", _Clusters),
        (r"clusters/[^/]+/names\.json", _Names),
        (r"models/champion\.json", _Champion),
        (r"models/[^/]+/model\.json", _Model),
        (r"models/[^/]+/evaluation\.json", _Evaluation),
        (r"reports/drift/[^/]+\.json", _Drift),
        (r"reports/verification\.json", _Verification),
        (r"samples/[^/]+/sample\.json", _Sample),
    )
)


def check_document(path: Path, name: str) -> None:
    """Compare a published JSON file with what its name says it is.

    Args:
        path: where its bytes lie.
        name: its name in the collection.

    Raises:
        StoreError: it is larger or deeper than any that naturalist writes, is no JSON object, or a
            field that naturalist reads has another type or is out of bounds.
    """
    size_bytes = path.stat().st_size
    if size_bytes > MAX_BYTES:
        raise not_understood(name, f"it has {size_bytes:,} bytes, more than {MAX_BYTES:,}")
    try:
        # Unlike the parser of the standard library, this one limits the depth.
        value = from_json(path.read_bytes())
    except ValueError as error:
        raise not_understood(name, f"it is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise not_understood(name, "it is not a JSON object")
    _check_values(name, value)
    kind = next((kind for pattern, kind in _KINDS if pattern.fullmatch(name)), None)
    if kind is not None:
        check(kind, name, value)


def _check_values(name: str, value: Any) -> None:
    open_ones, seen = [value], 0
    while open_ones:
        one = open_ones.pop()
        seen += 1
        if seen > _MOST_VALUES:
            raise not_understood(name, f"it has more than {_MOST_VALUES:,} values")
        if isinstance(one, dict):
            open_ones += [*one, *one.values()]
        elif isinstance(one, list):
            open_ones += one
        elif (fault := _fault(one)) is not None:
            raise not_understood(name, fault)


def _fault(value: Any) -> str | None:
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"a text has {len(value):,} characters"
    if type(value) is int and not -_INTEGER <= value < _INTEGER:
        return "a number has more than 64 bits"
    return None
