"""Snapshots of a published collection: reading, comparing, going back, removing old ones."""

from naturalist.snapshots.history import Diff, Summary, diff, summaries
from naturalist.snapshots.picture_diff import (
    PictureChange,
    PictureDiff,
    diff_pictures,
    spread,
    thumbnails,
)
from naturalist.snapshots.pictures import with_pictures
from naturalist.snapshots.pruning import PruneOptions, PrunePlan, plan, prune
from naturalist.snapshots.reading import (
    FOLDER,
    File,
    Snapshot,
    ids,
    names_of,
    newest,
    parse,
    pointed,
    read,
)
from naturalist.snapshots.rollback import (
    Gone,
    Hold,
    RolledBack,
    hold_of,
    release,
    roll_back,
    takedowns,
)
from naturalist.snapshots.schema import FORMAT, LATEST, decode

__all__ = [
    "FOLDER",
    "FORMAT",
    "LATEST",
    "Diff",
    "File",
    "Gone",
    "Hold",
    "PictureChange",
    "PictureDiff",
    "PruneOptions",
    "PrunePlan",
    "RolledBack",
    "Snapshot",
    "Summary",
    "decode",
    "diff",
    "diff_pictures",
    "hold_of",
    "ids",
    "names_of",
    "newest",
    "parse",
    "plan",
    "pointed",
    "prune",
    "read",
    "release",
    "roll_back",
    "spread",
    "summaries",
    "takedowns",
    "thumbnails",
    "with_pictures",
]
