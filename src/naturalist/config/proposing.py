"""From what a person names on the command line to the categories of a new configuration."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from naturalist import catalogue, categories
from naturalist.catalogue.records import licence_of
from naturalist.config import patterns
from naturalist.config.looking import (
    Folder,
    LayoutName,
    ProposedCategory,
    ProposedSource,
    layout_of,
    look,
    propose,
    sources_of,
)
from naturalist.config.s3 import S3Section
from naturalist.config.writing import NewCategory, NewSource, expanded
from naturalist.counting import counted
from naturalist.errors import ConfigError
from naturalist.stores.opening import check_bucket, is_bucket
from naturalist.suggestions import choose_one_of

_MANY_CATEGORIES = 20


@dataclass(frozen=True)
class Proposal:
    """The categories of a new configuration.

    Attributes:
        categories: as they are to be written.
        looked_at: folders that were looked at, with their layouts; none if a person named all.
        counts: pictures by category and location.
        hints: what a person should know of categories that were named.
    """

    categories: tuple[NewCategory, ...]
    looked_at: tuple[tuple[Folder, LayoutName], ...] = ()
    counts: dict[tuple[str, str], int] | None = None
    hints: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was proposed, because a person named all."""
        return not self.looked_at

    def as_json(self) -> list[dict[str, Any]]:
        """The categories as JSON values."""
        counts = self.counts or {}
        return [
            {
                "name": one.name,
                "label": one.label,
                "sources": [
                    {"path": path, "pictures": counts.get((one.name, path), 0)}
                    for path in map(_location, one.sources)
                ],
            }
            for one in self.categories
        ]


def _location(source: NewSource | Path) -> str:
    return str(source.location if isinstance(source, NewSource) else source)


def parse_category(text: str, s3: S3Section, *, each_folder: bool = False) -> NewCategory:
    """Read ``NAME=LABEL:SOURCE[,SOURCE...]``.

    Args:
        text: as it was written.
        s3: how addresses are reached.
        each_folder: make a source of each folder and archive in a folder.

    Raises:
        ConfigError: it is of another form, or names something that is not there.
    """
    name, equals, rest = text.partition("=")
    label, colon, sources = rest.partition(":")
    if not (equals and colon and label.strip() and sources):
        raise ConfigError(
            f"--category {text!r}: expected NAME=LABEL:SOURCE[,SOURCE...], such as "
            "plant=0:/data/flowers"
        )
    try:
        number = categories.parse_label(label)
    except ConfigError as error:
        raise ConfigError(f"--category {text!r}: {error}, as in plant=0:/data/flowers") from error
    result = [_source(part, name) for part in _split_sources(sources)]
    if each_folder:
        result = [one for source in result for one in _each_folder(source, s3)]
    return NewCategory(name, number, tuple(result))


def _split_sources(text: str) -> list[str]:
    # A name may hold a comma: the whole text is tried first.
    if "://" not in text and expanded(text).exists():
        return [text]
    return [part for part in text.split(",") if part]


def _source(text: str, category: str) -> NewSource:
    if "://" in text:
        if not is_bucket(text):
            raise ConfigError(
                f"--category {category}: {text!r} is neither a path nor an s3://, gs:// or az:// "
                "URL"
            )
        return NewSource(text.rstrip("/"))
    path = expanded(text)
    if path.exists():
        return NewSource(path.resolve())
    pattern = Path.cwd() / path
    if patterns.has_wildcards(text):
        return NewSource(pattern)
    raise ConfigError(f"--category {category}: {path} does not exist")


def _each_folder(source: NewSource, s3: S3Section) -> list[NewSource]:
    location = source.location
    if isinstance(location, Path) and patterns.is_pattern(location):
        return [source]
    result = look(s3.folder(location) if isinstance(location, str) else location)
    return [new_source(one) for one in sources_of(result)]


def from_catalogue(categories: str, folder: Path) -> tuple[NewCategory, ...]:
    """The sets of the catalogue as categories and sources.

    Args:
        categories: names separated by commas; empty for all.
        folder: where the sets are, or will be, fetched to.

    Raises:
        ConfigError: the catalogue has no such category.
    """
    known = catalogue.CATEGORY_LABELS
    names = [name.strip() for name in categories.split(",") if name.strip()] or list(known)
    for name in names:
        if name not in known:
            raise ConfigError(
                f"--from-catalogue: unknown category {name!r}: {choose_one_of(name, known)}"
            )
    return tuple(
        NewCategory(
            name,
            label,
            tuple(_of_set(e, folder) for e in catalogue.known_sets() if e.category == name),
        )
        for name, label in known.items()
        if name in names
    )


def _of_set(entry: catalogue.Entry, folder: Path) -> NewSource:
    path = catalogue.path_of(folder.resolve(), entry)
    hints = (entry.contents,) if entry.contents else ()
    licence = licence_of(entry, catalogue.read_record(path))
    return NewSource(path, entry.name, entry.page, licence, exclude=entry.leave_out, hints=hints)


