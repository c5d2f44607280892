"""The sections `[[category]]` and `[[category.source]]`, and what names and paths may be."""

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from naturalist.categories import MAX_LABEL
from naturalist.errors import ConfigError
from naturalist.metadata import FileRule, FolderPattern, Match
from naturalist.metadata.rules import ColumnType, Exif
from naturalist.stages.ingest.selection import Selection, unusable
from naturalist.stores.connection import check_endpoint
from naturalist.stores.opening import check_store, is_bucket

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
CATEGORY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def _usable_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r}: use letters, digits, and . _ + - inside, at most 100")
    return name


def _usable_path(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("a path cannot contain a null character")
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: no such home folder") from error


def _usable_address(url: str) -> str:
    try:
        check_store(url)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return url if not url or "://" in url else str(_usable_path(Path(url)))


def _usable_endpoint(url: str) -> str:
    try:
        check_endpoint(url)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return url


def _usable_source(value: object) -> object:
    """A path, or the address of a prefix in a bucket as text."""
    if not isinstance(value, str):
        return value
    if "://" not in value:
        return _usable_path(Path(value))
    if not is_bucket(value):
        raise ValueError(
            f"{value!r}: expected a path or s3://bucket/prefix (gs:// and az:// are allowed too)"
        )
    return value.rstrip("/")


def _usable_roots(roots: tuple[str, ...]) -> tuple[str, ...]:
    if not all(roots):
        raise ValueError("an empty name: expected a folder, such as images")
    paths = [_usable_path(Path(root)) for root in roots]
    twice = [str(path) for path, k in Counter(paths).items() if k > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is listed twice")
    return tuple(map(str, paths))


Name = Annotated[str, AfterValidator(_usable_name)]
UserPath = Annotated[Path, AfterValidator(_usable_path)]
StoreAddress = Annotated[str, AfterValidator(_usable_address)]
Endpoint = Annotated[str, AfterValidator(_usable_endpoint)]
ImageRoots = Annotated[tuple[str, ...], AfterValidator(_usable_roots)]


Flag = Annotated[bool, Field(strict=True)]
"""True or false; not "no", "off" or 0, which a file of another form may have."""


class Section(BaseModel):
    """A table of the file: unknown settings are mistakes, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _usable_folders(text: str) -> str:
    try:
        if text:
            FolderPattern(text)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return text


FolderNames = Annotated[str, AfterValidator(_usable_folders)]


class MetadataSection(Section):
    """A metadata file of a source, and how its rows find their pictures."""

    file: Annotated[str, Field(min_length=1)]
    key: str = ""
    match: Match = "auto"
    strip: str = ""
    header: tuple[str, ...] = ()
    delimiter: Annotated[str, Field(max_length=1)] = ""
    columns: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    types: dict[str, ColumnType] = {}

    @property
    def rule(self) -> FileRule:
        """The rule that collecting metadata takes."""
        return FileRule(
            file=self.file,
            key=self.key,
            match=self.match,
            strip=self.strip,
            header=self.header,
            delimiter=self.delimiter,
            columns=self.columns,
            rename=tuple(self.rename.items()),
            types=tuple(self.types.items()),
        )


def _usable_patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    if fault := unusable(patterns):
        raise ValueError(fault)
    return patterns


Patterns = Annotated[tuple[str, ...], AfterValidator(_usable_patterns)]


class SourceSection(Section):
    """One raw data set: a folder, an archive, or a prefix in a bucket."""

    name: Name
    path: Annotated[Path | str, BeforeValidator(_usable_source)]
    include: Patterns = ()
    exclude: Patterns = ()
    documents: Literal["skip", "open"] = "skip"
    origin: str = ""
    licence: str = ""
    folders: FolderNames = ""
    metadata: tuple[MetadataSection, ...] = ()
    exif: tuple[Exif, ...] = ()

    @property
    def selection(self) -> Selection:
        """Which of its files are taken."""
        return Selection(self.include, self.exclude, self.documents == "open")


class SharedSourceSection(SourceSection):
    """A source that feeds several categories, by labels in its metadata."""

    category_from: Annotated[str, Field(min_length=1)]
    categories: Annotated[dict[str, str], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_metadata(self) -> Self:
        if not self.metadata and not self.folders:
            raise ValueError(
                f"source {self.name}: category_from needs metadata with labels: add "
                'folders = "{label}/..." or a section [[source.metadata]]'
            )
        return self


class CategorySection(Section):
    """A category: name, integer label, sources, and its own image roots if it has some."""

    name: str
    label: Annotated[int, Field(ge=0, le=MAX_LABEL, strict=True)]
    roots: ImageRoots = ()
    source: tuple[SourceSection, ...] = ()

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not CATEGORY_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r}: start with a letter; use at most 64 letters, digits, _ and -"
            )
        return name

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        twice = [n for n, k in Counter(s.name for s in self.source).items() if k > 1]
        if twice:
            raise ValueError(f"two sources are named {twice[0]!r}: rename one")
        return self
