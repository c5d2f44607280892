from pathlib import Path

import pytest
from tests.cli.conftest import Naturalist

from naturalist.cli.label_issues import score_text
from naturalist.config import load_config
from naturalist.studies.labels.ranking import read_ranking


@pytest.mark.usefixtures("real_photos")
def test_suspects_are_listed_with_where_to_look(naturalist: Naturalist, photo_copy: Path) -> None:
    folder = str(photo_copy)
    report = naturalist("label-issues", "-c", folder, "--judge", "sources", "--json").json
    assert report["suspects"] == len(report["rows"]) > 0
    ranking = read_ranking(load_config(photo_copy).layout.label_issues)["picID"].to_pylist()
    assert ranking[: report["suspects"]] == [row["picID"] for row in report["rows"]]
    said = naturalist("label-issues", "-c", folder, "--judge", "sources", "-q").out
    assert report["rows"][0]["picID"] in said
    assert said.startswith(report["words"][0])
    page = ("--limit", "3", "--offset", str(report["suspects"] - 1))
    more = naturalist("label-issues", "-c", folder, "--judge", "sources", *page, "--json").json
    assert [row["is_suspect"] for row in more["rows"]] == [True, False, False]
    assert [row["picID"] for row in more["rows"]] == ranking[report["suspects"] - 1 :][:3]


def test_pictures_that_are_no_suspects_are_listed_only_on_request(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    here = ("label-issues", "-c", str(photo_copy), "--judge", "both", "-q")
    suspects = naturalist(*here, "--json").json["suspects"]
    ranking = read_ranking(load_config(photo_copy).layout.label_issues)["picID"].to_pylist()
    assert suspects < 20
    shown = naturalist(*here).out
    assert [name for name in ranking[:20] if f" {name} " in shown] == ranking[:suspects]
    more = naturalist(*here, "--limit", "20").out
    assert [name for name in ranking[:20] if f" {name} " in more] == ranking[:20]


def test_what_makes_a_suspect_with_a_score_near_0_is_explained(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    shown = naturalist("label-issues", "-c", str(photo_copy), "--limit", "3", "-q").out
    assert "score: estimated probability that the label is wrong" in shown
    assert "Odd pictures with correct labels are suspects too" in shown
    assert [score_text(score) for score in (0.0, 1e-9, 0.0012, 0.91)] == [
        "0.000",
        "<0.001",
        "0.001",
        "0.910",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--judge", "nobody"), "choose one of both, folds, sources"), (("--shown", "0"), "--shown")],
)
def test_bad_input_says_what_is_allowed(
    naturalist: Naturalist, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = naturalist("label-issues", "-c", str(tmp_path), *arguments)
    assert ended.code == 2
    assert said in ended.err
