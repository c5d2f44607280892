"""Features, clusters and coordinates for other programs: TensorBoard, Embedding Atlas, CSV.

Rows go through in flat memory, file after file. What a picture has beside its features (cluster,
coordinates) is joined by its name, and stays empty for pictures that are not on it yet.
"""

import contextlib
import io
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from PIL import Image

from naturalist import artifacts
from naturalist.errors import ConfigError
from naturalist.features import FeatureTable, Rows
from naturalist.layout import Layout
from naturalist.progress import Progress, stage
from naturalist.stages.tables import write_csv
from naturalist.studies.feature_sample import draw
from naturalist.studies.thumbnails import read_thumbnails
from naturalist.suggestions import choose_one_of

Form = Literal["projector", "atlas", "csv"]
SPRITE_SIDE = 64
MOST_SPRITES = 16_384
"""Browsers draw sprites of 8,192 pixels a side at most."""
_DEFAULT_CLUSTERING = "default"
_DEFAULT_MAP = "tsne-2d"
_AXES = ("x", "y", "z")
_PAPER = (255, 255, 255)


@dataclass(frozen=True, eq=False)
class Beside:
    """What is known of pictures beside their features, by name.

    Attributes:
        tables: each has `picID` and further columns.
    """

    tables: tuple[pa.Table, ...] = ()

    def join(self, names: pa.Array) -> dict[str, pa.Array]:
        """The further columns for these names; null where a name is not known."""
        result = {}
        for table in self.tables:
            at = pc.index_in(names, table["picID"].combine_chunks())
            for column in table.column_names:
                if column != "picID":
                    result[column] = table[column].combine_chunks().take(at)
        return result


def read_clusters(layout: Layout, name: str = "") -> pa.Table | None:
    """Cluster and strength of each picture.

    Args:
        layout: the workspace.
        name: of the clustering; empty for the default one, which need not exist.

    Returns:
        None if no name is given and there is no default clustering.

    Raises:
        ConfigError: there is no clustering of that name.
    """
    path = _named(layout.clusterings, name, _DEFAULT_CLUSTERING, "members.parquet", "clustering")
    return artifacts.read_parquet(path, ["picID", "cluster", "strength"]) if path else None


def read_coordinates(layout: Layout, map_or_file: str = "") -> pa.Table | None:
    """Coordinates of a map of the workspace, or of a Parquet file with picID, x, y (and z).

    Args:
        layout: the workspace.
        map_or_file: empty for the default map, which need not exist.

    Returns:
        None if no name is given and there is no default map.

    Raises:
        ConfigError: there is no map of that name or no such file, or the file lacks the columns.
    """
    if map_or_file.endswith(".parquet"):
        path: Path | None = Path(map_or_file)
        if not Path(map_or_file).is_file():
            raise ConfigError(
                f"no such file: {map_or_file}. Pass the name of a map or a Parquet file"
            )
    else:
        path = _named(layout.maps, map_or_file, _DEFAULT_MAP, "points.parquet", "map")
    if path is None:
        return None
    table = artifacts.read_parquet(path)
    axes = [axis for axis in _AXES if axis in table.column_names]
    if "picID" not in table.column_names or axes[:2] != ["x", "y"]:
        raise ConfigError(
            f"{path} must have the columns picID, x and y; it has {', '.join(table.column_names)}"
        )
    columns = [table["picID"].cast(pa.string()), *(table[a].cast(pa.float32()) for a in axes)]
    return pa.table(dict(zip(["picID", *axes], columns, strict=True)))


def _named(folder: Path, name: str, default: str, table: str, what: str) -> Path | None:
    """The table of a named study in a folder of studies.

    Args:
        folder: has a folder for each study.
        name: of the study; empty for the default one.
        default: its name.
        table: file name of the table.
        what: kind of the study, for the message.

    Returns:
        None if no name is given and there is no default study.

    Raises:
        ConfigError: there is no study of that name.
    """
    existing = {path.parent.name: path for path in sorted(folder.glob(f"*/{table}"))}
    if name and name not in existing:
        raise ConfigError(f"there is no {what} {name!r}: {choose_one_of(name, existing)}")
    return existing.get(name or default)


@dataclass(frozen=True)
class Exported:
    """What was written, and how to open it."""

    rows: int
    of: int
    files: tuple[str, ...]
    open_with: str


