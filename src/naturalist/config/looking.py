"""Looking at folders, archives and buckets, to propose categories and sources for a configuration.

Four layouts are known, by where the pictures are:

- ``category/source/...``: each folder is a category, each folder in it a source;
- ``train|valid|test/category/...``: folders named like splits, with the same categories in each;
- ``category/*.jpg``: a folder of categories, each of which is one source;
- pictures without such folders: one category with one source.

Pictures are counted by their suffixes and nothing is opened but the directories of zips.
"""

import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from naturalist.config.sources import CATEGORY_NAME
from naturalist.errors import ConfigError
from naturalist.stores.remote import RemoteFolder, list_remote

LayoutName = Literal["category/source", "split/category", "category", "pictures", "nothing"]

PICTURES = re.compile(
    r".*\.(jpe?g|jpe|jfif|png|gif|bmp|webp|tiff?|heic|heif|avif|jp2|j2k|p[pgbn]m)", re.I
)
ARCHIVES = re.compile(r".*\.(zip|7z|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz|zst|lz4))", re.I)
_TABLES = re.compile(r".*\.(csv|tsv|jsonl?|ndjson|parquet)", re.I)
_SPLITS = frozenset(
    ("train", "training", "trn", "valid", "validation", "val", "test", "testing", "tst", "eval",
     "evaluation", "dev")
)  # fmt: skip
_WRAPPERS = frozenset(
    ("data", "dataset", "datasets", "images", "image", "img", "imgs", "photos", "pictures",
     "archive", "raw")
)  # fmt: skip
"""Names of folders that say nothing, where everything else is in one."""
_SKIPPED = re.compile(r"\..*|__MACOSX|@eaDir")
_DEPTH = 5
"""Folders deeper than this are counted together."""


@dataclass
class Folder:
    """What is in a folder, an archive or below an address.

    Attributes:
        location: its path, or its address as text.
        pictures: pictures that lie right in it, by their suffixes.
        tables: names of files right in it that may hold metadata.
        children: folders and archives in it, by name.
        is_archive: whether it is one file.
    """

    location: Path | str
    pictures: int = 0
    tables: list[str] = field(default_factory=list)
    children: dict[str, "Folder"] = field(default_factory=dict)
    is_archive: bool = False

    @property
    def total(self) -> int:
        """Pictures in it, at any depth."""
        return self.pictures + sum(child.total for child in self.children.values())

    @property
    def filled(self) -> dict[str, "Folder"]:
        """Folders and archives in it that hold pictures, or may hold some."""
        return {n: c for n, c in sorted(self.children.items()) if c.total or c.is_archive}

    @property
    def name(self) -> str:
        """The last part of its path or address; of an archive without the suffix."""
        name = str(self.location).rstrip("/").rpartition("/")[2]
        return re.sub(r"\.(tar\.\w+|\w+)$", "", name) if self.is_archive else name


@dataclass(frozen=True)
class ProposedSource:
    """A source that is proposed.

    Attributes:
        location: path or address.
        pictures: pictures in it.
        folders: pattern of the names of its folders, if they seem to mean something.
        tables: files in it that may hold metadata, as paths inside it.
        include: patterns of its files that are taken; empty for all.
    """

    location: Path | str
    pictures: int
    folders: str = ""
    tables: tuple[str, ...] = ()
    include: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProposedCategory:
    """A category that is proposed."""

    name: str
    sources: tuple[ProposedSource, ...]

    @property
    def pictures(self) -> int:
        """Pictures of all its sources."""
        return sum(source.pictures for source in self.sources)


def look(location: Path | RemoteFolder) -> Folder:
    """Count the pictures of a folder, an archive or an address, folder by folder.

    Raises:
        ConfigError: there is no such file or folder, or nothing is below the address.
        SourceError: the address cannot be listed.
    """
    if isinstance(location, RemoteFolder):
        return _look_remote(location)
    path = location.resolve()
    if path.is_file():
        return _look_at_archive(path)
    if not path.is_dir():
        raise ConfigError(f"{location} does not exist: name folders, archives or URLs of buckets")
    return _look_local(path, 0)


