from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from naturalist.errors import ConfigError
from naturalist.studies.maps.own_coordinates import read_coordinates


def written(columns: dict[str, list[Any]], file: Path) -> Path:
    write = pyarrow.csv.write_csv if file.suffix == ".csv" else pq.write_table
    write(pa.table(columns), file)
    return file


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_coordinates_come_by_the_rows_of_the_tables(tmp_path: Path, kind: str) -> None:
    names = ["007", "12", "3", "5", "9", "else"]
    z = [0.5, 1, 2, 3, 4, 5]
    file = written({"picID": names, "x": range(6), "y": [0] * 6, "z": z}, tmp_path / f"a.{kind}")
    own = read_coordinates(file)
    assert own.dims == 3
    given = own.among(np.array(["9", "5", "0", "3", "12", "007"]))
    assert given.rows.tolist() == [0, 1, 3, 4, 5]
    assert given.coordinates.tolist() == [[4, 0, 4], [3, 0, 3], [2, 0, 2], [1, 0, 1], [0, 0, 0.5]]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"name": ["a"], "x": [1.0], "y": [1.0]}, "no column picID"),
        ({"picID": ["a"], "x": [1.0]}, "no column y"),
        ({"picID": ["a", "b"], "x": [1.0, 2.0], "y": [1.0, float("nan")]}, "the first in row 2"),
        ({"picID": ["a", "b"], "x": [1.0, None], "y": [1.0, 2.0]}, "the first in row 2"),
        ({"picID": ["a", "a"], "x": [1.0, 2.0], "y": [1.0, 2.0]}, "names a twice"),
        ({"picID": ["a"], "x": [1.0], "y": ["one"]}, "holds string, not numbers"),
        ({"picID": [], "x": [], "y": []}, "has no rows"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_what_is_wrong_is_said(
    tmp_path: Path, kind: str, columns: dict[str, list[Any]], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        read_coordinates(written(columns, tmp_path / f"mine.{kind}"))


@pytest.mark.parametrize("name", ["picID", "x", "z"])
def test_a_column_that_is_there_twice_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.csv").write_text(f"picID,x,y,z,{name}\na,1,2,3,4\n")
    with pytest.raises(ConfigError, match=f"several columns {name}: keep one"):
        read_coordinates(tmp_path / "mine.csv")


@pytest.mark.parametrize(
    ("name", "said"),
    [("mine.txt", "not .txt"), ("broken.parquet", "cannot be read"), ("none.csv", "no such file")],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, name: str, said: str) -> None:
    if not name.startswith("none"):
        (tmp_path / name).write_text("no")
    with pytest.raises(ConfigError, match=said):
        read_coordinates(tmp_path / name)
