"""Columns of recognised classes and concepts, beside the tables of a collection."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Naturalist

import naturalist as package
from naturalist.layout import Layout


@pytest.fixture
def collection(photo_copy: Path) -> Path:
    path = photo_copy / "naturalist.toml"
    path.write_text(path.read_text() + '\n[words]\ncolumns = ["class", "concepts"]\n')
    return photo_copy


def loaded(folder: Path, *columns: str) -> dict[str, np.ndarray]:
    table = package.load(folder, columns=["picID", *columns]).arrow()
    return {name: np.array(table[name].to_pylist(), object) for name in table.column_names}


@pytest.mark.usefixtures("real_photos")
def test_classes_and_concepts_are_columns_of_every_picture(
    naturalist: Naturalist, collection: Path
) -> None:
    made = naturalist(
        *("concept", "make", "posy", "--yes", "plant_id_1,plant_id_2,plant_id_3"),
        *("-c", str(collection), "-q"),
    )
    assert made.code == 0, made.err
    assert naturalist("run", "-c", str(collection), "-q").code == 0
    held = loaded(collection, "network_class", "concept_posy")
    named = held["network_class"]
    assert 0.1 < np.mean([name is not None for name in named]) < 0.9
    assert {"daisy"} <= {name for name in named if name}
    assert {type(one) for one in held["concept_posy"]} == {bool}
    assert held["concept_posy"][np.isin(held["picID"], ["plant_id_1", "plant_id_2"])].all()


@pytest.mark.usefixtures("real_photos")
def test_columns_follow_the_concepts_that_there_are(
    naturalist: Naturalist, collection: Path
) -> None:
    layout = Layout(collection)
    assert naturalist("metadata", "-c", str(collection), "-q").code == 0
    names = [one["name"] for one in json.loads(layout.metadata_summary.read_text())["columns"]]
    assert names == ["network_class"]
    before = {path: path.stat().st_mtime_ns for path in layout.metadata.rglob("*.parquet")}
    assert naturalist("metadata", "-c", str(collection), "-q").code == 0
    assert {path: path.stat().st_mtime_ns for path in layout.metadata.rglob("*.parquet")} == before
    text = (collection / "naturalist.toml").read_text()
    (collection / "naturalist.toml").write_text(text.replace('["class", "concepts"]', "[]"))
    assert naturalist("metadata", "-c", str(collection), "-q").code == 0
    assert not layout.metadata.exists()
