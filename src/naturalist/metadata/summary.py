"""What collecting metadata did: columns with their types, and counts for each file."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from naturalist.metadata.rules import EXIF_COLUMNS, ColumnType


def is_published(name: str, chosen: Sequence[str]) -> bool:
    """Whether a column is published where `publish.columns` is `chosen`.

    ``*`` stands for all but those of EXIF, which tell when and where people were.
    """
    return name in chosen or ("*" in chosen and name.lower() not in EXIF_COLUMNS)


@dataclass(frozen=True)
class Column:
    """A column, over all sources.

    Attributes:
        name: as it is in the Parquet files.
        type: of its values.
        pictures: pictures of the tables that have a value.
        sources: names of the sources that it comes from.
    """

    name: str
    type: ColumnType
    pictures: int
    sources: tuple[str, ...]


@dataclass(frozen=True)
class FileSummary:
    """What became of the rows of one metadata file, or of a pattern of folder names.

    Attributes:
        category: category of the source.
        source: its name.
        file: path of the metadata file; for folder names their pattern.
        key: column that named the pictures; empty for folder names.
        match: the rule that was used; `folders` for folder names.
        rows: rows of the file; for folder names, pictures whose folders fit.
        matched: rows that were matched with a picture.
        without_picture: rows whose key fits no picture of the source.
        ambiguous: rows whose key fits several pictures.
        repeated: further rows for a picture that has one already, which holds.
        unreadable: lines that are no rows.
        pictures_without_row: pictures of the source that no row was matched with.
        note: what a person should know; empty for nothing.
    """

    category: str
    source: str
    file: str
    key: str
    match: str
    rows: int = 0
    matched: int = 0
    without_picture: int = 0
    ambiguous: int = 0
    repeated: int = 0
    unreadable: int = 0
    pictures_without_row: int = 0
    note: str = ""


@dataclass(frozen=True)
class Summary:
    """All that was collected; is beside the Parquet files as JSON."""

    fingerprint: str = ""
    columns: tuple[Column, ...] = ()
    files: tuple[FileSummary, ...] = ()
    tables: dict[str, str] = field(default_factory=dict)
    """Name of each file that was written, relative to the folder, and its hex sha256."""

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Summary":
        """From JSON values."""
        columns = [Column(**one | {"sources": tuple(one["sources"])}) for one in value["columns"]]
        files = [FileSummary(**one) for one in value["files"]]
        return cls(value["fingerprint"], tuple(columns), tuple(files), value["tables"])
