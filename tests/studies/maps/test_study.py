from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.numeric.mixtures import mixture
from tests.studies.vector_tables import write_tables

from naturalist.consume import load
from naturalist.errors import ConfigError
from naturalist.features import open_features
from naturalist.layout import Layout, MapFolder
from naturalist.studies.maps import study as maps
from naturalist.studies.maps.files import read_points
from naturalist.studies.maps.options import DrawingOptions, MapOptions, TsneOptions
from naturalist.studies.maps.report import MapReport
from naturalist.studies.study import bring_up_to_date
from report_shapes import assert_declared

QUICK = TsneOptions(perplexity=15, early_iterations=60, iterations=90)
OPTIONS = DrawingOptions(tsne=QUICK, unit=False)
Vectors = dict[str, NDArray[np.float32]]


def vectors(rows: int, seed: int = 0, shift: float = 0.0) -> Vectors:
    """Two categories, each a mixture of its own."""
    plant, _ = mixture(rows, seed=11)
    animal, _ = mixture(rows, seed=12)
    return {"plant": plant + np.float32(shift), "animal": animal + np.float32(6 + shift)}


def make(layout: Layout, options: DrawingOptions = OPTIONS, **more: Any) -> dict[str, Any]:
    limits, rebuild = more.pop("limits", MapOptions()), more.pop("rebuild", False)
    folder = MapFolder(layout.map("m"))
    study = maps.MapStudy(open_features(layout.root), folder, "m", options, limits, **more)
    result = bring_up_to_date(study, rebuild=rebuild)
    assert_declared(MapReport, result.report)
    return result.as_json


def points_of(layout: Layout) -> dict[str, tuple[float, ...]]:
    found = read_points(MapFolder(layout.map("m")))
    places = [tuple(row) for row in found.coordinates.tolist()]
    return dict(zip(found.pic_ids.tolist(), places, strict=True))


@pytest.mark.parametrize("dims", [2, 3])
def test_a_map_keeps_neighbourhoods_and_has_a_row_for_each_row_of_the_tables(
    tmp_path: Path, dims: int
) -> None:
    layout = write_tables(tmp_path, vectors(300))
    made = make(layout, replace(OPTIONS, dims=dims, sample=250))
    found = read_points(MapFolder(layout.map("m")))
    assert found.pic_ids.tolist() == load(tmp_path).numpy().pic_ids.tolist()
    assert found.coordinates.shape == (600, dims)
    assert np.isfinite(found.coordinates).all()
    assert found.sampled.sum() == made["sampled"] == 250
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert ((found.density >= 0) & (found.density <= 1)).all()
    metrics = made["metrics"]
    assert metrics["trustworthiness"] > 0.9
    assert metrics["continuity"] > 0.9
    assert set(metrics["knn_recall"]) == {"10", "30", "100"}
    # All 16 axes of these features are kept, so that both spaces are the same.
    assert "principal axes" in made["measured"]["space"]
    assert metrics["knn_recall_features"] == pytest.approx(metrics["knn_recall"], abs=0.02)
    assert metrics["trustworthiness_features"] == pytest.approx(
        metrics["trustworthiness"], abs=0.005
    )
    assert 0 < metrics["kl_divergence"] < 3
    assert set(made["integrity"]["sample"]["categories"]) == {"plant", "animal"}
    assert made["verdict"]["good"]
    with Image.open(MapFolder(layout.map("m")).picture) as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 20


def test_a_second_call_does_nothing_and_the_same_seed_repeats(tmp_path: Path) -> None:
    layout = write_tables(tmp_path, vectors(120))
    options = replace(OPTIONS, sample=150)
    assert make(layout, options)["changed"]
    files = {path: path.read_bytes() for path in layout.map("m").iterdir()}
    assert not make(layout, options)["changed"]
    assert files == {path: path.read_bytes() for path in layout.map("m").iterdir()}
    before = points_of(layout)
    for path in files:
        path.unlink()
    assert make(layout, options)["changed"]
    assert points_of(layout) == before


def test_new_pictures_are_placed_and_no_other_moves(tmp_path: Path) -> None:
    all_rows = vectors(400)
    layout = write_tables(tmp_path, {name: rows[:330] for name, rows in all_rows.items()})
    make(layout)
    before = points_of(layout)
    write_tables(tmp_path, all_rows)
    made = make(layout)
    after = points_of(layout)
    assert {name: after[name] for name in before} == before
    assert made["rows"] == len(after) == 800
    assert made["placed"]["moved"] is None
    batch = made["placed"]["batches"][-1]
    assert batch["rows"] == 140
    # 660 rows were laid out, and as many may come later.
    assert "until 521 more pictures have been added" in made["placed"]["stays"]
    assert not batch["remake"]
    assert batch["far_share"] < 0.06
    assert batch["trustworthiness"] > 0.9


