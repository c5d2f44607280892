"""The index of words, brought up to date: a part for each file of features, written once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.features import FeatureFile, FeatureTable, Rows
from naturalist.layout import Layout
from naturalist.progress import Progress, stage
from naturalist.studies.study import Outgrown, Report, Result, WholeStudy
from naturalist.studies.words.column_words import column_tokens, fingerprints
from naturalist.studies.words.index import (
    FIELDS,
    FORMAT,
    NAMES,
    columns_path,
    paths_of,
    stem_of,
    token_table,
)
from naturalist.studies.words.methods.top_classes import KEPT, Head, top_classes

_FILES_AT_ONCE = 25
TABLES = "tables/"
"""Begins the names of files of features, whose metadata have the rest of the name."""


@dataclass(frozen=True, eq=False)
class WordStudy(WholeStudy):
    """The index of words. It is written whole each time, of parts that are there or are new.

    Attributes:
        files: the features of a workspace.
        layout: the workspace; its ledger has the paths.
        backbone: id of the backbone that they come from.
        make_head: gives the network's classes for these features; None if there are none.
        progress: hears how far it is.
        columns: metadata columns whose values are words too.
    """

    files: FeatureTable
    layout: Layout
    backbone: str
    make_head: Callable[[], Head] | None
    progress: Progress
    columns: tuple[str, ...] = ()
    name: str = "words"

    @property
    def _folder(self) -> Path:
        return self.layout.words(self.backbone)

    def current(self) -> Report | None:
        """The content of `words.json`, if it lists the files as they are."""
        about: Report | None = artifacts.read_json(self._folder / "words.json")
        held = self._columns_held()
        expected = [_described(f) | {"columns": held.get(f.name, "")} for f in self.files.files]
        is_current = about is not None and _is_current(about, expected, self.make_head is not None)
        return about if is_current else None

    def make(self, outgrown: Outgrown[None] | None) -> Report:
        """Write the parts that are missing, and the list of all."""
        del outgrown
        head = self.make_head() if self.make_head is not None else None
        about = _update(self.files, self.layout, head, self._folder, self.progress)
        self._add_columns(about)
        about |= {"backbone": self.backbone, "dim": self.files.dim}
        artifacts.write_json(self._folder / "words.json", about)
        _remove_others(self._folder, about)
        return about

    def _columns_held(self) -> dict[str, str]:
        """What the words of the metadata of each file depend on; files without any are left out."""
        found = fingerprints(self.layout, self.columns)
        return {f"{TABLES}{name}": one for name, one in found.items()}

    def _add_columns(self, about: Report) -> None:
        """Write the words of metadata that are missing, and name them in the parts."""
        held = self._columns_held()
        for part in about["parts"]:
            made_from = part["columns"] = held.get(part["name"], "")
            stem = self._folder / stem_of(part["name"], part["sha256"])
            path = columns_path(stem, made_from)
            if made_from and not path.exists():
                ids = artifacts.read_parquet(stem.with_suffix(".parquet"), ["picID"])["picID"]
                source = self.layout.metadata / part["name"].removeprefix(TABLES)
                words = column_tokens(source, self.columns, ids.to_pylist())
                artifacts.write_parquet(path, words)

    def summary(self, result: Result) -> Report:
        """Rows, and whether anything changed."""
        return {"changed": result.changed, "rows": result.report["rows"]}


def _is_current(about: dict[str, Any], expected: list[dict[str, str]], classes: bool) -> bool:
    keys = ("name", "sha256", "columns")
    held = [{key: part.get(key, "") for key in keys} for part in about["parts"]]
    same = about["format"] == FORMAT and about["classes"] == classes
    return bool(same and held == expected)


def _update(
    files: FeatureTable, layout: Layout, head: Head | None, folder: Path, progress: Progress
) -> dict[str, Any]:
    missing = [file for file in files.files if not _is_whole(folder, file, head)]
    with stage(progress, "words", None, "rows") as advance:
        for start in range(0, len(missing), _FILES_AT_ONCE):
            for file, own, paths in _with_paths(layout, missing[start : start + _FILES_AT_ONCE]):
                _write_part(folder, file, own, paths, head)
                advance(len(own))
    rows = [_rows_of(folder, file) for file in files.files]
    parts = [{**_described(f), "rows": n} for f, n in zip(files.files, rows, strict=True)]
    total = sum(rows)
    return {"format": FORMAT, "classes": head is not None, "rows": total, "parts": parts}


def _with_paths(
    layout: Layout, files: Sequence[FeatureFile]
) -> Iterator[tuple[FeatureFile, Rows, list[str]]]:
    """Files with their rows and the path of each; the ledger is read once for all of them."""
    names = [file.outline().pic_ids for file in files]
    paths = paths_of(layout, np.concatenate(names))
    for file in files:
        rows = file.read()
        yield file, rows, [paths.get(name, "") for name in rows.pic_ids.tolist()]


def _write_part(
    folder: Path, file: FeatureFile, rows: Rows, paths: list[str], head: Head | None
) -> None:
    stem = folder / _stem(file)
    categories = rows.category_names if rows.categories else np.full(len(rows), "")
    columns = [pa.array(c, pa.string()) for c in (rows.pic_ids, categories, rows.sources)]
    artifacts.write_parquet(
        stem.with_suffix(".parquet"), pa.Table.from_arrays(columns, schema=NAMES)
    )
    texts = dict(zip(FIELDS, (paths, rows.sources.tolist(), categories.tolist()), strict=True))
    artifacts.write_parquet(stem.with_suffix(".tokens.parquet"), token_table(texts))
    if head is not None:
        top = top_classes(head, rows.features, min(KEPT, len(head.bias)))
        _save(stem.with_suffix(".classes.npy"), top.classes)
        _save(stem.with_suffix(".probabilities.npy"), top.probabilities)


def _described(file: FeatureFile) -> dict[str, str]:
    return {"name": file.name, "sha256": file.sha256}


def _stem(file: FeatureFile) -> str:
    return stem_of(file.name, file.sha256)


def _suffixes(classes: bool) -> list[str]:
    more = [".classes.npy", ".probabilities.npy"] if classes else []
    return [".parquet", ".tokens.parquet", *more]


def _is_whole(folder: Path, file: FeatureFile, head: Head | None) -> bool:
    stem = folder / _stem(file)
    return all(stem.with_suffix(suffix).exists() for suffix in _suffixes(head is not None))


def _rows_of(folder: Path, file: FeatureFile) -> int:
    path = (folder / _stem(file)).with_suffix(".parquet")
    return int(artifacts.read_parquet(path, ["picID"]).num_rows)


def _save(path: Path, array: NDArray[Any]) -> None:
    with artifacts.atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)


def _remove_others(folder: Path, about: dict[str, Any]) -> None:
    stems = {stem_of(part["name"], part["sha256"]): part["columns"] for part in about["parts"]}
    of_columns = {columns_path(folder / stem, one) for stem, one in stems.items() if one}
    for path in folder.iterdir():
        is_old = path.name.endswith(".columns.parquet") and path not in of_columns
        is_other = path.name != "words.json" and path.name[:20] not in stems
        if path.is_file() and (is_old or is_other):
            path.unlink(missing_ok=True)