def export(
    files: FeatureTable,
    beside: Beside,
    folder: Path,
    form: Form,
    watcher: Progress,
    *,
    rows: int = 0,
    pictures: Layout | None = None,
) -> Exported:
    """Write features and all that is known beside them for another program.

    Args:
        files: the features.
        beside: clusters and coordinates.
        folder: where to; files there are replaced.
        form: for which program.
        watcher: hears how far it is.
        rows: most pictures, drawn evenly by their names; 0 for all.
        pictures: workspace with the thumbnails to show; None for none.

    Raises:
        ConfigError: there are too many pictures for a sheet of thumbnails.
    """
    selected = _ExportedRows(files, rows, watcher)
    write = {"projector": _to_projector, "atlas": _to_atlas, "csv": _to_csv}[form]
    if form == "projector" and pictures is not None and selected.count > MOST_SPRITES:
        raise ConfigError(
            f"{selected.count:,} thumbnails do not fit on a sprite sheet: choose at most "
            f"{MOST_SPRITES:,} pictures with --rows, or leave out the thumbnails"
        )
    with stage(watcher, f"export: {form}", selected.count, "rows"):
        names, hint = write(folder, selected, beside, pictures)
    return Exported(selected.count, selected.of, names, hint)


def export_tables(
    files: FeatureTable, categories: Sequence[str], folder: Path, watcher: Progress
) -> Exported:
    """Write tables as CSV, with the bytes that a run gives them.

    Args:
        files: the tables.
        categories: names of those to write; empty for all.
        folder: where to: a folder for each category; files there are replaced.
        watcher: hears how far it is.

    Raises:
        ConfigError: there is no such category.
    """
    if unknown := sorted(set(categories) - set(files.categories)):
        raise ConfigError(
            f"no category {unknown[0]!r} in {files.what}: "
            f"{choose_one_of(unknown[0], files.categories)}"
        )
    labels = {files.categories[name] for name in categories or files.categories}
    written: list[str] = []
    count = of = 0
    with stage(watcher, "export: tables", len(files.files), "tables") as advance:
        for file in files.files:
            found = file.outline().labels
            of += len(found)
            if len(found) and int(found[0]) in labels:
                path = (folder / file.name).with_suffix(".csv")
                write_csv(path, _as_table(file.read()), files.dim)
                written.append(path.relative_to(folder).as_posix())
                count += len(found)
            advance(1)
    return Exported(count, of, tuple(written), "any program that reads CSV, separated by ;")


def _as_table(rows: Rows) -> pa.Table:
    features = pa.FixedSizeListArray.from_arrays(
        pa.array(rows.features.reshape(-1)), rows.features.shape[1]
    )
    columns = [pa.array(rows.pic_ids.tolist(), pa.string()), pa.array(rows.labels), features]
    return pa.table(columns, names=["picID", "category_label", "features"])


class _ExportedRows:
    """The rows to export, file after file."""

    def __init__(self, files: FeatureTable, rows: int, watcher: Progress) -> None:
        self._files, self._watcher = files, watcher
        self._names: set[str] | None = None
        with stage(watcher, "export: count", None, "rows") as advance:
            counted = 0
            if rows:
                drawn = draw(files, rows, 0, advance)
                self._names, counted = set(drawn.pic_ids.tolist()), drawn.of
            else:
                counted = sum(len(file.outline()) for file in files.files)
        self.of = counted
        self.count = counted if self._names is None else len(self._names)
        self.dim = files.dim

    def __iter__(self) -> Iterator[Rows]:
        for rows in self._files.rows():
            some = rows
            if self._names is not None:
                mask = np.array([n in self._names for n in rows.pic_ids.tolist()], np.bool_)
                some = rows.take(mask)
            if len(some):
                self._watcher.advance(len(some))
                yield some


def _columns(rows: Rows, beside: Beside) -> dict[str, pa.Array]:
    names = pa.array(rows.pic_ids, pa.string())
    categories = rows.category_names if rows.categories else np.full(len(rows), "")
    return {
        "picID": names,
        "category": pa.array(categories, pa.string()),
        "source": pa.array(rows.sources, pa.string()),
        **beside.join(names),
    }


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with artifacts.atomic(path) as temporary, temporary.open("wb") as file:
        yield file


def _to_csv(
    folder: Path, exported: _ExportedRows, beside: Beside, _: Layout | None
) -> tuple[tuple[str, ...], str]:
    with _opened(folder / "pictures.csv") as file:
        for k, rows in enumerate(exported):
            table = no_formulas(pa.table(_columns(rows, beside)))
            options = pyarrow.csv.WriteOptions(include_header=k == 0)
            pyarrow.csv.write_csv(table, file, options)
    return ("pictures.csv",), "any program that reads CSV"


def no_formulas(table: pa.Table) -> pa.Table:
    """The table with an apostrophe before texts that a spreadsheet would take for a formula.

    Names of columns are texts too: metadata bring their own.

    Source: OWASP, CSV Injection.
    """
    columns = [_guarded(column) for column in table.columns]
    return pa.table(columns, names=_guarded(pa.array(table.column_names)).to_pylist())


