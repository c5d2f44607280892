from pathlib import Path

import pytest

import tiny
from naturalist import artifacts
from naturalist.config import load_config
from naturalist.errors import WorkspaceError
from naturalist.pipeline import classifier, runner
from naturalist.progress import Silent

pytestmark = pytest.mark.usefixtures("without_workers")


class Listening(Silent):
    """Progress that remembers its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_run_brings_the_classifier_up_to_date_once(photo_copy: Path) -> None:
    with (photo_copy / "naturalist.toml").open("a") as file:
        file.write('\n[analyse]\nsteps = ["classifier"]\n')
    config = load_config(photo_copy)
    first = runner.run(config, Silent(), runner.RunOptions())
    done = first.stages["analyse"]["classifier"]
    assert (done["action"], done["reason"]) == ("promote", "it is the first")
    folder = config.layout.model(done["model"])
    assert artifacts.read_json(folder / "evaluation.json")["gap"] > 0
    before = {path: path.stat().st_mtime_ns for path in config.layout.models.rglob("*.*")}
    second = runner.run(config, Silent(), runner.RunOptions())
    assert second.stages["analyse"]["classifier"]["action"] == "none"
    after = {path: path.stat().st_mtime_ns for path in config.layout.models.rglob("*.*")}
    assert before == after


def test_with_rows_of_one_category_a_run_goes_on_without_a_classifier(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(3), "animal": []})
    tiny.config_file(
        tmp_path / "c",
        sources,
        analyse={"steps": ["classifier"]},
        extract={"backbone": "colour_histogram", "workers": 1},
    )
    listening = Listening()
    done = runner.run(load_config(tmp_path / "c"), listening, runner.RunOptions())
    assert done.stages["analyse"]["classifier"] == {}
    assert any("fewer than two categories" in note for note in listening.notes)


def test_before_the_first_run_it_says_how_to_begin(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(2), "animal": range(2, 4)})
    config = tiny.collection(tmp_path / "c", sources)
    with pytest.raises(WorkspaceError, match=r"start with `naturalist run`"):
        classifier.train(config, Silent())
