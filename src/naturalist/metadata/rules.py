"""What steers metadata: which files of a source hold rows, and how a row finds its picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from naturalist.stores.remote import RemoteFolder

Match = Literal["auto", "path", "name", "stem"]
"""How a row names its picture: by its path in the source, its file name, or that without its
suffix. `auto` takes the one that matches most rows, and of equals the strictest."""

ColumnType = Literal["text", "integer", "number", "boolean", "date", "time"]

Exif = Literal["time", "camera", "place"]
EXIF_COLUMNS = ("exif_time", "exif_camera", "exif_latitude", "exif_longitude")
"""Columns of what pictures say of themselves; private unless they are published by name."""
COLUMNS_OF_EXIF: dict[Exif, tuple[str, ...]] = {
    "time": EXIF_COLUMNS[:1],
    "camera": EXIF_COLUMNS[1:2],
    "place": EXIF_COLUMNS[2:],
}

KEY_NAMES = (
    "file_name", "filename", "file", "filepath", "filepaths", "file_path", "path", "paths",
    "image", "images", "image_name", "image_path", "image_id", "img", "img_name", "img_path",
    "photo", "picture", "name", "id",
)  # fmt: skip
"""Names of columns that may name pictures, the first one that a file has is taken."""


@dataclass(frozen=True)
class FileRule:
    """Metadata files of a source.

    Attributes:
        file: path inside the source, which may have wildcards (`**/metadata.csv`); a path that is
            not there is looked for beside the configuration. `a.zip!/b.csv` is inside an archive.
        key: column that names the picture; empty for the first of `KEY_NAMES`.
        match: how it names it.
        strip: beginning that is taken off each key, such as `../input/birds/`.
        header: names of the columns of a CSV file that has no line of names; empty if it has.
        delimiter: of a CSV file; empty looks at its first line.
        columns: columns to take; empty for all.
        rename: new names, by old name.
        types: types of columns, by new name; others are found by looking at all values.
    """

    file: str
    key: str = ""
    match: Match = "auto"
    strip: str = ""
    header: tuple[str, ...] = ()
    delimiter: str = ""
    columns: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    types: tuple[tuple[str, ColumnType], ...] = ()


@dataclass(frozen=True)
class SourceRules:
    """Where the metadata of one source are.

    Attributes:
        category: category of the source.
        source: its name.
        location: where it is.
        files: rules for metadata files.
        folders: pattern of folder names, such as `{split}/{species}/...`; empty for none.
        beside: folder that metadata files are looked for in when the source has none.
        others: further categories that the source feeds.
        exif: what of EXIF becomes columns.
    """

    category: str
    source: str
    location: Path | RemoteFolder
    files: tuple[FileRule, ...] = ()
    folders: str = ""
    beside: Path = Path()
    others: tuple[str, ...] = ()
    exif: tuple[Exif, ...] = ()

    @property
    def where(self) -> str:
        """The source, for messages."""
        return f"source {self.source!r} of category {self.category!r}"
