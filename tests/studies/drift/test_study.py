"""The study of drift on tiny collections of two batches and on real photos."""

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests import tiny

from naturalist import backbones
from naturalist.config import Config, load_config
from naturalist.errors import ConfigError
from naturalist.pipeline import studies
from naturalist.studies.drift.comparison import Predicted, Report
from naturalist.studies.drift.options import DriftOptions
from naturalist.studies.drift.report import DriftReport
from naturalist.studies.drift.rows import Subject
from naturalist.studies.drift.study import DriftStudy
from naturalist.studies.study import bring_up_to_date
from report_shapes import assert_declared

QUICK = DriftOptions(permutations=100, least_rows=10)
EVERYTHING = replace(QUICK, against="everything")


def _write(folder: Path, seeds: range, low: int = 0, high: int = 256) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        pixels = rng.integers(low, high, (8, 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        (folder / f"{seed}.png").write_bytes(buffer.getvalue())


def _config(root: Path) -> Config:
    sources = {
        "plant": {"garden": root / "garden", "meadow": root / "meadow"},
        "animal": {"zoo": root / "zoo"},
    }
    return tiny.collection(root, sources, drift={"least_rows": 10})


@pytest.fixture(scope="module")
def first_batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of three sources and one batch."""
    root = tmp_path_factory.mktemp("first-batch")
    _write(root / "garden", range(40))
    _write(root / "meadow", range(100, 130), 100, 200)
    _write(root / "zoo", range(200, 230))
    tiny.make_all(_config(root))
    return root


@pytest.fixture
def config(first_batch: Path) -> Iterator[Config]:
    """A copy of it; its files are known by the names of the sources, wherever those lie."""
    with tiny.in_memory() as folder:
        yield _config(shutil.copytree(first_batch, folder / "collection"))


def _study(config: Config, chosen: Subject, options: DriftOptions = QUICK) -> Report:
    spec = backbones.describe(config.extract.backbone)
    study = DriftStudy(config.layout, spec, list(config.labels), chosen, options)
    report = bring_up_to_date(study).report
    assert_declared(DriftReport, report)
    return report


def _more(config: Config, name: str, seeds: range, low: int = 0, high: int = 256) -> None:
    _write(config.source_paths["animal" if name == "zoo" else "plant"][name], seeds, low, high)
    tiny.make_all(config)


def test_a_batch_of_one_source_like_the_source_is_no_drift(config: Config) -> None:
    _more(config, "garden", range(40, 60))
    report = _study(config, Subject(2))
    assert (report["verdict"], report["rows"], report["reference"]["rows"]) == ("none", 20, 100)
    assert report["pictures"] == []
    assert any("the mix of sources has changed" in said for said in report["words"])


def test_against_everything_the_same_batch_is_another_mix(config: Config) -> None:
    _more(config, "meadow", range(130, 160), 100, 200)
    assert _study(config, Subject(2))["verdict"] == "none"
    report = _study(config, Subject(2), EVERYTHING)
    assert report["verdict"] == "drift"
    assert report["reference"]["question"] == "is it like a random sample of everything before?"


def test_effects_below_the_least_one_are_shown_and_never_drift(config: Config) -> None:
    _more(config, "garden", range(40, 80), 0, 215)
    assert _study(config, Subject(2))["verdict"] == "drift"
    report = _study(config, Subject(2), replace(QUICK, least_effect=0.99))
    sure = [test for test in report["tests"] if test["adjusted_p"] <= QUICK.alpha]
    assert [test for test in sure if test["effect"] < 0.99]
    assert {test["flagged"] for test in sure if test["effect"] < 0.99} == {False}
    (garden,) = [row for row in report["by_source"] if row["source"] == "plant/garden"]
    assert garden["p_value"] <= QUICK.alpha
    assert garden["effect"] < 0.99
    assert not garden["flagged"]


def test_darker_pictures_are_drift_said_in_words_with_the_pictures_to_blame(
    config: Config,
) -> None:
    _write(config.source_paths["plant"]["garden"], range(40, 55))
    _more(config, "garden", range(55, 80), 0, 90)
    report = _study(config, Subject(2))
    assert report["verdict"] == "drift"
    flagged = {test["what"] for test in report["tests"] if test["flagged"]}
    assert {"features", "brightness"} <= flagged
    assert any(said.startswith("brightness: darker") for said in report["words"])
    assert any("changed most in plant/garden" in said for said in report["words"])
    # In the order of listing, 40.png to 54.png got the first numbers.
    dark = {f"plant_id_{71 + k}" for k in range(15, 40)}
    assert len(report["pictures"]) == QUICK.pictures
    assert len(set(report["pictures"][:20]) & dark) >= 19
    (garden,) = [row for row in report["by_source"] if row["source"] == "plant/garden"]
    assert garden["flagged"]
    assert [row["flagged"] for row in report["by_category"]] == [True]
    sheet = config.layout.drift("000002").with_suffix(".png")
    with Image.open(sheet) as drawn:
        assert drawn.width > 500


def test_the_same_question_again_changes_nothing_and_a_takedown_asks_anew(config: Config) -> None:
    _more(config, "garden", range(40, 60))
    first = _study(config, Subject(2))
    path = config.layout.drift("000002")
    stamp = path.stat().st_mtime_ns
    assert _study(config, Subject(2)) == first
    assert path.stat().st_mtime_ns == stamp
    _more(config, "zoo", range(230, 240))
    assert _study(config, Subject(2)) == first
    tiny.amend(config.layout, "plant", "review", [tiny.amendment("plant", 71, outcome="refused")])
    assert _study(config, Subject(2))["rows"] == 19


def test_the_first_batch_has_nothing_to_be_compared_with(config: Config) -> None:
    report = _study(config, Subject(1))
    assert report["verdict"] == "first"
    assert report["words"] == ["it is the first batch; the next one will be compared with it"]


def test_a_new_source_with_too_few_earlier_ones_is_told_and_not_judged(config: Config) -> None:
    report = _study(config, Subject(None, "plant/meadow"))
    assert report["verdict"] == "new_source"
    (said,) = [one for one in report["words"] if one.startswith("new source plant/meadow")]
    assert "too few pictures or earlier sources" in said
    assert "look at 21 pictures" in said
    assert not any("no change is" in one or "refine" in one for one in report["words"])
    assert report["name"] == "plant-meadow"


def test_an_unknown_batch_or_source_says_what_to_do(config: Config) -> None:
    with pytest.raises(ConfigError, match="no accepted pictures in batch 7"):
        _study(config, Subject(7))
    with pytest.raises(ConfigError, match="of source 'nowhere' in the collection"):
        _study(config, Subject(None, "nowhere"))


def test_predictions_of_the_champion_are_compared_too(config: Config) -> None:
    _more(config, "garden", range(40, 60))

    def predict(names: np.ndarray) -> Predicted:
        assert names[0] == "plant_id_71"
        said = np.array(["plant"] * 20 + ["animal"] * (len(names) - 20))
        return Predicted(said, {"probability": np.linspace(0, 1, len(names))})

    spec = backbones.describe(config.extract.backbone)
    options = replace(QUICK, seed=1)
    study = DriftStudy(
        config.layout,
        spec,
        list(config.labels),
        Subject(2),
        options,
        predict=predict,
        model="m1",
    )
    report = bring_up_to_date(study).report
    flagged = {test["what"] for test in report["tests"] if test["flagged"]}
    assert {"predicted category", "probability"} <= flagged
    assert report["model"] == "m1"


def test_the_step_of_a_run_tells_the_newest_batch(config: Config) -> None:
    _more(config, "garden", range(40, 60), 0, 60)
    with tiny.job(config) as job:
        told = studies.STEPS["drift"](job)
    assert (told["batch"], told["verdict"]) == (2, "drift")
    report = json.loads(config.layout.drift("000002").read_text())
    assert report["verdict"] == "drift"


@pytest.mark.usefixtures("real_photos")
def test_a_source_of_photos_left_out_is_as_different_as_sources_are(photo_copy: Path) -> None:
    config = load_config(photo_copy)
    report = _study(config, Subject(None, "animal/pavan555+DeepLearning4OpenCV"))
    assert report["verdict"] == "new_source"
    (row,) = report["by_source"]
    assert row["kind"] == "new"
    assert row["found_from"] > row["distance"]
    assert len(row["ordinary"]) == 5
    assert row["p_value"] > 0.05


def test_after_refining_with_a_new_unlike_source_drift_says_what_the_classifier_sees_in_it(
    tmp_path: Path,
) -> None:
    """Dark plants, bright animals, and then a bright source of plants."""
    sources = {
        "plant": {name: tmp_path / name for name in ("garden", "meadow", "orchard")},
        "animal": {name: tmp_path / name for name in ("zoo", "farm")},
    }
    config = tiny.collection(tmp_path, sources, drift={"least_rows": 10})
    (tmp_path / "orchard").mkdir()
    for number, (name, low) in enumerate(
        {"garden": 0, "meadow": 10, "zoo": 130, "farm": 140}.items()
    ):
        _write(tmp_path / name, range(100 * number, 100 * number + 40), low, low + 110)
    tiny.make_all(config)
    with tiny.job(config) as job:
        first = studies.STEPS["classifier"](job)
    _write(tmp_path / "orchard", range(1000, 1040), 135, 245)
    tiny.make_all(config)
    with tiny.job(config) as job:
        second = studies.STEPS["classifier"](job)
        told = studies.STEPS["drift"](job)
    assert first["model"] != second["model"], (first, second)
    assert told["verdict"] == "drift"
    report = json.loads(config.layout.drift("000002").read_text())
    (row,) = [one for one in report["by_source"] if one["kind"] == "new"]
    # The stored answers are those of classifiers that were trained without the source.
    assert row["recognised"] < 0.1
    assert row["taken_for"]["animal"] > 0.9
    (said,) = [one for one in report["words"] if one.startswith("new source plant/orchard")]
    assert "it sees animal in" in said
    assert "either it is filed under the wrong category or the classifier fails on it" in said
