import csv
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.numeric.mixtures import directions

from naturalist.errors import ConfigError
from naturalist.features import FeatureTable, open_features, open_file
from naturalist.layout import Layout
from naturalist.progress import Silent
from naturalist.studies import exporting
from naturalist.studies.exporting import Beside, export, no_formulas


@pytest.fixture
def files(tmp_path: Path) -> FeatureTable:
    features, groups = directions([20, 15], dim=32)
    table = pa.table(
        {
            "id": [f"p{k}" for k in range(35)],
            "embedding": list(features),
            "category": np.where(groups, "plant", "animal"),
            "source": ["a\tb\nc"] * 35,
        }
    )
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=10)
    return open_file(tmp_path / "v.parquet")


def coordinates(tmp_path: Path) -> pa.Table:
    names = [f"p{k}" for k in range(34, 4, -1)]
    values = [float(name[1:]) for name in names]
    pq.write_table(pa.table({"picID": names, "x": values, "y": values}), tmp_path / "xy.parquet")
    found = exporting.read_coordinates(Layout(tmp_path), str(tmp_path / "xy.parquet"))
    assert found is not None
    return found


def test_csv_has_a_row_for_each_picture_and_joins_coordinates_by_name(
    files: FeatureTable, tmp_path: Path
) -> None:
    done = export(files, Beside((coordinates(tmp_path),)), tmp_path / "out", "csv", Silent())
    with (tmp_path / "out/pictures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert done.rows == len(rows) == 35
    assert [row["picID"] for row in rows] == [f"p{k}" for k in range(35)]
    assert [row["x"] for row in rows[:6]] == ["", "", "", "", "", "5"]
    assert rows[0]["source"] == "a\tb\nc"


def test_the_projector_gets_vectors_and_metadata_line_by_line(
    files: FeatureTable, tmp_path: Path
) -> None:
    export(files, Beside(), tmp_path, "projector", Silent(), rows=30)
    tensors = np.loadtxt(tmp_path / "tensors.tsv", delimiter="\t")
    lines = (tmp_path / "metadata.tsv").read_text().splitlines()
    assert lines[0] == "picID\tcategory\tsource"
    assert len(lines) == 31
    assert tensors.shape == (30, 32)
    every = np.concatenate([rows.features for rows in files.rows()])
    kept = [int(line.split("\t")[0][1:]) for line in lines[1:]]
    assert np.allclose(tensors, every[kept], rtol=1e-4, atol=1e-6)
    assert lines[1].endswith("\ta b c")
    assert 'tensor_path: "tensors.tsv"' in (tmp_path / "projector_config.pbtxt").read_text()


def test_thumbnails_lie_on_the_sprite_in_the_order_of_the_rows(
    photo_workspace: Path, tmp_path: Path
) -> None:
    files = open_features(photo_workspace)
    layout = Layout(photo_workspace)
    export(files, Beside(), tmp_path, "projector", Silent(), rows=50, pictures=layout)
    with Image.open(tmp_path / "sprite.png") as sprite:
        assert sprite.size == (8 * 64, 8 * 64)
        tiles = [
            sprite.crop((k % 8 * 64, k // 8 * 64, k % 8 * 64 + 64, k // 8 * 64 + 64))
            for k in range(64)
        ]
    white = [tile.getextrema() == ((255, 255),) * 3 for tile in tiles]
    assert white == [False] * 50 + [True] * 14


def test_atlas_gets_coordinates_where_there_is_a_map_and_vectors_where_there_is_none(
    files: FeatureTable, tmp_path: Path
) -> None:
    done = export(files, Beside((coordinates(tmp_path),)), tmp_path / "a", "atlas", Silent())
    table = pq.read_table(tmp_path / "a/atlas.parquet")
    assert {"picID", "category", "text", "x", "y"} <= set(table.column_names)
    assert "--x x --y y" in done.open_with
    assert str(tmp_path / "a/atlas.parquet") in shlex.split(done.open_with)
    done = export(files, Beside(), tmp_path / "b", "atlas", Silent())
    table = pq.read_table(tmp_path / "b/atlas.parquet")
    assert len(table["vector"][34].as_py()) == 32
    assert "--vector vector" in done.open_with


def test_coordinates_without_names_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0], "y": [2.0]}), tmp_path / "xy.parquet")
    with pytest.raises(ConfigError, match="picID, x and y"):
        exporting.read_coordinates(Layout(tmp_path), str(tmp_path / "xy.parquet"))


def test_a_map_that_was_asked_for_must_exist_and_the_default_one_need_not(tmp_path: Path) -> None:
    assert exporting.read_coordinates(Layout(tmp_path)) is None
    with pytest.raises(ConfigError, match="no map 'foo': there is none yet"):
        exporting.read_coordinates(Layout(tmp_path), "foo")
    (tmp_path / "maps/umap-2d").mkdir(parents=True)
    (tmp_path / "maps/umap-2d/points.parquet").touch()
    with pytest.raises(ConfigError, match="choose one of umap-2d; did you mean umap-2d"):
        exporting.read_coordinates(Layout(tmp_path), "umap2d")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_a_spreadsheet_would_run_is_shown_as_text(text: str) -> None:
    table = pa.table({"source": [text, "photos", "a=1"], "rows": [-1, 2, 3]})
    safe = no_formulas(table)
    assert safe["source"].to_pylist() == [f"'{text}", "photos", "a=1"]
    assert safe["rows"].to_pylist() == [-1, 2, 3]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_texts_of_every_kind_and_names_of_columns_are_guarded(kind: pa.DataType) -> None:
    safe = no_formulas(pa.table({"=cmd": pa.array(["@a", "b", None], kind)}))
    assert safe.column_names == ["'=cmd"]
    assert safe["'=cmd"].to_pylist() == ["'@a", "b", None]
