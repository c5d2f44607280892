"""The index of a collection's words: classes of every picture, and the words of paths and columns.

A part belongs to one file of features and is named by its hash; ``words.json`` lists the parts and
is written last. An update writes the parts of files that changed, and no others. The arrays of
classes are mapped into memory.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import artifacts, ledger
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.features import FeatureFile, FeatureTable, Rows
from naturalist.layout import Layout
from naturalist.progress import Progress, stage
from naturalist.studies.words.methods.paths import postings
from naturalist.studies.words.methods.top_classes import KEPT, Head, TopClasses, top_classes

FORMAT = 2
FIELDS = ("path", "source", "category")
"""What the ledger says about a picture in words."""
_FILES_AT_ONCE = 25
_NAMES = pa.schema([("picID", pa.string()), ("category", pa.string()), ("source", pa.string())])
_TOKENS = pa.schema(
    [("field", pa.string()), ("token", pa.string()), ("rows", pa.list_(pa.int32()))]
)


@dataclass(frozen=True, eq=False)
class Token:
    """A word of the paths (or another field) of a part, and the rows that have it."""

    field: str
    text: str
    rows: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tokens:
    """All words of a part, as columns; a million pictures have hundreds of thousands.

    Attributes:
        fields: what each word is a word of.
        texts: the words.
        starts: (words + 1,) where the rows of each begin among `values`.
        values: the rows.
    """

    fields: list[str]
    texts: list[str]
    starts: NDArray[np.int64]
    values: NDArray[np.int32]

    def __iter__(self) -> Iterator[Token]:
        return (self.at(k) for k in range(len(self.texts)))

    def at(self, k: int) -> Token:
        """One word with the rows that have it."""
        rows = self.values[self.starts[k] : self.starts[k + 1]].astype(np.int64)
        return Token(self.fields[k], self.texts[k], rows)


NO_TOKENS = Tokens([], [], np.zeros(1, np.int64), np.empty(0, np.int32))


@dataclass(frozen=True, eq=False)
class WordPart:
    """The words of one file of features.

    Attributes:
        path: its files, without their endings.
        rows: pictures in it.
        top: their most probable classes; None if the network's head is not known.
    """

    path: Path
    rows: int
    top: TopClasses | None

    @functools.cached_property
    def tokens(self) -> Tokens:
        """Words of paths and columns, with the rows that have them."""
        table = artifacts.read_parquet(self.path.with_suffix(".tokens.parquet"))
        lists = table["rows"].combine_chunks()
        return Tokens(
            table["field"].to_pylist(),
            table["token"].to_pylist(),
            lists.offsets.to_numpy().astype(np.int64),
            lists.values.to_numpy(),
        )

    @functools.cached_property
    def names(self) -> pa.Table:
        """picID, category and source of each row."""
        return artifacts.read_parquet(self.path.with_suffix(".parquet"))


@dataclass(frozen=True, eq=False)
class WordIndex:
    """An open index: `parts` in the order of the files that they were made from."""

    folder: Path
    about: dict[str, Any]
    parts: tuple[WordPart, ...]

    @property
    def rows(self) -> int:
        """Pictures in it."""
        return int(self.about["rows"])

    @property
    def has_classes(self) -> bool:
        """Whether the classes of pictures are known."""
        return bool(self.about["classes"])

    @functools.cached_property
    def starts(self) -> NDArray[np.int64]:
        """(parts + 1,) the first row of each part, rows numbered through all parts."""
        return np.cumsum([0, *(part.rows for part in self.parts)], dtype=np.int64)

    def described(self, rows: Sequence[int] | NDArray[np.int64]) -> list[dict[str, str]]:
        """picID, category and source of rows numbered through all parts."""
        wanted = np.asarray(rows, np.int64)
        parts = np.searchsorted(self.starts, wanted, side="right") - 1
        found: list[dict[str, str]] = [{} for _ in wanted]
        for number in np.unique(parts).tolist():
            mine = np.flatnonzero(parts == number)
            names = self.parts[number].names.take(pa.array(wanted[mine] - self.starts[number]))
            for place, row in zip(mine.tolist(), names.to_pylist(), strict=True):
                found[place] = row
        return found


def update_word_index(
    files: FeatureTable,
    layout: Layout,
    backbone: str,
    make_head: Callable[[], Head] | None,
    progress: Progress,
) -> WordIndex:
    """Bring the index up to date with files of features; does nothing when it is.

    Args:
        files: the features of a workspace.
        layout: the workspace; its ledger has the paths.
        backbone: id of the backbone that they come from.
        make_head: gives the network's classes for these features; None if there are none.
        progress: hears how far it is.
    """
    folder = layout.words(backbone)
    wanted = [_described(file) for file in files.files]
    about = artifacts.read_json(folder / "words.json")
    if about is None or not _is_current(about, wanted, make_head is not None):
        head = make_head() if make_head is not None else None
        about = _update(files, layout, head, folder, progress)
        about |= {"backbone": backbone, "dim": files.dim}
        artifacts.write_json(folder / "words.json", about)
        _remove_others(folder, about)
    return _open(folder, about)


def open_word_index(layout: Layout, backbone: str) -> WordIndex:
    """Open the index as it is.

    Raises:
        ConfigError: there is none.
        WorkspaceError: it is damaged.
    """
    folder = layout.words(backbone)
    about = artifacts.read_json(folder / "words.json")
    if about is None:
        raise ConfigError(f"there is no index of words in {layout.root}: run  naturalist search")
    return _open(folder, about)


def _is_current(about: dict[str, Any], wanted: list[dict[str, str]], classes: bool) -> bool:
    held = [{key: part[key] for key in ("name", "sha256")} for part in about["parts"]]
    same = about["format"] == FORMAT and about["classes"] == classes
    return bool(same and held == wanted)


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


def paths_of(layout: Layout, pic_ids: Sequence[str] | NDArray[np.str_]) -> dict[str, str]:
    """The path of each accepted picture inside its source, by the ledger."""
    names = pa.table({"pic_id": pa.array(list(pic_ids), pa.string())})
    with ledger.connect(layout) as connection:
        connection.register("wanted", names)
        query = (
            "SELECT pic_id, path_text FROM ledger SEMI JOIN wanted USING (pic_id) "
            "WHERE outcome = 'accepted'"
        )
        table = ledger.query(connection, query)
    return dict(zip(table["pic_id"].to_pylist(), table["path_text"].to_pylist(), strict=True))


def _write_part(
    folder: Path, file: FeatureFile, rows: Rows, paths: list[str], head: Head | None
) -> None:
    stem = folder / _stem(file)
    categories = rows.category_names if rows.categories else np.full(len(rows), "")
    columns = [pa.array(c, pa.string()) for c in (rows.pic_ids, categories, rows.sources)]
    artifacts.write_parquet(
        stem.with_suffix(".parquet"), pa.Table.from_arrays(columns, schema=_NAMES)
    )
    texts = dict(zip(FIELDS, (paths, rows.sources.tolist(), categories.tolist()), strict=True))
    artifacts.write_parquet(stem.with_suffix(".tokens.parquet"), token_table(texts))
    if head is not None:
        top = top_classes(head, rows.features, min(KEPT, len(head.bias)))
        _save(stem.with_suffix(".classes.npy"), top.classes)
        _save(stem.with_suffix(".probabilities.npy"), top.probabilities)


def token_table(texts: Mapping[str, Sequence[str]]) -> pa.Table:
    """Words of each field's texts, a text for each row, with the rows that have them."""
    found = [
        (field, token, rows)
        for field, own in texts.items()
        for token, rows in postings([[text] for text in own]).items()
    ]
    columns = [list(column) for column in zip(*found, strict=True)] if found else [[], [], []]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, _TOKENS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=_TOKENS)


