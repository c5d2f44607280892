"""What a snapshot says, read without trusting it: it may come from anybody's bucket."""

import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from naturalist.errors import ConfigError, NotFound, StoreError
from naturalist.snapshots.schema import (
    FORMAT,
    LATEST,
    MAX_DOCUMENT_BYTES,
    FileEntry,
    PointerDocument,
    SnapshotDocument,
    check,
    decode,
    shortened,
)
from naturalist.stores import Store

FOLDER = "snapshots/"

_ID = re.compile(r"[0-9]{6,12}")


@dataclass(frozen=True)
class File:
    """One published file."""

    name: str
    """Its path in the collection, the same in every snapshot: tables/plant/image_df_1.csv."""
    key: str
    """Where its bytes are in the store."""
    size_bytes: int
    sha256: str
    objects_below: str = ""
    """Of an index: the beginning of the keys of the single pictures that it names."""

    @property
    def part(self) -> str:
        """The folder it belongs to, as in "tables"; empty for files at the top."""
        return self.name.partition("/")[0] if "/" in self.name else ""

    @property
    def category(self) -> str:
        """The folder below that, which is a category in the parts that have categories."""
        segments = self.name.split("/")
        return segments[1] if len(segments) > 2 else ""

    @property
    def suffix(self) -> str:
        """The end of the name, as in ".parquet"."""
        return PurePosixPath(self.name).suffix


@dataclass(frozen=True)
class Snapshot:
    """Every file of a published collection at one time."""

    id: str
    key: str
    sha256: str
    """Of the snapshot's own bytes."""
    about: Mapping[str, Any]
    """What it says beside its files: collection, categories, backbone, created_at ..."""
    files: tuple[File, ...]

    @property
    def labels(self) -> dict[str, int]:
        """The label of each category."""
        return {one["name"]: one["label"] for one in self.about.get("categories", ())}

    @property
    def names(self) -> dict[str, str]:
        """The name of each category by its key: folder, and prefix of its pictures' ids."""
        return names_of(self.about)

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size_bytes for file in self.files)


def names_of(about: Mapping[str, Any]) -> dict[str, str]:
    """The name of each category by its key, of what a snapshot says beside its files."""
    return {str(one.get("key", one["name"])): one["name"] for one in about.get("categories", ())}


def read(store: Store, snapshot_id: str | None = None) -> Snapshot:
    """Read a snapshot; the one that `latest` points to if none is named.

    Raises:
        ConfigError: that is not the id of a snapshot.
        NotFound: nothing is published there, or not under that id.
        StoreError: the snapshot was changed after it was published, cannot be understood, or names
            files that have no place in a folder.
    """
    if snapshot_id is None:
        return newest(store)[0]
    if not _ID.fullmatch(snapshot_id):
        raise ConfigError(f"{snapshot_id!r} is not the id of a snapshot: ids look like 000012")
    key = f"{FOLDER}{snapshot_id}.json"
    try:
        data, _ = store.get_bytes(key, MAX_DOCUMENT_BYTES)
    except NotFound as error:
        raise NotFound(
            f"{store.url} has no snapshot {snapshot_id}: see `naturalist snapshots list --url "
            f"{shlex.quote(store.url)}`"
        ) from error
    return parse(key, data)


def newest(store: Store) -> tuple[Snapshot, str]:
    """The snapshot that `latest` points to, and the version of the pointer (for `if_match`).

    Raises:
        NotFound: nothing is published there.
        StoreError: as `read`.
    """
    try:
        data, info = store.get_bytes(LATEST, MAX_DOCUMENT_BYTES)
    except NotFound as error:
        raise NotFound(
            f"no collection is published in {store.url} (it has no {LATEST}): check the URL, "
            "including the folder or prefix"
        ) from error
    pointer = check(PointerDocument, LATEST, decode(LATEST, data))
    return parse(pointer.key, _pointed(store, pointer)), info.version or ""


def pointed(store: Store, pointer: Mapping[str, Any]) -> bytes:
    """The bytes of the snapshot that a pointer names.

    Raises:
        StoreError: it is no pointer, or the snapshot is gone, or has other bytes than the pointer
            says.
    """
    return _pointed(store, check(PointerDocument, LATEST, pointer))


def _pointed(store: Store, pointer: PointerDocument) -> bytes:
    body, _ = store.get_bytes(pointer.key, MAX_DOCUMENT_BYTES)
    if hashlib.sha256(body).hexdigest() != pointer.sha256:
        raise StoreError(
            f"{pointer.key} in {store.url} does not have the sha256 recorded in {LATEST}: it was "
            "changed after publishing; restore it, or delete latest.json and publish again"
        )
    return body


def ids(store: Store) -> list[str]:
    """Ids of all snapshots, oldest first."""
    stems = (PurePosixPath(info.key).stem for info in store.list(FOLDER))
    return sorted((stem for stem in stems if _ID.fullmatch(stem)), key=int)


def parse(key: str, data: bytes) -> Snapshot:
    """A snapshot from its bytes.

    Raises:
        StoreError: they cannot be understood.
    """
    value = decode(key, data)
    if value.get("format") != FORMAT:
        raise StoreError(
            f"{key} has snapshot format {shortened(value.get('format'))}, but this program reads "
            f"format {FORMAT}: install the version of naturalist that it names "
            f"({shortened(value.get('made_by'))})"
        )
    document = check(SnapshotDocument, key, value)
    del value["files"]
    files = tuple(map(_file, document.files))
    return Snapshot(document.snapshot, key, hashlib.sha256(data).hexdigest(), value, files)


def _file(entry: FileEntry) -> File:
    return File(entry.name, entry.key, entry.size_bytes, entry.sha256, entry.objects_below)
