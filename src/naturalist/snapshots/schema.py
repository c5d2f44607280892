"""What the published JSON documents may hold: every field typed, every number and text bounded.

A snapshot may come from anybody's bucket. Nothing of it is used before `check` has accepted it, so
that the code behind can rely on types and sizes. Fields that a newer program adds are kept.
"""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, from_json

from naturalist.counting import counted
from naturalist.errors import StoreError
from naturalist.stores.keys import check_key, check_prefix

FORMAT = 1
LATEST = "latest.json"
MAX_DOCUMENT_BYTES = 512 << 20
"""A snapshot of a million files has about 250 MB."""
MAX_FILE_BYTES = 1 << 44
"""16 TiB; the largest object of S3 has 5 TiB."""
MAX_DIM = 65_536
_MAX_ROWS = 1 << 40
_SHOWN = 60
_LABELS = 2**31


def _key(text: str) -> str:
    # pydantic turns only ValueError into one message with the field's place.
    try:
        return check_key(text)
    except StoreError as error:
        raise ValueError(str(error)) from error


def _prefix(text: str) -> str:
    try:
        return check_prefix(text)
    except StoreError as error:
        raise ValueError(str(error)) from error


Key = Annotated[str, AfterValidator(_key)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Digest = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
Id = Annotated[str, StringConstraints(pattern=r"\A[0-9]{6,12}\z")]
ShortText = Annotated[str, StringConstraints(max_length=1_000)]
Count = Annotated[int, Field(ge=0, le=_MAX_ROWS)]


class Published(BaseModel):
    """Base of all documents: no conversion between types; unknown fields are kept."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class FileEntry(Published):
    """One file of a snapshot."""

    name: Key
    key: Key
    size_bytes: Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]
    sha256: Digest
    objects_below: Prefix = ""


CategoryName = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z][A-Za-z0-9_-]{0,63}\z")]


class CategoryEntry(Published):
    """One category of a snapshot; it has a key where that is not the name."""

    name: CategoryName
    key: CategoryName | None = None
    label: Annotated[int, Field(ge=-_LABELS, lt=_LABELS)]
    table_rows: Count = 0


class SourceEntry(Published):
    """One source of a snapshot."""

    category: ShortText
    name: ShortText
    pictures: Count
    origin: ShortText = ""
    licence: ShortText = ""


class BackboneEntry(Published):
    """The network that made the features."""

    name: ShortText
    dim: Annotated[int, Field(ge=1, le=MAX_DIM)]
    licence: ShortText = ""


class ColumnEntry(Published):
    """A metadata column."""

    name: ShortText
    type: ShortText
    pictures: Count = 0
    sources: list[ShortText] = []


class AboutEntry(Published):
    """What a snapshot says beside its files."""

    collection: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    parent: Id | None = None
    created_at: ShortText = ""
    made_by: ShortText = ""
    categories: list[CategoryEntry] = []
    sources: list[SourceEntry] = []
    backbone: BackboneEntry | None = None
    columns: list[ColumnEntry] = []
    retired: list[CategoryName] = []

    @model_validator(mode="after")
    def _categories_differ(self) -> Self:
        _all_different("category", (one.name for one in self.categories))
        _all_different("key", (one.key or one.name for one in self.categories))
        return self


class SnapshotDocument(AboutEntry):
    """`snapshots/<id>.json`."""

    format: Literal[1]
    snapshot: Id
    files: list[FileEntry]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = _all_different("file", (file.name for file in self.files))
        for name in sorted(names):
            inside = next((str(p) for p in PurePosixPath(name).parents if str(p) in names), None)
            if inside is not None:
                raise ValueError(f"{inside!r} is a file and the folder of {name!r}")
        return self


class HoldEntry(Published):
    """A rollback that keeps `latest` where it is."""

    since: ShortText
    why: ShortText = ""


class PointerDocument(Published):
    """`latest.json`."""

    snapshot: Id
    key: Key
    sha256: Digest
    hold: HoldEntry | None = None


class LeaseEntry(Published):
    """Who changes the store."""

    by: ShortText
    token: ShortText
    until_s: Annotated[float, Field(ge=0, le=1e11)]


class MaintenanceDocument(Published):
    """`maintenance.json`."""

    format: Literal[1]
    prunes: Count
    lease: LeaseEntry | None = None
    log: list[dict[str, Any]] = []


Document = TypeVar("Document", bound=Published)


def check(kind: type[Document], key: str, value: Mapping[str, Any]) -> Document:
    """A document, checked.

    Args:
        kind: what it must be.
        key: where it comes from, for messages.
        value: what `decode` read.

    Raises:
        StoreError: it is not what `kind` says; the message names the field and the value.
    """
    try:
        return kind.model_validate(dict(value))
    except ValidationError as error:
        raise not_understood(key, describe(error)) from error


def decode(key: str, data: bytes) -> dict[str, Any]:
    """The JSON object that a key of the store holds.

    Raises:
        StoreError: it holds something else.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise not_understood(key, f"it has {len(data):,} bytes, more than {MAX_DOCUMENT_BYTES:,}")
    try:
        # Unlike the parser of the standard library, this one limits the depth.
        value = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise not_understood(key, f"it is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise not_understood(key, "it is not a JSON object")
    return value


def describe(error: ValidationError) -> str:
    """The first fault of a document in one line: field, value, and what is allowed."""
    first, more = error.errors(include_url=False)[0], error.error_count() - 1
    return _described(first) + (f", and {counted(more, 'more error')}" if more else "")


def _described(fault: ErrorDetails) -> str:
    field = ".".join(map(str, fault["loc"])) or "the document"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("missing", "value_error"):
        return f"{field}: {message}"
    return f"{field} is {shortened(fault['input'])}: {message}"


def shortened(value: object) -> str:
    """A value for a message; a stranger's may be of any size."""
    text = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def not_understood(key: str, why: str) -> StoreError:
    """The error for a document that is not what naturalist writes."""
    return StoreError(
        f"{key} is not valid ({why}): it was not written by naturalist, or has been changed; "
        "publish again, or ask the publisher to"
    )


def _all_different(what: str, names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {what} {name!r} is listed twice")
        seen.add(name)
    return seen