def test_pictures_that_were_withdrawn_leave_the_map(tmp_path: Path) -> None:
    layout = write_tables(tmp_path, vectors(100))
    make(layout)
    before = points_of(layout)
    write_tables(tmp_path, {name: rows[:90] for name, rows in vectors(100).items()})
    made = make(layout)
    assert made["withdrawn"] == 20
    assert points_of(layout).items() < before.items()
    assert len(points_of(layout)) == 180


def test_a_batch_of_another_kind_has_the_map_made_anew_and_laid_over_the_old_one(
    tmp_path: Path,
) -> None:
    layout = write_tables(tmp_path, vectors(300))
    make(layout)
    before = points_of(layout)
    strange = vectors(100, shift=30.0)
    grown = {name: np.concatenate([rows, strange[name]]) for name, rows in vectors(300).items()}
    write_tables(tmp_path, grown)
    made = make(layout)
    moved = made["placed"]["moved"]
    assert moved["because"]["far_share"] > 0.9
    assert "far from everything" in moved["because"]["words"][0]
    assert 0 < moved["median"] < 0.05, "old points are held until the new ones have their places"
    assert made["metrics"]["trustworthiness"] > 0.9
    after = points_of(layout)
    old = np.array(list(before.values()))
    new = np.array([after[name] for name in before])
    # Not the old coordinates, but the same arrangement.
    assert np.corrcoef(old[:, 0], new[:, 0])[0, 1] > 0.8
    assert np.corrcoef(old[:, 1], new[:, 1])[0, 1] > 0.8


@pytest.mark.parametrize(
    "limits",
    [MapOptions(max_grown=0.1), MapOptions(min_batch_trustworthiness=1.0)],
    ids=["grown", "trust"],
)
def test_a_map_is_made_anew_at_each_limit(tmp_path: Path, limits: MapOptions) -> None:
    all_rows = vectors(120)
    layout = write_tables(tmp_path, {name: rows[:100] for name, rows in all_rows.items()})
    make(layout, limits=limits)
    write_tables(tmp_path, all_rows)
    made = make(layout, limits=limits)
    assert made["placed"]["moved"]["because"]["remake"]
    assert made["placed"]["made_with"] == 240


def test_batches_that_came_one_by_one_are_counted_together(tmp_path: Path) -> None:
    all_rows = vectors(130)
    limits = MapOptions(max_grown=0.25)
    layout = Layout(tmp_path)
    for rows, made_with, later in ((100, 200, []), (115, 200, [30]), (130, 260, [])):
        write_tables(tmp_path, {name: rows_of[:rows] for name, rows_of in all_rows.items()})
        placed = make(layout, limits=limits)["placed"]
        assert placed["made_with"] == made_with
        assert [batch["rows"] for batch in placed["batches"]] == later
    assert "0.30 points were added" in placed["moved"]["because"]["words"][0]


def test_another_backbone_makes_another_map(tmp_path: Path) -> None:
    layout = write_tables(tmp_path, vectors(60))
    make(layout)
    write_tables(tmp_path, {name: rows[::-1] for name, rows in vectors(60).items()}, "tiny-2")
    made = make(layout)
    assert made["backbone"] == "tiny-2"
    assert made["placed"]["moved"] is None
    assert made["placed"]["batches"] == []


def test_a_map_below_its_floors_says_so(tmp_path: Path) -> None:
    layout = write_tables(tmp_path, vectors(60))
    made = make(layout, limits=MapOptions(min_trustworthiness=1.0))
    assert not made["verdict"]["good"]
    assert "trustworthiness is 0." in made["verdict"]["words"][0]


def test_too_few_pictures_make_no_map(tmp_path: Path) -> None:
    layout = write_tables(tmp_path, vectors(2))
    with pytest.raises(ConfigError, match="at least 5"):
        make(layout)


def test_a_map_that_was_interrupted_is_made_as_if_it_had_never_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = write_tables(tmp_path, vectors(60))
    original: Callable[..., Any] = maps.map_files.artifacts.write_parquet

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(maps.map_files.artifacts, "write_parquet", stop)
    with pytest.raises(KeyboardInterrupt):
        make(layout)
    monkeypatch.setattr(maps.map_files.artifacts, "write_parquet", original)
    assert make(layout)["changed"]
    assert len(points_of(layout)) == 120
