"""Whether the drives have room for what a run is going to write, before it reads the first file.

Nothing is opened: how many pictures there are, and how large, is told by names and sizes of files,
and what is made of a picture by the rates of `rates.toml`. How many files are duplicates, which
take no space, and what is in archives is not known. So a run is refused only if not even half of
what it may need is free.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from naturalist import backbones
from naturalist.config import Config
from naturalist.config.looking import ARCHIVES, PICTURES
from naturalist.counting import size_text
from naturalist.errors import StorageFull
from naturalist.pipeline.rates import load_rates
from naturalist.stages.ingest.examine import ExamineTask
from naturalist.stages.ingest.listing import Entry
from naturalist.stages.ingest.options import Mode, Source
from naturalist.stages.ingest.roots import drive_of
from naturalist.stages.packing import Form
from naturalist.stores import LocalStore, open_store
from naturalist.stores.remote import RemoteFolder

_CLOSE = 0.9
"""Of the free space: who needs more is warned."""
_IMPOSSIBLE = 2.0
"""Times the free space: who needs more is refused."""
_RATED_NUMBERS = 512
"""Of the features with which the sizes in `rates.toml` were measured."""
_MADE = ("ledger", "features", "previews", "checks", "receipts", "tables_csv", "tables_parquet")
_OF_FEATURES = ("features", "tables_csv", "tables_parquet")

_IS_PICTURE = re.compile(PICTURES.pattern.encode(), re.I)
_IS_ARCHIVE = re.compile(ARCHIVES.pattern.encode(), re.I)

Drives = frozenset[int]
"""Drives any of which may take something, by number."""


@dataclass(frozen=True)
class Need:
    """What may be written to a folder, or one of several, and what is free there."""

    folders: tuple[Path, ...]
    size_bytes: int
    free_bytes: int
    what: str = "this run"

    @property
    def warning(self) -> str:
        """What to say if it is close; else nothing."""
        if self.size_bytes <= _CLOSE * self.free_bytes:
            return ""
        return f"{self}: it may end without space. Free some, or continue later"

    def __str__(self) -> str:
        where = " and ".join(map(str, self.folders))
        return (
            f"{self.what} needs about {size_text(self.size_bytes)} on the drive of {where}, where "
            f"{size_text(self.free_bytes)} are free"
        )


def check_space(config: Config, tasks: Iterable[ExamineTask]) -> str:
    """Compare what new files may take with what is free.

    Args:
        config: the collection, whose workspace and image roots are there.
        tasks: all files that are to be examined.

    Returns:
        A warning if it is close, else nothing.

    Raises:
        StorageFull: a drive cannot take even half of it.
    """
    for need in needs(config, tasks):
        if need.size_bytes > _IMPOSSIBLE * need.free_bytes:
            raise StorageFull(
                f"{need}: free some space, or use another drive or less of this one (workspace, "
                'images.roots, images.mode = "hardlink", tables.csv = false, publish.url). No file '
                "was read. If nearly all new files are duplicates, which take no space, use "
                "--accept-low-space"
            )
        if need.warning:
            return need.warning
    return ""


def check_publishing_space(store: LocalStore, size_bytes: int) -> str:
    """Compare what a folder still lacks with what is free there.

    Args:
        store: the folder that is published to.
        size_bytes: of all that it lacks; pictures become smaller where metadata is taken out.

    Returns:
        A warning if it is close, else nothing.

    Raises:
        StorageFull: there is no space for even half of it.
    """
    folder = store.nearest_folder()
    need = Need((folder,), size_bytes, drive_of(folder)[1], "publishing")
    if size_bytes > _IMPOSSIBLE * need.free_bytes:
        raise StorageFull(
            f"{need}: free some space, or use another drive or less of this one (publish.url, "
            "publish.pictures). Nothing was packed or sent"
        )
    return need.warning


def needs(config: Config, tasks: Iterable[ExamineTask]) -> Iterator[Need]:
    """What may be written to each drive, and to drives that share it."""
    drives = _Drives(config)
    sizes: dict[Drives, float] = defaultdict(float)
    made_bytes, published_bytes = _bytes_of_a_picture(config)
    pictures_bytes = load_rates().bytes["pictures"]
    for task in tasks:
        kept = drives.of_pictures(task.source)
        for entry in task.entries:
            is_archive = _IS_ARCHIVE.fullmatch(entry.path) is not None
            if not is_archive and not _is_picture(entry, task):
                continue
            pictures = max(1.0, entry.size_bytes / pictures_bytes) if is_archive else 1.0
            # Members are unpacked, whatever becomes of the pictures themselves.
            if there := kept or (drives.of_members(task.source) if is_archive else None):
                sizes[there] += entry.size_bytes
            sizes[drives.workspace] += pictures * made_bytes
            if drives.store:
                sizes[drives.store] += pictures * published_bytes
                if config.publish.pictures is not Form.NONE:
                    sizes[drives.store] += entry.size_bytes
    return drives.compare(sizes)


def _is_picture(entry: Entry, task: ExamineTask) -> bool:
    return (
        entry.reason is None
        and entry.size_bytes <= task.limits.max_file_bytes
        and _IS_PICTURE.fullmatch(entry.path) is not None
    )


def _bytes_of_a_picture(config: Config) -> tuple[float, float]:
    """Bytes that are made of a picture in the workspace, and published without its own."""
    scale = backbones.describe(config.extract.backbone).dim / _RATED_NUMBERS
    rates = load_rates().bytes
    sizes = {kind: rates[kind] * (scale if kind in _OF_FEATURES else 1) for kind in _MADE}
    if not config.tables.csv:
        sizes["tables_csv"] = 0.0
    published = ["ledger", "tables_csv", "tables_parquet"]
    published += ["previews"] if config.publish.thumbnails else []
    return sum(sizes.values()), sum(sizes[kind] for kind in published)


class _Drives:
    """The drives that a run writes to."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._free_bytes: dict[int, int] = {}
        self._folders: dict[int, Path] = {}
        self.workspace = self._of([config.layout.root])
        self.store = self._of_store()

    def of_pictures(self, source: Source) -> Drives | None:
        """Where pictures of a source are written to; None if they are linked, moved or referenced.

        Archives are in their sources and are unpacked into one of these, or of `of_members`.
        """
        mode = self._config.images.mode
        if mode is Mode.REFERENCE:
            return None
        there = self.of_members(source)
        is_near = not isinstance(source.path, RemoteFolder) and drive_of(source.path)[0] in there
        if is_near and mode in (Mode.AUTO, Mode.HARDLINK, Mode.MOVE):
            return None
        return there

    def of_members(self, source: Source) -> Drives:
        """Where members of its archives are written to."""
        roots = self._config.ingest_options.roots_of(source.category)
        return self._of([self._config.layout.image_root(root) for root in roots])

    def _of_store(self) -> Drives | None:
        url = self._config.publish_url
        store = open_store(url, self._config.s3_options) if url else None
        return self._of([store.nearest_folder()]) if isinstance(store, LocalStore) else None

    def _of(self, folders: Sequence[Path]) -> Drives:
        numbers = []
        for folder in folders:
            number, free_bytes = drive_of(folder)
            self._free_bytes[number] = free_bytes
            self._folders.setdefault(number, folder)
            numbers.append(number)
        return frozenset(numbers)

    def compare(self, sizes: Mapping[Drives, float]) -> Iterator[Need]:
        """What each set of drives needs, with all that can go nowhere else."""
        for drives in sizes:
            size = sum(size for inside, size in sizes.items() if inside <= drives)
            free = sum(self._free_bytes[number] for number in drives)
            folders = tuple(self._folders[number] for number in sorted(drives))
            yield Need(folders, int(size), free)
