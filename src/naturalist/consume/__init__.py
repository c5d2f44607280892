"""Using a published collection: pulling it into a folder, verifying it, loading it."""

from naturalist.consume.batches import Arrays
from naturalist.consume.checking import Checked, check_published, check_pulled
from naturalist.consume.folder import is_pulled
from naturalist.consume.loading import Collection, load
from naturalist.consume.pulling import JOBS, Pulled, pull
from naturalist.consume.selection import Selection

__all__ = [
    "JOBS",
    "Arrays",
    "Checked",
    "Collection",
    "Pulled",
    "Selection",
    "check_published",
    "check_pulled",
    "is_pulled",
    "load",
    "pull",
]
