"""The kinds of places that hold tables: published, pulled, a workspace; all give the same list."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from naturalist import artifacts, categories, ledger, metadata, snapshots
from naturalist.consume.folder import MANIFEST, path_of, read_manifest
from naturalist.consume.selection import tables_of
from naturalist.errors import ConfigError, NotFound
from naturalist.layout import Layout
from naturalist.snapshots import LATEST, File, Snapshot
from naturalist.stages import tables
from naturalist.stores import S3Options, open_store

METADATA = "metadata"
"""Folder of the metadata columns of pictures."""


@dataclass(frozen=True)
class TableFile:
    """One table, and what its bytes must be."""

    name: str
    category: str
    path: Path
    """Where it lies, or will lie once it was fetched."""
    sha256: str
    key: str | None = None
    """Key in the store that it is fetched from; None for files that are read where they are."""
    beside: "TableFile | None" = None
    """The file with the metadata columns of its pictures."""
    size_bytes: int | None = None
    """What it must have when it is fetched."""
    withheld: tuple[str, ...] = ()
    """Pictures that it still has and that are withheld by now: no reader sees their rows."""

    @property
    def fingerprint(self) -> str:
        """Changes when any row that readers see does."""
        return artifacts.fingerprint(self.sha256, self.withheld) if self.withheld else self.sha256


@dataclass(frozen=True)
class Tables:
    """The tables of a collection; a small value that other processes can be handed.

    Attributes:
        url: the place.
        options: how to reach it, if it is an S3 server.
        snapshot: id of the snapshot; None for a workspace.
        labels: the label of each category; None for a workspace, whose tables say it.
        files: by category and number.
        about: what the snapshot says, or a workspace would say, of metadata columns.
    """

    url: str
    options: S3Options | None
    snapshot: str | None
    labels: Mapping[str, int] | None
    files: tuple[TableFile, ...]
    about: Mapping[str, Any] = field(default_factory=dict)


def find_tables(
    place: str | os.PathLike[str], snapshot: str | None, options: S3Options | None, cache: Path
) -> Tables:
    """List the tables of a place.

    Raises:
        NotFound: there is no collection, or no such snapshot.
        ConfigError: the place cannot have the snapshot, or is not complete.
        StoreError: the store failed.
    """
    url = os.fspath(place)
    if "://" in url and not url.startswith("file://"):
        result = snapshots.read(open_store(url, options), snapshot)
        return _remote(url, options, result, cache)
    folder = _folder(url)
    if (folder / LATEST).exists():
        result = snapshots.read(open_store(str(folder)), snapshot)
        return _in_place(folder, result.id, result.about, result.files, lambda file: file.key)
    if (folder / MANIFEST).exists():
        return _pulled(folder, snapshot)
    if Layout(folder).marker.exists():
        return _workspace(folder, snapshot)
    raise NotFound(
        f"there is no collection in {folder}: give the URL of a published collection, a "
        f"folder that was published to ({LATEST}) or pulled into ({MANIFEST}), or a workspace"
    )


def _folder(url: str) -> Path:
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    return Path(url).expanduser().absolute()


def _remote(url: str, options: S3Options | None, snapshot: Snapshot, cache: Path) -> Tables:
    def cached(file: File) -> TableFile:
        path = cache / file.sha256[:2] / f"{file.sha256}{file.suffix}"
        name = snapshot.names.get(file.category, file.category)
        return TableFile(file.name, name, path, file.sha256, file.key, size_bytes=file.size_bytes)

    files = _with_beside(tables_of(snapshot.files, ".parquet"), snapshot.files, cached)
    return Tables(url, options, snapshot.id, snapshot.labels, files, snapshot.about)


def _in_place(
    folder: Path,
    snapshot: str,
    about: Mapping[str, Any],
    files: tuple[File, ...],
    path_of: Callable[[File], str],
) -> Tables:
    def listed(file: File) -> TableFile:
        name = names.get(file.category, file.category)
        return TableFile(file.name, name, folder / path_of(file), file.sha256)

    names = snapshots.names_of(about)
    labels = {one["name"]: one["label"] for one in about.get("categories", ())}
    selected = list(tables_of(files, ".parquet")) or tables_of(files, ".csv")
    result = _with_beside(selected, files, listed)
    return Tables(str(folder), None, snapshot, labels, result, about)


def _with_beside(
    selected: Iterable[File], files: Iterable[File], listed: Callable[[File], TableFile]
) -> tuple[TableFile, ...]:
    """Tables, each with the file of its metadata columns."""
    beside = {file.name: file for file in files if file.part == METADATA}
    result = []
    for file in selected:
        stem = PurePosixPath(file.name).stem
        other = beside.get(f"{METADATA}/{file.category}/{stem}.parquet")
        result.append(replace(listed(file), beside=listed(other) if other else None))
    return tuple(result)


def _pulled(folder: Path, snapshot: str | None) -> Tables:
    manifest = read_manifest(folder)
    if manifest is None or not manifest.complete:
        raise ConfigError(
            f"a pull into {folder} was interrupted while it replaced files: finish it with  "
            f"naturalist pull {manifest.url if manifest else 'URL'} {folder}"
        )
    if snapshot not in (None, manifest.snapshot):
        raise ConfigError(
            f"{folder} holds snapshot {manifest.snapshot}, not {snapshot}: pull that one with  "
            f"naturalist pull {manifest.url} {folder} --snapshot {snapshot}"
        )
    files = tuple(here.file for here in manifest.files.values())
    held = {file.category for file in files}
    here = [c for c in manifest.about["categories"] if c.get("key", c["name"]) in held]
    about = {**manifest.about, "categories": here}
    return _in_place(
        folder, manifest.snapshot, about, files, lambda file: str(path_of(folder, file))
    )


def _workspace(folder: Path, snapshot: str | None) -> Tables:
    if snapshot is not None:
        raise ConfigError(
            f"{folder} is a workspace, which has no snapshots: omit snapshot={snapshot!r}, or "
            "pass the URL that it is published to"
        )
    layout = Layout(folder)
    known = categories.read(layout)
    summary = metadata.read_summary(layout) or metadata.Summary()
    gone = ledger.withheld(layout)
    files = [
        TableFile(
            f"tables/{key}/{path.name}",
            name,
            path,
            receipt.sha256[path.name],
            beside=_beside_in_workspace(layout, summary, key, path.name),
            withheld=tables.withheld_since(receipt, key, gone.pictures),
        )
        for key, name in sorted(known.names.items())
        for path, receipt in tables.done_tables(layout, key)
    ]
    about = {"columns": [vars(column) for column in summary.columns]}
    return Tables(str(folder), None, None, None, tuple(files), about)


def _beside_in_workspace(
    layout: Layout, summary: metadata.Summary, category: str, name: str
) -> TableFile | None:
    sha256 = summary.tables.get(f"{category}/{name}")
    if sha256 is None:
        return None
    path = layout.metadata_of(category, name)
    return TableFile(f"{METADATA}/{category}/{name}", category, path, sha256)
