"""Which files of the studies are published, and without which pictures.

Rows of pictures that left the tables after a study was made are taken out of what is published of
it. A text that names such a picture, groups of near duplicates with one, and the contact sheets of
a study that has one are left out until the study is made again. Names of clusters and of regions of
maps are left out until they have been found again, and so are those of which one comes from a
column that is no longer published, or from a concept that was dropped.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from naturalist import artifacts, ledger
from naturalist.layout import Layout
from naturalist.ledger import Withheld
from naturalist.stages import publish
from naturalist.stages.publish import Item
from naturalist.studies.classifier import champions
from naturalist.studies.clusters import names as clustering_names
from naturalist.studies.kept_names import KeptNames
from naturalist.studies.maps import published_pictures, region_names
from naturalist.studies.withheld_rows import StudyFiles
from naturalist.studies.words import cluster_names

_NAMES = re.compile(rb"[A-Za-z][A-Za-z0-9_-]*_id_[0-9]+")
_TEXTS = (".json", ".md", ".svg")
_PICTURES = (".png",)
_WHOLE = (".onnx",)
_SHEETS = "sheets"
_NAMED: tuple[Callable[[Path], KeptNames], ...] = (
    clustering_names.names_of,
    region_names.names_of,
)
"""The files of names that a folder of a study may have."""


def study_items(
    layout: Layout, backbone: str, columns: Sequence[str], *, thumbnails: bool
) -> list[Item]:
    """Files of maps, samples, clusters, near duplicates, the champion, and reports of studies.

    Args:
        layout: the workspace.
        backbone: id of the backbone of its features.
        columns: the setting `publish.columns`; other columns must not be in names of groups.
        thumbnails: whether contact sheets and the pictures of maps are published.
    """
    gone, files = ledger.withheld(layout), StudyFiles.of(layout)
    # A group has the name of one of its pictures, so that rows cannot be taken out one by one.
    folders = (
        [] if _has_any(files, layout.near_duplicates, gone) else [layout.near_duplicates.parent]
    )
    for kind in (layout.maps, layout.samples, layout.clusterings):
        folders += sorted(path for path in kind.glob("*") if path.is_dir())
    champion = champions.usable_champion(layout)
    if champion is not None:
        folders.append(layout.model(champion))
    items = [
        item
        for folder in folders
        if folder.is_dir()
        for item in _folder(files, folder, gone, backbone, thumbnails=thumbnails)
        if _is_said_still(item, layout, backbone, columns)
    ]
    if champion is not None:
        items.append(_champion(files, gone))
    if thumbnails:
        items += _map_pictures(files, gone)
    return items + list(_reports(files, gone))


def _map_pictures(files: StudyFiles, gone: Withheld) -> Iterator[Item]:
    layout = files.layout
    for points in sorted(layout.maps.glob("*/points.parquet")):
        name = points.parent.name
        path = published_pictures.write_pictures(files, name, gone)
        if path is not None:
            yield publish.item(_name(layout, layout.map(name) / published_pictures.NAME), path)


def _is_said_still(item: Item, layout: Layout, backbone: str, columns: Sequence[str]) -> bool:
    """Whether a file has no names of groups, or only those whose words are published."""
    if all(item.path.name != of(item.path.parent).path.name for of in _NAMED):
        return True
    return cluster_names.hold_what_is_there(item.path, layout, backbone, columns)


def _folder(
    files: StudyFiles, folder: Path, gone: Withheld, backbone: str, *, thumbnails: bool
) -> Iterator[Item]:
    layout = files.layout
    tables = sorted(folder.glob("*.parquet"))
    touched = False
    named = {one.table: one for one in (of(folder) for of in _NAMED)}
    for path in tables:
        item, is_cut = _rows(files, path, gone)
        touched |= is_cut
        yield item
        if is_cut and path in named:
            yield from _names_of(layout, named[path], item, backbone)
    receipts = {path.with_suffix(".json") for path in tables}
    for path in sorted(folder.iterdir()):
        is_said = path.suffix in _TEXTS and path not in receipts and not _names(path, gone)
        # They are of the table before the cut; a copy for the one after it was given above.
        is_said &= not (touched and path in {one.path for one in named.values()})
        is_drawn = path.suffix in _PICTURES and not _shows_pictures(path)
        if is_said or is_drawn or path.suffix in _WHOLE:
            yield _item(files, path)
    if thumbnails and not touched:
        sheets = [*folder.glob(f"{_SHEETS}/*.png"), *filter(_shows_pictures, folder.glob("*.png"))]
        yield from (_item(files, path) for path in sorted(sheets))


def _names_of(layout: Layout, names: KeptNames, table: Item, backbone: str) -> Iterator[Item]:
    """Names for a table of which rows were cut, if words of those are not in them."""
    path = names.path
    if path.exists() and cluster_names.were_found_without(path, layout, backbone):
        copy = layout.outbox / path.relative_to(layout.root)
        artifacts.write_json(copy, artifacts.read_json(path) | {names.digest: table.sha256})
        yield publish.item(_name(layout, path), copy)


def _shows_pictures(path: Path) -> bool:
    return "sheet" in path.stem


def _reports(files: StudyFiles, gone: Withheld) -> Iterator[Item]:
    layout = files.layout
    if layout.label_issues.exists():
        yield _rows(files, layout.label_issues, gone)[0]
    for path in sorted(layout.drift("x").parent.glob("*.json")):
        if not _names(path, gone):
            yield _item(files, path)


def _names(path: Path, gone: Withheld) -> bool:
    """Whether a text names one of the pictures that are gone, or a retired category."""
    return bool(gone) and _has_names(path.read_bytes(), gone)


def _has_names(text: bytes, gone: Withheld) -> bool:
    if any(name.decode() in gone for name in set(_NAMES.findall(text))):
        return True
    words = (re.escape(word) for word in gone.words)
    return any(re.search(rf"(?<![\w-]){word}(?![\w-])".encode(), text) for word in words)


def _champion(files: StudyFiles, gone: Withheld) -> Item:
    """Which model is in use, and why; without decisions whose reasons name what is gone."""
    layout = files.layout
    held = artifacts.read_json(layout.champion)
    history = [one for one in held["history"] if not _has_names(json.dumps(one).encode(), gone)]
    if len(history) == len(held["history"]):
        return _item(files, layout.champion)
    path = layout.outbox / layout.champion.relative_to(layout.root)
    artifacts.write_json(path, held | {"history": history})
    return publish.item(_name(layout, layout.champion), path)


def _has_any(files: StudyFiles, path: Path, gone: Withheld) -> bool:
    """Whether a table of a study has a row of a picture that is gone."""
    return path.exists() and bool(files.withheld(path, gone))


def _rows(files: StudyFiles, path: Path, gone: Withheld) -> tuple[Item, bool]:
    """A table of a study without the rows of pictures that are gone, and whether it has any."""
    layout = files.layout
    result = files.withheld(path, gone)
    if not result:
        return _item(files, path), False
    copy = layout.outbox / path.relative_to(layout.root)
    made = publish.without(path, copy, tuple(result), files.sha256(path), column="picID")
    return publish.item(_name(layout, path), made), True


def _item(files: StudyFiles, path: Path) -> Item:
    return publish.item(_name(files.layout, path), path, files.sha256(path))


def _name(layout: Layout, path: Path) -> str:
    return str(path.relative_to(layout.root))
