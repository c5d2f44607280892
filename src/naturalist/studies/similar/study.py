"""The index of similar pictures: every feature vector, memory-mapped, a part for each table.

A part is two arrays of numbers and a table of names; its files are named by the hash of the table
that they were made from. `index.json` lists the parts and is written last, so a reader sees the
index before or after an extension, never between. An extension writes the parts of tables that
changed, and no others.
"""

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.features import FeatureFile, FeatureTable
from naturalist.features.blocks import IN_THIS_PROCESS, BlockMapper
from naturalist.layout import Layout
from naturalist.numeric.reduction import fit_reduction, to_unit
from naturalist.progress import Progress, stage
from naturalist.studies.feature_sample import draw
from naturalist.studies.similar.methods import vector_search
from naturalist.studies.similar.methods.vector_search import Part
from naturalist.studies.study import Outgrown, Report, Result

FORMAT = 1
EXACT_ROWS = 20_000
"""Up to so many vectors each search compares all: it takes some hundredths of a second."""
_MANY_QUERIES = 32
_AXES = 64
_TRAINED_ON = 10_000
_TRIED = 100
_TRIED_K = 10
_TARGET_RECALL = 0.99
_CANDIDATES = (200, 500, 1000, 2000, 5000, 10_000, 20_000)
_PIC_ID = re.compile(r"(.+_id_)(\d+)")
_NAMES = pa.schema([("picID", pa.string()), ("category", pa.string()), ("source", pa.string())])

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Index:
    """An index that is open for searching.

    Attributes:
        folder: where it lies.
        about: the content of `index.json`.
        axes: (dim, axes) float32, of the projections.
        parts: the vectors, mapped into memory.
    """

    folder: Path
    about: dict[str, Any]
    axes: Floats
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Vectors in it."""
        return int(self.about["rows"])

    @property
    def tables(self) -> list[tuple[str, str]]:
        """Name and SHA-256 of the table of each part."""
        return [(part["name"], part["sha256"]) for part in self.about["parts"]]

    def of_tables(self, tables: Collection[tuple[str, str]]) -> "Index":
        """The same index without the parts of other tables."""
        kept = [k for k, table in enumerate(self.tables) if table in tables]
        described = [self.about["parts"][k] for k in kept]
        about = self.about | {"parts": described, "rows": sum(one["rows"] for one in described)}
        return replace(self, about=about, parts=tuple(self.parts[k] for k in kept))

    def search(self, queries: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
        """Rows and cosines of the `k` nearest to each query; see `neighbours`."""
        expected = to_unit(np.asarray(queries, np.float32))
        if self.rows <= EXACT_ROWS or len(expected) >= _MANY_QUERIES:
            return vector_search.search_exactly(self.parts, expected, k)
        candidates = max(self.about["candidates"], 20 * k)
        return vector_search.search(self.parts, self.axes, expected, k, candidates)

    def names(self, rows: NDArray[np.int64]) -> list[dict[str, str]]:
        """picID, category and source of rows, numbered through all parts."""
        starts = np.cumsum([0, *(part["rows"] for part in self.about["parts"])])
        result: list[dict[str, str]] = [{} for _ in rows]
        at = np.searchsorted(starts, rows, side="right") - 1
        for k in np.unique(at).tolist():
            mine = np.flatnonzero(at == k)
            table = artifacts.read_parquet(self.folder / f"{_stem(self.about['parts'][k])}.parquet")
            picked = table.take(pa.array(rows[mine] - starts[k])).to_pylist()
            for place, row in zip(mine.tolist(), picked, strict=True):
                result[place] = row
        return result

    def vector(self, pic_id: str) -> tuple[Floats, int] | None:
        """The vector of a picture and its row; None if it is not in the index."""
        start = 0
        for described, part in zip(self.about["parts"], self.parts, strict=True):
            if not _may_hold(described, pic_id):
                start += described["rows"]
                continue
            path = self.folder / f"{_stem(described)}.parquet"
            names = artifacts.read_parquet(path, ["picID"])["picID"]
            at = pc.index(names, pic_id).as_py()
            if at >= 0:
                return np.asarray(part.vectors[at], np.float32), start + at
            start += described["rows"]
        return None


@dataclass(frozen=True, eq=False)
class IndexStudy:
    """The index of similar pictures.

    Attributes:
        files: the features.
        layout: the workspace, or the folder to write to.
        backbone: id of the backbone that they come from.
        progress: hears how far it is.
        blocks: who writes the parts, a table each.
    """

    files: FeatureTable
    layout: Layout
    backbone: str
    progress: Progress
    name: str = "index"
    blocks: BlockMapper = IN_THIS_PROCESS

    @property
    def _folder(self) -> Path:
        return self.layout.index(self.backbone)

    def current(self) -> Report | None:
        """The content of `index.json`, if it is up to date."""
        before = self.kept()
        expected = [[file.name, file.sha256] for file in self.files.files]
        if before and expected == [[part["name"], part["sha256"]] for part in before["parts"]]:
            return before
        return None

    def kept(self) -> Report | None:
        """The list of parts that are there, if they are of such features."""
        before: Report | None = artifacts.read_json(self._folder / "index.json")
        return before if before is not None and _fits(before, self.files) else None

    def grow(self, kept: Report) -> Report:
        """Write the parts of tables that changed."""
        return self._write(kept)

    def make(self, outgrown: Outgrown[Report] | None) -> Report:
        """Write every part that no update before a stop has finished."""
        del outgrown
        return self._write(None)

    def _write(self, before: Report | None) -> Report:
        folder, files = self._folder, self.files
        axes = _axes(folder, files, self.progress)
        parts = _write_parts(folder, files, before, axes, self.blocks, self.progress)
        about: Report = {
            "format": FORMAT,
            "backbone": self.backbone,
            "dim": files.dim,
            "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "rows": sum(part["rows"] for part in parts),
            "parts": parts,
        }
        about |= _measured(folder, about, before, self.progress)
        artifacts.write_json(folder / "index.json", about)
        _remove_others(folder, about)
        return about

    def summary(self, result: Result) -> Report:
        """Rows and recall, and whether anything changed."""
        report = result.report
        return {"changed": result.changed, "rows": report["rows"], "recall": report["recall"]}

    def warning(self, report: Report) -> str:
        """Nothing."""
        del report
        return ""


def _fits(before: dict[str, Any], files: FeatureTable) -> bool:
    return before.get("format") == FORMAT and before.get("dim") == files.dim


def _axes(folder: Path, files: FeatureTable, progress: Progress) -> Floats:
    """The axes of the projections: chosen once, for projections must be comparable."""
    path = folder / "axes.npy"
    if path.exists():
        axes = np.asarray(np.load(path, allow_pickle=False), np.float32)
        if axes.shape[0] == files.dim:
            return axes
    with stage(progress, "index: axes", None, "rows") as advance:
        drawn = draw(files, _TRAINED_ON, 0, advance)
    axes = fit_reduction([drawn.features], _AXES).axes
    _save(path, axes)
    return axes


def _write_parts(
    folder: Path,
    files: FeatureTable,
    before: dict[str, Any] | None,
    axes: Floats,
    blocks: BlockMapper,
    progress: Progress,
) -> list[dict[str, Any]]:
    known = {(p["name"], p["sha256"]): p for p in (before or {"parts": []})["parts"]}
    parts = [known.get((file.name, file.sha256)) or _left(folder, file) for file in files.files]
    whole = [part if part and _is_whole(folder, part) else None for part in parts]
    missing = [file for file, part in zip(files.files, whole, strict=True) if part is None]
    written = []
    with stage(progress, "index: vectors", None, "rows") as advance:
        for part in blocks.map(_write_part, (folder, axes), missing):
            written.append(part)
            advance(part["rows"])
    remaining = iter(written)
    return [part or next(remaining) for part in whole]


def _left(folder: Path, file: FeatureFile) -> dict[str, Any] | None:
    """A part that a stopped update finished."""
    path = folder / f"{_stem({'name': file.name, 'sha256': file.sha256})}.parquet"
    if not path.exists():
        return None
    names = artifacts.read_parquet(path, ["picID"])["picID"].to_pylist()
    return _described(file, names)


def _described(file: FeatureFile, names: list[str]) -> dict[str, Any]:
    ends = {"first": names[0], "last": names[-1]} if names else {"first": "", "last": ""}
    return {"name": file.name, "sha256": file.sha256, "rows": len(names)} | ends


def _write_part(where: tuple[Path, Floats], file: FeatureFile) -> dict[str, Any]:
    folder, axes = where
    rows = file.read()
    described = _described(file, rows.pic_ids.tolist())
    unit = to_unit(rows.features)
    categories = rows.category_names if rows.categories else np.full(len(rows), "")
    columns = [pa.array(c, pa.string()) for c in (rows.pic_ids, categories, rows.sources)]
    stem = _stem(described)
    artifacts.write_parquet(
        folder / f"{stem}.parquet", pa.Table.from_arrays(columns, schema=_NAMES)
    )
    _save(folder / f"{stem}.coarse.npy", unit @ axes)
    _save(folder / f"{stem}.npy", unit.astype(np.float16))
    return described


def _may_hold(part: dict[str, Any], pic_id: str) -> bool:
    """False only if names are ids of pictures, in order, and this one is not between them."""
    ids = [_PIC_ID.fullmatch(name) for name in (part["first"], pic_id, part["last"])]
    if not all(ids):
        return True
    (a, first), (b, number), (c, last) = (one.groups() for one in ids if one)
    return a == b == c and int(first) <= int(number) <= int(last)


def _stem(part: dict[str, Any]) -> str:
    return artifacts.fingerprint(FORMAT, part["name"], part["sha256"])[:20]


def _files_of(part: dict[str, Any]) -> list[str]:
    return [f"{_stem(part)}{suffix}" for suffix in (".npy", ".coarse.npy", ".parquet")]


def _is_whole(folder: Path, part: dict[str, Any]) -> bool:
    return all((folder / name).exists() for name in _files_of(part))


def _save(path: Path, array: NDArray[Any]) -> None:
    with artifacts.atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)


def _remove_others(folder: Path, about: dict[str, Any]) -> None:
    kept = {"index.json", "axes.npy", *(n for part in about["parts"] for n in _files_of(part))}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink(missing_ok=True)


def _measured(
    folder: Path, about: dict[str, Any], earlier: dict[str, Any] | None, progress: Progress
) -> dict[str, Any]:
    """Candidates that are enough, and the recall that they give; measured again when it grew."""
    rows = about["rows"]
    if earlier and earlier["recall"]["rows"] * 1.1 >= rows and earlier["rows"] <= rows:
        return {"candidates": earlier["candidates"], "recall": earlier["recall"]}
    index = _open(folder, about | {"candidates": 0})
    rng = np.random.default_rng(0)
    selected = np.sort(rng.choice(rows, min(_TRIED, rows), replace=False))
    starts = np.cumsum([0, *(part["rows"] for part in about["parts"])])
    queries = to_unit(vector_search.gather(index.parts, starts, selected))
    k = min(_TRIED_K + 1, rows)
    with stage(progress, "index: recall", None, "searches") as advance:
        true, _ = vector_search.search_exactly(index.parts, queries, k)
        before = vector_search.ranks_by_projection(index.parts, index.axes, queries, true)
        advance(len(selected))
    for candidates in (*_CANDIDATES, rows):
        share = float((before < candidates).mean())
        if share >= _TARGET_RECALL or candidates >= rows:
            break
    text = {"k": k - 1, "queries": len(selected), "rows": rows, "against": "exact search"}
    used = 1.0 if rows <= EXACT_ROWS else share
    return {"candidates": candidates, "recall": text | {"recall": used, "of_candidates": share}}


def open_index(layout: Layout, dim: int | None = None, backbone: str = "") -> Index:
    """Open the index of a backbone, or the only (newest) one with so many features.

    Raises:
        ConfigError: there is none.
        WorkspaceError: it is damaged.
    """
    result = [
        (about["made_at"], path.parent, about)
        for path in sorted(layout.indexes.glob("*/index.json"))
        if (about := artifacts.read_json(path)) is not None
        and (not backbone or about["backbone"] == backbone)
        and dim in (None, about["dim"])
    ]
    if not result:
        raise ConfigError(
            f"there is no index of similar pictures in {layout.indexes}: run `naturalist index`"
        )
    _, folder, about = max(result, key=lambda one: one[:2])
    try:
        return _open(folder, about)
    except WorkspaceError:
        # It was extended between reading its list and opening its parts.
        return _open(folder, artifacts.read_json(folder / "index.json"))


def index_of(layout: Layout, tables: Collection[tuple[str, str]], dim: int) -> Index | None:
    """What the index holds of these tables (name and SHA-256 of each); None if that is nothing."""
    try:
        index = open_index(layout, dim).of_tables(tables)
    except (ConfigError, WorkspaceError):
        return None
    return index if index.parts else None


def _open(folder: Path, about: dict[str, Any]) -> Index:
    try:
        axes = np.load(folder / "axes.npy", allow_pickle=False)
        parts = []
        for described in about["parts"]:
            names = _files_of(described)
            arrays = [_mapped(folder / name, described["rows"]) for name in names[:2]]
            parts.append(Part(*arrays))
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            f"the index in {folder} is damaged ({error}): delete the folder and run  "
            "naturalist index"
        ) from error
    return Index(folder, about, axes, tuple(parts))


def _mapped(path: Path, rows: int) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if len(array) != rows:
        raise ValueError(f"{path.name} has {len(array)} rows, not {rows}")
    return array


def neighbours(
    layout: Layout, features: Floats, k: int
) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
    """The `k` nearest pictures to each feature vector, nearest first.

    Args:
        layout: the workspace.
        features: (queries, dim) float32 of the collection's backbone; any length.
        k: how many; fewer come if the index has fewer pictures.

    Returns:
        Names (queries, k) and cosines (queries, k) float32.

    Raises:
        ConfigError: there is no index of such features.
    """
    index = open_index(layout, features.shape[1])
    rows, cosines = index.search(features, min(k, index.rows))
    names = [row["picID"] for row in index.names(rows.ravel())]
    return np.array(names, np.str_).reshape(rows.shape), cosines