def _look_local(path: Path, depth: int) -> Folder:
    result = Folder(path)
    try:
        with os.scandir(path) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except PermissionError:
        return result
    for entry in entries:
        if _SKIPPED.fullmatch(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            child = _look_local(Path(entry.path), depth + 1)
            if depth < _DEPTH:
                result.children[entry.name] = child
            else:
                result.pictures += child.total
        elif ARCHIVES.fullmatch(entry.name):
            result.children[entry.name] = _look_at_archive(Path(entry.path))
        else:
            _count(result, entry.name)
    return result


def _count(folder: Folder, name: str) -> None:
    if PICTURES.fullmatch(name):
        folder.pictures += 1
    elif _TABLES.fullmatch(name):
        folder.tables.append(name)


def _look_at_archive(path: Path) -> Folder:
    """An archive; the pictures of a zip are counted, those of others are not known."""
    result = Folder(path, is_archive=True)
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as packed:
                _add_names(result, packed.namelist())
        except zipfile.BadZipFile:
            return result
    return result


def _look_remote(location: RemoteFolder) -> Folder:
    result = Folder(location.url)
    _add_names(result, (file.key for file in list_remote(location)))
    if not result.children and not result.pictures:
        raise ConfigError(f"{location.url} is empty or does not exist: correct the URL")
    return result


def _add_names(root: Folder, names: "Iterator[str] | Sequence[str]") -> None:
    for name in names:
        *folders, last = name.split("/")
        if not last or any(map(_SKIPPED.fullmatch, [*folders, last])):
            continue
        at = root
        for step in folders[: _DEPTH + 1]:
            at = at.children.setdefault(step, Folder(f"{at.location}/{step}"))
        if ARCHIVES.fullmatch(last) and not root.is_archive:
            at.children[last] = Folder(f"{at.location}/{last}", is_archive=True)
        else:
            _count(at, last)


def unwrapped(folder: Folder) -> Folder:
    """The folder that all is in, below folders of names like `data` that hold nothing else."""
    below = folder.filled
    if folder.is_archive or folder.pictures or len(below) != 1:
        return folder
    ((name, child),) = below.items()
    if name.lower() not in _WRAPPERS or child.is_archive:
        return folder
    return unwrapped(child)


def layout_of(folder: Folder) -> LayoutName:
    """Which of the layouts a folder has."""
    folder = unwrapped(folder)
    below = folder.filled
    if folder.is_archive or (folder.pictures and folder.pictures >= folder.total / 2):
        return "pictures"
    if not below:
        return "nothing"
    if all(name.lower() in _SPLITS for name in below):
        has_classes = any(child.filled for child in below.values())
        return "split/category" if has_classes else "pictures"
    if all(child.is_archive for child in below.values()):
        return "pictures"
    deep = [child for child in below.values() if not child.pictures and not child.is_archive]
    return "category/source" if 2 * len(deep) >= len(below) else "category"


def propose(folders: Sequence[Folder]) -> list[ProposedCategory]:
    """Categories and sources for folders; categories of one name are put together.

    Raises:
        ConfigError: there are no pictures.
    """
    merged: dict[str, list[ProposedSource]] = {}
    for folder in folders:
        for name, sources in _categories(folder):
            merged.setdefault(category_name(name), []).extend(sources)
    if not merged:
        names = ", ".join(str(folder.location) for folder in folders)
        raise ConfigError(
            f"no pictures found in {names}: name folders with pictures, or set categories with "
            "--category NAME=LABEL:SOURCE"
        )
    return [ProposedCategory(name, tuple(sources)) for name, sources in sorted(merged.items())]


def _categories(folder: Folder) -> Iterator[tuple[str, list[ProposedSource]]]:
    layout, name_of_all = layout_of(folder), folder.name
    folder = unwrapped(folder)
    if layout == "split/category":
        yield from _of_splits(folder)
    elif layout == "pictures":
        archives = [c for c in folder.filled.values() if c.is_archive]
        yield name_of_all, [_source(one) for one in archives or [folder]]
    elif layout != "nothing":
        for name, child in folder.filled.items():
            yield Folder(name, is_archive=child.is_archive).name, list(sources_of(child))


def sources_of(folder: Folder) -> Iterator[ProposedSource]:
    """The sources of a category's folder: its folders and archives if pictures are in those only.

    Folders named like splits, and folders with pictures in the midst of others, are parts of one
    source.
    """
    below = folder.filled
    parts = [name for name in below if name.lower() in _SPLITS]
    if folder.is_archive or folder.pictures or not below or parts:
        yield _source(folder)
    else:
        yield from map(_source, below.values())


def _source(folder: Folder) -> ProposedSource:
    return ProposedSource(
        folder.location, folder.total, _folder_names(folder), tuple(sorted(folder.tables))
    )


def _folder_names(folder: Folder) -> str:
    """A pattern of folder names that may be worth keeping; empty if there is none."""
    below = [(name, child) for name, child in folder.filled.items() if not child.is_archive]
    if len(below) < 2 or folder.pictures:
        return ""
    if all(name.lower() in _SPLITS for name, _ in below):
        has_classes = all(child.filled and not child.pictures for _, child in below)
        return "{split}/{class}/..." if has_classes else "{split}/..."
    return "{class}/..."


def _of_splits(folder: Folder) -> Iterator[tuple[str, list[ProposedSource]]]:
    """Categories below folders of splits: the whole is a source of each, by a pattern of files."""
    names = sorted({name for child in folder.filled.values() for name in child.filled})
    for name in names:
        total = sum(
            child.filled[name].total for child in folder.filled.values() if name in child.filled
        )
        # What means something in a pattern is matched as any one character.
        pattern = re.sub(r"[\\*?\[\]!]", "?", name)
        yield (
            name,
            [ProposedSource(folder.location, total, "{split}/...", include=(f"/*/{pattern}/",))],
        )


def category_name(text: str) -> str:
    """A name that a category may have, made from a folder's name."""
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:60] or "category"
    return cleaned if CATEGORY_NAME.fullmatch(cleaned) else f"c-{cleaned}"