def _guarded(column: Any) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    return pc.replace_substring_regex(column, r"^([=+\-@\t\r])", r"'\1")


def _to_atlas(
    folder: Path, exported: _ExportedRows, beside: Beside, pictures: Layout | None
) -> tuple[tuple[str, ...], str]:
    placed = any("x" in table.column_names for table in beside.tables)
    with artifacts.atomic(folder / "atlas.parquet") as temporary:
        writer = None
        for rows in exported:
            table = _atlas_table(rows, beside, pictures, with_vectors=not placed)
            writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is not None:
            writer.close()
    hint = f"embedding-atlas {shlex.quote(str(folder / 'atlas.parquet'))} --text text"
    hint += " --x x --y y" if placed else " --vector vector"
    return ("atlas.parquet",), hint + (" --image image" if pictures else "")


def _atlas_table(
    rows: Rows, beside: Beside, pictures: Layout | None, *, with_vectors: bool
) -> pa.Table:
    columns = _columns(rows, beside)
    if "cluster" in columns:
        # A number would be shown as a scale.
        columns["cluster"] = columns["cluster"].cast(pa.string())
    texts = zip(*(columns[n].to_pylist() for n in ("picID", "category", "source")), strict=True)
    columns["text"] = pa.array([" ".join(filter(None, words)) for words in texts], pa.string())
    if with_vectors:
        flat = pa.array(np.ascontiguousarray(rows.features).reshape(-1))
        columns["vector"] = pa.ListArray.from_arrays(
            pa.array(np.arange(0, len(flat) + 1, rows.features.shape[1]), pa.int32()), flat
        )
    if pictures is not None:
        result = read_thumbnails(pictures, rows.pic_ids.tolist())
        values = [{"bytes": result.get(name)} for name in rows.pic_ids.tolist()]
        columns["image"] = pa.array(values, pa.struct([("bytes", pa.binary())]))
    return pa.table(columns)


def _to_projector(
    folder: Path, exported: _ExportedRows, beside: Beside, pictures: Layout | None
) -> tuple[tuple[str, ...], str]:
    names = ["tensors.tsv", "metadata.tsv"]
    tiles: list[str] = []
    with _opened(folder / names[0]) as tensors, _opened(folder / names[1]) as metadata:
        for k, rows in enumerate(exported):
            np.savetxt(tensors, rows.features, fmt="%.6g", delimiter="\t")
            metadata.write(_tsv(_columns(rows, beside), header=k == 0))
            tiles += rows.pic_ids.tolist()
    lines = ['  tensor_name: "features"', '  tensor_path: "tensors.tsv"']
    lines.append('  metadata_path: "metadata.tsv"')
    if pictures is not None:
        artifacts.write_bytes(folder / "sprite.png", _sprite(pictures, tiles))
        names.append("sprite.png")
        side = f"single_image_dim: {SPRITE_SIDE}"
        lines.append(f'  sprite {{ image_path: "sprite.png" {side} {side} }}')
    names.append("projector_config.pbtxt")
    text = "embeddings {\n" + "\n".join(lines) + "\n}\n"
    artifacts.write_bytes(folder / names[-1], text.encode())
    opened_by = f"tensorboard --logdir {shlex.quote(str(folder))}"
    return tuple(names), f"{opened_by}, or Load on projector.tensorflow.org"


def _tsv(columns: dict[str, pa.Array], *, header: bool) -> bytes:
    texts = [[_plain(value) for value in column.to_pylist()] for column in columns.values()]
    lines = ["\t".join(row) for row in zip(*texts, strict=True)]
    return "".join(
        f"{line}\n" for line in (["\t".join(columns)] if header else []) + lines
    ).encode()


def _plain(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


def _sprite(pictures: Layout, names: Sequence[str]) -> bytes:
    """Thumbnails in rows from the top left, as many in a row as there are rows."""
    across = max(1, int(np.ceil(np.sqrt(len(names)))))
    sheet = Image.new("RGB", (across * SPRITE_SIDE, across * SPRITE_SIDE), _PAPER)
    result = read_thumbnails(pictures, names)
    for k, name in enumerate(names):
        if name not in result:
            continue
        with Image.open(io.BytesIO(result[name]), formats=("JPEG",)) as picture:
            picture.thumbnail((SPRITE_SIDE, SPRITE_SIDE))
            row, column = divmod(k, across)
            x = column * SPRITE_SIDE + (SPRITE_SIDE - picture.width) // 2
            y = row * SPRITE_SIDE + (SPRITE_SIDE - picture.height) // 2
            sheet.paste(picture.convert("RGB"), (x, y))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()