def _open(folder: Path, about: dict[str, Any]) -> WordIndex:
    try:
        parts = tuple(_open_part(folder, part, about["classes"]) for part in about["parts"])
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            f"the index of words in {folder} is damaged ({error}): remove the folder; the next "
            "search makes it again"
        ) from error
    return WordIndex(folder, about, parts)


def _open_part(folder: Path, part: dict[str, Any], classes: bool) -> WordPart:
    path = folder / _stem_of(part["name"], part["sha256"])
    top = None
    if classes:
        arrays = [
            np.load(path.with_suffix(suffix), mmap_mode="r", allow_pickle=False)
            for suffix in (".classes.npy", ".probabilities.npy")
        ]
        if any(len(array) != part["rows"] for array in arrays):
            raise ValueError(f"{path.name} has not {part['rows']} rows")
        top = TopClasses(*arrays)
    return WordPart(path, part["rows"], top)


def _described(file: FeatureFile) -> dict[str, str]:
    return {"name": file.name, "sha256": file.sha256}


def _stem(file: FeatureFile) -> str:
    return _stem_of(file.name, file.sha256)


def _stem_of(name: str, sha256: str) -> str:
    return artifacts.fingerprint(FORMAT, name, sha256)[:20]


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
    stems = {_stem_of(part["name"], part["sha256"]) for part in about["parts"]}
    for path in folder.iterdir():
        if path.is_file() and path.name != "words.json" and path.name[:20] not in stems:
            path.unlink(missing_ok=True)
