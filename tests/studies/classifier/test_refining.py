import shutil
from dataclasses import replace

import numpy as np
import pytest

from naturalist import artifacts
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.progress import Silent
from naturalist.studies.classifier import champions
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.refining import challenge, refine
from naturalist.studies.classifier.report import Champions
from naturalist.studies.classifier.training import model_id, train
from naturalist.studies.classifier.training_rows import TrainingRows
from report_shapes import assert_declared

MARGIN = 0.02


@pytest.fixture
def layout(made, tmp_path) -> Layout:
    """A workspace whose champion is the model of the photos."""
    layout = Layout(tmp_path)
    shutil.copytree(made.folder, layout.model(made.folder.name))
    assert refine(made.rows, made.options, layout, Silent(), margin=MARGIN)["action"] == "promote"
    return layout


def train_as(layout: Layout, name: str, rows: TrainingRows, options: ClassifierOptions) -> str:
    train(rows, options, layout.model(name), Silent())
    return name


def mislabelled(rows: TrainingRows, share: float) -> TrainingRows:
    """The same rows, some of them filed under the next category while they are learnt from."""
    sample = rows.sample
    wrong = np.random.default_rng(0).random(len(sample)) < share
    labels = np.where(wrong, (sample.labels + 1) % 3, sample.labels).astype(np.int32)
    return replace(rows, sample=replace(sample, labels=labels))


def test_refining_again_with_the_same_tables_does_nothing(made, layout) -> None:
    before = layout.champion.read_bytes()
    again = refine(made.rows, made.options, layout, Silent(), margin=MARGIN)
    assert again["action"] == "none"
    assert layout.champion.read_bytes() == before


def test_a_challenger_that_learnt_from_wrong_labels_is_refused(made, layout) -> None:
    worse = train_as(layout, "worse", mislabelled(made.rows, 0.45), made.options)
    told = challenge(made.rows, made.options, layout, worse, margin=MARGIN)
    assert told["action"] == "refuse"
    assert "points less" in told["reason"]
    assert champions.champion(layout) == made.folder.name
    assert champions.history(layout)[-1]["reason"] == told["reason"]
    assert champions.refused_by(layout, worse) == told["reason"]
    states = {one["id"]: one["state"] for one in champions.models(layout)}
    assert states == {made.folder.name: "champion", "worse": "refused"}
    assert_declared(Champions, artifacts.read_json(layout.champion))


def test_a_better_challenger_is_promoted_and_the_decision_can_be_taken_back(made, layout) -> None:
    misled = mislabelled(made.rows, 0.45)
    worse = train_as(layout, "worse", misled, made.options)
    champions.promote(layout, worse, "to try it")
    told = refine(made.rows, replace(made.options, seed=5), layout, Silent(), margin=MARGIN)
    assert told["action"] == "promote"
    assert "p = " in told["reason"]
    assert told["champion"] == model_id(made.rows, replace(made.options, seed=5))
    facts = artifacts.read_json(layout.model(told["model"]) / "comparison.json")
    assert facts["champion"] == "worse"
    # Both must have been tested on a picture as one of the same category.
    alike = misled.sample.labels == made.rows.sample.labels
    assert sum(one["pictures"] for one in facts["categories"]) == np.count_nonzero(alike)
    assert champions.roll_back(layout, "it was too soon")["model"] == "worse"
    assert champions.roll_back(layout, "and again")["model"] == made.folder.name
    with pytest.raises(ConfigError, match="no earlier champion"):
        champions.roll_back(layout, "once more")
    actions = [entry["action"] for entry in champions.history(layout)]
    assert actions == ["promote", "promote", "promote", "rollback", "rollback"]


def test_a_challenger_that_is_no_better_is_refused(made, layout) -> None:
    options = replace(made.options, seed=7)
    told = refine(made.rows, options, layout, Silent(), margin=MARGIN)
    assert told["action"] == "refuse"
    assert "nothing is better" in told["reason"]
    again = refine(made.rows, options, layout, Silent(), margin=MARGIN)
    assert again["action"] == "none"
    assert again["reason"].startswith("refused already")


