"""The study of label issues on real photos: planted wrong labels, the report, decisions."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from naturalist import artifacts
from naturalist.config import Config, load_config
from naturalist.curation.decisions import Decision
from naturalist.curation.questions import write_template
from naturalist.curation.review import review
from naturalist.pipeline import studies
from naturalist.progress import Silent
from naturalist.stages.ingest.resolve import Kind
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training_rows import open_rows
from naturalist.studies.labels.methods.suspects import find_suspects
from naturalist.studies.labels.options import LabelIssueOptions
from naturalist.studies.labels.ranking import read_suspects
from naturalist.studies.labels.report import LabelReport
from naturalist.studies.labels.study import combine, judge
from naturalist.studies.study import Report
from report_shapes import assert_declared


def label_issues(config: Config, options: LabelIssueOptions) -> Report:
    made = partial(studies.label_issues, options=options)
    report = studies.study(config, Silent(), made).report
    assert_declared(LabelReport, report)
    return report


def test_planted_wrong_labels_of_photos_are_ranked_first(photo_workspace: Path) -> None:
    rows = open_rows(photo_workspace, ClassifierOptions())
    rng = np.random.default_rng(0)
    labels = rows.sample.labels.copy()
    wrong = rng.permutation(len(labels))[:30]
    labels[wrong] = (labels[wrong] + rng.integers(1, 3, 30)) % 3
    planted = replace(rows, sample=replace(rows.sample, labels=labels))
    folds, sources, _, judged = judge(planted, ClassifierOptions(), Silent())
    found = find_suspects(labels, combine(folds, sources, "both"))
    assert judged.all()
    first = set(found.order[:30].tolist())
    # By chance it would be one or two.
    assert len(first & set(wrong.tolist())) >= 18


def test_the_report_names_suspects_and_doubted_sources_and_is_made_once(photo_copy: Path) -> None:
    config = load_config(photo_copy)
    report = label_issues(config, LabelIssueOptions())
    layout = config.layout
    table = artifacts.read_parquet(layout.label_issues)
    suspects = read_suspects(layout.label_issues)
    assert suspects.num_rows == report["suspects"] == sum(p["pictures"] for p in report["pairs"])
    assert table.num_rows == report["looked_at"], "all pictures are ranked"
    assert table["rank"].to_pylist() == list(range(1, table.num_rows + 1))
    assert table["is_suspect"].to_pylist() == sorted(table["is_suspect"].to_pylist(), reverse=True)
    assert report["expected_wrong"] == pytest.approx(sum(table["score"].to_pylist()), abs=0.1)
    assert report["looked_at"] == report["pictures"]
    assert len(report["sources"]) == 8
    assert all(one["judged"] for one in report["sources"])
    for one in report["sources"]:
        own = one["said"].get(one["category"], 0)
        assert sum(one["said"].values()) == one["rows"]
        assert one["elsewhere"] == pytest.approx(1 - own / one["rows"], abs=1e-4)
    with Image.open(layout.label_issues.with_suffix(".png")) as sheet:
        assert sheet.width > 100
    stamp = layout.label_issues.stat().st_mtime_ns
    assert label_issues(config, LabelIssueOptions()) == report
    assert layout.label_issues.stat().st_mtime_ns == stamp


@pytest.mark.usefixtures("real_photos")
def test_suspects_are_open_questions_until_a_person_keeps_them(
    photo_copy: Path, tmp_path: Path
) -> None:
    config = load_config(photo_copy)
    first = label_issues(config, LabelIssueOptions("sources"))
    suspects = read_suspects(config.layout.label_issues)["picID"].to_pylist()
    assert suspects
    asked = write_template(config, tmp_path / "open.csv", 5)
    assert asked["label"] == min(5, len(suspects))
    review(config, Silent(), [Decision(2, suspects[0], Kind.KEEP)], "ada")
    after = label_issues(config, LabelIssueOptions("sources"))
    assert after["suspects"] == first["suspects"] - 1
    names = read_suspects(config.layout.label_issues)["picID"].to_pylist()
    assert names == suspects[1:]


def test_a_category_with_one_source_cannot_be_judged_without_having_learnt_it(
    photo_workspace: Path,
) -> None:
    rows = open_rows(photo_workspace, ClassifierOptions())
    sources = rows.sample.sources.copy()
    sources[rows.sample.labels == 0] = "only"
    lonely = replace(rows, sample=replace(rows.sample, sources=sources))
    _, _, held, _ = judge(lonely, ClassifierOptions(), Silent())
    assert not held.held_out[rows.sample.labels == 0].any()
    assert held.held_out[rows.sample.labels == 1].all()


def test_a_category_of_one_picture_hides_no_wrong_label_of_others(photo_workspace: Path) -> None:
    rows = open_rows(photo_workspace, ClassifierOptions())
    labels, sources = rows.sample.labels.copy(), rows.sample.sources.copy()
    wrong = np.random.default_rng(2).permutation(np.arange(1, len(labels)))[:20]
    labels[wrong] = (labels[wrong] + 1) % 3
    plain = replace(rows, sample=replace(rows.sample, labels=labels.copy()))
    labels[0], sources[0] = 3, "lone"
    lone = replace(rows, sample=replace(rows.sample, labels=labels, sources=sources))
    counts = []
    for planted in (plain, lone):
        folds, outside, _, judged = judge(planted, ClassifierOptions(), Silent())
        found = find_suspects(planted.sample.labels, combine(folds, outside, "both"), judged)
        counts.append(len(set(found.order[: found.count].tolist()) & set(wrong.tolist())))
    assert counts[1] >= counts[0] - 2 >= 8
