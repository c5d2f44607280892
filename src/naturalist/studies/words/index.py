"""The index of a collection's words: classes of every picture, and the words of paths and columns.

A part belongs to one file of features and is named by its hash; ``words.json`` lists the parts and
is written last. An update writes the parts of files that changed, and no others. The arrays of
classes are mapped into memory.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts, ledger
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.layout import Layout
from naturalist.studies.words.methods.paths import postings
from naturalist.studies.words.methods.top_classes import TopClasses

FORMAT = 2
FIELDS = ("path", "source", "category")
"""What the ledger says about a picture in words."""
_FILES_AT_ONCE = 25
NAMES = pa.schema([("picID", pa.string()), ("category", pa.string()), ("source", pa.string())])
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
    """All words of a part, as columns; a million pictures with captions have tens of millions.

    Attributes:
        fields: what each word is a word of.
        texts: the words.
        starts: (words + 1,) where the rows of each begin among `values`.
        values: the rows.
    """

    fields: pa.Array
    texts: pa.Array
    starts: NDArray[np.int64]
    values: NDArray[np.int32]

    def among(self, texts: Iterable[str]) -> Iterator[Token]:
        """Those that are among some words."""
        wanted = pa.array(list(texts), pa.string())
        return self._where(pc.is_in(self.texts, wanted).to_numpy(zero_copy_only=False))

    def frequent(self, least: int) -> Iterator[Token]:
        """Those that so many rows have at least."""
        return self._where(np.diff(self.starts) >= least)

    def _where(self, mask: NDArray[np.bool_]) -> Iterator[Token]:
        for k in np.flatnonzero(mask).tolist():
            rows = self.values[self.starts[k] : self.starts[k + 1]].astype(np.int64)
            yield Token(self.fields[k].as_py(), self.texts[k].as_py(), rows)


NO_TOKENS = Tokens(
    pa.nulls(0, pa.string()),
    pa.nulls(0, pa.string()),
    np.zeros(1, np.int64),
    np.empty(0, np.int32),
)


@dataclass(frozen=True, eq=False)
class WordPart:
    """The words of one file of features.

    Attributes:
        path: its files, without their endings.
        rows: pictures in it.
        top: their most probable classes; None if the network's head is not known.
        columns: what the words of their metadata depend on; empty if they have none.
    """

    path: Path
    rows: int
    top: TopClasses | None
    columns: str = ""

    @functools.cached_property
    def tokens(self) -> Tokens:
        """Words of paths and columns, with the rows that have them."""
        table = artifacts.read_parquet(self.path.with_suffix(".tokens.parquet"))
        if self.columns:
            of_columns = artifacts.read_parquet(columns_path(self.path, self.columns))
            table = pa.concat_tables([table, of_columns]).combine_chunks()
        lists = table["rows"].combine_chunks()
        return Tokens(
            table["field"].combine_chunks(),
            table["token"].combine_chunks(),
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
        expected = np.asarray(rows, np.int64)
        parts = np.searchsorted(self.starts, expected, side="right") - 1
        result: list[dict[str, str]] = [{} for _ in expected]
        for number in np.unique(parts).tolist():
            mine = np.flatnonzero(parts == number)
            names = self.parts[number].names.take(pa.array(expected[mine] - self.starts[number]))
            for place, row in zip(mine.tolist(), names.to_pylist(), strict=True):
                result[place] = row
        return result


def open_word_index(layout: Layout, backbone: str) -> WordIndex:
    """Open the index as it is; a process that did so before has it still, with what it has read.

    Raises:
        ConfigError: there is none.
        WorkspaceError: it is damaged.
    """
    folder = layout.words(backbone)
    return _OPENED.get(folder / "words.json", lambda: _opened(layout, folder))


_OPENED = artifacts.FileMemo[WordIndex](most=4)


def _opened(layout: Layout, folder: Path) -> WordIndex:
    about = artifacts.read_json(folder / "words.json")
    if about is None:
        raise ConfigError(f"there is no index of words in {layout.root}: run `naturalist search`")
    try:
        return open_parts(folder, about)
    except WorkspaceError:
        # It was brought up to date between reading its list and opening its parts.
        return open_parts(folder, artifacts.read_json(folder / "words.json"))


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


def token_table(texts: Mapping[str, Sequence[str]]) -> pa.Table:
    """Words of each field's texts, a text for each row, with the rows that have them."""
    result = [
        (field, token, rows)
        for field, own in texts.items()
        for token, rows in postings([[text] for text in own]).items()
    ]
    columns = [list(column) for column in zip(*result, strict=True)] if result else [[], [], []]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, _TOKENS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=_TOKENS)


def open_parts(folder: Path, about: dict[str, Any]) -> WordIndex:
    """Map the parts that an index lists into memory.

    Raises:
        WorkspaceError: one is damaged.
    """
    try:
        parts = tuple(_open_part(folder, part, about["classes"]) for part in about["parts"])
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            f"the index of words in {folder} is damaged ({error}): delete the folder; the next "
            "search rebuilds it"
        ) from error
    return WordIndex(folder, about, parts)


def _open_part(folder: Path, part: dict[str, Any], classes: bool) -> WordPart:
    path = folder / stem_of(part["name"], part["sha256"])
    top = None
    if part.get("columns") and not columns_path(path, part["columns"]).exists():
        raise ValueError(f"{path.name} lacks the words of its columns")
    if classes:
        arrays = [
            np.load(path.with_suffix(suffix), mmap_mode="r", allow_pickle=False)
            for suffix in (".classes.npy", ".probabilities.npy")
        ]
        if any(len(array) != part["rows"] for array in arrays):
            raise ValueError(f"{path.name} has not {part['rows']} rows")
        top = TopClasses(*arrays)
    return WordPart(path, part["rows"], top, part.get("columns", ""))


def columns_path(path: Path, columns: str) -> Path:
    """The file with the words of the metadata of a part."""
    return path.with_name(f"{path.name}.{columns[:20]}.columns.parquet")


def stem_of(name: str, sha256: str) -> str:
    """Names the files of a part, without their endings."""
    return artifacts.fingerprint(FORMAT, name, sha256)[:20]