def test_a_challenger_that_has_lost_a_category_is_refused(made, layout) -> None:
    other = train_as(layout, "other", made.rows, made.options)
    path = layout.model(other) / "model.json"
    facts = artifacts.read_json(path)
    artifacts.write_json(path, facts | {"categories": ["plant", "animal"]})
    told = challenge(made.rows, made.options, layout, other, margin=MARGIN)
    assert (told["action"], told["reason"]) == ("refuse", "it no longer knows human")


def test_of_refused_models_the_oldest_go_and_their_history_stays(made, layout) -> None:
    for k in range(3):
        shutil.copytree(made.folder, layout.model(f"m{k}"))
        path = layout.model(f"m{k}") / "model.json"
        artifacts.write_json(
            path, artifacts.read_json(path) | {"id": f"m{k}", "made_at": f"2026-01-0{k + 1}"}
        )
        champions.record(layout, f"m{k}", "refuse", "nothing is better")
    champions.promote(layout, "m0", "to try it")
    champions.roll_back(layout, "it was worse")
    assert champions.remove_refused(layout, keep=2) == ["m1"]
    assert [one["id"] for one in champions.models(layout)] == ["m0", "m2", made.folder.name]
    assert len(champions.history(layout)) == 6


def test_a_model_that_is_not_there_cannot_be_promoted(layout) -> None:
    with pytest.raises(ConfigError, match="has no model 'nothing'"):
        champions.promote(layout, "nothing", "why not")
    with pytest.raises(ConfigError, match="is already the champion"):
        champions.promote(layout, str(champions.champion(layout)), "again")


def without_source(rows: TrainingRows, source: str) -> TrainingRows:
    """The same rows before a source came."""
    sample = rows.sample
    kept = sample.sources != source
    groups = None if rows.groups is None else rows.groups[kept]
    fields = ("features", "labels", "sources", "pic_ids")
    left = replace(sample, **{name: getattr(sample, name)[kept] for name in fields})
    counts = {key: count for key, count in rows.counts.items() if key[1] != source}
    return replace(rows, sample=left, counts=counts, groups=groups)


def test_a_champion_that_fails_on_a_source_that_came_later_is_repaired(made, tmp_path) -> None:
    layout = Layout(tmp_path)
    hard = "MachineLearning2020+Homework2-Caltech101"
    before = without_source(made.rows, hard)
    champion = train_as(layout, "before", before, made.options)
    champions.record(layout, champion, "promote", champions.FIRST)
    train_as(layout, "after", made.rows, made.options)
    told = challenge(made.rows, made.options, layout, "after", margin=MARGIN)
    assert told["action"] == "promote", told["reason"]
    assert "new sources that neither had seen" in told["reason"]
    new = told["comparison"]["new_sources"]
    assert {one["source"] for one in new} == {hard}
    animal = next(one for one in new if one["category"] == "animal")
    assert animal["challenger"] > animal["champion"]
    assert champions.champion(layout) == "after"


def test_a_new_source_whose_labels_are_noise_is_no_reason_to_promote(made, tmp_path) -> None:
    layout = Layout(tmp_path)
    source = "datitran+raccoon_dataset"
    champions.record(
        layout,
        train_as(layout, "before", without_source(made.rows, source), made.options),
        "promote",
        champions.FIRST,
    )
    sample = made.rows.sample
    own = sample.sources == source
    labels = sample.labels.copy()
    labels[own] = np.random.default_rng(0).integers(0, 3, own.sum())
    counts = {key: n for key, n in made.rows.counts.items() if key[1] != source}
    counts |= {(label, source): int((labels[own] == label).sum()) for label in range(3)}
    noisy = replace(made.rows, sample=replace(sample, labels=labels), counts=counts)
    train_as(layout, "after", noisy, made.options)
    told = challenge(noisy, made.options, layout, "after", margin=MARGIN)
    assert told["action"] == "refuse", told["reason"]
