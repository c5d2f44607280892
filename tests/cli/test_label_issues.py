from pathlib import Path

import pytest
from tests.cli.conftest import Naturalist

from naturalist.artifacts import read_parquet
from naturalist.config import load_config


@pytest.mark.usefixtures("real_photos")
def test_suspects_are_listed_with_where_to_look(naturalist: Naturalist, photo_copy: Path) -> None:
    folder = str(photo_copy)
    report = naturalist("label-issues", "-c", folder, "--judge", "sources", "--json").json
    assert report["suspects"] == len(report["listed"]) > 0
    table = read_parquet(load_config(photo_copy).layout.label_issues)
    assert table["picID"].to_pylist() == [row["picID"] for row in report["listed"]]
    said = naturalist("label-issues", "-c", folder, "--judge", "sources", "-q").out
    assert report["listed"][0]["picID"] in said
    assert said.startswith(report["words"][0])


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
