"""The commands `naturalist map` and `naturalist sample`, and the step `map` of a run."""

import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from tests import tiny
from tests.cli.conftest import Naturalist
from tests.numeric.mixtures import mixture
from tests.studies.vector_tables import write_tables

from naturalist.config import load_config
from naturalist.pipeline import analyse
from naturalist.pipeline.steps import Job
from naturalist.progress import Silent
from naturalist.running.executors import InlineExecutor
from naturalist.schemas import SAMPLE, map_schema
from naturalist.studies.maps.report import SampleReport
from report_shapes import assert_declared


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection whose tables have 240 rows, small maps configured."""
    sources = tiny.make_sources(tmp_path / "raw", {"plant": [1], "animal": [2]})
    more = {"map": {"perplexity": 5.0, "sample": 60}, "analyse": {"steps": ["map"]}}
    tiny.config_file(tmp_path / "garden", sources, **more)
    grow(tmp_path / "garden", 120)
    return tmp_path / "garden"


def grow(folder: Path, rows: int) -> None:
    plant, _ = mixture(400, seed=1)
    animal, _ = mixture(400, seed=2)
    write_tables(folder / "work", {"plant": plant[:rows], "animal": animal[:rows]})


def test_a_map_is_made_then_grown_and_each_time_it_says_so(
    naturalist: Naturalist, folder: Path
) -> None:
    words = ["map", "--dims", "3", "-c", str(folder)]
    made = naturalist(*words, "--json")
    assert made.code == 0
    assert (made.json["name"], made.json["changed"], made.json["sampled"]) == ("tsne-3d", True, 60)
    metrics = made.json["metrics"]
    assert {"trustworthiness", "continuity", "knn_recall", "kl_divergence"} <= metrics.keys()
    assert "t-SNE: 750 steps" in made.err
    here = folder / "work/maps/tsne-3d"
    assert {path.name for path in here.iterdir()} == {
        "points.parquet", "points.json", "map.json", "map.png", "model.npz"
    }  # fmt: skip
    assert pq.read_schema(here / "points.parquet").names == map_schema(3).names
    assert "nothing new" in naturalist(*words).out
    grow(folder, 126)
    grown = naturalist(*words)
    assert "placed 12 new pictures; no other point moved" in grown.out
    assert "verdict: all measures reach" in grown.out
    assert "rebuilt" in naturalist(*words, "--rebuild").out


def test_the_step_brings_every_configured_map_up_to_date(folder: Path) -> None:
    config = load_config(folder)
    job = Job(config, InlineExecutor(), Silent())
    first = analyse.analyse(job)
    assert first is not None
    assert {name: one["changed"] for name, one in first["map"].items()} == {
        "tsne-2d": True,
        "tsne-3d": True,
    }
    second = analyse.analyse(job)
    assert second is not None
    assert not any(one["changed"] for one in second["map"].values())


def test_another_place_is_mapped_into_a_folder_of_its_own(
    naturalist: Naturalist, folder: Path, tmp_path: Path
) -> None:
    place, out = str(folder / "work"), tmp_path / "out"
    assert "--out DIR" in naturalist("map", "--from", place).err
    made = naturalist("sample", "--size", "50", "--from", place, "--out", str(out), "-q")
    assert (made.code, made.err) == (0, "")
    assert pq.read_schema(out / "members.parquet").names == SAMPLE.names


def test_own_coordinates_are_measured_shown_and_grown(
    naturalist: Naturalist, folder: Path, tmp_path: Path
) -> None:
    naturalist("map", "-c", str(folder), "-q")
    points = pq.read_table(folder / "work/maps/tsne-2d/points.parquet").select(["picID", "x", "y"])
    some = points.take(np.random.default_rng(0).permutation(240)[:200])
    pyarrow.csv.write_csv(some, tmp_path / "mine.csv")
    words = ["map", "--coordinates", str(tmp_path / "mine.csv"), "-c", str(folder)]
    made = naturalist(*words, "--json").json
    assert (made["name"], made["method"], made["sampled"], made["row_count"]) == (
        "own-2d", "own", 200, 240,
    )  # fmt: skip
    theirs = naturalist("map", "-c", str(folder), "--json").json["metrics"]["trustworthiness"]
    assert made["metrics"]["trustworthiness"] > theirs - 0.05
    assert made["metrics"]["kl_divergence"] is None
    held = pq.read_table(folder / "work/maps/own-2d/points.parquet").to_pandas().set_index("picID")
    given = some.to_pandas().set_index("picID")
    assert np.allclose(held.loc[given.index, ["x", "y"]], given, atol=1e-4)
    assert held["sampled"].sum() == 200
    assert "nothing new" in naturalist(*words).out
    grow(folder, 126)
    assert "placed 12 new pictures; no other point moved" in naturalist(*words).out


def test_coordinates_of_other_pictures_or_with_a_method_are_refused(
    naturalist: Naturalist, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.csv").write_text("picID,x,y\nelse,1,2\n")
    for more, said in (
        ([], "coordinates of 0 pictures of these tables"),
        (["--dims", "3"], "remove --dims"),
        (["--method", "umap"], "remove --dims"),
    ):
        asked = ["map", "--coordinates", str(tmp_path / "mine.csv"), *more, "-c", str(folder)]
        refused = naturalist(*asked)
        assert (refused.code, said in refused.err.replace("\n", " ")) == (2, True), refused.err
    assert not (folder / "work/maps/own-2d").exists()


def test_a_sample_is_chosen_and_compared_with_uniform_ones(
    naturalist: Naturalist, folder: Path
) -> None:
    words = ["sample", "--size", "80", "-c", str(folder)]
    made = naturalist(*words, "--json").json
    assert (made["row_count"], made["of"], made["method"]) == (80, 240, "aware")
    table = pq.read_table(folder / "work/samples/aware-80/members.parquet")
    assert np.isclose(table["weight"].to_numpy().sum(), 240)
    assert set(made["integrity"]["sample"]["categories"]) == {"plant", "animal"}
    kept = (folder / "work/samples/aware-80/sample.json").read_text()
    assert_declared(SampleReport, json.loads(kept))
    low, high = made["integrity"]["uniform"]["robust_hausdorff"]["interval"]
    assert low <= made["integrity"]["uniform"]["robust_hausdorff"]["mean"] <= high
    again = naturalist(*words)
    assert "nothing new" in again.out
    assert "kept of each category" in again.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["map", "--sample", "few"], "auto or all"),
        (["map", "--sample", "3"], "a number of at least 5"),
        (["map", "--dims", "4"], "--dims"),
        (["map", "--method", "mds"], "--method"),
        (["map", "--name", "../up"], "--name ../up"),
        (["sample", "--size", "1000"], "the collection has 240. Choose fewer with --size"),
        (["sample", "--size", "2"], "--size"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    naturalist: Naturalist, folder: Path, words: list[str], said: str
) -> None:
    ended = naturalist(*words, "-c", str(folder))
    assert ended.code == 2
    assert said in ended.err


def test_before_the_first_run_it_says_what_to_do(naturalist: Naturalist, tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "raw", {"plant": [1], "animal": [2]})
    tiny.config_file(tmp_path / "garden", sources)
    ended = naturalist("map", "-c", str(tmp_path / "garden"))
    assert ended.code == 5
    assert "naturalist run" in ended.err
