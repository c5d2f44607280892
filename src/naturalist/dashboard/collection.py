"""The collection that is shown: a workspace, a pulled folder, or a snapshot fetched for reading.

All become a folder in the form of a workspace, so that `Layout` names every file in it. Of a
published collection everything but tables, pictures and previews is pulled into the user's cache
when it is opened; previews are fetched one shard at a time when a thumbnail is asked for.
"""

import hashlib
import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow.compute as pc

from naturalist import artifacts, categories, snapshots
from naturalist.config import Config
from naturalist.consume import Selection, is_pulled, pull
from naturalist.consume.folder import read_manifest
from naturalist.consume.reading import cache_folder, check_header
from naturalist.errors import ConfigError, NotFound, StoreError
from naturalist.layout import Layout
from naturalist.ledger import Withheld
from naturalist.snapshots import File, Snapshot
from naturalist.stores import S3Options, Store, open_store
from naturalist.stores.keeping import keep_store

Kind = Literal["workspace", "published", "pulled"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
"""Names of maps, clusterings and models."""

_NOT_PULLED = ("tables", "pictures", "picture_index", "previews")


@dataclass(frozen=True, eq=False)
class Collection:
    """A collection to show.

    Attributes:
        layout: where its files lie.
        kind: what was opened.
        name: of the collection.
        address: what the user gave, for people.
        labels: the label of each category, by its key, in the order of labels.
        titles: the name of each category, by its key.
        config: of a workspace; None for what was published.
        about: what the snapshot says of itself; empty for a workspace.
        options: how the store at the address of what was published is reached.
        remote: files that may be fetched, by name.
    """

    layout: Layout
    kind: Kind
    name: str
    address: str
    labels: Mapping[str, int]
    titles: Mapping[str, str]
    config: Config | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    options: S3Options | None = None
    remote: Mapping[str, File] = field(default_factory=dict)
    _fetching: "defaultdict[Path, threading.Lock]" = field(
        default_factory=lambda: defaultdict(threading.Lock), repr=False
    )

    @property
    def snapshot(self) -> str | None:
        """Id of the snapshot; None for a workspace."""
        return self.about.get("snapshot")

    @property
    def store(self) -> Store | None:
        """Where files that are not here yet are fetched from; None for what is all here."""
        if self.kind != "published":
            return None
        return keep_store(self.address, self.options)

    @property
    def retired(self) -> frozenset[str]:
        """Keys of the categories that are retired by now, of which nothing is shown."""
        return categories.read(self.layout).retired_keys

    def shows_retired(self, table: Path, column: str = "picID") -> bool:
        """Whether a table of a study has rows of a retired category: it was made before that."""
        if not self.retired or not table.exists():
            return False
        names = artifacts.read_parquet(table, [column])[column]
        return bool(pc.any(Withheld(retired=self.retired).among(names)).as_py())

    def names(self, folder: Path, suffix: str) -> list[Path]:
        """Files of a folder that are here or can be fetched, sorted by name."""
        here = set(folder.glob(f"*{suffix}")) if folder.is_dir() else set()
        prefix = f"{folder.relative_to(self.layout.root).as_posix()}/"
        there = {
            self.layout.root / name
            for name in self.remote
            if name.startswith(prefix) and name.endswith(suffix)
        }
        return sorted(here | there)

    def ready(self, path: Path) -> Path | None:
        """The path once its file is here; None if there is no such file.

        Raises:
            StoreError: it cannot be fetched, or has other bytes than were published.
        """
        if path.is_file():
            return path
        file = self.remote.get(path.relative_to(self.layout.root).as_posix())
        if file is None or (store := self.store) is None:
            return None
        # One lock a file: those that several pictures need at once are fetched beside each other.
        with self._fetching[path]:
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                store.fetch(file.key, path, file.sha256, file.size_bytes)
                self._check(path, file)
        return path

    def _check(self, path: Path, file: File) -> None:
        try:
            check_header(path, file)
        except StoreError:
            path.unlink()
            raise


def open_workspace(config: Config) -> Collection:
    """The workspace of a configuration; it may be empty."""
    return Collection(
        layout=Layout(config.layout.root.absolute()),
        kind="workspace",
        name=config.name,
        address=str(config.layout.root),
        labels=_by_label(config.labels),
        titles=config.names,
        config=config,
    )


def open_published(
    url: str, snapshot: str | None = None, options: S3Options | None = None, jobs: int = 8
) -> Collection:
    """A published or pulled collection; fetches what is not in the cache yet.

    Raises:
        NotFound: nothing is published there.
        StoreError: the store failed.
        ConfigError: the pulled folder is not complete, or a snapshot of it was asked for.
    """
    if is_pulled(url):
        return _pulled(Path(url).expanduser().absolute(), snapshot)
    store = open_store(url, options)
    result = _snapshot(store, url, snapshot)
    digest = hashlib.sha256(f"{store.url}\0{result.about['collection']}".encode()).hexdigest()
    folder = cache_folder().parent / "dashboard" / digest[:24]
    parts = {file.part for file in result.files if file.part} - set(_NOT_PULLED)
    if not parts:
        raise ConfigError(f"the snapshot {result.id} of {url} contains nothing to show")
    pull(store, folder, Selection(parts=tuple(sorted(parts))), result.id, jobs=jobs)
    later = {file.name: file for file in result.files if file.part == "previews"}
    return Collection(
        layout=Layout(folder),
        kind="published",
        name=str(result.about["collection"]),
        address=store.url,
        labels=_labels_of(result.about),
        titles=snapshots.names_of(result.about),
        about=result.about,
        options=options,
        remote=later,
    )


def _snapshot(store: Store, url: str, snapshot: str | None) -> Snapshot:
    try:
        return snapshots.read(store, snapshot)
    except NotFound as error:
        if Layout(Path(url)).marker.exists():
            raise ConfigError(
                f"{url} is a workspace: show it with `naturalist dashboard --config {url}`"
            ) from error
        raise


def _pulled(folder: Path, snapshot: str | None) -> Collection:
    manifest = read_manifest(folder)
    if manifest is None or not manifest.complete:
        raise ConfigError(f"a pull into {folder} was interrupted: run `naturalist pull` again")
    if snapshot not in (None, manifest.snapshot):
        raise ConfigError(f"{folder} holds snapshot {manifest.snapshot}, not {snapshot}")
    return Collection(
        layout=Layout(folder),
        kind="pulled",
        name=str(manifest.about["collection"]),
        address=str(folder),
        labels=_labels_of(manifest.about),
        titles=snapshots.names_of(manifest.about),
        about=manifest.about,
    )


def _labels_of(about: Mapping[str, Any]) -> dict[str, int]:
    return _by_label({c.get("key", c["name"]): int(c["label"]) for c in about["categories"]})


def _by_label(labels: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(labels.items(), key=lambda pair: pair[1]))
