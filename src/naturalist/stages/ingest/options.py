"""What steers the ingest stage."""

from dataclasses import dataclass, field
from enum import StrEnum

from naturalist.archives import ArchiveLimits
from naturalist.images import PictureLimits
from naturalist.metadata import SourceRules
from naturalist.reasons import Reason
from naturalist.stages.ingest.selection import TAKE_ALL, Selection
from naturalist.stages.pictures import Location


class Mode(StrEnum):
    """How a picture gets from its source to its place; `auto` clones, or else links."""

    AUTO = "auto"
    HARDLINK = "hardlink"
    COPY = "copy"
    MOVE = "move"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Routing:
    """How the files of a source that feeds several categories get theirs.

    Attributes:
        home: key of the category whose ledger has what belongs to none: archives that were opened,
            and files without a category.
        column: the metadata column whose values are the labels.
        categories: label and key of its category, in pairs; a category that is retired has no key.
        rules: where the metadata are.
    """

    home: str
    column: str
    categories: tuple[tuple[str, str], ...]
    rules: SourceRules


@dataclass(frozen=True)
class Source:
    """One raw data set of one category: a folder, an archive, or a prefix in a bucket.

    `selection` says which of its files are taken. A data set that feeds several categories is a
    source of each, with the same `routing`, and is listed once, as the one of the home category.
    """

    category: str
    name: str
    path: Location
    selection: Selection = TAKE_ALL
    routing: Routing | None = None

    @property
    def is_listed(self) -> bool:
        """Whether its files are looked through as this source."""
        return self.routing is None or self.routing.home == self.category


@dataclass(frozen=True)
class FileLimits:
    """Limits on single files.

    Attributes:
        max_file_bytes: larger pictures are refused before they are read.
        pictures: limits on headers and pixels.
        archives: limits on archives and their members.
    """

    max_file_bytes: int = 256 * 2**20
    pictures: PictureLimits = field(default_factory=PictureLimits)
    archives: ArchiveLimits = field(default_factory=ArchiveLimits)


@dataclass(frozen=True)
class IngestOptions:
    """Options of the ingest stage.

    Attributes:
        mode: how pictures are placed.
        image_roots: folders that keep pictures; relative ones are in the workspace.
        category_roots: those of categories that have their own, as pairs.
        limits: what is refused.
        files_per_batch: memory follows this, not the number of files.
        files_per_task: files examined by one task.
        shard_size: pictures in a shard of this batch.
        rescan: examine known files again too.
        trust_folders: do not look into folders whose time of last change is as it was.
        retry: examine files again that were refused for one of these reasons.
        categories: those among which equal bytes are a conflict; empty is all that the ledger has.
    """

    mode: Mode = Mode.AUTO
    image_roots: tuple[str, ...] = ("images",)
    category_roots: tuple[tuple[str, tuple[str, ...]], ...] = ()
    limits: FileLimits = field(default_factory=FileLimits)
    files_per_batch: int = 100_000
    files_per_task: int = 500
    shard_size: int = 1000
    rescan: bool = False
    trust_folders: bool = False
    categories: tuple[str, ...] = ()
    retry: frozenset[Reason] = frozenset()

    def roots_of(self, category: str) -> tuple[str, ...]:
        """The roots that new pictures of a category may go to."""
        return dict(self.category_roots).get(category, self.image_roots)

    @property
    def all_roots(self) -> tuple[str, ...]:
        """Every root once."""
        own = (root for _, roots in self.category_roots for root in roots)
        return tuple(dict.fromkeys((*self.image_roots, *own)))
