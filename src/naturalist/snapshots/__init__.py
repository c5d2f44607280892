"""Snapshots of a published collection: reading, comparing, going back, removing old ones."""

from naturalist.snapshots.reading import (
    FOLDER,
    FORMAT,
    LATEST,
    File,
    Snapshot,
    ids,
    newest,
    parse,
    read,
)

__all__ = ["FOLDER", "FORMAT", "LATEST", "File", "Snapshot", "ids", "newest", "parse", "read"]
