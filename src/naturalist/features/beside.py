"""What is beside the features of a collection: its ledger and previews, wherever it is.

Of a published collection they are pulled into the user's cache, and read there.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from naturalist import consume, snapshots
from naturalist.consume.folder import read_manifest
from naturalist.consume.reading import cache_folder
from naturalist.errors import NotFound
from naturalist.layout import Layout
from naturalist.snapshots import LATEST
from naturalist.stores import S3Options, open_store

_PARTS = ("ledger", "previews")
_ID = "picID"


@dataclass(frozen=True)
class Beside:
    """A folder in the form of a workspace, and what the snapshot says of itself (of one)."""

    layout: Layout
    about: Mapping[str, Any] = field(default_factory=dict)


def values_of(place: str, column: str, options: S3Options | None = None) -> dict[str, str]:
    """The values, as text, of a metadata column, by pic_id; pictures without one are out.

    Args:
        place: a workspace, a pulled folder, or the address of a published collection.
        column: its name.
        options: how to reach an S3 server.

    Raises:
        ConfigError: the collection has no such column.
        NotFound: there is no collection.
        StoreError: the store failed.
    """
    table = consume.load(place, columns=[_ID, column], options=options).arrow()
    ids, values = table[_ID].to_pylist(), table[column].cast(pa.string()).to_pylist()
    return {one: value for one, value in zip(ids, values, strict=True) if value is not None}


def is_collection(text: str) -> bool:
    """Whether a word names a workspace, a pulled folder or a published collection."""
    if "://" in text:
        return True
    path = Path(text).expanduser()
    return consume.is_pulled(text) or Layout(path).marker.exists() or (path / LATEST).exists()


def open_beside(place: str, options: S3Options | None = None) -> Beside:
    """Ledger and previews of a collection.

    Args:
        place: a workspace, a pulled folder, or the address of a published collection.
        options: how to reach an S3 server.

    Raises:
        NotFound: there is no collection, or none with a ledger.
        StoreError: the store failed.
    """
    path = Path(place).expanduser()
    if consume.is_pulled(place):
        manifest = read_manifest(path)
        return Beside(Layout(path), manifest.about if manifest else {})
    if "://" not in place and Layout(path).marker.exists():
        return Beside(Layout(path))
    store = open_store(place, options)
    snapshot = snapshots.read(store)
    digest = hashlib.sha256(store.url.encode()).hexdigest()[:24]
    folder = cache_folder().parent / "ledgers" / digest
    parts = tuple(part for part in _PARTS if any(file.part == part for file in snapshot.files))
    if "ledger" not in parts:
        raise NotFound(f"snapshot {snapshot.id} of {place} has no ledger, which has the hashes")
    consume.pull(store, folder, consume.Selection(parts=parts), snapshot.id)
    return Beside(Layout(folder), snapshot.about)
