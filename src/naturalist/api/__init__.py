"""The public interface for Python beside `load`: open a collection, look into it, work on it.

Each method calls the function that the command of the same name calls, so both give the same. What
may be relied on is written in docs/api.md.
"""

from naturalist.api.opened import Opened
from naturalist.api.opening import open_collection
from naturalist.api.published import Published
from naturalist.api.results import (
    Clusters,
    Duplicates,
    LedgerRows,
    Map,
    Picture,
    Pictures,
    Predictions,
    Reviewed,
    Run,
    Status,
)
from naturalist.api.workspace import Workspace

__all__ = [
    "Clusters",
    "Duplicates",
    "LedgerRows",
    "Map",
    "Opened",
    "Picture",
    "Pictures",
    "Predictions",
    "Published",
    "Reviewed",
    "Run",
    "Status",
    "Workspace",
    "open_collection",
]
