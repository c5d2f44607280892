"""Snapshots of a published collection: reading, comparing, going back, removing old ones."""

from naturalist.snapshots.history import Diff, RolledBack, Summary, diff, roll_back, summaries
from naturalist.snapshots.pictures import with_pictures
from naturalist.snapshots.pruning import PruneOptions, PrunePlan, plan, prune
from naturalist.snapshots.reading import (
    FOLDER,
    File,
    Snapshot,
    ids,
    newest,
    parse,
    pointed,
    read,
)
from naturalist.snapshots.schema import FORMAT, LATEST, decode

__all__ = [
    "FOLDER",
    "FORMAT",
    "LATEST",
    "Diff",
    "File",
    "PruneOptions",
    "PrunePlan",
    "RolledBack",
    "Snapshot",
    "Summary",
    "decode",
    "diff",
    "ids",
    "newest",
    "parse",
    "plan",
    "pointed",
    "prune",
    "read",
    "roll_back",
    "summaries",
    "with_pictures",
]
