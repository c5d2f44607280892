"""Documents about snapshots, buckets, exports and what a collection tells."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from naturalist.api.documents.made import extended
from naturalist.auditing import Exposure
from naturalist.snapshots.history import Summary
from naturalist.snapshots.picture_diff import PictureChange
from naturalist.stores.audit import Audit
from naturalist.stores.buckets import Contents
from naturalist.stores.sharing import Link
from naturalist.studies.exporting import Exported


class SnapshotList(TypedDict):
    """All snapshots, oldest first."""

    rows: list[Summary]


class DiffedFile(TypedDict):
    """A file of a snapshot."""

    name: str
    size_bytes: int
    sha256: str


class BeforeAndAfter(TypedDict):
    """A value that differs between two snapshots."""

    before: Any
    after: Any


class SnapshotDiff(TypedDict):
    """Files that differ between two snapshots, and what else they say differently."""

    before: str
    after: str
    added: list[DiffedFile]
    removed: list[DiffedFile]
    changed: list[DiffedFile]
    about: dict[str, BeforeAndAfter]


class PictureDiff(TypedDict):
    """Pictures that differ between two snapshots, and the page that shows them."""

    before: str
    after: str
    came: int
    left: int
    relabelled: int
    changes: list[PictureChange]
    page: str


class ReleasedHold(TypedDict):
    """Whether a rollback was lifted, and which one."""

    released: bool
    snapshot: NotRequired[str]
    since: NotRequired[str]
    why: NotRequired[str]


class PruneDocument(TypedDict):
    """Snapshots and objects that were removed or, unless `removed`, would be."""

    removed: bool
    kept: list[str]
    snapshots: list[str]
    objects: list[str]
    size_bytes: int
    in_grace: int
    """Objects that are too young to go."""
    foreign: int
    """Objects that naturalist did not make; they stay."""
    dry_run: bool


ExposureDocument = extended(
    "ExposureDocument",
    "What a collection tells about people and machines.",
    Exposure,
    passed=bool,
)


ExportDocument = extended(
    "ExportDocument",
    "What was written for another program, and how to open it.",
    Exported,
    folder=str,
)


class DeletedBucket(TypedDict):
    """A bucket that was deleted, and what it held."""

    deleted: str
    held: Contents


class BucketReaders(TypedDict):
    """Who may read a bucket below a prefix."""

    bucket: str
    prefix: str
    readers: str


class LinkList(TypedDict):
    """Links that anybody can open until they expire."""

    rows: list[Link]


BucketAudit = extended(
    "BucketAudit",
    "What is public in a bucket, how it is secured, and what it costs.",
    Audit,
    is_public=bool,
    anyone_can_write=bool,
)
