"""Metadata columns of pictures: from files beside them, and from folder names.

A source may have rules (`SourceRules`) that name metadata files and say how their rows find their
pictures. `collect` reads all of them, matches rows with pictures through the ledger, gives every
column one type, and writes one Parquet file for each table, with the rows in the table's order.
"""

from naturalist.metadata.collecting import (
    ComputedColumns,
    TableRows,
    collect,
    read_summary,
    remove,
)
from naturalist.metadata.folder_names import FolderPattern
from naturalist.metadata.kinds import arrow_type
from naturalist.metadata.rules import FileRule, Match, SourceRules
from naturalist.metadata.summary import Column, FileSummary, Summary, is_published

__all__ = [
    "Column",
    "ComputedColumns",
    "FileRule",
    "FileSummary",
    "FolderPattern",
    "Match",
    "SourceRules",
    "Summary",
    "TableRows",
    "arrow_type",
    "collect",
    "is_published",
    "read_summary",
    "remove",
]
