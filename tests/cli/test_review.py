import csv
from pathlib import Path

import pytest
from tests import tiny
from tests.cli.conftest import Naturalist

from naturalist.config import load_config


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two categories of three pictures, one of them the same in both."""
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(3), "animal": [2, 10, 11]})
    tiny.config_file(tmp_path, sources)
    tiny.ingest(load_config(tmp_path))
    return tmp_path


def test_open_questions_are_written_answered_and_followed(
    naturalist: Naturalist, workspace: Path
) -> None:
    path = workspace / "open.csv"
    asked = naturalist("review", "-c", str(workspace), "--template", str(path), "--json").json
    assert asked["questions"]["conflict"] == 1
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["found_in"] == "animal/photos/0002.png | plant/photos/0002.png"
    rows[0] |= {"decision": "keep", "category": "plant", "note": "a rose"}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    dry = naturalist("review", str(path), "-c", str(workspace), "--dry-run")
    assert "nothing was changed (--dry-run)" in dry.out
    done = naturalist("review", str(path), "-c", str(workspace), "--by", "ada", "--json").json
    assert done["new_ids"] == {"plant/photos/0002.png": "plant_id_3"}
    told = naturalist("ledger", "-c", str(workspace), "--outcome", "conflict", "--json").json
    assert told["rows"] == []
    status = naturalist("status", "-c", str(workspace), "--json").json["categories"]
    assert (status["plant"]["accepted"], status["animal"]["duplicates"]) == (3, 1)
    assert "1 already in effect" in naturalist("review", str(path), "-c", str(workspace)).out


def test_all_conflicts_of_two_sources_are_decided_at_once(
    naturalist: Naturalist, workspace: Path
) -> None:
    pair = ("--conflicts", "plant/photos", "animal/photos", "--keep", "animal")
    ended = naturalist("review", "-c", str(workspace), *pair)
    assert ended.code == 0
    assert "1 decision, 0 already in effect" in ended.out
    assert f"run `naturalist run -c {workspace}` to update the tables" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "pass exactly one of"),
        (("a.csv", "--template", "b.csv"), "pass exactly one of"),
        (("none.csv",), "cannot read the decisions in none.csv"),
        (("none.csv", "--keep", "plant"), "--keep works only with --conflicts"),
        (("--conflicts", "plant/photos", "animal/photos"), "--conflicts needs --keep"),
        (("--conflicts", "a/b", "c/d", "--keep", "earlier"), "no open conflict between a/b and"),
    ],
)
def test_bad_input_says_what_is_allowed(
    naturalist: Naturalist, workspace: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = naturalist("review", "-c", str(workspace), *arguments)
    assert ended.code == 2
    assert said in ended.err
