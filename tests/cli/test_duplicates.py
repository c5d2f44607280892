"""The command `naturalist duplicates`, from a collection to its report."""

from pathlib import Path

from tests import tiny
from tests.cli.conftest import Naturalist

from naturalist.config import load_config


def _collection(root: Path, **more: object) -> Path:
    sources = tiny.make_sources(root / "raw", {"plant": [1, 2], "animal": [3]})
    tiny.config_file(root / "collection", sources, **more)
    return root / "collection"


def test_the_report_is_one_json_document_and_names_the_files(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    folder = _collection(tmp_path)
    tiny.make_all(load_config(folder))
    ended = naturalist("duplicates", "-c", str(folder), "--json")
    report = ended.json
    assert (ended.code, report["pictures"], report["groups"]) == (0, 3, 0)
    assert (folder / "work/duplicates/groups.parquet").samefile(report["table"])
    assert "3 pictures, 0 groups" in naturalist("duplicates", "-c", str(folder)).out


def test_before_the_first_run_it_says_what_to_do(naturalist: Naturalist, tmp_path: Path) -> None:
    ended = naturalist("duplicates", "-c", str(_collection(tmp_path)))
    assert ended.code == 5
    assert "naturalist run" in ended.err


def test_a_distance_that_cannot_be_searched_is_refused_by_name(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    folder = _collection(tmp_path, duplicates={"max_distance": 16})
    ended = naturalist("duplicates", "-c", str(folder))
    assert ended.code == 2
    assert "max_distance" in ended.err


def test_invariants_are_words_with_commas_or_all(naturalist: Naturalist, tmp_path: Path) -> None:
    folder = _collection(tmp_path)
    tiny.make_all(load_config(folder))
    for words in ("mirror, rotate", "border", "all"):
        ended = naturalist("duplicates", "-c", str(folder), "--invariant", words, "--json")
        assert ended.code == 0
    wrong = naturalist("duplicates", "-c", str(folder), "--invariant", "mirror,upside-down")
    assert wrong.code != 0
    assert "'upside-down' is not one of mirror, rotate, border, crop, colour, all" in wrong.err