def look_at(paths: Sequence[str], s3: S3Section, named: Sequence[NewCategory]) -> Proposal:
    """Propose categories for folders, archives and addresses.

    Args:
        paths: what to look at.
        s3: how addresses are reached.
        named: categories that a person named; they keep their labels.

    Raises:
        ConfigError: there is nothing of that name, or no picture in it; or neither was given.
        SourceError: an address cannot be listed.
    """
    if not paths:
        if not named:
            raise ConfigError(
                "name folders to scan, as in `naturalist init DIR /data/photos`, or set "
                "categories with --category NAME=LABEL:SOURCE"
            )
        return Proposal(tuple(named), hints=tuple(_hints(named)))
    for text in paths:
        if "://" in text:
            # Before the slashes at its end are gone, for the words of the error.
            check_bucket(text)
    places = [s3.folder(text.rstrip("/")) if "://" in text else expanded(text) for text in paths]
    folders = [look(place) for place in places]
    result = propose(folders)
    counts = {
        (one.name, str(source.location)): source.pictures
        for one in result
        for source in one.sources
    }
    looked_at = tuple((folder, layout_of(folder)) for folder in folders)
    return Proposal(tuple(_labelled(result, named)), looked_at, counts)


def _hints(named: Sequence[NewCategory]) -> list[str]:
    """Folders that have no files, or seem to hold several data sets."""
    hints = []
    for category in named:
        for source in category.sources:
            location = source.location if isinstance(source, NewSource) else source
            if not isinstance(location, Path) or not location.is_dir():
                continue
            if not any(files for _, _, files in os.walk(location)):
                hints.append(f"{location} has no files: add pictures of {category.name} to it")
                continue
            parts = [p for p in location.iterdir() if p.is_dir() and not p.name.startswith(".")]
            if len(parts) > 1:
                hints.append(
                    f"{location} holds {counted(len(parts), 'folder')} and is one source. If each "
                    "is a data set of its own, make each a source, because the classifier is "
                    "evaluated on sources that it did not see: --each-folder"
                )
    return hints


def _labelled(
    proposed: Sequence[ProposedCategory], named: Sequence[NewCategory]
) -> list[NewCategory]:
    """Categories with labels: those that were named first, the others numbered after them."""
    by_name = {one.name: one for one in named}
    taken = {one.label for one in named}
    free = (number for number in itertools.count() if number not in taken)
    for one in proposed:
        sources = tuple(map(new_source, one.sources))
        if one.name in by_name:
            before = by_name[one.name]
            by_name[one.name] = replace(before, sources=(*before.sources, *sources))
        else:
            by_name[one.name] = NewCategory(one.name, next(free), sources)
    return list(by_name.values())


def new_source(source: ProposedSource) -> NewSource:
    """A source as it is written, with settings for possible metadata as comments."""
    hints = []
    if source.folders:
        hints.append(f'folders = "{source.folders}"   # keep folder names as columns')
    if source.tables:
        files = ", ".join(source.tables[:3])
        hints.append(f"{files} may hold columns worth keeping: see docs/metadata.md")
    return NewSource(source.location, include=source.include, hints=tuple(hints))


_LAYOUTS: dict[LayoutName, str] = {
    "category/source": "category/source/...: each folder in a category is a source",
    "split/category": "train|valid|test/category/...: the splits are put together",
    "category": "a folder for each category",
    "pictures": "pictures without folders for categories",
    "nothing": "no pictures",
}
_ONE_SOURCE_EACH = (
    "Each category has one source, so the classifier can only be evaluated on a random split, not "
    "on sources that it did not see. If a source holds several data sets, make each a source: "
    "--category NAME=LABEL:SOURCE,SOURCE"
)


def described(proposal: Proposal) -> str:
    """What would be written, for people."""
    lines = [f"{folder.location}: {_LAYOUTS[layout]}" for folder, layout in proposal.looked_at]
    lines.append("")
    for one in proposal.as_json():
        total = sum(source["pictures"] for source in one["sources"])
        # Nothing was opened: a run finds pictures under other names too, and refuses some.
        count = counted(total, "file named like a picture", "files named like pictures")
        lines.append(f"category {one['name']}, label {one['label']}: {count}")
        lines += [f"    {source['pictures']:>9,}  {source['path']}" for source in one["sources"]]
    lines += ["", _about_evaluation(proposal.categories)]
    if len(proposal.categories) > _MANY_CATEGORIES:
        lines.append(
            f"{len(proposal.categories)} categories are many. For one category with a column "
            'instead: --category NAME=0:PATH, and folders = "{class}/..." in its source.'
        )
    return "\n".join(lines)


def _about_evaluation(categories: Sequence[NewCategory]) -> str:
    """Whether the classifier can be evaluated on sources that are left out of its training."""
    single = [one.name for one in categories if len(one.sources) == 1]
    if len(single) == len(categories):
        return _ONE_SOURCE_EACH
    text = "Each source is a data set: the classifier is evaluated on sources that it did not see"
    return f"{text}, but not for {', '.join(single)}, with one source." if single else f"{text}."
