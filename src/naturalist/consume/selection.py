"""Which files of a snapshot are wanted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from naturalist.errors import ConfigError
from naturalist.snapshots import File, Snapshot, with_pictures
from naturalist.stages.cards import CROISSANT
from naturalist.stores import Store
from naturalist.suggestions import choose_one_of

TABLES = "tables"
FORMATS = ("parquet", "csv")
PICTURES = "pictures"
PICTURE_INDEX = "picture_index"
ON_REQUEST = (PICTURES, PICTURE_INDEX, "previews", "site")
"""Parts that may be far larger than the tables and are only fetched when they are asked for."""


@dataclass(frozen=True)
class Selection:
    """What to take; the defaults take all categories, Parquet, and every part but the pictures."""

    categories: tuple[str, ...] = ()
    """Empty for all."""
    formats: tuple[str, ...] = ("parquet",)
    """Formats of the tables."""
    parts: tuple[str, ...] = ()
    """Folders such as "tables" or "ledger"; empty for all but those `ON_REQUEST`. The pictures
    come with their index."""

    def __post_init__(self) -> None:
        check_words("format", self.formats, FORMATS)
        if not self.formats:
            raise ConfigError(f"no format was chosen: choose {' or '.join(FORMATS)}, or both")

    def of(self, store: Store, snapshot: Snapshot) -> list[File]:
        """The chosen files. Files at the top (data card, dictionary) are always among them.

        Raises:
            ConfigError: the snapshot has no such category or part, or no table of a chosen format.
            StoreError: an index of pictures is damaged.
        """
        check_words("category", self.categories, snapshot.labels)
        parts = {file.part for file in snapshot.files if file.part}
        if PICTURE_INDEX in parts:
            parts.add(PICTURES)
        check_words("part", self.parts, parts)
        if not self.parts or TABLES in self.parts:
            _check_formats(self.formats, snapshot)
        files = [file for file in snapshot.files if self._takes(file, snapshot)]
        return list(with_pictures(store, files)) if PICTURES in self.parts else files

    def _takes(self, file: File, snapshot: Snapshot) -> bool:
        if not file.part:
            # The one for a pulled folder is made there: it names files by their plain names.
            return file.name != CROISSANT
        part = PICTURES if file.part == PICTURE_INDEX and PICTURES in self.parts else file.part
        if self.parts and part not in self.parts:
            return False
        if not self.parts and file.part in ON_REQUEST:
            return False
        if file.part == TABLES and _format_of(file) not in self.formats:
            return False
        name = snapshot.names.get(file.category)
        return not (self.categories and name) or name in self.categories


def _check_formats(formats: Iterable[str], snapshot: Snapshot) -> None:
    present = {_format_of(file) for file in snapshot.files if file.part == TABLES}
    missing = [name for name in formats if name not in present]
    if present and missing:
        there = " and ".join(sorted(present))
        raise ConfigError(
            f"the tables of this collection are published as {there} only, not as {missing[0]}: "
            f"choose {there}"
            + (
                ", and write CSV from it with `naturalist export DIR --for tables --from PLACE`"
                if missing[0] == "csv"
                else ""
            )
        )


def _format_of(file: File) -> str:
    return file.suffix.removeprefix(".")


def check_words(what: str, requested: Iterable[str], known: Iterable[str]) -> None:
    """Raise unless everything that was asked for is known.

    Raises:
        ConfigError: names what is unknown and what there is.
    """
    names = sorted(known)
    for word in requested:
        if word not in names:
            raise ConfigError(f"there is no {what} {word!r}: {choose_one_of(word, names)}")


def tables_of(files: Iterable[File], suffix: str) -> Iterator[File]:
    """The tables of one format, by category and number."""
    tables = (file for file in files if file.part == TABLES and file.suffix == suffix)
    yield from sorted(tables, key=lambda file: (file.category, len(file.name), file.name))
