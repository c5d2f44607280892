from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.numeric.mixtures import directions

from naturalist.errors import ConfigError, WorkspaceError
from naturalist.features import FeatureTable, Rows, open_features, open_file
from naturalist.layout import Layout
from naturalist.progress import Silent
from naturalist.studies.similar import study as similar
from naturalist.studies.similar.report import IndexReport
from naturalist.studies.study import bring_up_to_date
from report_shapes import assert_declared


def update(files: FeatureTable, layout: Layout, backbone: str, progress: Silent) -> dict[str, Any]:
    study = similar.IndexStudy(files, layout, backbone, progress)
    result = bring_up_to_date(study)
    assert_declared(IndexReport, result.report)
    return result.as_json


def indexed(place: Path, out: Path) -> dict:
    return update(open_features(place), Layout(out), "b", Silent())


def vectors_file(path: Path, features: np.ndarray, group_rows: int = 40) -> FeatureTable:
    names = [f"p{k}" for k in range(len(features))]
    pq.write_table(
        pa.table({"picID": names, "features": list(features)}), path, row_group_size=group_rows
    )
    return open_file(path)


def test_neighbours_of_real_photos_are_those_of_all_cosines(
    photo_workspace: Path, tmp_path: Path
) -> None:
    about = indexed(photo_workspace, tmp_path)
    rows = open_features(photo_workspace).read()
    unit = rows.features / np.linalg.norm(rows.features, axis=1, keepdims=True)
    names, cosines = similar.neighbours(Layout(tmp_path), 3 * rows.features[::50], 6)
    true = -np.sort(-(unit[::50] @ unit.T), axis=1)[:, :6]
    assert np.abs(cosines - true).max() < 2e-3
    assert np.array_equal(names[:, 0], rows.pic_ids[::50])
    assert about["recall"]["recall"] == 1.0
    assert about["recall"]["of_candidates"] >= 0.99
    assert about["rows"] == len(rows)


def test_an_index_is_made_once_and_extended_by_the_parts_that_changed(tmp_path: Path) -> None:
    features, _ = directions([60, 60, 60], dim=32)
    # Row groups stand for tables: three hold what they held, one is new.
    files = vectors_file(tmp_path / "v.parquet", features[:120])
    first = update(files, Layout(tmp_path), "b", Silent())
    assert first["changed"]
    assert not update(files, Layout(tmp_path), "b", Silent())["changed"]
    more = vectors_file(tmp_path / "v.parquet", features)
    kept = FeatureTable((*files.files, *more.files[3:]), more.dim, more.categories, more.what)
    folder = Layout(tmp_path).index("b")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    second = update(kept, Layout(tmp_path), "b", Silent())
    assert second["rows"] == 180
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {n: t for n, t in before.items() if n != "index.json"}.items() <= after.items()
    names, _ = similar.neighbours(Layout(tmp_path), features[170:171], 1)
    assert names.tolist() == [["p170"]]


def test_an_update_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    features, _ = directions([60, 60], dim=32)
    files = vectors_file(tmp_path / "v.parquet", features)

    read = iter([files.files[-1].read])

    def stop() -> Rows:
        # The first reading is for the axes.
        for once in read:
            return once()
        raise KeyboardInterrupt

    last = replace(files.files[-1], read=stop)
    with pytest.raises(KeyboardInterrupt):
        update(replace(files, files=(*files.files[:-1], last)), Layout(tmp_path), "b", Silent())
    folder = Layout(tmp_path).index("b")
    left = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(left) == 1 + 3 * 2
    assert update(files, Layout(tmp_path), "b", Silent())["rows"] == 120
    assert left.items() <= {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}.items()


def test_pictures_that_are_gone_are_found_no_longer(tmp_path: Path) -> None:
    features, _ = directions([60, 60], dim=32)
    layout = Layout(tmp_path)
    update(vectors_file(tmp_path / "v.parquet", features), layout, "b", Silent())
    files = vectors_file(tmp_path / "v.parquet", features[:80])
    update(files, layout, "b", Silent())
    names, _ = similar.neighbours(layout, features[100:101], 80)
    assert "p100" not in names
    listed = {path.name for path in layout.index("b").iterdir()}
    assert len(listed) == 2 + 3 * len(files.files)


def test_large_indexes_are_searched_by_candidates_with_the_recall_that_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar, "EXACT_ROWS", 100)
    features, _ = directions([500, 400, 300, 200], dim=64, spread=0.6)
    layout = Layout(tmp_path)
    files = vectors_file(tmp_path / "v.parquet", features, 300)
    about = update(files, layout, "b", Silent())
    assert about["recall"]["recall"] >= 0.99
    assert about["candidates"] <= 1400
    names, _ = similar.neighbours(layout, features[:5], 1)
    assert names.ravel().tolist() == [f"p{k}" for k in range(5)]


def test_without_an_index_or_with_a_damaged_one_it_is_said_what_to_do(tmp_path: Path) -> None:
    features, _ = directions([60], dim=32)
    with pytest.raises(ConfigError, match="naturalist index"):
        similar.neighbours(Layout(tmp_path), features, 3)
    files = vectors_file(tmp_path / "v.parquet", features)
    update(files, Layout(tmp_path), "b", Silent())
    for path in Layout(tmp_path).index("b").glob("*.npy"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WorkspaceError, match="naturalist index"):
        similar.neighbours(Layout(tmp_path), features, 3)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"picID": ["a"]}, "no column of vectors"),
        ({"features": [[1.0, 2.0], [1.0]]}, "differ in length"),
        ({"features": [[1.0, float("nan")]]}, "finite"),
    ],
)
def test_own_vectors_that_are_none_are_refused(tmp_path: Path, columns: dict, said: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "v.parquet")
    with pytest.raises(ConfigError, match=said):
        next(open_file(tmp_path / "v.parquet").rows())
